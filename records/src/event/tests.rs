use std::borrow::Cow;
use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// One event of each kind, made of these values.
fn every_event<'a>(n: u64, flag: bool, text: &'a str, bytes: &'a [u8]) -> Vec<Event<'a>> {
    let (byte, half, word, size) = (n as u8, n as u16, n as u32, n as usize);
    let text = || Cow::from(text);
    let hex = || Hex::from(bytes);
    let rules = || Cow::from(vec![text(); usize::from(byte % 3)]);
    let (some_word, some_text) = (flag.then_some(word), flag.then(text));
    let pid = some_word.map(|word| word as i32);
    vec![
        Event::Connected { pid, channel: flag },
        Event::Disconnected {
            maps: size,
            channel: flag,
        },
        Event::ClientRefused { pid, channel: flag },
        Event::Reset,
        Event::Error,
        Event::Store {
            path: text(),
            pcias: byte,
            offset: n,
            length: !size,
            bytes: hex(),
            posted: flag,
            result: text(),
            rules: rules(),
        },
        Event::Load {
            path: text(),
            pcias: byte,
            offset: n,
            length: !size,
            bytes: hex(),
            result: text(),
            rules: rules(),
        },
        Event::ConfigWrite {
            offset: n,
            length: !size,
            bytes: hex(),
            result: text(),
        },
        Event::ConfigRead {
            offset: n,
            length: !size,
            bytes: hex(),
            result: text(),
        },
        Event::Violation {
            rule: text(),
            severity: text(),
            path: text(),
            pcias: byte,
            offset: n,
            length: !size,
            pieces: size,
            piece_length: !size,
            detail: text(),
            caused_by: some_text.clone(),
        },
        Event::Fault {
            fault: text(),
            kind: text(),
            number: n,
            action: json!({ "a": [n, null, text()] }),
            peer: some_text,
        },
        Event::Command {
            code: word,
            name: text(),
            request: hex(),
            response_code: half,
            response: hex(),
        },
        Event::DataMove {
            token: n,
            owner: text(),
            dmb_offset: !n,
            length: size,
            element: byte,
            signal: flag,
            signalled: !flag,
        },
        Event::Queued {
            to: text(),
            event_type: word,
            code: !word,
            token: n,
            info: !n,
            delivered: flag,
        },
        Event::Interrupt { vector: half },
        Event::NotWritten {
            iova: n,
            length: !size,
            errno: some_word,
            reason: text(),
        },
        Event::RefusedRequest {
            command: text(),
            errno: word,
            reason: text(),
        },
        Event::Truncated { limit: n },
    ]
}

fn line(front: &Front<'_>, event: &Event<'_>) -> String {
    let mut out = Vec::new();
    front.write(event, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

proptest! {
    #[test]
    fn every_event_is_read_as_it_was_written(
        n: u64,
        flag: bool,
        text: String,
        bytes in prop::collection::vec(any::<u8>(), 0..40),
        cause: Option<u64>,
    ) {
        let front = Front { seq: n, time_us: !n, function: &text, cause };
        for event in every_event(n, flag, &text, &bytes) {
            let written = line(&front, &event);
            prop_assert!(written.ends_with('\n') && written.matches('\n').count() == 1);
            let read = Line {
                schema_version: SCHEMA_VERSION,
                seq: n,
                time_us: !n,
                function: text.as_str().into(),
                cause,
                event: event.clone(),
            };
            prop_assert_eq!(&Line::read(written.as_bytes()).unwrap(), &read, "{}", written);
            // The same bytes as by the serializer, and the same kind for those who read nothing else.
            let mut whole = Vec::new();
            front.write_text(&serde_json::to_vec(&event).unwrap(), &mut whole);
            prop_assert_eq!(&written, &String::from_utf8(whole).unwrap());
            let kind: Kind = Line::read(written.as_bytes()).unwrap().event;
            let told = format!("\"event\":\"{}\"", kind.event);
            prop_assert!(written.contains(&told));
            let name = matches!(event, Event::Command { .. }).then(|| text.clone());
            prop_assert_eq!(kind.name, name);
            if let Some(access) = event.access() {
                prop_assert_eq!(&kind.event, access.kind.name());
                prop_assert_eq!(json!(access.kind), json!(kind.event));
            }
        }
    }
}

#[test]
fn bytes_of_lines_are_those_of_the_page() {
    let front = Front {
        seq: 7,
        time_us: 1234,
        function: "ism\"0\"",
        cause: Some(3),
    };
    let start =
        r#"{"schema_version":1,"seq":7,"time_us":1234,"function":"ism\"0\"","cause":3,"event":"#;
    let expected = [
        r#""connected","pid":null,"channel":false}"#,
        r#""disconnected","maps":513,"channel":false}"#,
        r#""client-refused","pid":null,"channel":false}"#,
        r#""reset"}"#,
        r#""error"}"#,
        r#""store","path":"x","pcias":1,"offset":513,"length":18446744073709551102,"bytes":"0aff","posted":false,"result":"x","rules":["x"]}"#,
        r#""load","path":"x","pcias":1,"offset":513,"length":18446744073709551102,"bytes":"0aff","result":"x","rules":["x"]}"#,
        r#""config-write","offset":513,"length":18446744073709551102,"bytes":"0aff","result":"x"}"#,
        r#""config-read","offset":513,"length":18446744073709551102,"bytes":"0aff","result":"x"}"#,
        r#""violation","rule":"x","severity":"x","path":"x","pcias":1,"offset":513,"length":18446744073709551102,"pieces":513,"piece_length":18446744073709551102,"detail":"x"}"#,
        r#""fault","fault":"x","kind":"x","number":513,"action":{"a":[513,null,"x"]},"peer":null}"#,
        r#""command","code":513,"name":"x","request":"0aff","response_code":513,"response":"0aff"}"#,
        r#""data-move","token":513,"owner":"x","dmb_offset":18446744073709551102,"length":513,"element":1,"signal":false,"signalled":true}"#,
        r#""queued","to":"x","event_type":513,"code":4294966782,"token":513,"info":18446744073709551102,"delivered":false}"#,
        r#""interrupt","vector":513}"#,
        r#""not-written","iova":513,"length":18446744073709551102,"errno":null,"reason":"x"}"#,
        r#""refused-request","command":"x","errno":513,"reason":"x"}"#,
        r#""truncated","limit":513}"#,
    ];
    let events = every_event(0x201, false, "x", &[0x0a, 0xff]);
    assert_eq!(events.len(), expected.len());
    for (event, expected) in events.iter().zip(expected) {
        assert_eq!(line(&front, event), format!("{start}{expected}\n"));
    }
}

#[test]
fn the_page_tells_every_event_and_field_and_no_other() {
    let page = include_str!("../../../docs/events.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `") && line.matches('|').count() == 4)
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let ticked = |text: &str| -> BTreeSet<String> {
        let ticked = text.split('`').skip(1).step_by(2);
        ticked.map(str::to_owned).collect()
    };
    let mut told: BTreeSet<String> = rows.iter().flat_map(|row| ticked(row[1])).collect();
    for event in every_event(0, true, "", &[]) {
        let Value::Object(mut fields) = serde_json::to_value(&event).unwrap() else {
            panic!("{event:?} is no object");
        };
        let name = fields.remove("event").unwrap();
        let name = name.as_str().unwrap();
        let row = rows.iter().find(|row| ticked(row[1]).contains(name));
        let row = row.unwrap_or_else(|| panic!("docs/events.md does not tell {name}"));
        assert_eq!(ticked(row[2]), fields.keys().cloned().collect(), "{name}");
        told.remove(name);
    }
    assert_eq!(told, BTreeSet::new(), "told, but no event");
}

#[test]
fn lines_show_no_more_than_a_store_block() {
    for event in every_event(0, false, "", &[0xab; SHOWN_BYTES + 1]) {
        let Value::Object(fields) = serde_json::to_value(&event).unwrap() else {
            panic!("{event:?} is no object");
        };
        for name in ["bytes", "request", "response"] {
            if let Some(text) = fields.get(name) {
                assert_eq!(text, &"ab".repeat(SHOWN_BYTES));
            }
        }
    }
    let bytes = Hex::from(&[0xab; SHOWN_BYTES + 1][..]);
    let front = Front {
        seq: 1,
        time_us: 1,
        function: "",
        cause: None,
    };
    let load = Event::Load {
        path: "".into(),
        pcias: 0,
        offset: 0,
        length: 0,
        bytes,
        result: "".into(),
        rules: Cow::default(),
    };
    assert_eq!(line(&front, &load).matches("ab").count(), SHOWN_BYTES);
}

#[test]
fn lines_of_newer_servers_are_read_as_far_as_they_are_known() {
    let read = |rest: &str| {
        let line = format!(r#"{{"schema_version":1,"seq":1,"time_us":2,"function":"a",{rest}}}"#);
        Line::<Event<'_>>::read(line.as_bytes()).map(|line| line.event)
    };
    let unknown = read(r#""event":"of-a-newer-server","vector":[]"#).unwrap();
    assert_eq!(unknown, Event::Unknown);
    assert!(serde_json::to_string(&unknown).is_err());
    let more = read(r#""event":"interrupt","more":{"a":1},"vector":4"#).unwrap();
    assert_eq!(more, Event::Interrupt { vector: 4 });
    let kind = read(
        r#""event":"violation","rule":"r","severity":"new","path":"new","pcias":0,"offset":0,"length":0,"pieces":0,"piece_length":0,"detail":"""#,
    );
    assert!(matches!(kind, Ok(Event::Violation { severity, .. }) if severity == "new"));
    let missing = read(r#""event":"interrupt""#).unwrap_err().to_string();
    assert!(missing.contains("missing field `vector`"), "{missing}");
}

#[test]
fn a_line_of_another_version_is_refused_whatever_else_it_has() {
    for (line, expected) in [
        (
            r#"{"schema_version":2,"event":"reset"}"#,
            "schema_version 2, expected 1",
        ),
        (r#"{"schema_version":"1","event":"reset"}"#, "expected u32"),
        (
            r#"{"seq":1,"time_us":1,"function":"a","event":"reset"}"#,
            "missing field `schema_version`",
        ),
        ("[1]", "invalid type: sequence"),
        ("{", "EOF"),
    ] {
        let error = Line::<Event<'_>>::read(line.as_bytes()).unwrap_err();
        assert!(error.to_string().contains(expected), "{line}: {error}");
    }
}

#[test]
fn accesses_of_config_space_have_a_path_and_a_space() {
    let events = every_event(3, true, "x", &[1]);
    let accesses: Vec<_> = events.iter().filter_map(Event::access).collect();
    let told = |access: &Access<'_>| {
        let (kind, bytes) = (access.kind, access.bytes.to_owned());
        let space = (access.path.to_owned(), access.pcias);
        (kind.name(), space, access.posted, bytes)
    };
    let all: Vec<_> = accesses.iter().map(told).collect();
    let config = ("config".to_owned(), 15);
    let bar = ("x".to_owned(), 3);
    assert_eq!(
        all,
        [
            ("store", bar.clone(), true, vec![1]),
            ("load", bar, false, vec![1]),
            ("config-write", config.clone(), false, vec![1]),
            ("config-read", config, false, vec![1]),
        ]
    );
}
