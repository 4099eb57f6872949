//! Tests of wrong replies to the server's DMA_READ and DMA_WRITE, on the client's own socket and on the twin
//! socket. The server detects them, and never waits for anything else.

use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use vfio_user_ism_tests::client::{command, version};
use vfio_user_ism_tests::driver::{code, target};
use vfio_user_ism_tests::lender::{Layout, Lender};
use vfio_user_ism_tests::wire::{Message, Wire, message, u64_at};
use vfio_user_ism_tests::{Bytes, Client, Daemon, Driver, Eventfd, Via};

/// Creates a lender of `ism0`, the token of its buffer, and a driver of `ism1` that must notice nothing.
fn pair() -> (Daemon, Lender, u64, Driver) {
    let daemon = Daemon::with_profile("pair");
    let other = Driver::probe(&daemon.socket("ism1"), Via::Bar);
    let client = Client::open(&daemon.socket("ism0"));
    let mut guest = Lender::over(client, Layout::Wide);
    let token = guest.register();
    (daemon, guest, token, other)
}

fn reply(id: u16, number: u16, flags: u32, errno: u32, body: &[u8]) -> Vec<u8> {
    let size = 16 + body.len() as u32;
    let head = Bytes::new().u16(id).u16(number).u32(size).u32(flags);
    head.u32(errno).raw(body).0
}

/// Computes the body of an answer from that of the request.
type Answer = fn(&[u8]) -> Vec<u8>;

/// An action on the twin socket, on which the server has sent a message.
type Attack<'a> = &'a dyn Fn(&mut Wire, &Message);

/// True if the server still waits for the answer to its message, so that it asks for nothing more.
fn still_waits(guest: &mut Lender) -> bool {
    guest.asked().is_empty()
}

/// Stores eight fives into the buffer. Returns the server's next command to the guest.
fn move_of_fives(guest: &mut Lender, token: u64) -> Message {
    guest
        .client
        .write(0, target(token, 0, false, 0), &[5; 8])
        .ok();
    guest.asked().remove(0)
}

#[test]
fn a_reply_that_answers_something_else_is_ignored() {
    let (daemon, mut guest, token, mut other) = pair();
    let asked = move_of_fives(&mut guest, token);
    assert_eq!(asked.command, command::DMA_READ);
    let right = [&asked.body[..], &[0; 8]].concat();
    for (id, number) in [
        (asked.id.wrapping_add(1), asked.command),
        (asked.id.wrapping_sub(1), asked.command),
        (asked.id ^ 0x8000, asked.command),
        (asked.id, command::DMA_WRITE),
        (asked.id, command::REGION_READ),
        (asked.id, 0),
        (asked.id, u16::MAX),
    ] {
        guest.client.wire.send(&reply(id, number, 1, 0, &right));
        assert!(still_waits(&mut guest), "{id:#x} of {number}");
    }
    // The right answer comes first, and then the same one again.
    guest.serve(&asked);
    guest
        .client
        .wire
        .send(&reply(asked.id, asked.command, 1, 0, &right));
    guest.serve_all();
    assert_eq!(guest.memory[0x1000..0x1008], [5; 8]);
    other.gid();
    assert_eq!(daemon.stop().ended.code, Some(0));
}

#[test]
fn a_reply_of_the_wrong_size_or_place_ends_the_move_and_nothing_else() {
    let (daemon, mut guest, mut token, mut other) = pair();
    let bodies: [(&str, Answer); 9] = [
        ("nothing", |_| Vec::new()),
        ("one byte", |_| vec![0]),
        ("less than the place", |asked| asked[..15].to_vec()),
        ("no data", |asked| asked.to_vec()),
        ("too few data", |asked| [asked, &[0; 7]].concat()),
        ("too many data", |asked| [asked, &[0; 900]].concat()),
        ("another place", |asked| {
            [&[0xee; 8], &asked[8..], &[0; 8]].concat()
        }),
        ("a larger count", |asked| {
            [&asked[..8], &[0xff; 8], &[0; 8]].concat()
        }),
        ("a smaller count", |asked| {
            [&asked[..8], &1_u64.to_ne_bytes()[..], &[0; 8]].concat()
        }),
    ];
    for (what, body) in bodies {
        guest
            .client
            .write(0, target(token, 0, false, 64), &[6; 8])
            .ok();
        let mut asked = guest.asked();
        assert_eq!(asked.len(), 1, "{what}");
        let asked = asked.remove(0);
        let answer = body(&asked.body);
        guest
            .client
            .wire
            .send(&message(asked.id, asked.command, 1, &answer));
        guest.serve_all();
        // The next move is complete, on a connection that is in step.
        guest
            .client
            .write(0, target(token, 0, false, 128), &[7; 8])
            .ok();
        guest.serve_all();
        assert_eq!(guest.memory[0x1080..0x1088], [7; 8], "{what}");
        guest.memory[0x1080..0x1088].fill(0);
        // The server learns the layout of a new client again.
        guest.client.reset();
        drop(guest);
        vfio_user_ism_tests::patience::eventually("ism0 is free", || {
            let left = daemon
                .events()
                .into_iter()
                .filter(|event| event["event"] == "disconnected");
            let came = daemon
                .events()
                .into_iter()
                .filter(|event| event["event"] == "connected");
            (came.count() == left.count() + 1).then_some(())
        });
        guest = Lender::over(Client::open(&daemon.socket("ism0")), Layout::Wide);
        token = guest.register();
        other.gid();
    }
}

#[test]
fn an_error_reply_may_have_any_errno_flags_and_body() {
    let (daemon, mut guest, token, mut other) = pair();
    // With a known layout, each move is one message.
    guest
        .client
        .write(0, target(token, 0, false, 0), &[1; 8])
        .ok();
    guest.serve_all();
    for (flags, errno, body) in [
        (0x21, 0, &[][..]),
        (0x21, 14, &[]),
        (0x21, u32::MAX, &[]),
        (0x21, 5, &[9; 500]),
        // An error flag on another type, and bits without a meaning.
        (0x31, 5, &[]),
        (0xffff_ff21, 5, &[]),
    ] {
        guest
            .client
            .write(0, target(token, 0, true, 0), &[2; 8])
            .ok();
        let asked = guest.asked().remove(0);
        let refusal = reply(asked.id, asked.command, flags, errno, body);
        guest.client.wire.send(&refusal);
        assert!(
            still_waits(&mut guest),
            "a signal of data that did not arrive"
        );
        assert_eq!(guest.memory[0x1000..0x1008], [1; 8]);
        other.gid();
    }
    drop(guest);
    let stopped = daemon.stop();
    assert_eq!(stopped.events_named("not-written").count(), 6);
}

#[test]
fn a_flood_of_replies_to_nothing_is_passed_over_and_hardly_logged() {
    let (daemon, mut guest, token, mut other) = pair();
    let stray = message(1, command::DMA_WRITE, 1, &[0; 16]);
    for _ in 0..20 {
        guest.client.wire.send(&stray.repeat(500));
        other.gid();
    }
    guest
        .client
        .write(0, target(token, 0, false, 0), &[8; 8])
        .ok();
    guest.serve_all();
    assert_eq!(guest.memory[0x1000..0x1008], [8; 8]);
    let lines = daemon
        .stderr()
        .matches("ignored a reply that answers no message")
        .count();
    assert!((1..40).contains(&lines), "{lines} lines");
}

#[test]
fn half_a_reply_holds_up_its_own_connection_only() {
    let (daemon, mut guest, token, mut other) = pair();
    let asked = move_of_fives(&mut guest, token);
    let whole = message(
        asked.id,
        asked.command,
        1,
        &[&asked.body[..], &[0; 8]].concat(),
    );
    guest.client.wire.send(&whole[..20]);
    other.gid();
    guest.client.wire.send(&whole[20..]);
    guest.serve_all();
    assert_eq!(guest.memory[0x1000..0x1008], [5; 8]);
    // The rest of the last message never comes.
    guest
        .client
        .write(0, target(token, 0, true, 0), &[6; 8])
        .ok();
    let asked = guest.asked().remove(0);
    let whole = message(asked.id, asked.command, 1, &asked.body[..12]);
    guest.client.wire.send(&whole[..10]);
    drop(guest);
    other.gid();
    let stopped = daemon.stop();
    assert_eq!(stopped.ended.code, Some(0));
}

/// Creates a lender with a twin socket.
fn twin(daemon: &Daemon) -> (Lender, Wire) {
    let mut client = Client::connect(&daemon.only());
    let text = r#"{"capabilities":{"twin_socket":{"supported":true}}}"#;
    let mut reply = client.request(command::VERSION, version(0, 0, text));
    let twin = Wire::new(UnixStream::from(reply.fds.remove(0)));
    reply.ok();
    (Lender::over(client, Layout::Wide), twin)
}

#[test]
fn what_is_done_to_the_twin_socket_ends_its_own_client_at_most() {
    let mut daemon = Daemon::start();
    let open = || {
        let path = format!("/proc/{}/fd", daemon.pid());
        std::fs::read_dir(path).unwrap().count()
    };
    let before = open();
    let ram = vfio_user_ism_tests::Ram::new(4096);
    let attacks: [(&str, Attack<'_>); 8] = [
        ("nothing", &|_, _| {}),
        ("noise", &|twin, _| twin.send_to_the_deaf(&[0xa5; 300])),
        ("half a header", &|twin, _| {
            twin.send_to_the_deaf(&[1, 0, 11]);
        }),
        ("half a reply", &|twin, asked| {
            let reply = message(asked.id, asked.command, 1, &asked.body);
            twin.send_to_the_deaf(&reply[..20]);
        }),
        ("descriptors", &|twin, asked| {
            let reply = message(
                asked.id,
                asked.command,
                1,
                &[&asked.body[..], &[0; 8]].concat(),
            );
            twin.send_with_fds(&reply, &[ram.as_fd(); 10]);
        }),
        ("a size that is too large", &|twin, asked| {
            let head = Bytes::new().u16(asked.id).u16(asked.command).u32(u32::MAX);
            twin.send_to_the_deaf(&head.u32(1).u32(0).0);
        }),
        ("the end of writing", &|twin, _| twin.finish()),
        ("its own other end", &|twin, _| {
            let own = twin.as_fd().try_clone_to_owned().unwrap();
            twin.send_with_fds(&[1], &[own.as_fd()]);
        }),
    ];
    for (what, attack) in attacks {
        let (mut guest, mut twin) = twin(&daemon);
        let token = guest.register();
        guest
            .client
            .write(0, target(token, 0, true, 0), &[5; 8])
            .ok();
        let asked = twin.receive().unwrap();
        attack(&mut twin, &asked);
        drop((guest, twin));
        daemon.wait_until_free();
        let mut next = Driver::attach(&daemon.only(), Via::Bar);
        next.client.reset();
        next.run(code::READ_GID, []).ok();
        drop(next);
        daemon.wait_until_free();
        assert_eq!(open(), before, "{what}");
    }
    assert!(daemon.is_alive());
}

#[test]
fn a_closed_twin_socket_ends_the_client_when_it_is_needed() {
    let daemon = Daemon::start();
    let (mut guest, twin) = twin(&daemon);
    let token = guest.register();
    drop(twin);
    // The server has nothing to send there, and serves the client.
    guest.client.reset();
    let token = {
        assert!(token > 0);
        guest.register()
    };
    let write = vfio_user_ism_tests::client::region_write(0, target(token, 0, true, 0), &[5; 8]);
    guest
        .client
        .wire
        .send_to_the_deaf(&message(1, command::REGION_WRITE, 0x10, &write));
    while guest.client.wire.receive().is_some() {}
    drop(guest);
    daemon.wait_until_free();
    daemon.client().reset();
}

#[test]
fn a_twin_socket_that_is_closed_instead_of_an_answer_ends_the_client() {
    let daemon = Daemon::start();
    let (mut guest, mut twin) = twin(&daemon);
    let token = guest.register();
    let place = target(token, 0, true, 0);
    guest.client.write(0, place, &[5; 8]).ok();
    twin.receive().unwrap();
    drop(twin);
    guest.client.wire.expect_closed();
    drop(guest);
    daemon.client().reset();
    let log = daemon.stderr();
    assert!(log.contains("closed its twin socket"), "{log}");
}

#[test]
fn a_twin_socket_that_nobody_reads_fills_its_own_queue_only() {
    let daemon = Daemon::start();
    let (mut guest, mut twin) = twin(&daemon);
    let irq: Eventfd = guest.client.eventfd(1);
    let token = guest.register();
    let mut refused = 0;
    for n in 0..3000_u64 {
        let place = target(token, 0, true, n % 512 * 8);
        let reply = guest.client.write(0, place, &n.to_be_bytes());
        refused += u32::from(reply.errno().is_some());
    }
    assert!(refused > 0, "the queue has no end");
    assert_eq!(irq.take(), 0);
    // The client finally reads, and all accepted messages arrive.
    guest.client.wire.send(&message(
        1,
        command::GET_INFO,
        0,
        &[&16_u32.to_ne_bytes()[..], &[0; 12]].concat(),
    ));
    let info = guest.client.receive();
    assert_eq!(info.command, command::GET_INFO);
    let first = twin.receive().unwrap();
    assert_eq!(u64_at(&first.body, 0), 0x1_0000_1000);
}
