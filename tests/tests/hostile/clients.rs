//! Tests of clients that stop reading, write slowly, or never stop writing. Meanwhile the server serves the
//! other function and the function's own instruction channel, and SIGTERM ends it. The tests count round
//! trips of the others, not time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use vfio_user_ism_tests::client::{CONFIG, QEMU, ZPCI, access, command, region_write, version};
use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, target, zpci_request};
use vfio_user_ism_tests::program::profile;
use vfio_user_ism_tests::threads::SetAtEnd;
use vfio_user_ism_tests::wire::{NO_REPLY, message};
use vfio_user_ism_tests::{Client, Daemon, Driver, Via};

/// Number of round trips that the others make meanwhile.
const MEANWHILE: usize = 300;

/// Starts a server of two functions. A flood would make the event file large, and the test reads it at the
/// end.
fn daemon() -> Daemon {
    let profile = profile("pair");
    let profile = profile.to_str().unwrap();
    Daemon::with_arguments(&["--profile", profile, "--events-limit", "100000"])
}

/// A driver without relation to the bad client: commands, moves, signals.
struct Other {
    driver: Driver,
    token: u64,
}

impl Other {
    fn of(daemon: &Daemon) -> Self {
        let mut driver = Driver::probe(&daemon.socket("ism1"), Via::Bar);
        let gid = driver.gid();
        let token = driver.register_dmb(4096, FIRST_INDEX, gid);
        Self { driver, token }
    }

    #[track_caller]
    fn is_served(&mut self, round: usize) {
        let data = [round as u8; 64];
        self.driver.put(target(self.token, 0, true, 0), &data).ok();
        assert_eq!(self.driver.ram.read(DMB, 64), data);
        self.driver.gid();
    }
}

/// Connects a client to the instruction channel of `ism0`.
fn channel(daemon: &Daemon) -> Client {
    Client::open(&daemon.channel("ism0"))
}

/// Checks that SIGTERM ends the server, whatever its clients do.
#[track_caller]
fn ends(daemon: Daemon) {
    let stopped = daemon.stop();
    assert_eq!(stopped.ended.code, Some(0), "{}", stopped.ended.stderr);
    assert!(stopped.report["functions"].is_array());
}

#[test]
fn a_client_that_reads_nothing_delays_nobody() {
    let daemon = daemon();
    let mut other = Other::of(&daemon);
    let mut channel = channel(&daemon);
    let mut deaf = Client::open(&daemon.socket("ism0"));
    // 4 MiB of replies are many times the capacity of its socket.
    for _ in 0..64 {
        deaf.send(command::REGION_READ, 0, access(0, 0, 1 << 16));
    }
    for round in 0..MEANWHILE {
        other.is_served(round);
        channel.read(ZPCI, 0, 16).ok();
    }
    ends(daemon);
    drop(deaf);
}

#[test]
fn a_client_that_hardly_writes_delays_nobody() {
    let daemon = daemon();
    let mut other = Other::of(&daemon);
    let mut channel = channel(&daemon);
    let mut slow = Client::connect(&daemon.socket("ism0"));
    let mut bytes = message(1, command::VERSION, 0, &version(0, 0, QEMU)).into_iter();
    for round in 0..MEANWHILE {
        if round % 10 == 0 {
            slow.wire.send(&[bytes.next().unwrap()]);
        }
        other.is_served(round);
        channel.read(ZPCI, 0, 16).ok();
    }
    // The server still serves it when its message becomes complete.
    slow.wire.send(&bytes.collect::<Vec<_>>());
    slow.reply_to(1).ok();
    slow.wire.send(&[1, 0, 13]);
    ends(daemon);
}

/// Serves the others while a thread sends `flood` to `ism0` repeatedly.
#[track_caller]
fn while_flooded(flood: &[u8], answered: bool) {
    let daemon = daemon();
    let client = Client::open(&daemon.socket("ism0"));
    let channel = channel(&daemon);
    while_flooded_by(client, flood, answered, channel, daemon);
}

/// Like [`while_flooded`], with the client that floods and the other client of the same function.
#[track_caller]
fn while_flooded_by(
    mut client: Client,
    flood: &[u8],
    answered: bool,
    mut sibling: Client,
    daemon: Daemon,
) {
    let mut other = Other::of(&daemon);
    let enough = AtomicBool::new(false);
    let times = AtomicUsize::new(0);
    thread::scope(|threads| {
        threads.spawn(|| {
            while !enough.load(Ordering::Relaxed) {
                client.wire.send(flood);
                times.fetch_add(1, Ordering::Relaxed);
                if answered {
                    client.receive().ok();
                }
            }
        });
        let _end = SetAtEnd(&enough);
        // The others may be served faster than the flood begins.
        for round in 0.. {
            if round >= MEANWHILE && times.load(Ordering::Relaxed) > 10 {
                break;
            }
            other.is_served(round);
            sibling.read(ZPCI, 0, 16).ok();
        }
    });
    client.read(ZPCI, 0, 16).ok();
    ends(daemon);
}

/// Builds many moves that the server refuses, because there is no buffer 0, and does not answer.
fn refused_moves() -> Vec<u8> {
    let request = zpci_request(2, 0, 0, 0, 8).raw(&[1; 8]);
    let body = region_write(ZPCI, 16, &request.0);
    message(1, command::REGION_WRITE, NO_REPLY, &body).repeat(1000)
}

#[test]
fn a_flood_by_the_channel_starves_nobody() {
    let daemon = daemon();
    let (client, sibling) = (channel(&daemon), Client::open(&daemon.socket("ism0")));
    while_flooded_by(client, &refused_moves(), false, sibling, daemon);
}

/// The server needs no system call for such messages, so nothing but the server itself makes it pause.
#[test]
fn a_flood_through_a_ring_starves_nobody() {
    let daemon = daemon();
    let client = Client::open_ring(&daemon.channel("ism0"));
    let sibling = Client::open(&daemon.socket("ism0"));
    while_flooded_by(client, &refused_moves(), false, sibling, daemon);
}

#[test]
fn a_flood_of_posted_writes_starves_nobody() {
    // Each move is refused, logged and counted, because there is no buffer 0.
    let one = message(
        1,
        command::REGION_WRITE,
        NO_REPLY,
        &region_write(0, 0, &[1; 8]),
    );
    while_flooded(&one.repeat(1000), false);
}

#[test]
fn a_flood_of_large_writes_starves_nobody() {
    let body = region_write(CONFIG, 0, &vec![0; 1 << 20]);
    while_flooded(&message(1, command::REGION_WRITE, NO_REPLY, &body), false);
}

#[test]
fn a_flood_of_loads_starves_nobody() {
    let body = access(0, 0, 1 << 20).0;
    while_flooded(&message(1, command::REGION_READ, 0, &body), true);
}

#[test]
fn a_flood_does_not_keep_the_server_from_ending() {
    let daemon = daemon();
    let mut client = Client::open(&daemon.socket("ism0"));
    let one = message(
        1,
        command::REGION_WRITE,
        NO_REPLY,
        &region_write(0, 0, &[1; 8]),
    );
    let flood = one.repeat(1000);
    client.wire.send(&flood);
    let enough = AtomicBool::new(false);
    thread::scope(|threads| {
        threads.spawn(|| {
            while !enough.load(Ordering::Relaxed) {
                client.wire.send_to_the_deaf(&flood);
            }
        });
        let _end = SetAtEnd(&enough);
        ends(daemon);
    });
}

#[test]
fn a_client_that_comes_and_goes_disturbs_nobody() {
    let daemon = daemon();
    let mut other = Other::of(&daemon);
    let mut channel = channel(&daemon);
    for round in 0..MEANWHILE {
        drop(Client::connect(&daemon.socket("ism0")));
        other.is_served(round);
        channel.read(ZPCI, 0, 16).ok();
    }
    ends(daemon);
}
