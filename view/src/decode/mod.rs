//! Decodes bytes into named fields.
//!
//! Layouts: Linux 6.12 `drivers/s390/net/ism.h` (commands, addresses, event queue) and
//! `net/smc/smc_cdc.h` (CDC). Everything is big endian.

pub(crate) mod cdc;
pub(crate) mod command;
pub(crate) mod queue;

/// Names and values of the details beside a row.
pub(crate) type Fields = Vec<(&'static str, String)>;

/// A number as the driver's sources write it.
pub(crate) fn hex(value: impl Into<u64>) -> String {
    format!("{:#x}", value.into())
}

/// The big-endian number of `len` (at most 8) bytes at `at`. `None` if a byte is missing.
pub(crate) fn be(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(len)?)?;
    Some(
        field
            .iter()
            .fold(0, |sum, byte| sum << 8 | u64::from(*byte)),
    )
}

/// A number of bytes with a suitable unit.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} B"),
        _ if bytes.is_multiple_of(1 << 20) => format!("{} MiB", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{} KiB", bytes >> 10),
        10_000..10_000_000 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        _ => format!("{:.1} MiB", bytes as f64 / (1024.0 * 1024.0)),
    }
}
