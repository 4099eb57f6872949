//! Tests of the control socket and of `ctl`.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};
use vfio_user_ism_tests::driver::code;
use vfio_user_ism_tests::program::{self, Ended};
use vfio_user_ism_tests::{Bytes, Control, Driver, Via};

use crate::setup::{GIDS, served};

fn ctl(socket: &Path, words: &[&str]) -> Ended {
    program::run([&["ctl", socket.to_str().unwrap()], words].concat())
}

#[test]
fn the_socket_is_private_and_removed_at_the_end() {
    let (daemon, socket) = served(&[], &[]);
    let mode = socket.metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o600, "{mode:o}");
    daemon.stop();
    assert!(!socket.exists());
}

#[test]
fn the_list_of_functions_tells_their_state() {
    let (daemon, socket) = served(&[], &[]);
    let mut control = Control::connect(&socket);
    let list =
        |control: &mut Control| control.ok(&json!({ "request": "functions" }))["functions"].clone();
    let nobody = json!({ "name": "ism0", "gid": format!("{:#x}", GIDS[0]), "condition": "working",
        "connected": false, "channel_connected": false, "sba": false, "ieq": false,
        "vlans": [], "dmbs": [] });
    assert_eq!(list(&mut control)[0], nobody);
    let mut driver = Driver::probe(&daemon.socket("ism0"), Via::Channel);
    let token = driver.register_dmb(0x4000, 40, GIDS[1]);
    driver.run(code::ADD_VLAN_ID, Bytes::new().be64(5)).ok();
    let here = json!({ "name": "ism0", "gid": format!("{:#x}", GIDS[0]), "condition": "working",
        "connected": true, "channel_connected": true, "sba": true, "ieq": true, "vlans": [5],
        "dmbs": [{ "token": format!("{token:#x}"), "index": 40, "length": 0x4000,
            "rgid": format!("{:#x}", GIDS[1]) }] });
    assert_eq!(list(&mut control)[0], here);
    assert_eq!(list(&mut control)[1]["name"], "ism1");
}

#[test]
fn faults_are_set_listed_replaced_and_cleared() {
    let (_daemon, socket) = served(&[], &[]);
    let mut control = Control::connect(&socket);
    let list = |control: &mut Control| {
        let answer = control.ok(&json!({ "request": "faults" }));
        let faults = answer["faults"].as_array().unwrap().clone();
        let pair = |fault: &Value| {
            (
                fault["id"].as_str().unwrap().to_owned(),
                fault["do"].clone(),
            )
        };
        faults.iter().map(pair).collect::<Vec<_>>()
    };
    assert_eq!(list(&mut control), []);
    control.set(&json!({ "id": "a", "do": "lose-data" }));
    control.set(&json!({ "id": "b", "do": "lose-mask-bit" }));
    control.set(&json!({ "id": "a", "do": "lose-dmb-bit" }));
    let named = |id: &str, name: &str| (id.to_owned(), json!({ name: {} }));
    assert_eq!(
        list(&mut control),
        [named("a", "lose-dmb-bit"), named("b", "lose-mask-bit")]
    );
    let cleared = control.ok(&json!({ "request": "clear", "id": "a" }));
    assert_eq!(cleared["cleared"], 1);
    assert_eq!(list(&mut control), [named("b", "lose-mask-bit")]);
    control.refused(&json!({ "request": "clear", "id": "a" }));
    assert_eq!(control.ok(&json!({ "request": "clear" }))["cleared"], 1);
    assert_eq!(control.ok(&json!({ "request": "clear" }))["cleared"], 0);
}

#[test]
fn bad_requests_are_told_where_they_are_wrong_and_change_nothing() {
    let (_daemon, socket) = served(&[], &[]);
    let mut control = Control::connect(&socket);
    for (request, told) in [
        (json!([1]), "not a JSON object"),
        (json!({}), "request: missing"),
        (
            json!({ "request": "no" }),
            "request: \"no\", expected one of functions",
        ),
        (json!({ "request": 5 }), "request: 5"),
        (json!({ "request": "functions", "more": 1 }), "more"),
        (json!({ "request": "set" }), "missing field `fault`"),
        (
            json!({ "request": "set", "fault": { "id": "a" } }),
            "missing field `do`",
        ),
        (
            json!({ "request": "set", "fault": { "id": "a", "do": "x" } }),
            "fault.do: unknown",
        ),
        (
            json!({ "request": "set", "fault": { "id": "a", "do": { "respond": { "code": -1 } } } }),
            "fault.do.respond.code: ",
        ),
        (
            json!({ "request": "set", "fault": { "id": "a", "do": "vanish" } }),
            "fault.on.at: ",
        ),
        (
            json!({ "request": "inject", "function": "ism9", "do": "vanish" }),
            "function: \"ism9\"",
        ),
        (
            json!({ "request": "inject", "function": "ism0", "peer": "x", "do": "vanish" }),
            "peer: \"x\"",
        ),
        (
            json!({ "request": "inject", "function": "ism0", "do": "lose-move" }),
            "do: ",
        ),
        (
            json!({ "request": "inject", "function": "ism0", "do": "gid-event" }),
            "peer: missing",
        ),
        (
            json!({ "request": "inject", "function": "ism0", "do": { "vanish": { "who": "peer" } } }),
            "peer: missing",
        ),
        (
            json!({ "request": "set", "fault":
                { "id": "a", "on": { "at": "reset" }, "do": "gid-event" } }),
            "fault.do.gid-event.gid: missing",
        ),
        (
            json!({ "request": "set", "fault":
                { "id": "a", "on": { "message": "REGION_REED" }, "do": "lose-reply" } }),
            "fault.on.message: \"REGION_REED\"",
        ),
        (
            json!({ "request": "inject", "function": "ism0", "do": { "interrupt-storm": { "times": 0 } } }),
            "do.interrupt-storm.times: 0, expected 1 to 10000",
        ),
    ] {
        let why = control.refused(&request);
        assert!(why.contains(told), "{request}: {why}");
    }
    control.send(b"no json\n").unwrap();
    assert_eq!(control.line().unwrap()["ok"], false);
    control.send(b"\xff\xfe\n\n").unwrap();
    assert_eq!(control.line().unwrap()["ok"], false);
    assert_eq!(control.line().unwrap()["ok"], false);
    assert_eq!(
        control.ok(&json!({ "request": "faults" }))["faults"],
        json!([])
    );
}

#[test]
fn every_answer_is_on_one_line_and_requests_may_come_in_pieces_or_together() {
    let (_daemon, socket) = served(&[], &[]);
    let mut control = Control::connect(&socket);
    let request = json!({ "request": "faults" }).to_string();
    for byte in request.as_bytes() {
        control.send(&[*byte]).unwrap();
    }
    control.send(b"\n").unwrap();
    assert_eq!(control.line().unwrap()["ok"], true);
    control
        .send(format!("{request}\n{request}\n{request}\n").as_bytes())
        .unwrap();
    for _ in 0..3 {
        assert_eq!(control.line().unwrap()["ok"], true);
    }
}

#[test]
fn the_command_line_does_what_the_socket_does() {
    let (daemon, socket) = served(&[], &[]);
    let json = |ended: Ended| -> Value {
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap()
    };
    assert_eq!(json(ctl(&socket, &["functions"]))[1]["name"], "ism1");
    let fault = r#"{"id": "it", "on": {"command": "READ_GID"}, "do": {"respond": {"code": 3}}}"#;
    assert_eq!(ctl(&socket, &["set", fault]).code, Some(0));
    assert_eq!(json(ctl(&socket, &["faults"]))[0]["id"], "it");
    let mut driver = Driver::probe(&daemon.socket("ism0"), Via::Bar);
    assert_eq!(driver.run(3, []).code, 3);
    assert_eq!(ctl(&socket, &["clear", "it"]).code, Some(0));
    assert_eq!(driver.run(3, []).code, 0);
    assert_eq!(
        ctl(&socket, &["inject", "ism0", "spurious-interrupt"]).code,
        Some(0)
    );
    assert_eq!(driver.irq.wait(), 1);
    let storm = r#"{"interrupt-storm": {"times": 3, "who": "peer"}}"#;
    let peer = ["inject", "ism1", storm, "--peer", "ism0"];
    assert_eq!(ctl(&socket, &peer).code, Some(0));
    assert_eq!(driver.irq.wait(), 3);
    let counts = json(ctl(&socket, &["counts"]));
    assert_eq!(
        counts["functions"][0]["faults"],
        json!({ "respond": 1, "spurious-interrupt": 1 })
    );
    assert_eq!(json(ctl(&socket, &["report"]))["profile"], "faults");
    let metrics = ctl(&socket, &["metrics"]).stdout;
    let line = "vfio_user_ism_faults_total{function=\"ism0\",kind=\"respond\"} 1";
    assert!(metrics.lines().any(|found| found == line), "{metrics}");
    for (words, code) in [
        (&["clear", "it"][..], 1),
        (&["inject", "ism0", "lose-move"], 1),
        (&["set", "no json"], 2),
        (&["set", "{}"], 1),
        (&["no-such"], 2),
    ] {
        let ended = ctl(&socket, words);
        assert_eq!(ended.code, Some(code), "{words:?}: {}", ended.stderr);
        assert!(!ended.stderr.is_empty());
    }
    daemon.stop();
    assert_eq!(ctl(&socket, &["faults"]).code, Some(3));
}

#[test]
fn the_schema_takes_what_the_server_takes() {
    let ended = program::run(["ctl", "-", "schema"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let schema = jsonschema::validator_for(&serde_json::from_str(&ended.stdout).unwrap()).unwrap();
    for good in [
        json!({ "request": "functions" }),
        json!({ "request": "clear" }),
        json!({ "request": "clear", "id": "a" }),
        json!({ "request": "set", "fault": { "id": "a", "do": "lose-move" } }),
        json!({ "request": "set", "fault": { "id": "a", "do": { "respond": { "code": 4 } },
            "on": { "command": "REG_DMB" }, "when": { "nth": 2 } } }),
        json!({ "request": "inject", "function": "ism0", "do": "error-state" }),
    ] {
        assert!(schema.is_valid(&good), "{good}");
    }
    for bad in [
        json!({ "request": "no" }),
        json!({ "request": "set" }),
        json!({ "request": "set", "fault": { "id": "a", "do": "lose-mov" } }),
        json!({ "request": "set", "fault": { "id": "a", "do": { "respond": {} } } }),
    ] {
        assert!(!schema.is_valid(&bad), "{bad}");
    }
}
