use super::*;

#[test]
fn lines_are_json_with_a_running_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let mut file = EventFile::create(&path, 1 << 20).unwrap();
    file.write("ism0", &Event::Reset);
    file.write(
        "ism0",
        &Event::Store {
            path: "bar",
            pcias: 2,
            offset: 8,
            length: 2,
            bytes: Hex(&[0x0a, 0xff]),
            posted: true,
            result: "accepted",
            rules: &["plain-store"],
        },
    );
    file.flush();
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines[0]["event"], "reset");
    assert_eq!((&lines[0]["seq"], &lines[1]["seq"]), (&1.into(), &2.into()));
    assert_eq!(lines[1]["bytes"], "0aff");
    assert_eq!(lines[1]["rules"][0], "plain-store");
    assert_eq!(lines[1]["schema_version"], 1);
}

/// One of each event, as `docs/events.md` tells them.
fn every_event() -> Vec<Event<'static>> {
    let (bytes, rules) = (Hex(&[]), &[][..]);
    let (path, result, detail, name) = ("bar", "accepted", "", "");
    vec![
        Event::Connected {
            pid: None,
            channel: false,
        },
        Event::Disconnected {
            maps: 0,
            channel: true,
        },
        Event::ClientRefused {
            pid: None,
            channel: false,
        },
        Event::Reset,
        Event::Store {
            path,
            pcias: 0,
            offset: 0,
            length: 0,
            bytes,
            posted: false,
            result,
            rules,
        },
        Event::Load {
            path,
            pcias: 0,
            offset: 0,
            length: 0,
            bytes,
            result,
            rules,
        },
        Event::ConfigWrite {
            offset: 0,
            length: 0,
            bytes,
            result,
        },
        Event::ConfigRead {
            offset: 0,
            length: 0,
            bytes,
            result,
        },
        Event::Violation {
            rule: "",
            severity: "",
            path,
            pcias: 0,
            offset: 0,
            length: 0,
            pieces: 0,
            piece_length: 0,
            detail,
        },
        Event::Command {
            code: 0,
            name,
            request: bytes,
            response_code: 0,
            response: bytes,
        },
        Event::DataMove {
            token: 0,
            owner: name,
            dmb_offset: 0,
            length: 0,
            element: 0,
            signal: false,
            signalled: false,
        },
        Event::Queued {
            to: name,
            event_type: 0,
            code: 0,
            token: 0,
            info: 0,
            delivered: true,
        },
        Event::Interrupt { vector: 0 },
        Event::RefusedRequest {
            command: "",
            errno: 0,
            reason: "",
        },
        Event::Truncated { limit: 0 },
    ]
}

#[test]
fn the_page_tells_every_event_and_field_and_no_other() {
    let page = include_str!("../../../../docs/events.md");
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `") && line.matches('|').count() == 4)
        .map(|line| line.split('|').map(str::trim).collect())
        .collect();
    let ticked = |text: &str| -> Vec<String> {
        text.split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect()
    };
    let mut told: Vec<String> = rows.iter().flat_map(|row| ticked(row[1])).collect();
    for event in every_event() {
        let value = serde_json::to_value(&event).unwrap();
        let name = value["event"].as_str().unwrap();
        let row = rows
            .iter()
            .find(|row| ticked(row[1]).iter().any(|told| told == name));
        let row = row.unwrap_or_else(|| panic!("docs/events.md does not tell {name}"));
        let mut fields: Vec<String> = value
            .as_object()
            .unwrap()
            .keys()
            .filter(|key| *key != "event")
            .cloned()
            .collect();
        fields.sort();
        let mut documented = ticked(row[2]);
        documented.sort();
        assert_eq!(documented, fields, "{name}");
        told.retain(|told| told != name);
    }
    assert_eq!(told, Vec::<String>::new(), "told, but no event");
}

#[test]
fn the_limit_ends_the_file_with_a_last_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let mut file = EventFile::create(&path, 500).unwrap();
    for _ in 0..100 {
        file.write("ism0", &Event::Reset);
    }
    file.flush();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.len() < 700, "{}", text.len());
    assert!(
        text.lines()
            .last()
            .unwrap()
            .contains("\"event\":\"truncated\",\"limit\":500")
    );
}

#[test]
fn a_full_disk_stops_the_file_and_nothing_else() {
    let mut file = EventFile::create(Path::new("/dev/full"), 1 << 20).unwrap();
    file.write("ism0", &Event::Reset);
    file.flush();
    file.write("ism0", &Event::Reset);
    assert!(file.stopped);
}

#[test]
fn a_line_shows_no_more_than_a_store_block() {
    let text = Hex(&[0xab; 1 << 20]).to_string();
    assert_eq!(text.len(), 2 * 4096);
    assert!(text.starts_with("abab"));
}
