//! A session as rows: lanes, DMBs, rings, and three levels of detail.
//!
//! A row of the first level, events, is one line of a file. A row of the second level, acts, stands for
//! lines that belong together: a command with its stores and loads, a send with all its moves. A row of
//! the third level, story, stands for a run of acts that are alike.

mod acts;
mod dmbs;
mod events;
mod lanes;
mod story;

use std::borrow::Cow;

pub(crate) use dmbs::{Dmb, Dmbs};
pub(crate) use lanes::{LaneKind, Lanes};

use crate::Error;
use crate::input::{Event, Item, Line, Merged};
use acts::Acts;

/// The subject of a row. The numbers are those of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[allow(missing_docs, reason = "the names say it")]
pub(crate) enum Kind {
    Client = 0,
    Command = 1,
    Move = 2,
    Signal = 3,
    Event = 4,
    Interrupt = 5,
    Violation = 6,
    Refused = 7,
    Access = 8,
    Config = 9,
    Instruction = 10,
    Note = 11,
}

impl Kind {
    /// Every kind with its name, by number.
    pub(crate) const ALL: [(Kind, &'static str); 12] = [
        (Kind::Client, "clients"),
        (Kind::Command, "commands"),
        (Kind::Move, "moves"),
        (Kind::Signal, "signals"),
        (Kind::Event, "events"),
        (Kind::Interrupt, "interrupts"),
        (Kind::Violation, "violations"),
        (Kind::Refused, "refusals"),
        (Kind::Access, "stores and loads"),
        (Kind::Config, "config space"),
        (Kind::Instruction, "instructions"),
        (Kind::Note, "notes"),
    ];
}

/// A lane that is none.
pub(crate) const NO_LANE: u8 = u8::MAX;

/// Names and values of what is shown beside a row.
pub(crate) type Fields = Vec<(Cow<'static, str>, String)>;

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Number of its first line in the order of all files, from 0.
    pub at: u32,
    /// Lines that it stands for.
    pub count: u32,
    /// Microseconds of its first line.
    pub time: u64,
    /// Microseconds of its last line.
    pub until: u64,
    pub kind: Kind,
    /// Lane where its arrow begins.
    pub from: u8,
    /// Lane where its arrow ends, or [`NO_LANE`].
    pub to: u8,
    /// Number of its DMB from 1; 0 without.
    pub dmb: u16,
    /// Number of its rule from 1; 0 without.
    pub rule: u8,
    /// Whether something went wrong: a failed command, a refused store, a lost event.
    pub failed: bool,
    /// Bytes that it moved.
    pub bytes: u64,
    /// One line of text.
    pub label: String,
    /// More of it.
    pub fields: Fields,
}

/// A whole session, without the rows of the first level: the caller took those one by one.
#[derive(Debug, Default)]
pub(crate) struct Session {
    /// Functions, fabrics and guests.
    pub lanes: Lanes,
    /// Every DMB that was registered or used.
    pub dmbs: Dmbs,
    /// Ids of the rules that were broken, in the order in which it happened.
    pub rules: Vec<String>,
    /// Rows of the second level.
    pub acts: Vec<Row>,
    /// Rows of the third level.
    pub story: Vec<Row>,
    /// Lines in all.
    pub lines: u32,
}

/// Lines that a session can have.
const MOST_LINES: usize = 100_000_000;

impl Session {
    /// Reads all lines; each becomes a row that is given to `events`.
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
            Item::Insn(insn) => events::insn(self, file, at, time, insn),
            Item::Problem(message) => events::problem(self, file, at, time, message),
        }
    }

    /// The effect of a line on DMBs and rings.
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

    /// The number of a rule, from 1; 0 if there are too many.
    fn rule(&mut self, id: &str) -> u8 {
        let at = self.rules.iter().position(|known| known == id);
        let at = at.unwrap_or_else(|| {
            self.rules.push(id.to_owned());
            self.rules.len() - 1
        });
        u8::try_from(at + 1).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
