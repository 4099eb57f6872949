//! Merges several files into one order.
//!
//! Lines of servers are ordered by their time. Records of the plugin have none: an instruction is
//! put before the access that the server saw of it, which is the first one at the same place that
//! no earlier instruction has.

use std::collections::VecDeque;
use std::path::PathBuf;

use records::event::Event;
use records::instruction::Record;

use super::item::Item;
use super::source::Source;
use crate::error::Error;

/// Most instructions to search for the one that caused an access.
const AHEAD: usize = 256;

/// The lines of several files, each with the number of its file.
#[derive(Debug)]
pub(crate) struct Merged {
    files: Vec<Ahead>,
    /// Lines to return before all others.
    due: VecDeque<(usize, u64, Item)>,
    time: u64,
}

#[derive(Debug)]
struct Ahead {
    source: Source,
    items: VecDeque<Item>,
    ended: bool,
}

impl Merged {
    pub(crate) fn open(paths: &[PathBuf]) -> Result<Self, Error> {
        let open = |path: &PathBuf| {
            Ok(Ahead {
                source: Source::open(path)?,
                items: VecDeque::new(),
                ended: false,
            })
        };
        Ok(Self {
            files: paths.iter().map(open).collect::<Result<_, _>>()?,
            due: VecDeque::new(),
            time: 0,
        })
    }

    /// Bytes read so far from all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.source.bytes()).sum()
    }

    /// The next line: number of its file, microseconds, line.
    ///
    /// # Errors
    /// [`Error::Read`] and [`Error::Line`].
    #[allow(clippy::should_implement_trait, reason = "it can fail")]
    pub(crate) fn next(&mut self) -> Result<Option<(usize, u64, Item)>, Error> {
        if let Some(due) = self.due.pop_front() {
            return Ok(Some(due));
        }
        for file in &mut self.files {
            file.look_ahead()?;
        }
        let earliest = self.files.iter().enumerate().filter_map(|(at, file)| {
            let Some(Item::Event(line)) = file.items.front() else {
                return None;
            };
            Some((line.time_us, at))
        });
        let Some((time, at)) = earliest.min() else {
            return Ok(self.rest());
        };
        self.time = time;
        let Some(item) = self.files[at].items.pop_front() else {
            return Ok(None);
        };
        if let Item::Event(line) = &item
            && let Some(place) = Place::of_event(&line.event)
        {
            self.instructions_until(place);
        }
        self.due.push_back((at, time, item));
        Ok(self.due.pop_front())
    }

    /// The instructions after the last event.
    fn rest(&mut self) -> Option<(usize, u64, Item)> {
        let time = self.time;
        let files = self.files.iter_mut().enumerate();
        let mut left = files.filter_map(|(at, file)| Some((at, time, file.items.pop_front()?)));
        left.next()
    }

    /// Inserts the instructions of one file up to the one that belongs to `place`.
    fn instructions_until(&mut self, place: Place) {
        for (at, file) in self.files.iter_mut().enumerate() {
            let found = file.items.iter().take(AHEAD).position(
                |item| matches!(item, Item::Insn(insn) if Place::of_insn(insn) == Some(place)),
            );
            if let Some(found) = found {
                let items = file.items.drain(..=found);
                self.due.extend(items.map(|item| (at, self.time, item)));
                return;
            }
        }
    }
}

impl Ahead {
    /// Reads one event, or records up to the limit.
    fn look_ahead(&mut self) -> Result<(), Error> {
        while !self.ended && self.items.len() < AHEAD {
            if let Some(Item::Event(_)) = self.items.back() {
                return Ok(());
            }
            match self.source.next()? {
                Some(item) => self.items.push_back(item),
                None => self.ended = true,
            }
        }
        Ok(())
    }
}

/// The place of an access. The instruction that caused it has the same place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    load: bool,
    pcias: u8,
    offset: u64,
}

impl Place {
    fn of_event(event: &Event<'_>) -> Option<Self> {
        let access = event.access()?;
        Some(Self {
            load: !access.kind.is_store(),
            pcias: access.pcias,
            offset: access.offset,
        })
    }

    fn of_insn(record: &Record) -> Option<Self> {
        let load = match &*record.insn {
            "pcilg" | "pcilgi" => true,
            "pcistb" | "pcistg" | "pcistbi" | "pcistgi" => false,
            _ => return None,
        };
        Some(Self {
            load,
            pcias: record.operands.pcias?,
            offset: record.operands.offset?.0,
        })
    }
}
