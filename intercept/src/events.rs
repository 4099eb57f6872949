//! Reads the server's event file: the accesses that the device saw.
//!
//! The format is the server's (`docs/events.md`); only accesses are read, other events are passed over.

use crate::document::{Document, DocumentError};
use crate::plan::hex;
use crate::recording::{Access, Piece};
use serde::Deserialize;
use std::path::Path;

/// The version of the event format that this crate reads.
const SCHEMA_VERSION: u32 = 1;

#[derive(Default, Deserialize)]
#[serde(default)]
struct Line {
    schema_version: u32,
    event: String,
    time_us: u64,
    path: Option<String>,
    pcias: Option<u8>,
    offset: u64,
    length: u64,
    bytes: Option<String>,
    result: Option<String>,
}

/// The accesses of the guest's function with this number, in the order of the event file.
///
/// # Errors
/// A file that cannot be read, or a line that is no event.
pub fn read(path: &Path, function: u8) -> Result<Vec<Piece>, DocumentError> {
    let timed = read_timed(path, function)?;
    Ok(timed.into_iter().map(|(_, piece)| piece).collect())
}

/// The same accesses with their times, in microseconds since the server started.
///
/// # Errors
/// As for [`read`].
pub fn read_timed(path: &Path, function: u8) -> Result<Vec<(u64, Piece)>, DocumentError> {
    let mut pieces = Document::new("event file", path).lines(parse)?;
    for (_, piece) in &mut pieces {
        piece.function = function;
    }
    Ok(pieces)
}

fn parse(line: &str) -> Result<Option<(u64, Piece)>, String> {
    let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
    if line.schema_version != SCHEMA_VERSION {
        return Err(format!(
            "schema_version is {}, expected {SCHEMA_VERSION}",
            line.schema_version
        ));
    }
    if line.event == "truncated" {
        return Err("the server stopped writing events here".into());
    }
    let Ok(access) = line.event.parse::<Access>() else {
        return Ok(None);
    };
    let text = line.bytes.unwrap_or_default();
    let bytes = hex::decode(&text).ok_or_else(|| format!("bytes {text:?} are not hexadecimal"))?;
    let result = line.result.unwrap_or_else(|| "accepted".into());
    if result == "accepted" && bytes.len() as u64 != line.length {
        return Err(format!(
            "{} bytes for a length of {}",
            bytes.len(),
            line.length
        ));
    }
    let piece = Piece {
        function: 0,
        access,
        path: line.path.unwrap_or_else(|| "config".into()),
        space: if access.is_config() {
            15
        } else {
            line.pcias.unwrap_or(0)
        },
        offset: line.offset,
        bytes,
        result,
    };
    Ok(Some((line.time_us, piece)))
}

#[cfg(test)]
mod tests {
    use super::{parse, read};
    use crate::recording::Access;

    #[test]
    fn accesses_become_pieces() {
        let store = r#"{"schema_version":1,"seq":12,"time_us":345,"function":"ism0","event":"store","path":"bar","pcias":2,"offset":8,"length":2,"bytes":"0aff","posted":true,"result":"rejected","rules":["plain-store"]}"#;
        let (time, piece) = parse(store).expect("valid").expect("an access");
        assert_eq!(time, 345);
        assert_eq!(
            (
                piece.access,
                piece.space,
                piece.offset,
                piece.bytes.as_slice()
            ),
            (Access::Store, 2, 8, &[10, 255][..])
        );
        assert!(!piece.accepted());
        let config = r#"{"schema_version":1,"seq":1,"time_us":1,"function":"ism0","event":"config-read","offset":44,"length":4,"bytes":"00000000","result":"accepted"}"#;
        let (_, piece) = parse(config).expect("valid").expect("an access");
        assert_eq!(
            (piece.access, piece.space, piece.path.as_str()),
            (Access::ConfigRead, 15, "config")
        );
    }

    #[test]
    fn other_events_are_passed_over_and_unknown_versions_are_not() {
        assert_eq!(parse(r#"{"schema_version":1,"event":"reset"}"#), Ok(None));
        assert_eq!(
            parse(r#"{"schema_version":2,"event":"reset"}"#).expect_err("refused"),
            "schema_version is 2, expected 1"
        );
        assert!(parse(r#"{"schema_version":1,"event":"truncated"}"#).is_err());
        assert!(parse(r#"{"schema_version":1,"event":"store","length":3,"bytes":"00"}"#).is_err());
    }

    #[test]
    fn errors_name_file_and_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events");
        std::fs::write(&path, "{\"schema_version\":1,\"event\":\"reset\"}\n{\n").expect("writes");
        let message = read(&path, 0).expect_err("refused").to_string();
        assert!(message.contains("events, line 2: EOF"), "{message}");
    }
}
