//! Tests of a guest that dies at any point: the other guests go on, and get events.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use rustix::process::Signal;
use serde_json::Value;
use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, IEQ, IOVA, SBA, code, dmb, header, target};
use vfio_user_ism_tests::errno::EIO;
use vfio_user_ism_tests::patience::eventually;
use vfio_user_ism_tests::threads::SetAtEnd;
use vfio_user_ism_tests::{Bytes, Daemon, Driver, Via};

/// A guest in a separate process. Dropping this value kills it.
struct BusyGuest {
    child: Child,
    /// Tokens of the guest's buffers.
    tokens: Vec<u64>,
}

impl BusyGuest {
    /// Starts a guest at a function. It admits `gids` to its buffers.
    fn start(socket: &Path, gids: &[u64]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_busy_guest"));
        command.arg(socket).args(gids.iter().map(u64::to_string));
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::inherit()).spawn().unwrap();
        let mut line = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        let tokens = line
            .split_whitespace()
            .map(|token| u64::from_str_radix(token, 16).unwrap())
            .collect();
        Self { child, tokens }
    }

    /// Makes the guest begin, with the tokens of its peers' buffers.
    fn begin(&mut self, peers: &[u64]) {
        let peers: Vec<_> = peers.iter().map(|token| format!("{token:x}")).collect();
        let mut stdin = self.child.stdin.take().unwrap();
        writeln!(stdin, "{}", peers.join(" ")).unwrap();
    }

    #[track_caller]
    fn kill(&mut self) {
        assert_eq!(
            self.child.try_wait().unwrap(),
            None,
            "it has ended by itself"
        );
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for BusyGuest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits until both clients of a function have left `times` times.
#[track_caller]
fn wait_until_gone(daemon: &Daemon, function: &str, times: usize) {
    eventually("the killed guest is forgotten", || {
        let events = daemon.events();
        let left = events
            .iter()
            .filter(|event| event["event"] == "disconnected" && event["function"] == function);
        (left.count() == 2 * times).then_some(())
    });
}

/// Returns types and tokens in a driver's event queue. Up to 15 entries stay when later ones come.
fn entries(driver: &Driver) -> Vec<(u64, u64)> {
    let entry = |slot: u64| {
        let at = IEQ + 32 + 32 * slot;
        (driver.ram.be(at, 4), driver.ram.be(at + 8, 8))
    };
    (0..15).map(entry).collect()
}

/// Registers an empty event queue for a driver.
fn fresh_queue(driver: &mut Driver) {
    driver.run(code::UNREG_IEQ, []).ok();
    driver.ram.write(IEQ, &[0; 512]);
    driver
        .run(code::REG_IEQ, Bytes::new().be64(IOVA + IEQ).be64(512))
        .ok();
}

fn admit(driver: &mut Driver, at: u64, rgid: u64) -> u64 {
    let memory = dmb(
        IOVA + DMB + 0x4000 * at,
        0x4000,
        FIRST_INDEX + at as u32,
        rgid,
    );
    driver.run(code::REG_DMB, memory).number()
}

fn give_back(driver: &mut Driver, token: u64) {
    driver.run(code::UNREG_DMB, Bytes::new().be64(token)).ok();
}

#[test]
fn a_killed_process_leaves_the_others_working_and_they_are_told() {
    const KILLS: usize = 12;
    let daemon = Daemon::with_profile("quad");
    let mut drivers =
        ["ism0", "ism1"].map(|name| Driver::probe(&daemon.socket(name), Via::Channel));
    let gids = [0, 1].map(|at| drivers[at].gid());
    let dying = 0x1500_0000_0000_0004;
    let between = [0, 1].map(|at| admit(&mut drivers[at], 8, gids[1 - at]));
    let held = |number| {
        daemon.signal(Signal::USR1);
        let report: Value = eventually("a report", || {
            let text = std::fs::read_to_string(daemon.folder.path().join("report")).ok()?;
            let report: Value = serde_json::from_str(&text).ok()?;
            (report["number"] == number).then_some(report)
        });
        let dying = &report["functions"][3];
        let names = ["dma_maps", "guest_files", "eventfds"];
        let held = names.map(|name| dying[name].as_u64().unwrap());
        (held, report["open_descriptors"].as_u64())
    };
    let before = held(1);
    for kill in 1..=KILLS {
        let mut guest = BusyGuest::start(&daemon.socket("ism3"), &gids);
        let admitted = [0, 1].map(|at| admit(&mut drivers[at], 0, dying));
        guest.begin(&admitted);
        // Each guest dies later than the previous one, and never at the same point of a round.
        let rounds = 3 * kill as u64;
        let place = DMB + 32;
        eventually("it works", || {
            let arrived = |driver: &Driver| driver.ram.be(place, 8) >= rounds;
            drivers.iter().all(arrived).then_some(())
        });
        // The others work while it dies. They also move data into its memory until that is gone.
        let tokens = guest.tokens.clone();
        std::thread::scope(|threads| {
            threads.spawn(|| guest.kill());
            for round in 0..50 {
                for at in [0, 1] {
                    let into = target(between[1 - at], 0, true, 64);
                    drivers[at].put(into, &[round; 128]).ok();
                    let dead = drivers[at].put(target(tokens[at], 0, true, 0), &[round; 8]);
                    assert!([None, Some(EIO)].contains(&dead.errno()), "{dead:?}");
                }
            }
        });
        wait_until_gone(&daemon, "ism3", kill);
        for (at, driver) in drivers.iter_mut().enumerate() {
            let told = entries(driver);
            assert!(
                told.contains(&(1, dying)),
                "{at} is told of {kill}: {told:x?}"
            );
            driver
                .put(target(tokens[at], 0, true, 0), &[1; 8])
                .refused(EIO);
            assert_eq!(driver.ram.read(DMB + 0x4000 * 8 + 64, 128), [49; 128]);
            // Its earlier stores are complete.
            let words: Vec<_> = (0..400)
                .map(|word| driver.ram.be(place + 8 * word, 8))
                .collect();
            assert!(words.iter().all(|word| *word == words[0]), "{words:?}");
            let reach = Bytes::new().be64(dying).be64(0);
            driver.run(code::QUERY_RGID, reach).failed();
            give_back(driver, admitted[at]);
            driver.ram.write(DMB, &[0; 0x4000]);
            fresh_queue(driver);
        }
    }
    assert_eq!(held(2), before, "nothing of {KILLS} guests is left");
}

#[test]
fn a_command_half_stored_dies_with_its_guest() {
    let daemon = Daemon::with_profile("pair");
    let mut other = Driver::probe(&daemon.socket("ism0"), Via::Channel);
    let gid = other.gid();
    // The guest dies after a part of a REG_SBA: its payload, its header, or half its response.
    for (times, steps) in (1..=3).enumerate() {
        let mut dies = Driver::attach(&daemon.socket("ism1"), Via::Channel);
        dies.client.reset();
        let payload = Bytes::new().be64(IOVA + SBA).0;
        dies.store(2, 8, &payload).ok();
        if steps > 1 {
            dies.store(2, 0, &header(code::REG_SBA, 16)).ok();
        }
        if steps > 2 {
            assert_eq!(dies.load(2, 0), [0, 0, 0, 1, 0, 0, 0, 8]);
        }
        drop(dies);
        assert_eq!(other.gid(), gid, "the other one goes on");
        wait_until_gone(&daemon, "ism1", 2 * times + 1);
        // The next guest's command has no payload, and does not get that of the dead guest.
        let mut next = Driver::attach(&daemon.socket("ism1"), Via::Channel);
        next.client.reset();
        next.store(2, 0, &header(code::REG_SBA, 16)).ok();
        next.response().failed();
        next.register();
        drop(next);
        wait_until_gone(&daemon, "ism1", 2 * times + 2);
    }
}

#[test]
fn a_guest_that_is_reset_again_and_again_while_others_write_to_it() {
    const RESETS: usize = 40;
    let daemon = Daemon::with_profile("quad");
    let mut victim = Driver::probe(&daemon.socket("ism0"), Via::Channel);
    let mut writers =
        ["ism1", "ism2"].map(|name| Driver::probe(&daemon.socket(name), Via::Channel));
    let gids = [0, 1].map(|at| writers[at].gid());
    let tokens = [const { AtomicU64::new(0) }; 2];
    let done = AtomicBool::new(false);
    let moved = std::thread::scope(|threads| {
        let writing: Vec<_> = writers
            .iter_mut()
            .zip(&tokens)
            .map(|(driver, token)| {
                threads.spawn(|| {
                    let mut moved = 0;
                    while !done.load(SeqCst) {
                        let at = target(token.load(SeqCst), 0, true, 0);
                        match driver.put(at, &[7; 4096]).errno() {
                            None => moved += 1,
                            Some(errno) => assert_eq!(errno, EIO),
                        }
                    }
                    moved
                })
            })
            .collect();
        let stop = SetAtEnd(&done);
        for _ in 0..RESETS {
            for (at, token) in tokens.iter().enumerate() {
                token.store(admit(&mut victim, at as u64, gids[at]), SeqCst);
            }
            for at in [0, 1] {
                eventually("a move arrives", || {
                    (victim.ram.read(DMB + 0x4000 * at, 4096) == [7; 4096]).then_some(())
                });
            }
            victim.client.reset();
            // After the reply to the reset nothing is written, because the memory is the guest's again.
            victim.ram.write(DMB, &[0; 0x8000]);
            victim.ram.write(SBA, &[0; 4096]);
            assert_eq!(victim.run(code::READ_GID, []).len, 16);
            assert_eq!(victim.ram.read(DMB, 0x8000), [0; 0x8000]);
            assert_eq!(victim.ram.read(SBA, 4096), [0; 4096]);
            victim.register();
        }
        drop(stop);
        let moved: Vec<usize> = writing
            .into_iter()
            .map(|writer| writer.join().unwrap())
            .collect();
        moved
    });
    assert!(moved.iter().all(|moved| *moved >= RESETS), "{moved:?}");
    drop((victim, writers));
    let stopped = daemon.stop();
    for name in ["ism1", "ism2"] {
        let told = stopped
            .events_named("queued")
            .filter(|event| event["to"] == name && event["event_type"] == 1);
        assert_eq!(told.count(), RESETS, "{name} is told of every reset, once");
    }
}
