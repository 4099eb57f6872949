//! Records of events that are not yet lines.
//!
//! The thread that serves a client only stores what happened. The writer of the event file makes the lines
//! ([`super::event_file`]). Stores, loads, moves and interrupts are frequent and are stored field by field;
//! any other event is stored as its text.

use std::time::Instant;

use ism::{FunctionId, MoveRecord};
use zpci_region::{Path, Store};

use super::events::{ACCEPTED, Event, Front, Hex};
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
    Move(Moved),
    /// A move, and the store that made it.
    MovingStore {
        moved: Moved,
        path: Path,
        pcias: u8,
        offset: u64,
        length: usize,
        bytes: u32,
        posted: bool,
    },
    Interrupt {
        vector: u16,
    },
    /// The event as JSON text.
    Text {
        bytes: u32,
    },
}

/// A data move without the function that made it.
#[derive(Debug)]
struct Moved {
    token: u64,
    owner: u32,
    offset: u32,
    length: usize,
    element: u8,
    signal: bool,
    signalled: bool,
}

impl Moved {
    fn of(record: &MoveRecord) -> Self {
        Self {
            token: record.token,
            owner: record.owner.0 as u32,
            offset: record.offset,
            length: record.len,
            element: record.element,
            signal: record.signal,
            signalled: record.signalled,
        }
    }

    fn event<'a>(&self, names: &'a [String]) -> Event<'a> {
        Event::DataMove {
            token: self.token,
            owner: name(names, self.owner),
            dmb_offset: self.offset.into(),
            length: self.length,
            element: self.element,
            signal: self.signal,
            signalled: self.signalled,
        }
    }
}

fn name(names: &[String], function: u32) -> &str {
    names.get(function as usize).map_or("", String::as_str)
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

    /// Adds a data move.
    pub fn push_move(&mut self, stamp: Stamp, record: &MoveRecord) {
        self.note(stamp, record.function, What::Move(Moved::of(record)));
    }

    /// Adds a data move and the accepted store that made it: two events in one record.
    pub fn push_moving_store(
        &mut self,
        stamp: Stamp,
        record: &MoveRecord,
        store: &Store<'_>,
        posted: bool,
    ) {
        let what = What::MovingStore {
            moved: Moved::of(record),
            path: store.path,
            pcias: store.pcias,
            offset: store.offset,
            length: store.data.len(),
            bytes: self.hold(store.data),
            posted,
        };
        self.note(stamp, record.function, what);
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
        let mut rest = &self.bytes[..];
        for record in &self.records {
            let mut take = |count: u32| {
                let (taken, behind) = rest.split_at(count as usize);
                rest = behind;
                taken
            };
            let mut tell = |event| {
                line(Noted {
                    at: record.at,
                    cause: record.cause,
                    function: name(names, record.function),
                    event,
                });
            };
            let event = match &record.what {
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
                    pcias: *pcias,
                    offset: *offset,
                    length: *length,
                    bytes: Hex(take(*bytes)),
                    posted: *posted,
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
                    pcias: *pcias,
                    offset: *offset,
                    length: *length,
                    bytes: Hex(take(*bytes)),
                    result,
                    rules: &[],
                }),
                What::Move(moved) => Told::Event(moved.event(names)),
                What::MovingStore {
                    moved,
                    path,
                    pcias,
                    offset,
                    length,
                    bytes,
                    posted,
                } => {
                    tell(Told::Event(moved.event(names)));
                    Told::Event(Event::Store {
                        path: path.name(),
                        pcias: *pcias,
                        offset: *offset,
                        length: *length,
                        bytes: Hex(take(*bytes)),
                        posted: *posted,
                        result: ACCEPTED,
                        rules: &[],
                    })
                }
                What::Interrupt { vector } => Told::Event(Event::Interrupt { vector: *vector }),
                What::Text { bytes } => Told::Text(take(*bytes)),
            };
            tell(event);
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

#[cfg(test)]
mod tests {
    use zpci_region::Instruction;

    use super::*;

    /// The lines of a batch.
    fn lines(batch: &Batch) -> String {
        let mut out = Vec::new();
        batch.for_each(&["a".to_owned(), "b".to_owned()], |noted| {
            let front = Front {
                seq: 1,
                time_us: 2,
                function: noted.function,
                cause: noted.cause,
            };
            noted.event.write(&front, &mut out).unwrap();
        });
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_move_and_its_store_are_the_same_lines_noted_together_and_one_by_one() {
        let stamp = Stamp {
            at: Instant::now(),
            cause: Some(3),
        };
        let record = MoveRecord {
            function: FunctionId(0),
            owner: FunctionId(1),
            token: 4,
            offset: 5,
            len: 2,
            element: 6,
            signal: true,
            signalled: false,
        };
        let store = Store {
            path: Path::BarMulti,
            instruction: Instruction::Pcistb,
            pcias: 7,
            offset: 8,
            data: &[9, 10],
            gaddr: None,
        };
        let event = Event::Store {
            path: "bar-multi",
            pcias: 7,
            offset: 8,
            length: 2,
            bytes: Hex(store.data),
            posted: true,
            result: ACCEPTED,
            rules: &[],
        };
        let (mut together, mut apart) = (Batch::default(), Batch::default());
        together.push_moving_store(stamp, &record, &store, true);
        together.push_move(stamp, &record);
        apart.push_move(stamp, &record);
        apart.push(stamp, FunctionId(0), &event).unwrap();
        apart.push_move(stamp, &record);
        assert_eq!(lines(&together), lines(&apart));
        assert_eq!(lines(&together).lines().count(), 3);
        assert!(together.size() < apart.size());
    }
}
