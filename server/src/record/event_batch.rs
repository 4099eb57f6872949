//! Records of events that are not yet lines.
//!
//! The thread that serves a client only stores what happened. The writer of the event file makes the lines
//! ([`super::event_file`]). Stores, loads, moves and interrupts are frequent and are stored field by field;
//! any other event is stored as its text.

use std::borrow::Cow;
use std::time::Instant;

use ism::{FunctionId, MoveRecord};
use records::event::{ACCEPTED, Front};
use zpci_region::{Load, Path, Store};

use super::events::Event;
use crate::limits::SHOWN_BYTES;

/// The time of an event and its cause, which all lines of one access share.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// The time of the event.
    pub at: Instant,
    /// Number of the access, reset or departure that caused it, if any.
    pub cause: Option<u64>,
}

/// Ids of the rules that an access broke.
pub type Rules = Vec<Cow<'static, str>>;

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
    function: FunctionId,
    what: What,
}

/// An event without borrowed data. `bytes` counts its bytes in the batch.
#[derive(Debug)]
enum What {
    /// A store or a load that broke no rule.
    Access {
        access: Access,
        bytes: u32,
        result: &'static str,
    },
    Move(MoveRecord),
    /// A move, and the accepted store that made it.
    MovingStore {
        moved: MoveRecord,
        access: Access,
        bytes: u32,
    },
    Interrupt {
        vector: u16,
    },
    /// The event as JSON text.
    Text {
        bytes: u32,
    },
}

/// A store or a load, without its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Access {
    path: Path,
    pcias: u8,
    /// For a store, true if it was posted.
    posted: Option<bool>,
    offset: u64,
    length: usize,
}

impl Access {
    /// A store.
    pub fn store(store: &Store<'_>, posted: bool) -> Self {
        Self {
            path: store.path,
            pcias: store.pcias,
            posted: Some(posted),
            offset: store.offset,
            length: store.data.len(),
        }
    }

    /// A load.
    pub fn load(load: &Load) -> Self {
        Self {
            path: load.path,
            pcias: load.pcias,
            posted: None,
            offset: load.offset,
            length: load.len,
        }
    }

    fn event<'a>(self, bytes: &'a [u8], result: &'static str, rules: Rules) -> Event<'a> {
        let Self {
            pcias,
            posted,
            offset,
            length,
            ..
        } = self;
        let (path, result, rules) = (self.path.name().into(), result.into(), rules.into());
        let bytes = bytes.into();
        match posted {
            Some(posted) => Event::Store {
                path,
                pcias,
                offset,
                length,
                bytes,
                posted,
                result,
                rules,
            },
            None => Event::Load {
                path,
                pcias,
                offset,
                length,
                bytes,
                result,
                rules,
            },
        }
    }
}

fn move_event<'a>(record: &MoveRecord, names: &'a [String]) -> Event<'a> {
    Event::DataMove {
        token: record.token,
        owner: name(names, record.owner).into(),
        dmb_offset: record.offset.into(),
        length: record.len,
        element: record.element,
        signal: record.signal,
        signalled: record.signalled,
    }
}

fn name(names: &[String], function: FunctionId) -> &str {
    names.get(function.0).map_or("", String::as_str)
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

    /// Adds any event of a function.
    ///
    /// # Errors
    /// The event cannot be written as JSON.
    pub fn push(
        &mut self,
        stamp: Stamp,
        function: FunctionId,
        event: &Event<'_>,
    ) -> serde_json::Result<()> {
        let before = self.bytes.len();
        if let Err(error) = serde_json::to_writer(&mut self.bytes, event) {
            self.bytes.truncate(before);
            return Err(error);
        }
        let bytes = (self.bytes.len() - before) as u32;
        self.note(stamp, function, What::Text { bytes })
    }

    /// Adds an access with its bytes, its result, and the rules that it broke.
    ///
    /// # Errors
    /// The event cannot be written as JSON.
    pub fn push_access(
        &mut self,
        stamp: Stamp,
        function: FunctionId,
        access: Access,
        data: &[u8],
        result: &'static str,
        rules: Rules,
    ) -> serde_json::Result<()> {
        if !rules.is_empty() {
            return self.push(stamp, function, &access.event(data, result, rules));
        }
        let bytes = self.hold(data);
        let what = What::Access {
            access,
            bytes,
            result,
        };
        self.note(stamp, function, what)
    }

    /// Adds an interrupt.
    pub fn push_interrupt(
        &mut self,
        stamp: Stamp,
        function: FunctionId,
        vector: u16,
    ) -> serde_json::Result<()> {
        self.note(stamp, function, What::Interrupt { vector })
    }

    /// Adds a data move.
    pub fn push_move(&mut self, stamp: Stamp, moved: MoveRecord) -> serde_json::Result<()> {
        self.note(stamp, moved.function, What::Move(moved))
    }

    /// Adds a data move and the accepted store that made it, which broke no rule: two events in one record.
    pub fn push_moving_store(
        &mut self,
        stamp: Stamp,
        moved: MoveRecord,
        access: Access,
        data: &[u8],
    ) -> serde_json::Result<()> {
        let bytes = self.hold(data);
        let what = What::MovingStore {
            moved,
            access,
            bytes,
        };
        self.note(stamp, moved.function, what)
    }

    /// Adds a record. It always succeeds, but events that become text do not.
    fn note(
        &mut self,
        Stamp { at, cause }: Stamp,
        function: FunctionId,
        what: What,
    ) -> serde_json::Result<()> {
        self.records.push(Record {
            at,
            cause,
            function,
            what,
        });
        Ok(())
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
                What::Access {
                    access,
                    bytes,
                    result,
                } => access.event(take(*bytes), result, Rules::new()),
                What::Move(moved) => move_event(moved, names),
                What::MovingStore {
                    moved,
                    access,
                    bytes,
                } => {
                    tell(Told::Event(move_event(moved, names)));
                    access.event(take(*bytes), ACCEPTED, Rules::new())
                }
                What::Interrupt { vector } => Event::Interrupt { vector: *vector },
                What::Text { bytes } => {
                    tell(Told::Text(take(*bytes)));
                    continue;
                }
            };
            tell(Told::Event(event));
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
        let (mut together, mut apart) = (Batch::default(), Batch::default());
        let access = Access::store(&store, true);
        let rules = Rules::new();
        let all = [
            together.push_moving_store(stamp, record, access, store.data),
            together.push_move(stamp, record),
            apart.push_move(stamp, record),
            apart.push_access(stamp, FunctionId(0), access, store.data, ACCEPTED, rules),
            apart.push_move(stamp, record),
        ];
        assert!(all.iter().all(Result::is_ok));
        assert_eq!(lines(&together), lines(&apart));
        assert_eq!(lines(&together).lines().count(), 3);
        assert!(together.size() < apart.size());
    }
}
