use super::*;

/// One event of each kind, as `docs/events.md` describes them.
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
        Event::Error,
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
            severity: zpci_region::Severity::Off,
            path,
            pcias: 0,
            offset: 0,
            length: 0,
            pieces: 0,
            piece_length: 0,
            detail,
            caused_by: Some(""),
        },
        Event::Fault {
            fault: "",
            kind: "lose-data",
            number: 1,
            action: &Action::LoseData {},
            peer: None,
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
        Event::NotWritten {
            iova: 0,
            length: 0,
            errno: None,
            reason: "",
        },
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
fn a_line_shows_no_more_than_a_store_block() {
    let text = Hex(&[0xab; 1 << 20]).to_string();
    assert_eq!(text.len(), 2 * 4096);
    assert!(text.starts_with("abab"));
}

#[test]
fn lines_written_directly_are_those_that_serde_writes() {
    let causes = [None, Some(3)].into_iter();
    for (event, cause) in every_event()
        .iter()
        .flat_map(|event| causes.clone().map(move |cause| (event, cause)))
    {
        let front = Front {
            seq: 7,
            time_us: 1234,
            function: "ism\"0\"",
            cause,
        };
        let (mut direct, mut whole) = (Vec::new(), Vec::new());
        front.write(event, &mut direct).unwrap();
        front.serialize(event, &mut whole).unwrap();
        whole.push(b'\n');
        assert_eq!(
            String::from_utf8(direct).unwrap(),
            String::from_utf8(whole).unwrap()
        );
    }
}
