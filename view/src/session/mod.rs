//! A session as rows: lanes, DMBs, rings, and three levels of detail.
//!
//! A row of the first level, events, is one line of a file. A row of the second level, acts, stands for
//! lines that belong together: a command with its stores and loads, a send with all its moves. A row of
//! the third level, story, stands for a run of acts that are alike.

mod acts;
mod dmbs;
mod events;
mod instructions;
mod lanes;
mod row;
mod story;
mod text;
mod whole;

pub(crate) use dmbs::Dmb;
pub(crate) use lanes::LaneKind;
pub(crate) use row::{Kind, NO_LANE, Row};
pub(crate) use whole::Session;

use crate::error::Error;
use crate::input::{Event, Item, Line, Merged};
use acts::Acts;

/// Most lines of a session.
const MOST_LINES: usize = 100_000_000;

impl Session {
    /// Reads all lines. Each line becomes a row, which goes to `events`.
    ///
    /// # Errors
    /// Those of reading, of `events`, and [`Error::TooMany`].
    pub(crate) fn read(
        mut input: Merged,
        mut events: impl FnMut(Row, u64) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let mut session = Self::default();
        let mut acts = Acts::default();
        while let Some((file, time, item)) = input.next()? {
            let at = session.lines;
            if at as usize >= MOST_LINES {
                return Err(Error::TooMany {
                    what: "lines",
                    count: at as usize + 1,
                    most: MOST_LINES,
                });
            }
            session.lines += 1;
            let row = session.row(file, at, time, &item)?;
            if let Item::Event(line) = &item {
                session.note(&row, line);
                acts.event(&mut session, &row, line);
            } else {
                acts.other(&mut session, &row);
            }
            events(row, input.bytes())?;
        }
        acts.finish(&mut session);
        session.acts.sort_by_key(|row| row.at);
        session.story = story::fold(&session.acts, &session.dmbs);
        Ok(session)
    }

    fn row(&mut self, file: usize, at: u32, time: u64, item: &Item) -> Result<Row, Error> {
        match item {
            Item::Event(line) => events::event(self, file, at, time, line),
            Item::Insn(insn) => instructions::insn(self, file, at, time, insn),
            Item::Problem(message) => instructions::problem(self, file, at, time, message),
        }
    }

    /// Notes the effect of a line on DMBs and rings.
    fn note(&mut self, row: &Row, line: &Line) {
        match &line.event {
            Event::Command {
                code,
                request,
                response_code: 0,
                response,
                ..
            } => self.dmbs.command(row, *code, &request.0, &response.0),
            Event::Reset | Event::Disconnected { channel: false, .. } => {
                self.dmbs.owner_gone(row.from, row.time);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
