//! The permitted outcomes of one instruction.

use super::refusal::Refusal;
use crate::plan::Field;
use crate::recording::{Access, Piece};

/// The accesses that the device must see for an accepted instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Number of the function.
    pub function: u8,
    /// Kind of access.
    pub access: Access,
    /// Address space.
    pub space: u8,
    /// Offset.
    pub offset: u64,
    /// Number of bytes.
    pub length: u64,
    /// The bytes of a store. Empty for a load.
    pub bytes: Vec<u8>,
    /// Whether it is a block store, which must arrive in one piece.
    pub block: bool,
    /// Whether QEMU may answer without the device: config space, which QEMU emulates in part, and the MSI-X
    /// table.
    pub optional: bool,
    /// The value that a load must return, if it is known.
    pub answer: Option<Vec<u8>>,
}

impl Seen {
    /// The offset after its last byte.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }

    /// Whether an access has the same kind and space. All of config space counts as one space.
    pub(crate) fn is_like(&self, piece: &Piece) -> bool {
        piece.access == self.access && (piece.space == self.space || piece.access.is_config())
    }
}

/// The permitted outcomes of an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// Whether the instruction may succeed.
    pub accept: bool,
    /// The permitted refusals. Empty if the instruction must succeed.
    pub refusals: Vec<Refusal>,
    /// The access of a successful instruction. It also says where a wrongly accepted one would go.
    pub seen: Option<Seen>,
    /// The bytes that the instruction must write into its block in guest memory.
    pub fields: Vec<Field>,
    /// The counters that the function measurement block must have afterwards.
    pub counted: Option<[u64; 4]>,
}

impl Expectation {
    /// The expectation as text.
    pub fn describe(&self) -> String {
        self.words(true)
    }

    /// The expectation as text that is the same for every length.
    pub fn kind(&self) -> String {
        self.words(false)
    }

    fn words(&self, with_length: bool) -> String {
        let of = |length: u64| {
            if with_length {
                format!(" of {}", bytes(length))
            } else {
                String::new()
            }
        };
        let refusals = || {
            self.refusals
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" or ")
        };
        let accepted = match &self.seen {
            None => "cc 0".to_owned(),
            Some(seen) if seen.optional && seen.access.is_config() => {
                "cc 0, answered by config space".to_owned()
            }
            Some(seen) if seen.optional => "cc 0, answered by the MSI-X table".to_owned(),
            Some(seen) if seen.access.is_store() => format!("one store{}", of(seen.length)),
            Some(seen) => format!("one load{}", of(seen.length)),
        };
        match (self.accept, self.refusals.is_empty()) {
            (true, true) => accepted,
            (true, false) => format!("{accepted}, or {}", refusals()),
            (false, _) => refusals(),
        }
    }
}

fn bytes(count: u64) -> String {
    if count == 1 {
        "1 byte".into()
    } else {
        format!("{count} bytes")
    }
}
