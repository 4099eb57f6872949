//! Groups lines into acts: a command with its stores and loads, or a send with all its moves.

use std::collections::HashMap;

use super::lanes::Lanes;
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
    /// The access of each file that is not over. Every server counts its causes from 1.
    open: HashMap<usize, Open>,
}

/// An access whose own line comes later: the server writes the effects of an access first.
#[derive(Debug)]
struct Open {
    /// `None` if nothing else belongs to these lines.
    cause: Option<u64>,
    /// Its moves. A fault may make several of one store.
    moves: Vec<Row>,
    /// Its interrupts.
    interrupts: Vec<Row>,
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
        let file = session.lanes.file(own);
        // The lines of an access follow each other, so a line with another cause ends it.
        let is_over = |open: &Open| open.cause != line.cause;
        if self.open.get(&file).is_some_and(is_over) {
            self.settle(session, file);
        }
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
                    .is_some_and(|act| act.kind == Kind::Command && !has_cause(act, line.cause));
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
                self.open(file, line.cause).moves.push(row.clone());
                if line.cause.is_none() {
                    self.settle(session, file);
                }
            }
            Event::Store { bytes, .. } => match self.open.remove(&file) {
                Some(open) if !open.moves.is_empty() => {
                    self.piece(session, &open, Some((row, &bytes.0)));
                }
                open => {
                    session
                        .acts
                        .extend(open.into_iter().flat_map(|open| open.interrupts));
                    session.acts.push(row.clone());
                }
            },
            Event::Interrupt { .. } if line.cause.is_some() => {
                self.open(file, line.cause).interrupts.push(row.clone());
            }
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
        let files: Vec<_> = self.open.keys().copied().collect();
        for file in files {
            self.settle(session, file);
        }
        session
            .acts
            .extend(self.commands.drain().map(|(_, row)| row));
        session
            .acts
            .extend(self.sends.drain().map(|(_, row)| finished_send(row, None)));
        session
            .acts
            .extend(self.runs.drain().map(|(_, row)| finished_run(row)));
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

    fn open(&mut self, file: usize, cause: Option<u64>) -> &mut Open {
        self.open.entry(file).or_insert_with(|| Open {
            cause,
            moves: Vec::new(),
            interrupts: Vec::new(),
        })
    }

    /// Ends the open access of a file. It is no store of data, or its store is not in the file.
    fn settle(&mut self, session: &mut Session, file: usize) {
        let Some(open) = self.open.remove(&file) else {
            return;
        };
        if !open.moves.is_empty() {
            return self.piece(session, &open, None);
        }
        // The command's line may have come after its interrupt.
        let lanes = &session.lanes;
        let command = self.commands.iter_mut().find(|(lane, act)| {
            act.kind == Kind::Command && lanes.file(**lane) == file && has_cause(act, open.cause)
        });
        match command {
            Some((_, act)) => add_interrupts(act, &open, lanes),
            None => session.acts.extend(open.interrupts),
        }
    }

    /// Adds the moves of one store to a send. A signal ends the send.
    fn piece(&mut self, session: &mut Session, open: &Open, store: Option<(&Row, &[u8])>) {
        let Some(first) = open.moves.first() else {
            return;
        };
        let signal = open.moves.iter().any(|moved| moved.kind == Kind::Signal);
        let cdc = store.filter(|_| signal).and_then(|(row, bytes)| {
            let cdc = Cdc::decode(bytes)?;
            session.dmbs.cdc(first.dmb, &cdc, row.at, row.time);
            Some(cdc)
        });
        let key = (first.from, first.dmb);
        let send = self.sends.entry(key).or_insert_with(|| Row {
            count: 0,
            bytes: 0,
            fields: Vec::new(),
            kind: Kind::Move,
            ..first.clone()
        });
        for moved in &open.moves {
            send.count += 1;
            send.until = moved.time;
            send.failed |= moved.failed;
            // The message itself does not count as data.
            if cdc.is_none() {
                send.bytes = send.bytes.saturating_add(moved.bytes);
            }
        }
        send.count += u32::from(store.is_some());
        add_interrupts(send, open, &session.lanes);
        if signal {
            send.kind = Kind::Signal;
        }
        let over = signal || send.count >= 2 * MOST_PIECES;
        if over && let Some(send) = self.sends.remove(&key) {
            session.acts.push(finished_send(send, cdc.as_ref()));
        }
    }
}

fn add_interrupts(act: &mut Row, open: &Open, lanes: &Lanes) {
    for row in &open.interrupts {
        act.count += 1;
        // An interrupt may be the first line of its act.
        act.at = act.at.min(row.at);
        let name = lanes.name(row.to).to_owned();
        act.fields.push(("interrupts".into(), name));
    }
}

fn has_cause(act: &Row, cause: Option<u64>) -> bool {
    let field = act.fields.iter().find(|(name, _)| name == "cause");
    let own = field.and_then(|(_, value)| value.parse().ok());
    own.is_some() && own == cause
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
