//! A guest takes its memory away, truncates it, resets or leaves, while another guest stores into it as fast
//! as it can. The sender gets at most an errno, and no byte is stored in a wrong place.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use vfio_user_ism_tests::client::{command, dma_unmap};
use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, IOVA, RAM_LEN, target};
use vfio_user_ism_tests::errno::EIO;
use vfio_user_ism_tests::threads::SetAtEnd;
use vfio_user_ism_tests::{Client, Daemon, Driver, Ram, Via};

/// The byte that the sender stores. The guard bytes around the buffer differ.
const STORED: u8 = 0x5a;
const GUARD: u8 = 0xc3;

fn open_files(daemon: &Daemon) -> usize {
    let path = format!("/proc/{}/fd", daemon.pid());
    std::fs::read_dir(path).unwrap().count()
}

/// Makes `ism1` store into a buffer of `ism0` without a pause while `attack` runs `rounds` times on `ism0`.
#[track_caller]
fn while_moving(rounds: u32, via: Via, attack: impl Fn(&mut Driver, u32, &Daemon)) {
    let mut daemon = Daemon::with_profile("pair");
    let mut sender = Driver::probe(&daemon.socket("ism1"), via);
    let mut guest = Driver::probe(&daemon.socket("ism0"), Via::Bar);
    let gid = sender.gid();
    let token = guest.register_dmb(4096, FIRST_INDEX, gid);
    for guard in [DMB - 4096, DMB + 4096] {
        guest.ram.write(guard, &[GUARD; 4096]);
    }
    let before = open_files(&daemon);
    let (begun, enough) = (AtomicBool::new(false), AtomicBool::new(false));
    let (begun, enough, daemon_ref) = (&begun, &enough, &daemon);
    thread::scope(|threads| {
        let stores = threads.spawn(move || {
            let (mut taken, mut refused) = (0_u32, 0_u32);
            while !enough.load(Ordering::Relaxed) {
                let offset = u64::from(taken % 8) * 512;
                match sender
                    .put(target(token, 0, true, offset), &[STORED; 512])
                    .errno()
                {
                    None => taken += 1,
                    Some(EIO) => refused += 1,
                    other => panic!("{other:?}"),
                }
                begun.store(true, Ordering::Relaxed);
            }
            (sender, taken, refused)
        });
        while !begun.load(Ordering::Relaxed) && !stores.is_finished() {
            thread::yield_now();
        }
        let end = SetAtEnd(enough);
        for round in 0..rounds {
            attack(&mut guest, round, daemon_ref);
        }
        drop(end);
        let (mut sender, taken, refused) = stores.join().unwrap();
        println!("{taken} taken, {refused} refused");
        assert!(taken + refused > 0);
        sender.gid();
    });
    for guard in [DMB - 4096, DMB + 4096] {
        let bytes = guest.ram.read(guard, 4096);
        assert!(
            bytes.iter().all(|byte| *byte == GUARD),
            "a store beside the buffer"
        );
    }
    guest.gid();
    assert!(open_files(&daemon) <= before);
    assert!(daemon.is_alive());
    drop(guest);
    assert_eq!(daemon.stop().ended.code, Some(0));
}

#[test]
fn memory_is_unmapped_and_mapped_again() {
    while_moving(300, Via::Bar, |guest, round, _| {
        guest.client.unmap(IOVA, RAM_LEN).ok();
        if round % 3 == 0 {
            // Another memory is mapped in between. It must get no store for the first one.
            let other = Ram::new(RAM_LEN);
            guest.client.map(IOVA + RAM_LEN, RAM_LEN, &other, 0).ok();
            guest.client.unmap(IOVA + RAM_LEN, RAM_LEN).ok();
            assert_eq!(other.read(DMB, 4096), [0; 4096]);
        }
        guest.client.map(IOVA, RAM_LEN, &guest.ram, 0).ok();
    });
}

#[test]
fn what_was_stored_before_the_reply_to_an_unmap_is_all_that_is_stored() {
    while_moving(100, Via::Region, |guest, _, _| {
        guest.client.unmap(IOVA, RAM_LEN).ok();
        guest.ram.write(DMB, &[0; 4096]);
        guest.client.map_without_fd(IOVA + 2 * RAM_LEN, 4096).ok();
        assert_eq!(
            guest.ram.read(DMB, 4096),
            [0; 4096],
            "a store into memory that is not lent"
        );
        guest
            .client
            .request(command::DMA_UNMAP, dma_unmap(2, 0, 0))
            .ok();
        guest.client.map(IOVA, RAM_LEN, &guest.ram, 0).ok();
    });
}

#[test]
fn the_memory_is_cut_and_grows_again() {
    let daemon_memory = Ram::unsealed(RAM_LEN);
    while_moving(200, Via::Bar, |guest, round, _| {
        if round == 0 {
            guest.client.unmap(IOVA, RAM_LEN).ok();
            guest.client.map(IOVA, RAM_LEN, &daemon_memory, 0).ok();
        }
        daemon_memory.resize(u64::from(round % 2) * DMB);
        guest.client.read(7, 0, 4).ok();
        daemon_memory.resize(RAM_LEN);
    });
}

#[test]
fn the_function_is_reset_and_set_up_again() {
    while_moving(100, Via::Bar, |guest, _, _| {
        guest.client.reset();
        // Others may use the memory of the buffer now.
        guest.ram.write(DMB, &[0; 4096]);
        guest.register();
        assert_eq!(
            guest.ram.read(DMB, 4096),
            [0; 4096],
            "a store after the reset"
        );
    });
}

#[test]
fn the_client_leaves_and_comes_back() {
    while_moving(30, Via::Channel, |guest, _, daemon| {
        let socket = daemon.socket("ism0");
        let left = Client::new(vfio_user_ism_tests::wire::Wire::new(
            std::os::unix::net::UnixStream::pair().unwrap().0,
        ));
        drop(std::mem::replace(&mut guest.client, left));
        guest.client = Client::open(&socket);
        guest.client.map(IOVA, RAM_LEN, &guest.ram, 0).ok();
    });
}
