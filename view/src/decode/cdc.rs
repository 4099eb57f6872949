//! CDC messages of SMC-D: 32 bytes at the front of a DMB (Linux 6.12 `net/smc/smc_cdc.h`).

use super::{Fields, be};

/// Bytes of a message, and of the room for it at the front of a DMB.
pub(crate) const LEN: usize = 32;
/// The first byte of a message.
const TYPE: u8 = 0xfe;

/// A position in a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Number of rounds through the ring, modulo 65,536.
    pub wrap: u16,
    /// Bytes from the start of the ring.
    pub count: u32,
}

impl Cursor {
    /// Bytes from `before` to this cursor in a ring of `size` bytes. Negative if this cursor is behind.
    pub(crate) fn ahead_of(self, before: Cursor, size: u32) -> i64 {
        let rounds = i64::from(self.wrap.wrapping_sub(before.wrap).cast_signed());
        rounds * i64::from(size) + i64::from(self.count) - i64::from(before.count)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cdc {
    /// End of the bytes that the sender wrote into the DMB of this message.
    pub producer: Cursor,
    /// End of the bytes that the sender read from its own DMB.
    pub consumer: Cursor,
    /// Flags of the sender as a producer.
    pub producer_flags: u8,
    /// Flags about the connection.
    pub connection_flags: u8,
}

const PRODUCER_FLAGS: [(u8, &str); 5] = [
    (0x80, "write blocked"),
    (0x40, "urgent data pending"),
    (0x20, "urgent data present"),
    (0x10, "cursor update requested"),
    (0x08, "failover validation"),
];

const CONNECTION_FLAGS: [(u8, &str); 3] =
    [(0x80, "done writing"), (0x40, "closed"), (0x20, "abort")];

impl Cdc {
    /// Reads a message. `None` if the bytes are no message.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != LEN || bytes.first() != Some(&TYPE) {
            return None;
        }
        let cursor = |at| {
            Some(Cursor {
                wrap: be(bytes, at, 2)? as u16,
                count: be(bytes, at + 2, 4)? as u32,
            })
        };
        Some(Self {
            producer: cursor(8)?,
            consumer: cursor(16)?,
            producer_flags: *bytes.get(22)?,
            connection_flags: *bytes.get(23)?,
        })
    }

    /// The names of the set flags.
    pub(crate) fn flags(&self) -> String {
        let set = |flags: u8, names: &[(u8, &'static str)]| -> Vec<&'static str> {
            let set = names.iter().filter(|(bit, _)| flags & bit != 0);
            set.map(|(_, name)| *name).collect()
        };
        let mut all = set(self.producer_flags, &PRODUCER_FLAGS);
        all.extend(set(self.connection_flags, &CONNECTION_FLAGS));
        all.join(", ")
    }

    /// The fields of the message.
    pub(crate) fn fields(&self) -> Fields {
        let cursor = |cursor: Cursor| format!("wrap {}, count {}", cursor.wrap, cursor.count);
        let flags = self.flags();
        vec![
            ("CDC producer cursor", cursor(self.producer)),
            ("CDC consumer cursor", cursor(self.consumer)),
            (
                "CDC flags",
                if flags.is_empty() {
                    "none".to_owned()
                } else {
                    flags
                },
            ),
        ]
    }

    /// One line that describes the message.
    pub(crate) fn label(&self) -> String {
        let flags = self.flags();
        format!(
            "CDC prod {}/{} cons {}/{}{}{flags}",
            self.producer.wrap,
            self.producer.count,
            self.consumer.wrap,
            self.consumer.count,
            if flags.is_empty() { "" } else { " · " },
        )
    }
}

#[cfg(test)]
mod tests;
