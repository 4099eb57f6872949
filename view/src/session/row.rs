//! One row: one line of a file, or several lines that belong together.

use std::borrow::Cow;

/// The kind of a row. The page uses the same numbers.
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

/// No lane.
pub(crate) const NO_LANE: u8 = u8::MAX;

/// Names and values of the details beside a row.
pub(crate) type Fields = Vec<(Cow<'static, str>, String)>;

/// One row.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Number of its first line in the order of all files, from 0.
    pub at: u32,
    /// Number of its lines.
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
    /// Number of its DMB from 1, or 0 for none.
    pub dmb: u16,
    /// Number of its rule from 1, or 0 for none.
    pub rule: u8,
    /// Whether something went wrong: a failed command, a refused store, a lost event.
    pub failed: bool,
    /// Bytes of its moves.
    pub bytes: u64,
    /// One line of text.
    pub label: String,
    /// Details of the row.
    pub fields: Fields,
}

impl Row {
    /// The row of one line.
    pub(super) fn of(at: u32, time: u64, kind: Kind, from: u8, to: u8, label: String) -> Self {
        Self {
            at,
            count: 1,
            time,
            until: time,
            kind,
            from,
            to,
            dmb: 0,
            rule: 0,
            failed: false,
            bytes: 0,
            label,
            fields: Vec::new(),
        }
    }
}
