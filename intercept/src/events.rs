//! Reads the server's event file: the accesses that the device saw.
//!
//! Only accesses are read, other events are passed over.

use crate::document::{Document, DocumentError};
use crate::recording::Piece;
use records::event::{ACCEPTED, Event, Line};
use std::path::Path;

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
    let line = Line::<Event<'_>>::read(line.as_bytes()).map_err(|error| error.to_string())?;
    if matches!(line.event, Event::Truncated { .. }) {
        return Err("the server stopped writing events here".into());
    }
    let Some(access) = line.event.access() else {
        return Ok(None);
    };
    let shown = access.bytes.len();
    if access.result == ACCEPTED && shown != access.length {
        return Err(format!("{shown} bytes for a length of {}", access.length));
    }
    let piece = Piece {
        function: 0,
        access: access.kind,
        path: access.path.to_owned(),
        space: access.pcias,
        offset: access.offset,
        bytes: access.bytes.to_owned(),
        result: access.result.to_owned(),
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
        let event = |rest: &str| {
            parse(&format!(
                r#"{{"schema_version":1,"seq":1,"time_us":1,"function":"a","event":{rest}}}"#
            ))
        };
        assert_eq!(event(r#""reset""#), Ok(None));
        assert_eq!(event(r#""of-a-newer-server","bytes":[]"#), Ok(None));
        let newer = parse(r#"{"schema_version":2,"event":"reset"}"#).expect_err("refused");
        assert!(newer.contains("schema_version 2, expected 1"), "{newer}");
        assert!(event(r#""truncated","limit":1"#).is_err());
        let read = |length: u8, result: &str| {
            event(&format!(
                r#""config-read","offset":0,"length":{length},"bytes":"00","result":"{result}""#
            ))
        };
        assert!(read(1, "accepted").is_ok_and(|piece| piece.is_some()));
        let short = read(3, "accepted").expect_err("refused");
        assert_eq!(short, "1 bytes for a length of 3");
        assert!(read(3, "refused").is_ok_and(|piece| piece.is_some()));
    }

    #[test]
    fn errors_name_file_and_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("events");
        let reset = r#"{"schema_version":1,"seq":1,"time_us":1,"function":"a","event":"reset"}"#;
        std::fs::write(&path, format!("{reset}\n{{\n")).expect("writes");
        let message = read(&path, 0).expect_err("refused").to_string();
        assert!(message.contains("events, line 2: EOF"), "{message}");
    }
}
