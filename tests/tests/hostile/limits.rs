//! Tests that reach each limit on a client. The server refuses the request or closes the connection, the
//! report counts it, and the other function is served meanwhile. `docs/limits.md` lists the limits.

use std::os::fd::AsFd;
use std::process::Command;
use std::time::Instant;

use vfio_user_ism_tests::client::{QEMU, access, command, dma_map, version};
use vfio_user_ism_tests::daemon::Stopped;
use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, code, dmb, target};
use vfio_user_ism_tests::errno::{EBUSY, EIO, ENOSPC};
use vfio_user_ism_tests::program::program;
use vfio_user_ism_tests::wire::{Bytes, message};
use vfio_user_ism_tests::{Client, Daemon, Driver, Eventfd, Ram, Via};

const EMFILE: u32 = 24;

/// Starts two functions, and a driver of the second, which must notice nothing.
fn pair() -> (Daemon, Driver) {
    let daemon = Daemon::with_profile("pair");
    let other = Driver::probe(&daemon.socket("ism1"), Via::Region);
    (daemon, other)
}

/// Checks that the other function is served, ends the server, and returns its results.
#[track_caller]
fn end(daemon: Daemon, mut other: Driver) -> Stopped {
    let gid = other.gid();
    let token = other.register_dmb(4096, FIRST_INDEX, gid);
    other.put(target(token, 0, true, 0), &[7; 64]).ok();
    assert_eq!(other.ram.read(DMB, 64), [7; 64]);
    let stopped = daemon.stop();
    assert_eq!(stopped.ended.code, Some(0), "{}", stopped.ended.stderr);
    assert_eq!(
        stopped.function("ism1")["over_limits"],
        serde_json::json!({})
    );
    stopped
}

/// Returns how often `ism0` reached a limit.
fn over(stopped: &Stopped, name: &str) -> u64 {
    stopped.function("ism0")["over_limits"][name]
        .as_u64()
        .unwrap_or(0)
}

#[test]
fn a_message_too_long_is_counted() {
    let (daemon, other) = pair();
    let mut client = Client::open(&daemon.socket("ism0"));
    let size = (1 << 20) + 64 + 1;
    let header = Bytes::new()
        .u16(1)
        .u16(command::RESET)
        .u32(size)
        .u32(0)
        .u32(0);
    client.wire.send(&header.0);
    client.wire.expect_closed();
    assert_eq!(over(&end(daemon, other), "message-size"), 1);
}

#[test]
fn descriptors_that_pile_up_are_counted() {
    let (daemon, other) = pair();
    let mut client = Client::open(&daemon.socket("ism0"));
    let eventfd = Eventfd::new();
    // The client sends one byte of a message and a descriptor repeatedly: the message never becomes complete.
    let bytes = message(1, command::DMA_MAP, 0, &dma_map(0, 4096, 0));
    for byte in &bytes[..16] {
        client.wire.send_with_fds(&[*byte], &[eventfd.as_fd()]);
    }
    client
        .wire
        .send_with_fds(&bytes[16..17], &[eventfd.as_fd()]);
    client.wire.expect_closed();
    assert_eq!(over(&end(daemon, other), "descriptors"), 1);
}

#[test]
fn a_process_without_room_for_descriptors_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let mut shell = Command::new("sh");
    shell
        .arg("-c")
        .arg(r#"ulimit -n 30; exec "$0" "$@""#)
        .arg(program());
    let profile = vfio_user_ism_tests::program::profile("pair");
    let daemon = Daemon::spawn(shell, folder, &["--profile", profile.to_str().unwrap()]);
    assert!(
        daemon.stderr().contains("RLIMIT_NOFILE"),
        "{}",
        daemon.stderr()
    );
    let other = Driver::probe(&daemon.socket("ism1"), Via::Region);
    let mut client = Client::open(&daemon.socket("ism0"));
    let ram = Ram::new(4096);
    // These are the remaining ones and more, so some are lost on the way.
    let mut refused = 0;
    for _ in 0..4 {
        let body = dma_map(0, 4096, 0);
        let fds = [ram.as_fd(); 16];
        let reply = client.request_with(command::DMA_MAP, body, &fds);
        refused += u64::from(reply.errno() == Some(EMFILE));
    }
    assert!(refused > 0, "16 more descriptors fit");
    client.map(0, 4096, &ram, 0).ok();
    assert_eq!(over(&end(daemon, other), "descriptors-lost"), refused);
}

#[test]
fn files_behind_the_maps_are_limited() {
    let (daemon, other) = pair();
    let mut client = Client::open(&daemon.socket("ism0"));
    for at in 0..256 {
        client.map(at << 20, 4096, &Ram::new(4096), 0).ok();
    }
    client
        .map(256 << 20, 4096, &Ram::new(4096), 0)
        .refused(ENOSPC);
    client.map_without_fd(256 << 20, 4096).ok();
    assert_eq!(over(&end(daemon, other), "files"), 1);
}

#[test]
fn nobody_takes_the_address_space_of_the_others() {
    let (daemon, mut other) = pair();
    let mut client = Client::open(&daemon.socket("ism0"));
    // The file is sparse: it has only a length.
    let vast = Ram::new(17 << 40);
    client.map(0, 4096, &vast, 0).refused(ENOSPC);
    client.map(0, 4096, &Ram::new(15 << 40), 0).ok();
    client
        .map(4096, 4096, &Ram::new(2 << 40), 0)
        .refused(ENOSPC);
    // The other function has its own share.
    other.client.map(0, 4096, &Ram::new(15 << 40), 0).ok();
    assert_eq!(over(&end(daemon, other), "mapped-bytes"), 2);
}

#[test]
fn more_dma_maps_than_the_limit_are_refused() {
    let (daemon, other) = pair();
    let mut client = Client::open(&daemon.socket("ism0"));
    let maps = 65_535;
    let mut answered = 0;
    for at in 0..maps {
        client.send(command::DMA_MAP, 0, dma_map(at << 12, 4096, 0));
        // Several requests are sent before the first reply, as by any client, but not so many that both sides
        // wait.
        if at >= 64 {
            client.receive().ok();
            answered += 1;
        }
    }
    for _ in answered..maps {
        client.receive().ok();
    }
    client.map_without_fd(maps << 12, 4096).refused(ENOSPC);
    assert_eq!(over(&end(daemon, other), "maps"), 1);
}

#[test]
fn writes_that_wait_for_a_client_are_limited() {
    let (daemon, mut other) = pair();
    // A DMB of ism0 lies in memory that takes messages, which are never answered.
    let mut silent = Driver::attach(&daemon.socket("ism0"), Via::Region);
    silent.client.map_without_fd(0x9_0000_0000, 1 << 20).ok();
    let rgid = other.gid();
    let payload = dmb(0x9_0000_0000, 1 << 20, FIRST_INDEX, rgid);
    let token = silent.run(code::REG_DMB, payload).number();
    let mut refused = 0;
    let mut accepted = 0;
    while refused < 10 {
        let reply = other.put(target(token, 0, false, 0), &[1; 4096]);
        match reply.errno() {
            None => accepted += 1,
            Some(errno) => {
                assert_eq!(errno, EIO);
                refused += 1;
            }
        }
        assert!(accepted <= 1024 + 256, "nothing bounds the queue");
    }
    assert!(accepted >= 1024, "{accepted}");
    let stopped = end(daemon, other);
    assert_eq!(over(&stopped, "queue"), 10);
}

#[test]
fn second_clients_are_counted() {
    let (daemon, other) = pair();
    let _first = Client::open(&daemon.socket("ism0"));
    for _ in 0..3 {
        let mut second = Client::connect(&daemon.socket("ism0"));
        let body = version(0, 0, QEMU);
        second.request(command::VERSION, body).refused(EBUSY);
    }
    assert_eq!(over(&end(daemon, other), "clients"), 3);
}

#[test]
fn many_second_clients_that_say_nothing_take_nothing() {
    let (daemon, other) = pair();
    let mut first = Client::open(&daemon.socket("ism0"));
    let open = || {
        let folder = format!("/proc/{}/fd", daemon.pid());
        std::fs::read_dir(folder).unwrap().count()
    };
    let before = open();
    let idle: Vec<Client> = (0..100)
        .map(|_| Client::connect(&daemon.socket("ism0")))
        .collect();
    first.reset();
    // The server waits for at most nine, and closes further connections at once.
    vfio_user_ism_tests::patience::eventually("they are hung up on", || {
        (open() <= before + 9).then_some(())
    });
    for mut each in idle {
        each.wire.expect_closed();
    }
    assert_eq!(over(&end(daemon, other), "clients"), 100);
}

#[test]
fn a_client_enters_once_nobody_holds_the_sockets_of_a_crowd_that_left() {
    let daemon = Daemon::start();
    let socket = daemon.socket("ism0");
    let first = Client::open(&socket);
    let crowd: Vec<Client> = (0..20).map(|_| Client::connect(&socket)).collect();
    // A process that was just forked holds them for a moment.
    let held: Vec<_> = std::iter::once(&first)
        .chain(&crowd)
        .map(|client| client.wire.as_fd().try_clone_to_owned().unwrap())
        .collect();
    drop((first, crowd));
    std::thread::scope(|threads| {
        threads.spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(50));
            drop(held);
        });
        Client::open(&socket).reset();
    });
}

#[test]
fn events_that_the_event_file_did_not_take_are_counted() {
    let daemon = Daemon::with_arguments(&["--events-limit", "2000"]);
    let mut client = daemon.client();
    for _ in 0..100 {
        client.reset();
    }
    drop(client);
    let stopped = daemon.stop();
    let written = stopped.events.len() as u64 - 1;
    // The events are: connected, 100 resets, disconnected.
    assert_eq!(
        stopped.report["events_lost"].as_u64().unwrap(),
        102 - written
    );
}

#[test]
fn a_client_cannot_fill_the_log() {
    let (daemon, other) = pair();
    let start = Instant::now();
    let socket = daemon.socket("ism0");
    for _ in 0..1500 {
        let mut client = Client::connect(&socket);
        client.wire.send(&[0; 16]);
        client.wire.expect_closed();
    }
    let stopped = end(daemon, other);
    let lines = stopped.ended.stderr.lines().count() as u64;
    let left_out = stopped.report["log_lines_left_out"].as_u64().unwrap();
    // docs/limits.md: 1000 lines, then 20 in each second, each after a line about the missing ones.
    let most = 1000 + 2 * 20 * (start.elapsed().as_secs() + 1);
    assert!(lines <= most, "{lines} lines, {most} allowed");
    let all = lines + left_out;
    assert!(all >= 3000, "{lines} lines, {left_out} left out");
}

#[test]
fn a_transfer_above_the_agreed_size_is_refused() {
    let (daemon, other) = pair();
    let mut client = Client::connect(&daemon.socket("ism0"));
    let text = r#"{"capabilities":{"max_data_xfer_size":4096}}"#;
    client.request(command::VERSION, version(0, 0, text)).ok();
    client.read(0, 0, 4096).ok();
    let reply = client.request(command::REGION_READ, access(0, 0, 4097));
    assert!(reply.errno().is_some());
    assert_eq!(end(daemon, other).function("ism0")["refused_messages"], 1);
}
