//! Records of events that are not yet lines.
//!
//! The thread that serves a client only stores what happened. The writer of the event file makes the lines
//! ([`super::event_file`]). Stores, loads, moves and interrupts are frequent and are stored field by field;
//! any other event is stored as its text.

use std::time::Instant;

use ism::{FunctionId, MoveRecord};

use super::events::{Event, Front, Hex};
use crate::limits::SHOWN_BYTES;

/// The time of an event and its cause, which all lines of one access share.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The time of the event.
    pub at: Instant,
    /// Number of the access, reset or departure that caused it, if any.
    pub cause: Option<u64>,
}

/// Records, oldest first.
#[derive(Debug, Default)]
pub struct Batch {
    records: Vec<Record>,
    /// The bytes of the records, one after the other.
    bytes: Vec<u8>,
}

#[derive(Debug)]
struct Record {
    at: Instant,
    cause: Option<u64>,
    function: u32,
    what: What,
}

/// An event without borrowed data. `bytes` counts its bytes in the batch.
#[derive(Debug)]
enum What {
    Store {
        path: &'static str,
        pcias: u8,
        offset: u64,
        length: usize,
        bytes: u32,
        posted: bool,
        result: &'static str,
    },
    Load {
        path: &'static str,
        pcias: u8,
        offset: u64,
        length: usize,
        bytes: u32,
        result: &'static str,
    },
    Move {
        token: u64,
        owner: u32,
        offset: u32,
        length: usize,
        element: u8,
        signal: bool,
        signalled: bool,
    },
    Interrupt {
        vector: u16,
    },
    /// The event as JSON text.
    Text {
        bytes: u32,
    },
}

impl Batch {
    /// True if the batch has no record.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes of memory in use.
    pub fn size(&self) -> usize {
        self.records.len() * size_of::<Record>() + self.bytes.len()
    }

    /// Bytes that the batch can hold without more memory.
    pub fn capacity(&self) -> usize {
        self.records.capacity() * size_of::<Record>() + self.bytes.capacity()
    }

    /// Removes all records and keeps the memory.
    pub fn clear(&mut self) {
        self.records.clear();
        self.bytes.clear();
    }

    /// Adds an event of a function.
    ///
    /// # Errors
    /// The event cannot be written as JSON.
    pub fn push(
        &mut self,
        stamp: Stamp,
        function: FunctionId,
        event: &Event<'_>,
    ) -> serde_json::Result<()> {
        let what = match *event {
            Event::Store {
                path,
                pcias,
                offset,
                length,
                bytes: Hex(bytes),
                posted,
                result,
                rules: [],
            } => What::Store {
                path,
                pcias,
                offset,
                length,
                bytes: self.hold(bytes),
                posted,
                result,
            },
            Event::Load {
                path,
                pcias,
                offset,
                length,
                bytes: Hex(bytes),
                result,
                rules: [],
            } => What::Load {
                path,
                pcias,
                offset,
                length,
                bytes: self.hold(bytes),
                result,
            },
            Event::Interrupt { vector } => What::Interrupt { vector },
            _ => {
                let before = self.bytes.len();
                if let Err(error) = serde_json::to_writer(&mut self.bytes, event) {
                    self.bytes.truncate(before);
                    return Err(error);
                }
                What::Text {
                    bytes: (self.bytes.len() - before) as u32,
                }
            }
        };
        self.note(stamp, function, what);
        Ok(())
    }

    /// Adds a data move of a function.
    pub fn push_move(&mut self, stamp: Stamp, function: FunctionId, record: &MoveRecord) {
        let what = What::Move {
            token: record.token,
            owner: record.owner.0 as u32,
            offset: record.offset,
            length: record.len,
            element: record.element,
            signal: record.signal,
            signalled: record.signalled,
        };
        self.note(stamp, function, what);
    }

    fn note(&mut self, Stamp { at, cause }: Stamp, function: FunctionId, what: What) {
        self.records.push(Record {
            at,
            cause,
            function: function.0 as u32,
            what,
        });
    }

    /// Stores bytes, but no more than an event shows. Returns their number.
    fn hold(&mut self, bytes: &[u8]) -> u32 {
        let shown = bytes.get(..SHOWN_BYTES).unwrap_or(bytes);
        self.bytes.extend_from_slice(shown);
        shown.len() as u32
    }

    /// Calls `line` for each record, oldest first, with everything that its line needs.
    pub fn for_each(&self, names: &[String], mut line: impl FnMut(Noted<'_>)) {
        let name = |function: u32| names.get(function as usize).map_or("", String::as_str);
        let mut rest = &self.bytes[..];
        for record in &self.records {
            let mut take = |count: u32| {
                let (taken, behind) = rest.split_at(count as usize);
                rest = behind;
                taken
            };
            let event = match record.what {
                What::Store {
                    path,
                    pcias,
                    offset,
                    length,
                    bytes,
                    posted,
                    result,
                } => Told::Event(Event::Store {
                    path,
                    pcias,
                    offset,
                    length,
                    bytes: Hex(take(bytes)),
                    posted,
                    result,
                    rules: &[],
                }),
                What::Load {
                    path,
                    pcias,
                    offset,
                    length,
                    bytes,
                    result,
                } => Told::Event(Event::Load {
                    path,
                    pcias,
                    offset,
                    length,
                    bytes: Hex(take(bytes)),
                    result,
                    rules: &[],
                }),
                What::Move {
                    token,
                    owner,
                    offset,
                    length,
                    element,
                    signal,
                    signalled,
                } => Told::Event(Event::DataMove {
                    token,
                    owner: name(owner),
                    dmb_offset: offset.into(),
                    length,
                    element,
                    signal,
                    signalled,
                }),
                What::Interrupt { vector } => Told::Event(Event::Interrupt { vector }),
                What::Text { bytes } => Told::Text(take(bytes)),
            };
            line(Noted {
                at: record.at,
                cause: record.cause,
                function: name(record.function),
                event,
            });
        }
    }
}

/// Everything that the line of one record needs.
#[derive(Debug)]
pub struct Noted<'a> {
    /// The time of the record.
    pub at: Instant,
    /// Number of the access, reset or departure, which other lines may share.
    pub cause: Option<u64>,
    /// Name of the function.
    pub function: &'a str,
    /// The event, as a value or as JSON text.
    pub event: Told<'a>,
}

/// An event, or its JSON text.
#[derive(Debug)]
pub enum Told<'a> {
    /// An event as a value.
    Event(Event<'a>),
    /// An event as JSON text, an object.
    Text(&'a [u8]),
}

impl Told<'_> {
    /// Appends the line that begins with `front`.
    ///
    /// # Errors
    /// The event cannot be written as JSON.
    pub(super) fn write(&self, front: &Front<'_>, out: &mut Vec<u8>) -> serde_json::Result<()> {
        match self {
            Self::Event(event) => front.write(event, out),
            Self::Text(text) => {
                front.write_text(text, out);
                Ok(())
            }
        }
    }
}
