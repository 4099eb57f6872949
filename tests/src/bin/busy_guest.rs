//! A guest that does everything at once until it is killed: `busy_guest SOCKET GID...`.
//!
//! It probes the function at SOCKET over the instruction channel, as after a start of QEMU, and registers a
//! buffer for each GID. Then it prints `TOKEN...` in one line and reads the tokens of its peers' buffers, one
//! line of hexadecimal numbers. From then on it moves data into those buffers, signals them, sends events to
//! the GIDs, registers and unregisters, maps and unmaps, without end.

use std::io::{BufRead, Write};
use std::path::PathBuf;

use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, IOVA, code, dmb, target};
use vfio_user_ism_tests::{Bytes, Driver, Ram, Via};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let socket = PathBuf::from(arguments.next().expect("SOCKET"));
    let gids: Vec<u64> = arguments.map(|gid| gid.parse().expect("a GID")).collect();
    let mut driver = Driver::attach(&socket, Via::Channel);
    driver.client.reset();
    driver.register();
    let tokens: Vec<_> = (0..)
        .zip(&gids)
        .map(|(at, gid)| {
            let memory = dmb(
                IOVA + DMB + 0x4000 * at,
                0x4000,
                FIRST_INDEX + at as u32,
                *gid,
            );
            let token = driver.run(code::REG_DMB, memory).number();
            format!("{token:x}")
        })
        .collect();
    println!("{}", tokens.join(" "));
    std::io::stdout().flush().unwrap();
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).unwrap();
    let peers: Vec<u64> = line
        .split_whitespace()
        .map(|token| u64::from_str_radix(token, 16).expect("a token"))
        .collect();
    let (ram, own) = (Ram::new(0x10_0000), driver.gid());
    for round in 1_u64.. {
        let data = round.to_be_bytes();
        for peer in &peers {
            driver
                .put(target(*peer, 0, false, 32), &data.repeat(400))
                .ok();
            driver.put(target(*peer, 0, true, 0), &data.repeat(4)).ok();
        }
        for gid in &gids {
            let event = Bytes::new().be64(*gid).be32(1).be32(0x80).be64(round);
            driver.run(code::SIGNAL_IEQ, event).ok();
        }
        driver
            .client
            .map(IOVA + 0x1000_0000, 0x10_0000, &ram, 0)
            .ok();
        let memory = dmb(IOVA + 0x1000_0000, 0x1000, 1900, own);
        let token = driver.run(code::REG_DMB, memory).number();
        driver.run(code::UNREG_DMB, Bytes::new().be64(token)).ok();
        driver.client.unmap(IOVA + 0x1000_0000, 0x10_0000).ok();
    }
}
