//! Groups lines into acts: a command with its stores and loads, or a send with all its moves.

use std::collections::HashMap;

use super::row::{Kind, NO_LANE, Row};
use super::whole::Session;
use crate::decode::cdc::Cdc;
use crate::decode::size;
use crate::input::{Event, Line};

/// The BAR of the command window.
const COMMAND_BAR: u8 = 2;
/// Most moves without a signal in one act.
const MOST_PIECES: u32 = 64;

/// Acts that have not ended.
#[derive(Debug, Default)]
pub(super) struct Acts {
    /// The command of each lane, from its first store on.
    commands: HashMap<u8, Row>,
    /// The send of each sender into each DMB.
    sends: HashMap<(u8, u16), Row>,
    /// Accesses of config space and successful instructions of each lane.
    runs: HashMap<(u8, Kind8), Row>,
    /// The move whose store comes later, with its cause.
    moved: Option<(u64, Row)>,
    /// Lanes that got an interrupt, with its cause.
    interrupted: Vec<(u64, u8)>,
}

/// A kind as a key.
type Kind8 = u8;

impl Acts {
    /// Adds a line of a server.
    pub(super) fn event(&mut self, session: &mut Session, row: &Row, line: &Line) {
        let own = match row.kind {
            Kind::Interrupt => row.to,
            _ if matches!(line.event, Event::Load { .. } | Event::ConfigRead { .. }) => row.to,
            _ => row.from,
        };
        if row.kind != Kind::Config {
            self.end_run(session, own, Kind::Config);
        }
        match &line.event {
            Event::ConfigRead { .. } | Event::ConfigWrite { .. } => self.run(row, own),
            Event::Store {
                pcias: COMMAND_BAR, ..
            } => {
                let answered = self
                    .commands
                    .get(&own)
                    .is_some_and(|act| act.kind == Kind::Command && !is_doorbell_of(act, line));
                if answered {
                    self.end_command(session, own);
                }
                self.join_command(row, own);
            }
            Event::Load {
                pcias: COMMAND_BAR, ..
            } => self.join_command(row, own),
            Event::Command { .. } => {
                let mut act = row.clone();
                match self.commands.remove(&own) {
                    // These are the stores of the command's payload.
                    Some(before) if before.kind == Kind::Access => {
                        (act.at, act.time) = (before.at, before.time);
                        act.count += before.count;
                        act.until = row.time;
                    }
                    Some(before) => session.acts.push(before),
                    None => {}
                }
                self.commands.insert(own, act);
            }
            Event::DataMove { .. } => {
                self.moved = line.cause.map(|cause| (cause, row.clone()));
                if line.cause.is_none() {
                    self.piece(session, row, None, 1);
                }
            }
            Event::Store { bytes, .. } => match self.moved.take() {
                Some((cause, moved)) if Some(cause) == line.cause => {
                    let cdc = (moved.kind == Kind::Signal).then(|| Cdc::decode(&bytes.0));
                    if let Some(Some(cdc)) = &cdc {
                        session.dmbs.cdc(moved.dmb, cdc, row.at, row.time);
                    }
                    self.piece(session, &moved, cdc.flatten().as_ref(), 2);
                }
                _ => session.acts.push(row.clone()),
            },
            Event::Interrupt { .. } => match line.cause {
                Some(cause) => {
                    self.interrupted.retain(|(other, _)| *other == cause);
                    self.interrupted.push((cause, own));
                    // A send or a command already shows this event.
                    let told = self
                        .moved
                        .as_ref()
                        .is_some_and(|(moved, _)| *moved == cause);
                    if !told
                        && let Some(act) =
                            self.commands.values_mut().find(|act| has_cause(act, cause))
                    {
                        act.count += 1;
                        act.fields
                            .push(("interrupts".into(), session.lanes.name(own).to_owned()));
                    }
                }
                None => session.acts.push(row.clone()),
            },
            Event::Disconnected { channel: false, .. } | Event::Reset => {
                self.end_command(session, own);
                session.acts.push(row.clone());
            }
            _ => session.acts.push(row.clone()),
        }
    }

    /// Adds a line of the plugin.
    pub(super) fn other(&mut self, session: &mut Session, row: &Row) {
        if row.kind == Kind::Instruction && !row.failed {
            self.run(row, row.from);
        } else {
            self.end_run(session, row.from, Kind::Instruction);
            session.acts.push(row.clone());
        }
    }

    /// Ends all open acts. No more lines follow.
    pub(super) fn finish(mut self, session: &mut Session) {
        session
            .acts
            .extend(self.commands.drain().map(|(_, row)| row));
        session
            .acts
            .extend(self.sends.drain().map(|(_, row)| finished_send(row, None)));
        session
            .acts
            .extend(self.runs.drain().map(|(_, row)| finished_run(row)));
        session.acts.extend(self.moved.take().map(|(_, row)| row));
    }

    fn run(&mut self, row: &Row, own: u8) {
        let run = self
            .runs
            .entry((own, row.kind as u8))
            .or_insert_with(|| Row {
                from: own,
                count: 0,
                fields: Vec::new(),
                ..row.clone()
            });
        run.count += 1;
        run.until = row.time;
        run.failed |= row.failed;
    }

    fn end_run(&mut self, session: &mut Session, own: u8, kind: Kind) {
        let run = self.runs.remove(&(own, kind as u8));
        session.acts.extend(run.map(finished_run));
    }

    fn join_command(&mut self, row: &Row, own: u8) {
        match self.commands.get_mut(&own) {
            Some(act) => {
                act.count += 1;
                act.until = row.time;
                act.failed |= row.failed;
            }
            None => {
                self.commands.insert(own, row.clone());
            }
        }
    }

    fn end_command(&mut self, session: &mut Session, own: u8) {
        session.acts.extend(self.commands.remove(&own));
    }

    /// Adds one move to a send. A signal ends the send.
    fn piece(&mut self, session: &mut Session, moved: &Row, cdc: Option<&Cdc>, lines: u32) {
        let key = (moved.from, moved.dmb);
        let send = self.sends.entry(key).or_insert_with(|| Row {
            count: 0,
            bytes: 0,
            fields: Vec::new(),
            kind: Kind::Move,
            ..moved.clone()
        });
        send.count += lines;
        send.until = moved.time;
        send.failed |= moved.failed;
        if moved.kind == Kind::Signal {
            send.kind = Kind::Signal;
        }
        // The message itself does not count as data.
        if cdc.is_none() {
            send.bytes = send.bytes.saturating_add(moved.bytes);
        }
        let over = moved.kind == Kind::Signal || send.count >= 2 * MOST_PIECES;
        if over && let Some(send) = self.sends.remove(&key) {
            let mut send = finished_send(send, cdc);
            let told = self.interrupted.drain(..).map(|(_, lane)| lane);
            for lane in told {
                send.count += 1;
                send.fields
                    .push(("interrupts".into(), session.lanes.name(lane).to_owned()));
            }
            session.acts.push(send);
        }
    }
}

/// Whether this store started the command: both have the same cause.
fn is_doorbell_of(act: &Row, line: &Line) -> bool {
    line.cause.is_some_and(|cause| has_cause(act, cause))
}

fn has_cause(act: &Row, cause: u64) -> bool {
    let field = act.fields.iter().find(|(name, _)| name == "cause");
    field.is_some_and(|(_, value)| value.parse() == Ok(cause))
}

fn finished_run(row: Row) -> Row {
    let (what, failed) = match row.kind {
        Kind::Config => ("accesses of config space", ", some of them refused"),
        _ => ("instructions", ""),
    };
    let label = match row.count {
        1 => row.label,
        count => format!("{count} {what}{}", if row.failed { failed } else { "" }),
    };
    Row {
        label,
        to: if row.kind == Kind::Config {
            row.to
        } else {
            NO_LANE
        },
        ..row
    }
}

fn finished_send(mut row: Row, cdc: Option<&Cdc>) -> Row {
    let signal = row.kind == Kind::Signal;
    row.label = match (row.bytes, cdc) {
        (0, Some(cdc)) => cdc.label(),
        (bytes, Some(cdc)) => format!("{} + {}", size(bytes), cdc.label()),
        (bytes, None) => format!("{}{}", size(bytes), if signal { " + signal" } else { "" }),
    };
    row.fields
        .insert(0, ("data".into(), format!("{} bytes", row.bytes)));
    if let Some(cdc) = cdc {
        let fields = cdc.fields().into_iter();
        row.fields
            .extend(fields.map(|(name, value)| (name.into(), value)));
    }
    row
}
