//! Tests of the Perfetto trace, and of the view in a terminal.

use std::fs::File;
use std::process::Stdio;

use serde_json::Value;
use vfio_user_ism_tests::program;

use crate::session::recorded;

#[test]
fn a_trace_has_slices_flows_and_counters() {
    let recorded = recorded(&[]);
    let (events, trace) = (recorded.path("events"), recorded.path("trace.json"));
    let arguments = [
        "view",
        events.to_str().unwrap(),
        "--perfetto",
        trace.to_str().unwrap(),
    ];
    let ended = program::run(arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        !recorded.path("events.html").exists(),
        "no page was asked for"
    );
    let trace: Value = serde_json::from_slice(&std::fs::read(trace).unwrap()).unwrap();
    let all = trace["traceEvents"].as_array().unwrap();
    let with = |phase: &'static str| all.iter().filter(move |event| event["ph"] == phase);
    let names: Vec<_> = with("M")
        .map(|event| event["args"]["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["function ism0", "fabric 0", "function ism1"]);
    let commands = recorded
        .events
        .iter()
        .filter(|event| event["event"] == "command")
        .count();
    assert_eq!(
        with("X").filter(|event| event["cat"] == "commands").count(),
        commands
    );
    let is_signal = |name: &Value| name.as_str().unwrap().starts_with("SIGNAL_IEQ");
    let signal = with("X").find(|event| is_signal(&event["name"]));
    assert_eq!(signal.unwrap()["args"]["interrupts"], "ism0");
    let starts: Vec<_> = with("s")
        .map(|event| (&event["cat"], &event["id"]))
        .collect();
    let ends: Vec<_> = with("f")
        .map(|event| (&event["cat"], &event["id"]))
        .collect();
    assert!(!starts.is_empty());
    assert_eq!(starts, ends);
    let fills: Vec<_> = with("C")
        .map(|event| event["args"]["bytes"].as_u64().unwrap())
        .collect();
    assert_eq!(fills[..5], [5000, 0, 100, 200, 300], "{fills:?}");
    assert!(with("X").all(|event| event["dur"].as_u64().unwrap() > 0));
}

#[test]
fn the_terminal_shows_functions_dmbs_and_the_last_violations() {
    let recorded = recorded(&[]);
    let events = recorded.path("events");
    let ended = program::run(["view", "--follow", "--once", events.to_str().unwrap()]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let moves = recorded
        .events
        .iter()
        .filter(|event| event["event"] == "data-move");
    let moves = moves
        .filter(|event| event["function"] == "ism1")
        .count()
        .to_string();
    let line = ended
        .stdout
        .lines()
        .find(|line| line.starts_with("ism1"))
        .unwrap();
    assert_eq!(
        line.split_whitespace().nth(4),
        Some(&moves[..]),
        "{}",
        ended.stdout
    );
    assert!(
        ended
            .stdout
            .contains("last violations, refusals and faults")
    );
    assert!(ended.stdout.contains("torn-header"), "{}", ended.stdout);
    assert!(
        !ended.stdout.contains('\x1b'),
        "colours and cursor are for terminals"
    );
}

#[test]
fn a_terminal_view_that_cannot_be_written_is_an_error() {
    let recorded = recorded(&[]);
    let mut command = program::command();
    command
        .args(["view", "--follow"])
        .arg(recorded.path("events"));
    let full = File::create("/dev/full").unwrap();
    let shown = command
        .stdout(full)
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&shown.stderr);
    assert_eq!(shown.status.code(), Some(3), "{told}");
    assert!(told.contains("cannot write standard output"), "{told}");
}

#[test]
fn numbers_that_no_server_writes_end_nothing() {
    let mut recorded = recorded(&[]);
    let events = recorded.path("huge");
    for event in &mut recorded.events {
        for key in ["length", "dmb_offset", "offset", "pieces"] {
            if event[key].is_u64() {
                event[key] = u64::MAX.into();
            }
        }
    }
    recorded.events.last_mut().unwrap()["time_us"] = u64::MAX.into();
    let lines = recorded.events.iter().map(|event| format!("{event}\n"));
    std::fs::write(&events, lines.collect::<String>()).unwrap();
    let trace = recorded.path("trace");
    for more in [
        &[][..],
        &["--follow", "--once"],
        &["--perfetto", trace.to_str().unwrap()],
    ] {
        let ended = program::run([&["view", events.to_str().unwrap()], more].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    }
}
