//! Tests of VERSION: the agreed values, and refused requests.

use serde_json::Value;
use vfio_user_ism_tests::client::{QEMU, command, version};
use vfio_user_ism_tests::errno::EINVAL;
use vfio_user_ism_tests::wire::{Message, message};
use vfio_user_ism_tests::{Client, Daemon};

/// Returns major, minor and capabilities of a reply.
#[track_caller]
fn answer(reply: Message) -> (u16, u16, Value) {
    let body = reply.ok();
    let [major, minor] = [0, 2].map(|at| u16::from_ne_bytes([body[at], body[at + 1]]));
    let Some((0, text)) = body[4..].split_last() else {
        assert_eq!(body.len(), 4, "the text does not end with NUL");
        return (major, minor, Value::Null);
    };
    let object: Value = serde_json::from_slice(text).unwrap();
    (major, minor, object["capabilities"].clone())
}

#[test]
fn qemus_proposal_is_accepted_in_the_size_of_its_own_message() {
    let daemon = Daemon::start();
    let mut client = Client::connect(&daemon.only());
    let proposal = version(0, 0, QEMU);
    let reply = client.request(command::VERSION, &proposal);
    assert!(
        reply.body.len() <= proposal.len(),
        "{} bytes",
        reply.body.len()
    );
    let (major, minor, capabilities) = answer(reply);
    assert_eq!((major, minor), (0, 0));
    assert_eq!(capabilities["write_multiple"], true);
    assert!(capabilities["max_dma_maps"].as_u64().unwrap() <= 65535);
    assert!(capabilities["max_msg_fds"].as_u64().unwrap() <= 16);
    assert!(capabilities["max_data_xfer_size"].as_u64().unwrap() <= 1 << 20);
    let proposed: Value = serde_json::from_str(QEMU).unwrap();
    for key in capabilities.as_object().unwrap().keys() {
        assert!(
            proposed["capabilities"].get(key).is_some(),
            "{key} was not proposed"
        );
    }
}

#[test]
fn absent_empty_and_partial_capabilities_are_accepted() {
    let daemon = Daemon::start();
    let texts = [
        "",
        "{}",
        r#"{"capabilities":{}}"#,
        r#"{"capabilities":{"max_msg_fds":8}}"#,
    ];
    for text in texts {
        let mut client = Client::connect(&daemon.only());
        let proposal = version(0, 0, text);
        let reply = client.request(command::VERSION, &proposal);
        assert!(reply.body.len() <= proposal.len(), "{text}");
        answer(reply);
        client.reset();
        drop(client);
        daemon.wait_until_free();
    }
}

#[test]
fn unknown_capabilities_are_ignored() {
    let daemon = Daemon::start();
    let mut client = Client::connect(&daemon.only());
    let text = r#"{"capabilities":{"colour":"blue","max_msg_fds":2},"more":[1]}"#;
    let (_, _, capabilities) = answer(client.request(command::VERSION, version(0, 0, text)));
    assert!(capabilities.get("colour").is_none());
}

#[test]
fn a_higher_minor_version_is_answered_with_ours() {
    let daemon = Daemon::start();
    let mut client = Client::connect(&daemon.only());
    let (major, minor, _) = answer(client.request(command::VERSION, version(0, 7, QEMU)));
    assert_eq!((major, minor), (0, 0));
}

#[test]
fn a_refused_version_leaves_the_stream_in_step() {
    let daemon = Daemon::start();
    let mut client = Client::connect(&daemon.only());
    let with = |text: &[u8]| [&[0; 4], text].concat();
    for body in [
        vec![],
        vec![0],
        vec![0; 3],
        version(1, 0, QEMU),
        with(b"{}"),
        with(b"{}\0{}\0"),
        with(b"\xff\0"),
        version(0, 0, "x"),
        version(0, 0, "[]"),
        version(0, 0, r#"{"capabilities":3}"#),
        version(0, 0, r#"{"capabilities":{"max_msg_fds":"16"}}"#),
        version(0, 0, r#"{"capabilities":{"max_msg_fds":-1}}"#),
        version(0, 0, r#"{"capabilities":{"max_data_xfer_size":0}}"#),
        version(0, 0, r#"{"capabilities":{"write_multiple":1}}"#),
        version(0, 0, r#"{"capabilities":{"pgsizes":1024}}"#),
        version(0, 0, &" ".repeat(100_000)),
    ] {
        client.request(command::VERSION, body).refused(EINVAL);
    }
    client.request(command::VERSION, version(0, 0, QEMU)).ok();
}

#[test]
fn a_request_before_version_closes_the_connection() {
    let daemon = Daemon::start();
    let mut client = Client::connect(&daemon.only());
    client.wire.send(&message(1, command::RESET, 0, &[]));
    client.wire.expect_closed();
    daemon.wait_until_free();
    daemon.client().reset();
}

#[test]
fn a_second_version_is_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    client
        .request(command::VERSION, version(0, 0, QEMU))
        .refused(EINVAL);
    client.reset();
}

#[test]
fn the_agreed_transfer_size_holds() {
    let daemon = Daemon::start();
    let mut client = Client::connect(&daemon.only());
    let text = r#"{"capabilities":{"max_data_xfer_size":16}}"#;
    client.request(command::VERSION, version(0, 0, text)).ok();
    client.read(7, 0, 16).ok();
    client.read(7, 0, 17).refused(EINVAL);
    client.write(7, 0x40, &[0; 17]).refused(EINVAL);
}

#[test]
fn a_client_that_left_has_freed_its_place_for_the_next_one() {
    let daemon = Daemon::start();
    for round in 0..100 {
        let mut client = Client::connect(&daemon.only());
        let answer = client.request(command::VERSION, version(0, 0, QEMU));
        assert_eq!(answer.errno(), None, "round {round}");
        // A process that another test starts may hold a copy of the socket when it is dropped.
        client.wire.finish();
    }
}
