//! Rows as columns of numbers, little endian.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::DeflateEncoder;

use crate::session::Row;

/// The columns that a page has for every row, without the text.
#[derive(Debug, Default)]
pub(super) struct Columns {
    rows: usize,
    /// u32: number of the first line.
    at: Vec<u8>,
    /// u32: lines.
    count: Vec<u8>,
    /// f64: microseconds.
    time: Vec<u8>,
    /// u8: kind of the row; 0x80 is set if something went wrong.
    kind: Vec<u8>,
    /// u8: lane.
    from: Vec<u8>,
    /// u8: lane, or 255 for none.
    to: Vec<u8>,
    /// u16: DMB, or 0 for none.
    dmb: Vec<u8>,
    /// u8: rule, or 0 for none.
    rule: Vec<u8>,
}

impl Columns {
    pub(super) fn push(&mut self, row: &Row) {
        self.rows += 1;
        self.at.extend(row.at.to_le_bytes());
        self.count.extend(row.count.to_le_bytes());
        self.time.extend((row.time as f64).to_le_bytes());
        self.kind
            .push(row.kind as u8 | if row.failed { 0x80 } else { 0 });
        self.from.push(row.from);
        self.to.push(row.to);
        self.dmb.extend(row.dmb.to_le_bytes());
        self.rule.push(row.rule);
    }

    pub(super) fn len(&self) -> usize {
        self.rows
    }

    /// The names of the columns, with their packed bytes.
    pub(super) fn packed(&self) -> [(&'static str, String); 8] {
        let columns: [(&'static str, &[u8]); 8] = [
            ("at", &self.at),
            ("count", &self.count),
            ("time", &self.time),
            ("kind", &self.kind),
            ("from", &self.from),
            ("to", &self.to),
            ("dmb", &self.dmb),
            ("rule", &self.rule),
        ];
        columns.map(|(name, bytes)| (name, packed(bytes)))
    }
}

/// Packs bytes and encodes them as text. Writing to memory does not fail.
pub(super) fn packed(bytes: &[u8]) -> String {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    let _ = encoder.write_all(bytes);
    STANDARD.encode(encoder.finish().unwrap_or_default())
}
