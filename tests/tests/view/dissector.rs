//! Tests of the Wireshark dissector: tshark runs it on captures of real sessions.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use vfio_user_ism_tests::Client;
use vfio_user_ism_tests::program::repository;

use crate::session::{every_kind, recorded, recorded_by};

/// Runs tshark. Returns its lines.
#[track_caller]
fn tshark(capture: &Path, arguments: &[&str]) -> Vec<String> {
    let script = repository().join("wireshark/vfio-user.lua");
    let mut command = Command::new("tshark");
    command
        .arg("-X")
        .arg(format!("lua_script:{}", script.display()));
    command.arg("-r").arg(capture).args(arguments);
    let output = command
        .output()
        .expect("tshark is on PATH (Debian's package tshark)");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    assert!(!stderr.to_lowercase().contains("lua"), "{stderr}");
    let stdout = String::from_utf8(output.stdout).unwrap();
    stdout.lines().map(str::to_owned).collect()
}

fn fields(capture: &Path, filter: &str, names: &[&str]) -> Vec<String> {
    let mut arguments = vec!["-Y", filter, "-T", "fields", "-E", "separator=|"];
    for name in names {
        arguments.extend(["-e", name]);
    }
    tshark(capture, &arguments)
}

#[test]
#[ignore = "needs tshark: run ./test"]
fn every_message_is_taken_apart_to_its_last_byte() {
    let recorded = recorded(&[]);
    let capture = recorded.path("capture");
    let all = tshark(&capture, &[]);
    let (_, packets) = crate::capture::read(&std::fs::read(&capture).unwrap());
    assert_eq!(all.len(), packets.len());
    let none: Vec<String> = Vec::new();
    let bad =
        "vfio_user.rest || vfio_user.malformed || vfio_user.cut || _ws.malformed || _ws.lua.error";
    assert_eq!(tshark(&capture, &["-Y", bad]), none);
    let commands: BTreeSet<_> = fields(&capture, "vfio_user.command", &["vfio_user.command"])
        .into_iter()
        .collect();
    let expected = ["1", "10", "13", "15", "2", "8", "9", "99"];
    assert_eq!(
        commands.iter().map(String::as_str).collect::<Vec<_>>(),
        expected
    );
    let infos = fields(&capture, "vfio_user", &["_ws.col.Info"]);
    for expected in [
        "command REG_DMB: dmb 0x100100000, dmb_len 0x4000, sba_idx 0x20",
        "gid 0x1500000000000002",
        "CDC prod 0/5000 cons 0/0",
        "response to READ_GID: 0x0",
        "command 99 reply: errno 95",
    ] {
        assert!(
            infos.iter().any(|info| info.contains(expected)),
            "{expected}: {infos:#?}"
        );
    }
    let cdc = fields(
        &capture,
        "vfio_user.cdc.state.done_writing == 1",
        &["vfio_user.cdc.producer.count"],
    );
    assert_eq!(cdc, ["5300"]);
    let memory = fields(
        &capture,
        "vfio_user.command == 2 && vfio_user.flags.type == 0",
        &["vfio_user.capture.descriptor.size"],
    );
    assert!(
        !memory.is_empty() && memory.iter().all(|size| size == "4194304"),
        "{memory:?}"
    );
    // A reply is linked with its request.
    let linked = fields(
        &capture,
        "vfio_user.flags.type == 1",
        &["frame.number", "vfio_user.request_in"],
    );
    assert!(
        linked.iter().all(|line| {
            let (reply, request) = line.split_once('|').unwrap();
            request.parse::<u32>().unwrap() < reply.parse().unwrap()
        }),
        "{linked:?}"
    );
}

#[test]
#[ignore = "needs tshark: run ./test"]
fn every_kind_of_message_in_every_form_is_taken_apart() {
    let recorded = recorded_by(&[], every_kind);
    let capture = recorded.path("capture");
    let bad =
        "vfio_user.rest || vfio_user.malformed || vfio_user.cut || _ws.malformed || _ws.lua.error";
    assert_eq!(tshark(&capture, &["-Y", bad]), Vec::<String>::new());
    // Each of them occurs as a request and as its reply.
    for kind in [0, 1] {
        let filter = format!("vfio_user.flags.type == {kind}");
        let commands: BTreeSet<u32> = fields(&capture, &filter, &["vfio_user.command"])
            .iter()
            .map(|number| number.parse().unwrap())
            .collect();
        assert_eq!(commands, (1..=18).collect(), "type {kind}");
    }
    let features = fields(
        &capture,
        "vfio_user.command == 16 && vfio_user.flags.type == 0",
        &[
            "vfio_user.feature.index",
            "vfio_user.feature.get",
            "vfio_user.feature.probe",
        ],
    );
    assert_eq!(features, ["0|0|1", "1|1|0", "2|0|0"]);
    // The data for a client of QEMU 10 comes after a count of 4 bytes.
    let padded = "vfio_user.command == 12 && vfio_user.padding && vfio_user.data == 05:05:05:05:05:05:05:05:05:05:05:05:05:05:05:05:05:05:05:05:05:05:05:05";
    assert_eq!(tshark(&capture, &["-Y", padded]).len(), 1);
    // The replies on the twin socket are there: each of the server's commands has one.
    let asked = "vfio_user.command in {11, 12} && vfio_user.flags.type == 0";
    let answered = "vfio_user.command in {11, 12} && vfio_user.flags.type == 1";
    let count = |filter| tshark(&capture, &["-Y", filter]).len();
    assert!(count(asked) >= 8);
    assert_eq!(count(asked), count(answered));
}

#[test]
#[ignore = "needs tshark: run ./test"]
fn malformed_messages_are_marked_and_others_are_not() {
    let recorded = recorded_by(&[], |daemon| {
        let mut client = Client::open(&daemon.socket("ism0"));
        client.read(7, 0, 4).ok();
        // A DMA_UNMAP that is too short, a REGION_READ that is too long, and a header of zeros.
        client.request(3, [0; 10]);
        client.request(9, [0; 40]);
        client.wire.send(&[0; 16]);
        assert!(client.wire.receive().is_none());
    });
    let marked = fields(
        &recorded.path("capture"),
        "vfio_user.malformed",
        &["vfio_user.command", "vfio_user.flags.type"],
    );
    assert_eq!(marked, ["3|0", "9|0", "0|0"]);
}

#[test]
#[ignore = "needs tshark: run ./test"]
fn messages_that_were_cut_are_marked_as_such() {
    let recorded = recorded(&["--capture-bytes", "20"]);
    let capture = recorded.path("capture");
    assert_eq!(
        tshark(
            &capture,
            &[
                "-Y",
                "vfio_user.malformed || vfio_user.rest || _ws.lua.error"
            ]
        ),
        Vec::<String>::new()
    );
    assert!(tshark(&capture, &["-Y", "vfio_user.cut"]).len() > 50);
}
