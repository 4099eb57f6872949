//! Clients that break the protocol or die.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use super::choice::Choice;
use crate::client::{CONFIG, Client, access, command, dma_map, irq, region_write, set_irqs};
use crate::memory::{Eventfd, Ram};
use crate::wire::{NO_REPLY, message};

/// Requests much, reads nothing, and disconnects.
pub(super) fn deaf(client: &mut Client, choice: &mut Choice) {
    for _ in 0..choice.below(64) {
        client.send(command::REGION_READ, 0, access(0, 0, 1 << 16));
    }
    for _ in 0..choice.below(64) {
        let data = choice.bytes(8);
        client.send(command::REGION_WRITE, NO_REPLY, region_write(0, 0, &data));
    }
}

/// Dies in the middle of a message, perhaps one with descriptors.
pub(super) fn cut_off(client: &mut Client, choice: &mut Choice) {
    let ram = Ram::new(4096);
    let body = match choice.below(3) {
        0 => dma_map(choice.below(1 << 30) << 12, 4096, 0),
        1 => region_write(CONFIG, 0x3c, &choice.bytes(200)),
        _ => choice.bytes(5000),
    };
    let number = choice.one_of(&[command::DMA_MAP, command::REGION_WRITE, 99]);
    let whole = message(1, number, 0, &body);
    let len = 1 + choice.below(whole.len() as u64 - 1) as usize;
    let descriptors = choice.below(17) as usize;
    let fds = vec![ram.as_fd(); descriptors];
    client.wire.send_with_fds(&whole[..len], &fds);
    if choice.below(2) == 0 {
        client.wire.finish();
    }
}

/// Sends meaningless bytes.
pub(super) fn noise(mut client: Client, choice: &mut Choice) {
    let len = 16 + choice.below(4000) as usize;
    let noise = choice.bytes(len);
    client.wire.send_to_the_deaf(&noise);
}

/// Sends wrong descriptors, descriptors where none belong, and too many descriptors.
pub(super) fn descriptors(client: &mut Client, choice: &mut Choice) {
    let pipe = rustix::pipe::pipe().unwrap();
    let (eventfd, ram) = (Eventfd::new(), Ram::unsealed(4096));
    let all = [pipe.0.as_fd(), pipe.1.as_fd(), eventfd.as_fd(), ram.as_fd()];
    for _ in 0..choice.below(20) {
        let fds: Vec<_> = (0..1 + choice.below(16))
            .map(|_| choice.one_of(&all))
            .collect();
        let vectors = 1 + choice.below(2) as u32;
        let (number, body) = match choice.below(3) {
            0 => (command::DMA_MAP, dma_map(choice.below(64) << 12, 4096, 0)),
            1 => {
                let flags = irq::EVENTFD | irq::TRIGGER;
                (
                    command::SET_IRQS,
                    set_irqs(flags, irq::MSI, 0, vectors, &[]),
                )
            }
            _ => (command::RESET, Vec::new()),
        };
        let _either_way = client.request_with(number, body, &fds).errno();
    }
    if choice.below(4) == 0 {
        let many: Vec<OwnedFd> = (0..17)
            .map(|_| ram.as_fd().try_clone_to_owned().unwrap())
            .collect();
        let fds: Vec<_> = many.iter().map(AsFd::as_fd).collect();
        client
            .wire
            .send_with_fds(&message(1, command::RESET, 0, &[]), &fds);
        client.wire.expect_closed();
    }
}

/// Connects more clients while one is connected.
pub(super) fn crowd(client: &mut Client, socket: &Path, choice: &mut Choice) {
    let others: Vec<Client> = (0..choice.below(20))
        .map(|_| Client::connect(socket))
        .collect();
    let region = if socket.extension().is_some_and(|end| end == "insn") {
        9
    } else {
        CONFIG
    };
    for _ in 0..choice.below(10) {
        client.read(region, 0, 4).ok();
    }
    drop(others);
    client.read(region, 0, 4).ok();
}

/// Asks the server for a report by SIGUSR1.
pub(super) fn ask_for_report(server: u32) {
    let pid = Pid::from_raw(server as i32).unwrap();
    kill_process(pid, Signal::USR1).unwrap();
}
