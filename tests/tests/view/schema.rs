//! Tests of the JSON schema that the program prints, with the lines of real event files.

use std::collections::BTreeSet;

use jsonschema::Validator;
use serde_json::{Value, json};
use vfio_user_ism_tests::{Daemon, program};

use crate::session::recorded;

#[track_caller]
fn schema() -> Value {
    let ended = program::run(["events", "schema"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    serde_json::from_str(&ended.stdout).expect("JSON alone")
}

fn validator() -> Validator {
    jsonschema::validator_for(&schema()).expect("a schema")
}

#[test]
fn every_line_of_a_session_is_what_the_schema_says() {
    let validator = validator();
    let events = recorded(&[]).events;
    for event in &events {
        let wrong: Vec<_> = validator
            .iter_errors(event)
            .map(|e| e.to_string())
            .collect();
        assert!(wrong.is_empty(), "{event}: {wrong:?}");
    }
    let seen: BTreeSet<_> = events
        .iter()
        .map(|e| e["event"].as_str().unwrap())
        .collect();
    let all = "client-refused command config-read config-write connected data-move disconnected \
               interrupt load queued refused-request reset store violation";
    assert_eq!(seen, all.split_whitespace().collect());
}

#[test]
fn a_file_that_is_full_ends_in_a_line_of_the_schema() {
    let daemon = Daemon::with_arguments(&["--events-limit", "1000"]);
    let mut client = daemon.client();
    for _ in 0..20 {
        client.read(7, 0, 4).ok();
    }
    drop(client);
    let events = daemon.stop().events;
    assert_eq!(events.last().unwrap()["event"], "truncated");
    assert!(validator().is_valid(events.last().unwrap()));
}

#[test]
fn a_line_that_the_server_does_not_write_is_none_of_the_schema() {
    let validator = validator();
    let line = json!({"schema_version": 1, "seq": 1, "time_us": 0, "function": "ism0",
        "cause": 1, "event": "config-read", "offset": 4, "length": 2, "bytes": "0aff",
        "result": "accepted"});
    assert!(validator.is_valid(&line));
    for (field, value) in [
        ("schema_version", json!(2)),
        ("seq", json!(0)),
        ("cause", json!(null)),
        ("event", json!("other")),
        ("bytes", json!("0AFF")),
        ("bytes", json!("0af")),
        ("length", json!(-1)),
        ("unknown", json!(1)),
    ] {
        let mut changed = line.clone();
        changed[field] = value;
        assert!(!validator.is_valid(&changed), "{changed}");
    }
    for field in line.as_object().unwrap().keys() {
        let mut without = line.clone();
        without.as_object_mut().unwrap().remove(field);
        assert_eq!(validator.is_valid(&without), field == "cause", "{field}");
    }
}

/// Returns the kinds of the lines with the cause of `event`, sorted.
fn family<'a>(events: &'a [Value], event: &'a Value) -> Vec<&'a str> {
    let cause = event["cause"].as_u64().expect("a cause");
    let same = events.iter().filter(|other| other["cause"] == cause);
    let mut names: Vec<_> = same.map(|event| event["event"].as_str().unwrap()).collect();
    names.sort_unstable();
    names
}

#[test]
fn lines_that_one_access_caused_share_its_number() {
    let events = recorded(&[]).events;
    let named = |name: &'static str| events.iter().filter(move |event| event["event"] == name);
    let signalled = named("data-move")
        .find(|event| event["signalled"] == true)
        .unwrap();
    assert_eq!(
        family(&events, signalled),
        ["data-move", "interrupt", "store"]
    );
    let event = named("command")
        .find(|event| event["name"] == "SIGNAL_IEQ")
        .unwrap();
    assert_eq!(
        family(&events, event),
        ["command", "interrupt", "queued", "store"]
    );
    // The buffers of a function that is reset, and of one that leaves, are gone, and their users get events.
    let reset = named("reset").next().unwrap();
    assert!(family(&events, reset).contains(&"reset"));
    for event in named("connected")
        .chain(named("config-read"))
        .chain(named("refused-request"))
    {
        assert_eq!(event.get("cause"), None, "{event}");
    }
    // No two causes have the same number.
    let own = |event: &&Value| {
        ["store", "load", "reset", "disconnected"].contains(&event["event"].as_str().unwrap())
    };
    let numbers: Vec<_> = events
        .iter()
        .filter(own)
        .map(|event| event["cause"].as_u64())
        .collect();
    let distinct: BTreeSet<_> = numbers.iter().collect();
    assert_eq!(distinct.len(), numbers.len());
}
