//! Tests of the ring in shared memory beside an instruction channel's socket.

use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::Ordering;

use serde_json::Value;
use vfio_user_ism_tests::client::{CONFIG, ZPCI, access, command, region_write, version};
use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, pcilg, target, zpci_request};
use vfio_user_ism_tests::errno::{EINVAL, EIO, EPERM};
use vfio_user_ism_tests::patience::eventually;
use vfio_user_ism_tests::ring::{LEN, PROPOSAL, Ring, SERVER_WAITS};
use vfio_user_ism_tests::wire::message;
use vfio_user_ism_tests::{Client, Daemon, Driver, Ram, Via};

fn open(daemon: &Daemon) -> Client {
    Client::open_ring(&daemon.channel("ism0"))
}

/// Builds the message of a store.
fn store(id: u16, offset: u64, data: &[u8]) -> Vec<u8> {
    let request = zpci_request(2, 0, 0, offset, data.len() as u16);
    let body = region_write(ZPCI, 16, &request.raw(data).0);
    message(id, command::REGION_WRITE, 0, &body)
}

/// The ring wraps many times, with messages that begin in one record and end in another.
#[test]
fn messages_come_whole_and_in_order_however_records_cut_them() {
    let daemon = Daemon::start();
    let mut driver = Driver::probe(&daemon.only(), Via::Bar);
    let mut client = open(&daemon);
    let gid = driver.gid();
    let token = driver.register_dmb(0x4000, FIRST_INDEX, gid);
    let mut cut = 1;
    for round in 0..8_u16 {
        let ids = round * 60..(round + 1) * 60;
        let stream: Vec<u8> = ids
            .clone()
            .flat_map(|id| {
                // Every tenth store is past the end of the DMB.
                let at = if id % 10 == 9 {
                    0x4000
                } else {
                    0x1000 * (u64::from(id) % 4)
                };
                store(id, target(token, 0, false, at), &[id as u8; 4096])
            })
            .collect();
        let mut rest = &stream[..];
        while !rest.is_empty() {
            cut = (cut * 7919 + 13) % 20_000;
            let (record, more) = rest.split_at(rest.len().min(cut + 1));
            client.wire.send(record);
            rest = more;
        }
        for id in ids.clone() {
            let refused = (id % 10 == 9).then_some(EIO);
            assert_eq!(client.reply_to(id).errno(), refused, "{id}");
        }
        for at in 0..4 {
            let last = ids
                .clone()
                .rev()
                .find(|id| id % 4 == at && id % 10 != 9)
                .unwrap();
            let got = driver.ram.read(DMB + 0x1000 * u64::from(at), 4096);
            assert_eq!(got, [last as u8; 4096], "{last}");
        }
    }
}

/// Nobody takes the replies: the server waits for room, and goes on when there is some.
#[test]
fn a_client_that_does_not_take_its_replies_gets_all_of_them_later() {
    let daemon = Daemon::start();
    let mut client = open(&daemon);
    let mut main = daemon.client();
    const READS: u16 = 5000;
    for id in 0..READS {
        let body = access(ZPCI, 0, 8).0;
        client
            .wire
            .send(&message(id, command::REGION_READ, 0, &body));
    }
    // The function's other client is served meanwhile.
    eventually("the server waits for room", || {
        main.read(CONFIG, 0, 4).ok();
        let ring = client.wire.ring.as_ref().unwrap();
        (ring.view.word(SERVER_WAITS).load(Ordering::SeqCst) == 2).then_some(())
    });
    for id in 0..READS {
        assert_eq!(client.reply_to(id).data().len(), 8, "{id}");
    }
}

/// Device and records see the same by socket and by ring.
#[test]
fn order_and_verdicts_are_those_of_the_socket() {
    let seen = |via| {
        let daemon = Daemon::start();
        let mut driver = Driver::probe(&daemon.only(), via);
        let gid = driver.gid();
        let token = driver.register_dmb(0x4000, FIRST_INDEX, gid);
        let mut answers = Vec::new();
        for round in 0..40_u64 {
            let at = (round * 0x333) % 0x4100;
            let data = vec![round as u8; 1 + (round as usize * 97) % 4096];
            let store = driver.put(target(token, 0, round % 3 == 0, at), &data);
            answers.push(store.errno());
        }
        // These have wrong shapes and orders.
        for (pcias, offset, data) in [(2, 4, &[1_u8; 8][..]), (2, 0, &[9; 16]), (1, 0, &[0; 8])] {
            answers.push(driver.store(pcias, offset, data).errno());
        }
        let channel = driver.channel.as_mut().unwrap();
        answers.push(pcilg(channel, 2, 0x200, 8).err());
        answers.push(channel.read(CONFIG, 0, 4).errno());
        answers.push(channel.request(command::RESET, []).errno());
        answers.push(channel.read(ZPCI, 1 << 20, 8).errno());
        let memory = driver.ram.read(DMB, 0x4000);
        drop(driver);
        let stopped = daemon.stop();
        let events: Vec<Value> = stopped
            .events
            .iter()
            // The two clients disconnect at the same time, in either order.
            .filter(|event| event["event"] != "disconnected")
            .map(|event| {
                let mut event = event.clone();
                let fields = event.as_object_mut().unwrap();
                fields.retain(|key, _| !["time_us", "pid"].contains(&key.as_str()));
                event
            })
            .collect();
        (
            answers,
            memory,
            events,
            stopped.report["violations"].clone(),
        )
    };
    let (socket, ring) = (seen(Via::Channel), seen(Via::Ring));
    assert!(socket.0.contains(&Some(EIO)) && socket.0.contains(&Some(EPERM)));
    assert!(socket.3.as_u64() > Some(0));
    assert_eq!(socket.0, ring.0, "answers");
    assert!(socket.1 == ring.1, "the DMB's bytes differ");
    assert_eq!(socket.2.len(), ring.2.len(), "events");
    for (by_socket, by_ring) in socket.2.iter().zip(&ring.2) {
        assert_eq!(by_socket, by_ring);
    }
    assert_eq!(socket.3, ring.3, "violations");
}

#[test]
fn a_ring_is_agreed_on_only_where_both_sides_know_it() {
    let daemon = Daemon::start();
    let ring = Ring::new();
    let ask = |path: &std::path::Path, text: &str, fds: &[BorrowedFd<'_>]| {
        let mut client = Client::connect(path);
        let answer = client.request_with(command::VERSION, version(0, 0, text), fds);
        (client, String::from_utf8(answer.ok()).unwrap())
    };
    let other_layout = r#"{"capabilities":{"ring":{"layout":2},"posted_moves":true}}"#;
    // The function's own socket has no ring, and for an unknown layout all messages stay on the socket.
    for (path, text) in [
        (daemon.only(), PROPOSAL),
        (daemon.channel("ism0"), other_layout),
    ] {
        let (mut client, answer) = ask(&path, text, &ring.fds());
        assert!(!answer.contains("ring"), "{answer}");
        assert_eq!(client.read(ZPCI, 0, 8).data().len(), 8, "{text}");
    }
}

#[test]
fn what_is_no_ring_is_refused_and_the_socket_carries_on() {
    let daemon = Daemon::start();
    let mut client = Client::connect(&daemon.channel("ism0"));
    let ring = Ring::new();
    let [memory, one, two] = ring.fds();
    let (short, unsealed) = (Ram::new(LEN - 1), Ram::unsealed(LEN));
    let null = File::open("/dev/null").unwrap();
    let file = tempfile::tempfile().unwrap();
    file.set_len(LEN).unwrap();
    for fds in [
        &[][..],
        &[memory],
        &[memory, one],
        &[memory, one, two, two],
        &[one, memory, two],
        &[memory, null.as_fd(), two],
        &[memory, one, memory],
        &[short.as_fd(), one, two],
        &[unsealed.as_fd(), one, two],
        &[file.as_fd(), one, two],
    ] {
        let body = version(0, 0, PROPOSAL);
        client
            .request_with(command::VERSION, body, fds)
            .refused(EINVAL);
    }
    for text in [
        r#"{"capabilities":{"ring":true}}"#,
        r#"{"capabilities":{"ring":{}}}"#,
        r#"{"capabilities":{"ring":{"layout":"1"}}}"#,
    ] {
        let body = version(0, 0, text);
        client
            .request_with(command::VERSION, body, &ring.fds())
            .refused(EINVAL);
    }
    // These are descriptors without a proposal of a ring.
    let body = version(0, 0, "");
    client
        .request_with(command::VERSION, body.clone(), &ring.fds())
        .refused(EINVAL);
    client.request(command::VERSION, body).ok();
    assert_eq!(client.read(ZPCI, 0, 8).data().len(), 8);
    let stopped = {
        drop(client);
        daemon.stop()
    };
    let refused: Vec<&str> = stopped
        .events_named("refused-request")
        .map(|event| event["reason"].as_str().unwrap())
        .collect();
    for part in [
        "4 descriptors for a ring",
        "second descriptor for a ring is no eventfd",
        "F_SEAL_SHRINK",
        "593919 bytes, expected at least 593920",
        "capability ring is true, expected an object",
        "descriptors came along",
    ] {
        assert!(
            refused.iter().any(|told| told.contains(part)),
            "{part}: {refused:?}"
        );
    }
}

#[test]
fn a_client_that_leaves_is_noticed_and_the_next_one_has_a_ring_of_its_own() {
    let daemon = Daemon::start();
    for _ in 0..5 {
        let mut client = open(&daemon);
        assert_eq!(client.read(ZPCI, 0, 8).data().len(), 8);
        // The client sends half a message and disconnects.
        let bytes = store(1, 0, &[0; 64]);
        client.wire.send(&bytes[..40]);
    }
    eventually("the last one is forgotten", || {
        let log = daemon.stderr();
        (log.matches("40 bytes into a message").count() == 5).then_some(())
    });
}
