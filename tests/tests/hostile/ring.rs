//! Tests of clients that corrupt the ring they share with the server, take its memory away, or fill its
//! eventfds. Meanwhile the other function and the function's own socket are served.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd};
use rustix::fs::{FallocateFlags, OFlags, fallocate, fcntl_getfl, fcntl_setfl};
use vfio_user_ism_tests::client::{CONFIG, ZPCI, access, command, version};
use vfio_user_ism_tests::patience::eventually;
use vfio_user_ism_tests::program::profile;
use vfio_user_ism_tests::ring::{
    CLIENT_WAITS, LEN, PROPOSAL, REPLY_HEAD, REPLY_TAIL, REQUEST_TAIL, REQUESTS, Ring, SERVER_WAITS,
};
use vfio_user_ism_tests::threads::{SetAtEnd, spin};
use vfio_user_ism_tests::wire::message;
use vfio_user_ism_tests::{Client, Daemon, Driver, Via};

fn daemon() -> Daemon {
    let profile = profile("pair");
    Daemon::with_arguments(&["--profile", profile.to_str().unwrap()])
}

#[track_caller]
fn open(daemon: &Daemon) -> Client {
    Client::open_ring(&daemon.channel("ism0"))
}

fn set(client: &Client, offset: u64, value: u64) {
    let ring = client.wire.ring.as_ref().unwrap();
    ring.view.word(offset).store(value, Ordering::SeqCst);
}

fn wake(client: &Client) {
    client.wire.ring.as_ref().unwrap().wake_server(1);
}

/// Checks that the server has closed the socket.
#[track_caller]
fn is_closed(mut client: Client) {
    client.wire.ring = None;
    client.wire.expect_closed();
}

#[test]
fn a_scribbler_loses_its_connection_and_nobody_else_is_disturbed() {
    let daemon = daemon();
    let mut other = Driver::probe(&daemon.socket("ism1"), Via::Ring);
    let mut main = Client::open(&daemon.socket("ism0"));
    let (data, capacity) = REQUESTS;
    for (words, told) in [
        (
            &[(REQUEST_TAIL, 12)][..],
            "position 0xc is no multiple of 8",
        ),
        (&[(REQUEST_TAIL, capacity + 8)], "tail 0x80008 and head 0x0"),
        (&[(REQUEST_TAIL, u64::MAX - 7)], "tail 0xfffffffffffffff8"),
        (&[(data, 0), (REQUEST_TAIL, 8)], "has 0x0 bytes"),
        (
            &[(data, 9), (REQUEST_TAIL, 16)],
            "has 0x9 bytes, expected 1 to 0x8",
        ),
        (
            &[(data, u64::MAX), (REQUEST_TAIL, 16)],
            "has 0xffffffffffffffff bytes",
        ),
        // This record is no vfio-user message.
        (
            &[
                (data, 16),
                (data + 8, u64::MAX),
                (data + 16, 1),
                (REQUEST_TAIL, 24),
            ],
            "connection closed",
        ),
    ] {
        let client = open(&daemon);
        for (offset, value) in words {
            set(&client, *offset, *value);
        }
        wake(&client);
        is_closed(client);
        eventually("the fault is named", || {
            daemon.stderr().contains(told).then_some(())
        });
        assert_eq!(main.read(CONFIG, 0, 4).data().len(), 4);
        other.gid();
    }
    // The server reads these positions when it sends a reply.
    for head in [u64::MAX - 7, 8 << 20, 5] {
        let client = open(&daemon);
        set(&client, REPLY_HEAD, head);
        let read = message(1, command::REGION_READ, 0, &access(ZPCI, 0, 8).0);
        let mut client = client;
        for _ in 0..3000 {
            let ring = client.wire.ring.as_mut().unwrap();
            let taken = ring.view.word(0x80).load(Ordering::SeqCst);
            let sent = ring.view.word(REQUEST_TAIL).load(Ordering::SeqCst);
            if sent - taken > capacity / 2 {
                break;
            }
            client.wire.send(&read);
        }
        is_closed(client);
    }
    other.gid();
    assert_eq!(main.read(CONFIG, 0, 4).data().len(), 4);
    drop((other, main));
    assert_eq!(daemon.stop().ended.code, Some(0));
}

/// The client writes all over the memory while the server uses it.
#[test]
fn scribbling_without_end_ends_nothing_but_connections() {
    let daemon = daemon();
    let mut other = Driver::probe(&daemon.socket("ism1"), Via::Channel);
    let mut main = Client::open(&daemon.socket("ism0"));
    let mut seed = 1_u64;
    let mut next = || {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed
    };
    for _ in 0..60 {
        let mut client = open(&daemon);
        client
            .wire
            .send(&message(1, command::REGION_READ, 0, &access(ZPCI, 0, 8).0));
        for _ in 0..400 {
            let offset = match next() % 4 {
                0 => [
                    REQUEST_TAIL,
                    0x80,
                    0x100,
                    REPLY_HEAD,
                    CLIENT_WAITS,
                    SERVER_WAITS,
                ][(next() % 6) as usize],
                _ => next() % (LEN / 8) * 8,
            };
            let value = if next() % 2 == 0 {
                next() % 0x9_0000
            } else {
                next()
            };
            set(&client, offset, value);
            let ring = client.wire.ring.as_ref().unwrap();
            if next() % 16 == 0 {
                ring.signal_server();
            }
        }
        assert_eq!(main.read(CONFIG, 0, 4).data().len(), 4);
        other.gid();
    }
    assert_eq!(daemon.stop().ended.code, Some(0));
}

#[test]
fn memory_that_is_punched_out_is_a_broken_ring() {
    let daemon = daemon();
    let mut client = open(&daemon);
    let read = message(1, command::REGION_READ, 0, &access(ZPCI, 0, 8).0);
    client.wire.send(&read);
    assert_eq!(client.receive().data().len(), 8);
    let ring = client.wire.ring.as_ref().unwrap();
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    fallocate(ring.ram.as_fd(), flags, 0, LEN).unwrap();
    // Position 0 is behind the bytes already taken.
    ring.signal_server();
    is_closed(client);
    eventually("the fault is named", || {
        daemon
            .stderr()
            .contains("request lane: tail 0x0")
            .then_some(())
    });
    let mut next = open(&daemon);
    assert_eq!(next.read(ZPCI, 0, 8).data().len(), 8);
}

#[test]
fn eventfds_that_are_full_and_make_writers_wait_keep_nobody_waiting() {
    let daemon = daemon();
    let mut main = Client::open(&daemon.socket("ism0"));
    let mut client = Client::connect(&daemon.channel("ism0"));
    let mut ring = Ring::new();
    let full = eventfd(0, EventfdFlags::empty()).unwrap();
    rustix::io::write(&full, &(u64::MAX - 1).to_ne_bytes()).unwrap();
    let [memory, server, _] = ring.fds();
    let body = version(0, 0, PROPOSAL);
    let fds = [memory, server, full.as_fd()];
    client.request_with(command::VERSION, body, &fds).ok();
    for id in 0..50 {
        // The client announces that it waits, so each reply wakes it.
        ring.view.word(CLIENT_WAITS).store(1, Ordering::SeqCst);
        let read = message(id, command::REGION_READ, 0, &access(ZPCI, 0, 8).0);
        ring.send(&read, client.wire.as_fd());
        // Nothing wakes this side.
        eventually("the reply is there", || {
            let tail = ring.view.word(REPLY_TAIL).load(Ordering::SeqCst);
            (tail == 48 * (u64::from(id) + 1)).then_some(())
        });
        let mut reply = [0; 40];
        assert_eq!(ring.receive(&mut reply, client.wire.as_fd()), 40);
        assert_eq!(main.read(CONFIG, 0, 4).data().len(), 4);
    }
}

/// Two clients whose eventfds are full change all the time whether these make writers wait. The server's
/// threads wait for them at the same time, and meanwhile wake others.
#[test]
fn eventfds_that_make_several_threads_wait_keep_none_of_them_waiting() {
    let daemon = daemon();
    let names = ["ism0", "ism1"];
    let mut mains = names.map(|name| Client::open(&daemon.socket(name)));
    let fickle = names.map(|_| eventfd(0, EventfdFlags::empty()).unwrap());
    let enough = AtomicBool::new(false);
    let wait_and_wake = |name: &str, main: &mut Client, fickle: &OwnedFd| {
        for _ in 0..6 {
            let mut ring = Ring::new();
            let [memory, server, _] = ring.fds();
            let fds = [memory, server, fickle.as_fd()];
            let (client, _) = Client::enter(&daemon.channel(name), PROPOSAL, &fds);
            let read = message(1, command::REGION_READ, 0, &access(ZPCI, 0, 8).0);
            for id in 1..=1000 {
                ring.view.word(CLIENT_WAITS).store(1, Ordering::SeqCst);
                ring.send(&read, client.wire.as_fd());
                spin(
                    "the reply is there, or the server has waited and left",
                    || {
                        let tail = ring.view.word(REPLY_TAIL).load(Ordering::SeqCst);
                        tail == 48 * id || client.wire.has_bytes()
                    },
                );
                if client.wire.has_bytes() {
                    break;
                }
            }
            // The same thread of the server serves this client.
            assert_eq!(main.read(CONFIG, 0, 4).data().len(), 4);
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut flags = fickle.each_ref().map(|fd| fcntl_getfl(fd).unwrap());
            for fd in &fickle {
                rustix::io::write(fd, &(u64::MAX - 1).to_ne_bytes()).unwrap();
            }
            while !enough.load(Ordering::Relaxed) {
                for (fd, flags) in fickle.iter().zip(&mut flags) {
                    flags.toggle(OFlags::NONBLOCK);
                    fcntl_setfl(fd, *flags).unwrap();
                    // The server may have made room.
                    let mut fds = [PollFd::new(fd, PollFlags::OUT)];
                    if flags.contains(OFlags::NONBLOCK)
                        && rustix::event::poll(&mut fds, Some(&Timespec::default())) == Ok(1)
                    {
                        let mut count = [0; 8];
                        let _ = rustix::io::read(fd, &mut count);
                        let _ = rustix::io::write(fd, &(u64::MAX - 1).to_ne_bytes());
                    }
                }
            }
        });
        let [first, second] = &mut mains;
        let one = scope.spawn(|| wait_and_wake(names[0], first, &fickle[0]));
        let other = scope.spawn(|| wait_and_wake(names[1], second, &fickle[1]));
        let _end = SetAtEnd(&enough);
        let ended = [one, other].map(thread::ScopedJoinHandle::join);
        assert!(ended.iter().all(Result::is_ok));
    });
    drop(mains);
    assert_eq!(daemon.stop().ended.code, Some(0));
}

#[test]
fn bytes_by_the_socket_end_the_connection() {
    let daemon = daemon();
    let mut client = open(&daemon);
    assert_eq!(client.read(ZPCI, 0, 8).data().len(), 8);
    client.wire.ring = None;
    let read = message(1, command::REGION_READ, 0, &access(ZPCI, 0, 8).0);
    client.wire.send_to_the_deaf(&read);
    assert!(client.wire.rest().is_empty());
    eventually("the log says why", || {
        daemon.stderr().contains("came by the socket").then_some(())
    });
}
