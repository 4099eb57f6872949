//! The first byte that differs between the device's bytes and the guest's store.

use crate::plan::Case;
use crate::recording::Piece;
use serde::Serialize;

/// Bytes of a guest page. A zPCI access must not cross one either.
const PAGE: u64 = 4096;

/// A special feature of the first byte that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Special {
    /// It is the first byte of the block.
    First,
    /// The block crosses from one guest page into the next at this byte.
    SourcePage,
    /// It is the first byte in a 4 KiB page of the BAR.
    TargetPage,
    /// This number of bytes, a round number, come before it.
    Round,
    /// It is the last byte of the block.
    Last,
}

/// The first byte that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Offset of the byte in the block.
    #[serde(rename = "first")]
    pub at: u64,
    /// The byte that the guest stored.
    pub stored: u8,
    /// The byte that the device got. `None` if no byte arrived for this offset.
    pub arrived: Option<u8>,
    /// Number of bytes of the block that differ.
    pub count: u64,
    /// The special feature of the byte.
    #[serde(skip)]
    pub special: Option<Special>,
}

/// The byte that the device got for each byte of a block stored at `offset`.
pub(super) fn arrived(offset: u64, stored: &[u8], pieces: &[Piece]) -> Vec<Option<u8>> {
    let mut arrived = vec![None; stored.len()];
    for piece in pieces.iter().filter(|piece| piece.access.is_store()) {
        for (place, byte) in (piece.offset..).zip(&piece.bytes) {
            let slot = place
                .checked_sub(offset)
                .and_then(|at| usize::try_from(at).ok())
                .and_then(|at| arrived.get_mut(at));
            if let Some(slot) = slot {
                *slot = Some(*byte);
            }
        }
    }
    arrived
}

impl Difference {
    /// The first difference of a store that arrived at least in part.
    pub(super) fn first(case: &Case, offset: u64, stored: &[u8], pieces: &[Piece]) -> Option<Self> {
        let arrived = arrived(offset, stored, pieces);
        if arrived.iter().all(Option::is_none) {
            return None;
        }
        let differ = |(stored, arrived): (&u8, &Option<u8>)| *arrived != Some(*stored);
        let count = stored
            .iter()
            .zip(&arrived)
            .filter(|pair| differ(*pair))
            .count();
        let at = stored.iter().zip(&arrived).position(differ)?;
        Some(Self {
            at: at as u64,
            stored: *stored.get(at)?,
            arrived: arrived.get(at).copied().flatten(),
            count: count as u64,
            special: special(case, offset, stored.len() as u64, at as u64),
        })
    }
}

fn special(case: &Case, offset: u64, length: u64, at: u64) -> Option<Special> {
    if at == 0 {
        Some(Special::First)
    } else if (u64::from(case.source) + at).is_multiple_of(PAGE) {
        Some(Special::SourcePage)
    } else if (offset + at).is_multiple_of(PAGE) {
        Some(Special::TargetPage)
    } else if at.is_power_of_two() && at >= 8 {
        Some(Special::Round)
    } else if at + 1 == length {
        Some(Special::Last)
    } else {
        None
    }
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = self.at;
        match self.special {
            Some(Special::First) => f.write_str("wrong from the first byte")?,
            Some(Special::SourcePage) => {
                write!(f, "wrong from byte {at}, where the source crosses its page")?;
            }
            Some(Special::TargetPage) => {
                write!(
                    f,
                    "wrong from byte {at}, where a 4 KiB page of the BAR begins"
                )?;
            }
            Some(Special::Round) => write!(f, "wrong from byte {at}, after the first {at}")?,
            Some(Special::Last) => write!(f, "wrong only in byte {at}, the last")?,
            None => write!(f, "wrong from byte {at}")?,
        }
        write!(f, ": stored {:02x}, ", self.stored)?;
        match self.arrived {
            Some(byte) => write!(f, "arrived {byte:02x}")?,
            None => f.write_str("nothing arrived")?,
        }
        let plural = if self.count == 1 {
            "byte differs"
        } else {
            "bytes differ"
        };
        write!(f, "; {} {plural}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::Difference;
    use crate::plan::{Case, Instruction};
    use crate::recording::{Access, Piece};

    fn piece(offset: u64, bytes: &[u8]) -> Piece {
        Piece {
            function: 0,
            access: Access::Store,
            path: "bar".into(),
            space: 2,
            offset,
            bytes: bytes.to_vec(),
            result: "accepted".into(),
        }
    }

    /// Describes a store of 32 bytes whose bytes arrive as zero from `wrong` on.
    fn said(source: u16, offset: u64, wrong: usize) -> String {
        let case = Case {
            source,
            ..Case::new("a", "", Instruction::Pcistb)
        };
        let stored: Vec<u8> = (1..33).collect();
        let mut bytes = stored.clone();
        bytes[wrong..].fill(0);
        Difference::first(&case, offset, &stored, &[piece(offset, &bytes)])
            .map_or_else(String::new, |difference| difference.to_string())
    }

    #[test]
    fn what_is_special_about_the_first_byte_is_said() {
        assert_eq!(
            said(4080, 0, 16),
            "wrong from byte 16, where the source crosses its page: stored 11, arrived 00; 16 bytes differ"
        );
        assert_eq!(
            said(0, 4072, 24),
            "wrong from byte 24, where a 4 KiB page of the BAR begins: stored 19, arrived 00; 8 bytes differ"
        );
        assert!(said(0, 0, 8).starts_with("wrong from byte 8, after the first 8:"));
        assert!(said(0, 0, 0).starts_with("wrong from the first byte:"));
        assert!(said(0, 0, 9).starts_with("wrong from byte 9:"));
        assert_eq!(
            said(0, 0, 31),
            "wrong only in byte 31, the last: stored 20, arrived 00; 1 byte differs"
        );
        assert_eq!(said(0, 0, 32), "");
    }

    #[test]
    fn a_byte_that_did_not_arrive_differs_and_a_store_that_did_not_arrive_has_no_first_byte() {
        let case = Case::new("a", "", Instruction::Pcistb);
        let first = Difference::first(&case, 0, &[1, 2, 3], &[piece(0, &[1, 2])]);
        let said = first.map(|first| first.to_string());
        assert_eq!(
            said.as_deref(),
            Some("wrong only in byte 2, the last: stored 03, nothing arrived; 1 byte differs")
        );
        assert_eq!(Difference::first(&case, 0, &[1, 2, 3], &[]), None);
    }
}
