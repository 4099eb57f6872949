//! Tests of the records of faults: events, counts, violations that they cause, and followers.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use vfio_user_ism_tests::client::command;
use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, IOVA, code, dmb, target};
use vfio_user_ism_tests::patience::{PATIENCE, eventually};
use vfio_user_ism_tests::{Bytes, Client, Control, Driver, Via, program};

use crate::setup::{GIDS, Pair, served};

/// Registers the first index by REG_DMB as the owner. Returns true if that succeeded.
fn register(driver: &mut Driver) -> bool {
    let payload = dmb(IOVA + DMB, 0x1000, FIRST_INDEX, GIDS[0]);
    driver.run(code::REG_DMB, payload).code == 0
}

/// Uses an index again after an UNREG_DMB that seems to succeed: `bad-sba-index`.
#[track_caller]
fn break_a_rule(pair: &mut Pair) {
    pair.control
        .set(&json!({ "id": "culprit", "on": { "command": "UNREG_DMB" },
        "do": { "respond": { "code": 0 } }, "limit": 1 }));
    let token = Bytes::new().be64(pair.token);
    pair.owner.run(code::UNREG_DMB, token).ok();
    assert!(!register(&mut pair.owner));
}

fn causes(events: &[Value]) -> Vec<(String, Option<String>)> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let violations = events.iter().filter(|event| event["event"] == "violation");
    violations
        .map(|event| (text(&event["rule"]).unwrap(), text(&event["caused_by"])))
        .collect()
}

#[test]
fn a_violation_names_the_fault_that_it_comes_of() {
    let mut pair = Pair::new();
    break_a_rule(&mut pair);
    let stopped = pair.stop();
    let expected = ("bad-sba-index".to_owned(), Some("culprit".to_owned()));
    assert_eq!(causes(&stopped.events), [expected]);
    assert_eq!(stopped.report["violations"], 1);
    assert_eq!(stopped.report["caused_violations"], 1);
    assert_eq!(stopped.report["worst_severity"], Value::Null);
    assert_eq!(stopped.function("ism1")["rules"][0]["caused"], 1);
    assert_eq!(stopped.function("ism1")["faults"], json!({ "respond": 1 }));
    assert_eq!(stopped.function("ism0")["faults"], json!({}));
}

#[test]
fn a_violation_without_a_fault_names_none() {
    let mut pair = Pair::with(&[json!({ "id": "innocent", "on": { "function": "ism1" },
        "do": "lose-interrupt" })]);
    let at = target(pair.token, 0, true, 0);
    pair.writer.put(at, b"x").ok();
    assert!(!register(&mut pair.owner));
    let stopped = pair.stop();
    assert_eq!(
        causes(&stopped.events),
        [("bad-sba-index".to_owned(), None)]
    );
    assert_eq!(stopped.report["caused_violations"], 0);
    assert_eq!(stopped.report["worst_severity"], "warn");
}

#[test]
fn another_function_is_not_excused() {
    let mut pair = Pair::new();
    break_a_rule(&mut pair);
    assert!(register(&mut pair.writer));
    assert!(!register(&mut pair.writer));
    let rules = causes(&pair.stop().events);
    assert_eq!(rules[0].1.as_deref(), Some("culprit"));
    assert_eq!(rules[1].1, None);
}

#[test]
fn a_reset_ends_what_a_fault_excuses() {
    let mut pair = Pair::new();
    break_a_rule(&mut pair);
    pair.owner.client.request(command::RESET, []).ok();
    pair.owner.register();
    assert!(register(&mut pair.owner));
    assert!(!register(&mut pair.owner));
    let rules = causes(&pair.stop().events);
    assert_eq!(rules.len(), 2);
    assert_eq!(
        (rules[0].1.as_deref(), rules[1].1.as_deref()),
        (Some("culprit"), None)
    );
}

#[test]
fn what_a_fault_causes_does_not_fail_the_run() {
    let code = |faulty: bool| {
        let (daemon, socket) = served(&[], &["--fail-on", "note"]);
        let mut pair = Pair::on(daemon, &socket);
        if faulty {
            break_a_rule(&mut pair);
        } else {
            assert!(!register(&mut pair.owner));
        }
        pair.stop().ended.code
    };
    assert_eq!(code(true), Some(0));
    assert_eq!(code(false), Some(1));
}

#[test]
fn every_line_is_of_the_schema_and_a_fault_has_the_cause_of_its_access() {
    let ended = program::run(["events", "schema"]);
    let schema = jsonschema::validator_for(&serde_json::from_str(&ended.stdout).unwrap()).unwrap();
    let mut pair = Pair::new();
    break_a_rule(&mut pair);
    pair.control
        .set(&json!({ "id": "move", "do": "lose-move", "limit": 1 }));
    let at = target(pair.token, 0, true, 0);
    pair.writer.put(at, b"x").ok();
    for action in ["error-state", "vanish", "come-back", "spurious-interrupt"] {
        pair.control.inject("ism0", &json!(action));
    }
    let events = pair.stop().events;
    for event in &events {
        let wrong: Vec<String> = schema.iter_errors(event).map(|e| e.to_string()).collect();
        assert!(wrong.is_empty(), "{event}: {wrong:?}");
    }
    let lost = events
        .iter()
        .find(|event| event["kind"] == "lose-move")
        .unwrap();
    let store = events
        .iter()
        .find(|event| event["event"] == "store" && event["cause"] == lost["cause"])
        .unwrap();
    assert_eq!(
        (&store["pcias"], &store["result"]),
        (&json!(0), &json!("accepted"))
    );
    assert_eq!(lost["peer"], "ism1");
    assert_eq!(lost["action"], json!({ "lose-move": { "error": false } }));
    let now: Vec<&str> = events
        .iter()
        .filter(|event| event["fault"] == "now")
        .map(|event| event["kind"].as_str().unwrap())
        .collect();
    assert_eq!(
        now,
        ["error-state", "vanish", "come-back", "spurious-interrupt"]
    );
}

/// A child process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Follows the events of a server.
fn follow(socket: &std::path::Path) -> Control {
    let mut follower = Control::connect(socket);
    follower.ok(&json!({ "request": "events" }));
    follower
}

#[test]
fn events_are_followed_beside_the_file() {
    let (daemon, socket) = served(&[], &[]);
    drop(Client::open(&daemon.socket("ism0")));
    let mut followers = [follow(&socket), follow(&socket)];
    let mut client = Client::open(&daemon.socket("ism1"));
    client.read(7, 0, 4).ok();
    // The previous client may leave only now.
    let next = |follower: &mut Control| {
        let mut lines = std::iter::from_fn(|| follower.line());
        lines
            .find(|line| line["function"] == "ism1")
            .expect("an event")
    };
    for follower in &mut followers {
        for name in ["connected", "config-read"] {
            assert_eq!(next(follower)["event"], name);
        }
    }
    drop(client);
    let left = followers.each_mut().map(next);
    assert_eq!(left[0]["event"], "disconnected");
    let stopped = daemon.stop();
    let own = |event: &&Value| event["function"] == "ism1";
    let last = stopped.events.iter().rfind(own).unwrap();
    assert_eq!(*last, left[0], "the lines are those of the file");
}

#[test]
fn events_are_followed_without_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let [socket, functions] = ["control", "ism.sock"].map(|name| folder.path().join(name));
    let mut command = program::command();
    command.arg("--socket-path").arg(&functions);
    command
        .arg("--control")
        .arg(&socket)
        .args(["--ready-fd", "1"]);
    let daemon = vfio_user_ism_tests::Daemon::wait_ready(command, folder);
    for _ in 0..2 {
        let mut follower = follow(&socket);
        let client = Client::open(&functions);
        assert_eq!(follower.line().unwrap()["event"], "connected");
        drop(client);
        assert_eq!(follower.line().unwrap()["event"], "disconnected");
    }
    daemon.stop();
}

#[test]
fn ctl_prints_events_until_the_server_ends() {
    let (daemon, socket) = served(&[], &[]);
    let mut command = program::command();
    command.arg("ctl").arg(&socket).arg("events");
    let mut child = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let stdout = child.0.stdout.take().unwrap();
    let lines = std::io::BufRead::lines(std::io::BufReader::new(stdout));
    // It may not follow yet: clients come one after the other until it does.
    let (told, first) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let _ = told.send(serde_json::from_str::<Value>(&line).unwrap());
        }
    });
    let line = eventually("a line", || {
        drop(Client::open(&daemon.socket("ism0")));
        first.try_recv().ok()
    });
    assert_eq!(line["schema_version"], 1);
    daemon.stop();
    let status = eventually("ctl ends with the server", || child.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    reader.join().unwrap();
}

/// Starts `ctl raw`, and sends it one request. Its standard input stays open.
fn raw(socket: &Path, request: &str) -> (Running, ChildStdin, BufReader<ChildStdout>) {
    let mut command = program::command();
    command.arg("ctl").arg(socket).arg("raw");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = Running(command.spawn().unwrap());
    let mut stdin = child.0.stdin.take().unwrap();
    writeln!(stdin, "{request}").unwrap();
    let stdout = child.0.stdout.take().unwrap();
    (child, stdin, BufReader::new(stdout))
}

#[test]
fn raw_requests_end_with_the_reader_and_events_follow_their_request() {
    let (daemon, socket) = served(&[], &[]);
    let functions = r#"{"request":"functions"}"#;
    let line = |stdout: &mut BufReader<ChildStdout>| -> Value {
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap()
    };
    let (mut child, mut stdin, mut stdout) = raw(&socket, functions);
    assert_eq!(line(&mut stdout)["functions"][0]["name"], "ism0");
    drop(stdout);
    writeln!(stdin, "{functions}").unwrap();
    let status = eventually("raw ends with its reader", || child.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));

    let (mut child, mut stdin, mut stdout) = raw(&socket, r#"{"request":"events"}"#);
    assert_eq!(line(&mut stdout)["ok"], true);
    // A further request would be taken for an answer among the events.
    writeln!(stdin, "{functions}").unwrap();
    drop(Client::open(&daemon.socket("ism0")));
    assert_eq!(line(&mut stdout)["event"], "connected");
    daemon.stop();
    let status = eventually("raw ends with the server", || child.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn events_that_cannot_be_written_are_an_error() {
    let (daemon, socket) = served(&[], &[]);
    let mut command = program::command();
    let full = std::fs::File::create("/dev/full").unwrap();
    command.arg("ctl").arg(&socket).arg("events").stdout(full);
    let mut child = Running(command.stderr(Stdio::piped()).spawn().unwrap());
    let status = eventually("ctl fails", || {
        drop(Client::open(&daemon.socket("ism0")));
        child.0.try_wait().unwrap()
    });
    assert_eq!(status.code(), Some(3));
    let mut told = String::new();
    std::io::Read::read_to_string(&mut child.0.stderr.take().unwrap(), &mut told).unwrap();
    assert!(told.contains("cannot write to stdout"), "{told}");
}

#[test]
fn view_attaches_to_a_running_server() {
    let (daemon, socket) = served(&[], &[]);
    let mut pair = Pair::on(daemon, &socket);
    let mut command = program::command();
    command.args(["view", "--follow"]).arg(&socket);
    let mut child = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut stdout = child.0.stdout.take().unwrap();
    let screen = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
    let shown = std::sync::Arc::clone(&screen);
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(got @ 1..) = std::io::Read::read(&mut stdout, &mut bytes) {
            shown
                .lock()
                .unwrap()
                .push_str(&String::from_utf8_lossy(&bytes[..got]));
        }
    });
    pair.control
        .set(&json!({ "id": "lossy", "do": "lose-move" }));
    let at = target(pair.token, 0, true, 0);
    let shown = || screen.lock().unwrap().contains("lossy at ism0: lose-move");
    let start = Instant::now();
    // Moves without a pause must not keep the picture back.
    while !shown() {
        assert!(start.elapsed() < PATIENCE, "the fault is not shown");
        pair.writer.put(at, b"x").ok();
        std::thread::sleep(Duration::from_millis(1));
    }
    pair.stop();
    let status = eventually("view ends with the server", || child.0.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    reader.join().unwrap();
}

#[test]
fn a_driver_of_the_instruction_channel_sees_faults_too() {
    let (daemon, _socket) = served(
        &[
            json!({ "id": "it", "on": { "command": "READ_GID" }, "do": { "respond": { "code": 9 } } }),
        ],
        &[],
    );
    let mut driver = Driver::probe(&daemon.socket("ism0"), Via::Channel);
    assert_eq!(driver.run(code::READ_GID, []).code, 9);
}
