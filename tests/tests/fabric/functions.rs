//! Tests of four functions on one fabric: identity, reachability, permission to write and to signal.

use vfio_user_ism_tests::client::command;
use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, IEQ, IOVA, SBA, code, dmb, target};
use vfio_user_ism_tests::errno::EIO;
use vfio_user_ism_tests::patience::eventually;
use vfio_user_ism_tests::{Bytes, Daemon, Driver, Via};

const NAMES: [&str; 4] = ["ism0", "ism1", "ism2", "ism3"];
const DMB_LEN: u32 = 0x4000;

/// Creates four probed drivers over their channels. Returns their GIDs too.
fn four(daemon: &Daemon) -> (Vec<Driver>, Vec<u64>) {
    let probe = |name| Driver::probe(&daemon.socket(name), Via::Channel);
    let mut drivers: Vec<_> = NAMES.into_iter().map(probe).collect();
    let gids = drivers.iter_mut().map(Driver::gid).collect();
    (drivers, gids)
}

/// All pairs of two different functions.
fn pairs() -> impl Iterator<Item = (usize, usize)> {
    (0..4).flat_map(|a| (0..4).filter(move |b| *b != a).map(move |b| (a, b)))
}

fn reaches(driver: &mut Driver, gid: u64, vlan: Option<u32>) -> bool {
    let (valid, id) = (u32::from(vlan.is_some()), vlan.unwrap_or(0));
    let payload = Bytes::new().be64(gid).be32(valid).be32(id);
    driver.run(code::QUERY_RGID, payload).code == 0
}

/// Returns the address of buffer number `at` of a driver.
fn buffer(at: usize) -> u64 {
    DMB + 0x4_0000 * at as u64
}

/// Registers buffer number `at` for `rgid`. Returns the token.
fn admit(driver: &mut Driver, at: usize, rgid: u64) -> u64 {
    let memory = dmb(IOVA + buffer(at), DMB_LEN, FIRST_INDEX + at as u32, rgid);
    driver.run(code::REG_DMB, memory).number()
}

/// Returns type and token of the entries in a driver's event queue, if there are fewer than 15.
fn entries(driver: &Driver) -> Vec<(u64, u64)> {
    let entry = |slot| {
        let at = IEQ + 32 + 32 * slot;
        (driver.ram.be(at, 4), driver.ram.be(at + 8, 8))
    };
    (0..driver.ram.be(IEQ, 8)).map(entry).collect()
}

#[test]
fn each_function_has_its_own_gid_and_all_share_one_chid() {
    let daemon = Daemon::with_profile("quad");
    let (mut drivers, gids) = four(&daemon);
    for (a, b) in pairs() {
        assert_ne!(gids[a], gids[b]);
    }
    let chids: Vec<_> = drivers
        .iter_mut()
        .map(|driver| {
            let ask = Bytes::new().u32(4096).u32(0).u32(0).u32(0);
            let info = driver.client.request(command::GET_INFO, ask).ok();
            // The zPCI base capability comes first; its pchid is at offset 24.
            let at = u32::from_ne_bytes(info[16..20].try_into().unwrap()) as usize;
            assert_eq!(info[at], 1);
            u16::from_ne_bytes([info[at + 24], info[at + 25]])
        })
        .collect();
    assert_eq!(chids, [0x07c0; 4]);
}

#[test]
fn functions_reach_each_other_unless_a_vlan_parts_them() {
    let daemon = Daemon::with_profile("quad");
    let (mut drivers, gids) = four(&daemon);
    for (from, driver) in drivers.iter_mut().enumerate() {
        for gid in &gids {
            assert!(reaches(driver, *gid, None), "{from} {gid:#x}");
        }
    }
    // Functions 0, 1 and 2 are members of VLAN 10; 2 and 3 of VLAN 20.
    for (member, vlan) in [(0, 10), (1, 10), (2, 10), (2, 20), (3, 20)] {
        drivers[member]
            .run(code::ADD_VLAN_ID, Bytes::new().be64(vlan))
            .ok();
    }
    let members = |vlan| match vlan {
        10 => [true, true, true, false],
        _ => [false, false, true, true],
    };
    for vlan in [10, 20] {
        for (from, to) in pairs() {
            let expected = members(vlan)[from] && members(vlan)[to];
            let reached = reaches(&mut drivers[from], gids[to], Some(vlan));
            assert_eq!(reached, expected, "{from} {to} in {vlan}");
        }
    }
    // A function that leaves the VLAN cannot be reached in it any more, but still outside of it.
    drivers[2]
        .run(code::DEL_VLAN_ID, Bytes::new().be64(10))
        .ok();
    assert!(!reaches(&mut drivers[0], gids[2], Some(10)));
    assert!(reaches(&mut drivers[0], gids[2], None));
    // A function that is limited to VLANs cannot be reached outside of them, nor reach anybody there.
    drivers[1].run(code::SET_VLAN, []).ok();
    for other in [0, 2, 3] {
        assert!(!reaches(&mut drivers[other], gids[1], None));
        assert!(!reaches(&mut drivers[1], gids[other], None));
    }
    assert!(reaches(&mut drivers[0], gids[1], Some(10)));
}

#[test]
fn only_the_admitted_function_writes_into_a_dmb_and_only_its_owner_unregisters_it() {
    let daemon = Daemon::with_profile("quad");
    let (mut drivers, gids) = four(&daemon);
    // Every function has a buffer for every function, including itself.
    let mut tokens = vec![vec![0; 4]; 4];
    for owner in 0..4 {
        for user in 0..4 {
            tokens[owner][user] = admit(&mut drivers[owner], user, gids[user]);
        }
    }
    let mut all: Vec<_> = tokens.iter().flatten().collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 16, "tokens are unique on the fabric");
    for owner in 0..4 {
        for user in 0..4 {
            for (writer, driver) in drivers.iter_mut().enumerate() {
                let at = target(tokens[owner][user], 0, false, 8 * writer as u64);
                let reply = driver.put(at, &[1 + writer as u8; 8]);
                let expected = (writer != user).then_some(EIO);
                assert_eq!(reply.errno(), expected, "{writer} into {owner} for {user}");
            }
            let mut expected = [0; 32];
            expected[8 * user..][..8].fill(1 + user as u8);
            assert_eq!(drivers[owner].ram.read(buffer(user), 32), expected);
        }
    }
    let unregister = |driver: &mut Driver, token: u64| {
        driver.run(code::UNREG_DMB, Bytes::new().be64(token)).code
    };
    assert_ne!(
        unregister(&mut drivers[1], tokens[0][1]),
        0,
        "not the owner"
    );
    drivers[1]
        .put(target(tokens[0][1], 0, false, 0), &[9; 8])
        .ok();
    assert_eq!(unregister(&mut drivers[0], tokens[0][1]), 0);
    let late = drivers[1].put(target(tokens[0][1], 0, false, 0), &[7; 8]);
    late.refused(EIO);
    assert_eq!(drivers[0].ram.read(buffer(1), 8), [9; 8]);
}

#[test]
fn all_functions_move_and_signal_at_the_same_time() {
    const ROUNDS: u64 = 100;
    let daemon = Daemon::with_profile("quad");
    let (mut drivers, gids) = four(&daemon);
    let mut tokens = vec![vec![0; 4]; 4];
    for (owner, user) in pairs() {
        tokens[owner][user] = admit(&mut drivers[owner], user, gids[user]);
    }
    std::thread::scope(|scope| {
        for (own, driver) in drivers.iter_mut().enumerate() {
            let (tokens, gids) = (&tokens, &gids);
            scope.spawn(move || {
                for round in 1..=ROUNDS {
                    for to in (0..4).filter(|to| *to != own) {
                        let token = tokens[to][own];
                        let data = (round << 8 | own as u64).to_be_bytes();
                        driver
                            .put(target(token, 0, false, 32), &data.repeat(64))
                            .ok();
                        driver.put(target(token, 0, true, 0), &data.repeat(4)).ok();
                        let event = Bytes::new().be64(gids[to]).be32(1).be32(0x80);
                        driver.run(code::SIGNAL_IEQ, event.be64(round)).ok();
                    }
                }
            });
        }
    });
    for (own, driver) in drivers.iter().enumerate() {
        for from in (0..4).filter(|from| *from != own) {
            let last = (ROUNDS << 8 | from as u64).to_be_bytes();
            assert_eq!(driver.ram.read(buffer(from), 544), last.repeat(68));
            let bit = driver.ram.read(SBA + 8, 1)[0] & 0x80 >> from;
            assert_ne!(bit, 0, "the bit of {from} at {own}");
            assert_ne!(driver.ram.be(SBA + 320 + 2 * from as u64, 2), 0);
        }
        let senders = (0..4).filter(|from| *from != own);
        assert_eq!(driver.irq.take(), 2 * ROUNDS * senders.count() as u64);
        assert_eq!(driver.ram.be(IEQ, 8), (3 * ROUNDS - 1) % 15 + 1);
    }
    drop(drivers);
    let stopped = daemon.stop();
    assert_eq!(stopped.report["violations"], 0, "{}", stopped.report);
}

/// Makes a function go away. Returns the driver if it still exists.
type Go = fn(Driver) -> Option<Driver>;

const WAYS: [(&str, Go); 4] = [
    ("its client goes", |driver| {
        drop(driver);
        None
    }),
    (
        "the client of the device goes, the channel's stays",
        |driver| {
            let Driver {
                client,
                channel,
                ram,
                irq,
                ..
            } = driver;
            drop(client);
            // The channel stays open beyond this test.
            std::mem::forget((channel, ram, irq));
            None
        },
    ),
    ("reset", |mut driver| {
        driver.client.reset();
        Some(driver)
    }),
    ("UNREG_SBA", |mut driver| {
        driver.run(code::UNREG_SBA, []).ok();
        Some(driver)
    }),
];

#[test]
fn only_functions_that_share_a_dmb_are_told_when_one_goes_away() {
    for (way, go) in WAYS {
        let daemon = Daemon::with_profile("quad");
        let (mut drivers, gids) = four(&daemon);
        // 3 has admitted 0, and 1 has admitted 3; 2 has no relation to 3.
        admit(&mut drivers[3], 0, gids[0]);
        admit(&mut drivers[1], 0, gids[3]);
        let between = admit(&mut drivers[2], 0, gids[0]);
        let kept = go(drivers.pop().unwrap());
        for told in [0, 1] {
            drivers[told].irq.wait();
            assert_eq!(entries(&drivers[told]), [(1, gids[3])], "{way}: {told}");
            let summary = drivers[told].ram.read(SBA, 1)[0];
            assert_eq!(summary, 0xc0, "{way}: {told}");
        }
        assert_eq!(entries(&drivers[2]), [], "{way}");
        assert_eq!(drivers[2].irq.take(), 0);
        // The other functions go on.
        drivers[0].put(target(between, 0, true, 0), &[5; 32]).ok();
        assert_eq!(drivers[2].irq.wait(), 1);
        assert!(reaches(&mut drivers[0], gids[1], None));
        if kept.is_none() {
            eventually("it is not reachable", || {
                (!reaches(&mut drivers[0], gids[3], None)).then_some(())
            });
        }
        drop(kept);
        // The event comes once: nothing more comes when its client goes as well.
        drop(drivers);
        let stopped = daemon.stop();
        let told: Vec<_> = stopped
            .events_named("queued")
            .filter(|event| event["token"] == gids[3])
            .map(|event| event["to"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(told, ["ism0", "ism1"], "{way}");
    }
}

#[test]
fn a_driver_that_gave_everything_back_goes_unnoticed() {
    let daemon = Daemon::with_profile("quad");
    let (mut drivers, gids) = four(&daemon);
    let token = admit(&mut drivers[3], 0, gids[0]);
    drivers[3]
        .run(code::UNREG_DMB, Bytes::new().be64(token))
        .ok();
    drivers[3].run(code::UNREG_IEQ, []).ok();
    drivers[3].run(code::UNREG_SBA, []).ok();
    drop(drivers.pop());
    drop(drivers);
    assert_eq!(daemon.stop().events_named("queued").count(), 0);
}

#[test]
fn a_function_that_came_back_starts_anew() {
    let daemon = Daemon::with_profile("quad");
    let (mut drivers, gids) = four(&daemon);
    let token = admit(&mut drivers[3], 0, gids[0]);
    drop(drivers.pop());
    drivers[0].irq.wait();
    // QEMU does this at its start.
    let mut back = eventually("the function is free", || {
        let gone = daemon.events();
        let left = |event: &serde_json::Value| {
            event["event"] == "disconnected" && event["function"] == "ism3"
        };
        (gone.iter().filter(|event| left(event)).count() == 2)
            .then(|| Driver::attach(&daemon.socket("ism3"), Via::Channel))
    });
    back.client.reset();
    back.register();
    // The old token leads nowhere, a new one into the new memory.
    drivers[0]
        .put(target(token, 0, true, 0), &[1; 8])
        .refused(EIO);
    let token = admit(&mut back, 0, gids[0]);
    drivers[0].put(target(token, 0, true, 0), &[2; 8]).ok();
    assert_eq!(back.irq.wait(), 1);
    assert_eq!(back.ram.read(buffer(0), 8), [2; 8]);
    assert!(reaches(&mut drivers[0], gids[3], None));
}
