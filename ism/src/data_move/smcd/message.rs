//! A CDC message of SMC-D (Linux 6.12 `net/smc/smc_cdc.h`).
//!
//! | bytes | field |
//! |---|---|
//! | 0 | type, 0xfe |
//! | 1..8 | zero |
//! | 8..14 | producer cursor: u16 wrap, u32 count |
//! | 14..16 | room for flags that nobody reads |
//! | 16..22 | consumer cursor |
//! | 22, 23 | producer flags, connection state flags |
//! | 24..32 | zero |

use super::super::order::Piece;
use crate::layout::Fields;

const TYPE: u8 = 0xfe;

/// Producer flags of a CDC message.
pub(super) mod flag {
    pub(crate) const WRITE_BLOCKED: u8 = 0x80;
    pub(crate) const URGENT_PENDING: u8 = 0x40;
    pub(crate) const URGENT_PRESENT: u8 = 0x20;
    pub(crate) const UPDATE_REQUESTED: u8 = 0x10;
    pub(crate) const ALL: u8 = WRITE_BLOCKED | URGENT_PENDING | URGENT_PRESENT | UPDATE_REQUESTED;
}

/// Connection state flags of a CDC message.
pub(super) mod state {
    pub(crate) const DONE_WRITING: u8 = 0x80;
    pub(crate) const CLOSED: u8 = 0x40;
    pub(crate) const ABORT: u8 = 0x20;
    pub(crate) const ALL: u8 = DONE_WRITING | CLOSED | ABORT;
}

/// A position in a ring, and how often the cursor has passed the ring's end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cursor {
    pub wrap: u16,
    pub count: u32,
}

impl Cursor {
    pub(super) const ZERO: Self = Self { wrap: 0, count: 0 };

    /// True if this cursor is behind `old`; wraps are counted modulo 2^16.
    pub(super) fn is_before(self, old: Self) -> bool {
        match self.wrap.wrapping_sub(old.wrap) {
            0 => self.count < old.count,
            wraps => wraps > u16::MAX / 2,
        }
    }

    /// True if this cursor is more than one round ahead of `old`, for any size of the ring.
    pub(super) fn jumps(self, old: Self) -> bool {
        match self.wrap.wrapping_sub(old.wrap) {
            0 => false,
            1 => self.count > old.count,
            _ => true,
        }
    }

    /// Returns the bytes from `old` to here in a ring of this size; `None` if this cursor is behind `old`.
    pub(super) fn distance(self, old: Self, ring: u64) -> Option<u64> {
        let rounds = u64::from(self.wrap.wrapping_sub(old.wrap));
        let ahead = rounds
            .saturating_mul(ring)
            .saturating_add(self.count.into());
        (!self.is_before(old)).then(|| ahead.saturating_sub(old.count.into()))
    }
}

impl std::fmt::Display for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.wrap, self.count)
    }
}

/// A CDC message of SMC-D.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub producer: Cursor,
    pub consumer: Cursor,
    /// Bytes 14 and 15, which no receiver reads.
    pub unread: u16,
    /// Producer flags (byte 22).
    pub flags: u8,
    /// Connection state flags (byte 23).
    pub state: u8,
}

impl Message {
    /// Parses a store with the signal flag; `None` if it is no message.
    pub(super) fn parse(piece: Piece, data: &[u8]) -> Option<Self> {
        let fields = Fields(data);
        let zeros = fields.u64(0) == u64::from(TYPE) << 56 && fields.u64(24) == 0;
        let cursor = |at| Cursor {
            wrap: fields.u16(at),
            count: fields.u32(at + 2),
        };
        let [flags, state] = fields.u16(22).to_be_bytes();
        (piece.is_message() && zeros).then(|| Self {
            producer: cursor(8),
            consumer: cursor(16),
            unread: fields.u16(14),
            flags,
            state,
        })
    }

    /// True if the message ends the connection in this direction.
    pub(super) fn ends(&self) -> bool {
        self.state & (state::CLOSED | state::ABORT) != 0
    }

    pub(super) fn aborts(&self) -> bool {
        self.state & state::ABORT != 0
    }

    pub(super) fn is_done(&self) -> bool {
        self.state & state::DONE_WRITING != 0
    }
}
