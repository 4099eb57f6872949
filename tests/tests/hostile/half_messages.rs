//! Tests of incomplete messages, with and without descriptors, and of descriptors with which a client could
//! keep its own connection open for ever.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use vfio_user_ism_tests::client::irq::{EVENTFD, MSI, TRIGGER};
use vfio_user_ism_tests::client::{CONFIG, access, command, dma_map, region_write, set_irqs};
use vfio_user_ism_tests::driver::IOVA;
use vfio_user_ism_tests::errno::EINVAL;
use vfio_user_ism_tests::wire::{Wire, message};
use vfio_user_ism_tests::{Client, Daemon, Eventfd, Ram};

fn open_files(daemon: &Daemon) -> usize {
    let path = format!("/proc/{}/fd", daemon.pid());
    std::fs::read_dir(path).unwrap().count()
}

fn map_message() -> Vec<u8> {
    message(7, command::DMA_MAP, 0, &dma_map(IOVA, 4096, 0))
}

#[test]
fn a_message_that_stops_anywhere_waits_and_goes_on() {
    let daemon = Daemon::with_profile("pair");
    let mut other = Client::open(&daemon.socket("ism1"));
    let mut client = Client::open(&daemon.socket("ism0"));
    let write = region_write(CONFIG, 0x3c, &[5; 4]);
    let whole = message(9, command::REGION_WRITE, 0, &write);
    for cut in [1, 4, 8, 15, 16, 17, 31, 32, whole.len() - 1] {
        client.wire.send(&whole[..cut]);
        // Nobody waits for the rest, and nothing was carried out.
        other.reset();
        assert!(!client.wire.has_bytes(), "an answer to {cut} bytes");
        client.wire.send(&whole[cut..]);
        client.reply_to(9).ok();
    }
}

#[test]
fn descriptors_of_half_messages_are_closed_with_the_client() {
    let daemon = Daemon::start();
    let before = open_files(&daemon);
    let (ram, eventfd) = (Ram::new(4096), Eventfd::new());
    let interrupts = message(
        8,
        command::SET_IRQS,
        0,
        &set_irqs(EVENTFD | TRIGGER, MSI, 0, 1, &[]),
    );
    for (whole, fd) in [(map_message(), ram.as_fd()), (interrupts, eventfd.as_fd())] {
        for cut in [1, 16, 20, whole.len() - 1] {
            let mut client = daemon.client();
            client.wire.send_with_fds(&whole[..cut], &[fd; 3]);
            drop(client);
            daemon.wait_until_free();
        }
    }
    assert_eq!(open_files(&daemon), before);
}

#[test]
fn the_rest_of_a_half_map_finds_its_descriptor() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let (ram, whole) = (Ram::new(4096), map_message());
    client.wire.send_with_fds(&whole[..20], &[ram.as_fd()]);
    client.wire.send(&whole[20..40]);
    client.wire.send(&whole[40..]);
    client.reply_to(7).ok();
}

/// Sends a descriptor that keeps the client's connection open, with a part of a message that is never
/// completed.
fn own_connection_sent(socket: &Path, wrapped: bool) {
    let mut client = Client::open(socket);
    let own = client.wire.as_fd().try_clone_to_owned().unwrap();
    let sent: OwnedFd = if wrapped {
        // The connection waits inside another socket.
        let (one, two) = UnixStream::pair().unwrap();
        let mut carrier = Wire::new(one);
        carrier.send_with_fds(&[0], &[own.as_fd()]);
        drop(own);
        two.into()
    } else {
        own
    };
    let part = map_message();
    client.wire.send_with_fds(&part[..20], &[sent.as_fd()]);
    drop((client, sent));
    let mut next = Client::open(socket);
    next.request(
        command::GET_INFO,
        [16_u32, 0, 0, 0].map(u32::to_ne_bytes).concat(),
    )
    .ok();
}

#[test]
fn a_client_cannot_keep_its_connection_open_after_its_death() {
    let daemon = Daemon::start();
    for wrapped in [false, true] {
        own_connection_sent(&daemon.only(), wrapped);
        own_connection_sent(&daemon.channel("ism0"), wrapped);
    }
}

#[test]
fn a_socket_among_the_descriptors_is_refused_with_its_message() {
    let daemon = Daemon::start();
    let before = open_files(&daemon);
    let mut client = daemon.client();
    let own = client.wire.as_fd().try_clone_to_owned().unwrap();
    let (ram, eventfd) = (Ram::new(4096), Eventfd::new());
    for fds in [&[own.as_fd()][..], &[ram.as_fd(), own.as_fd()]] {
        let reply = client.request_with(command::DMA_MAP, dma_map(IOVA, 4096, 0), fds);
        reply.refused(EINVAL);
    }
    let body = set_irqs(EVENTFD | TRIGGER, MSI, 0, 1, &[]);
    client
        .request_with(command::SET_IRQS, &body, &[own.as_fd()])
        .refused(EINVAL);
    client
        .request_with(command::SET_IRQS, &body, &[eventfd.as_fd()])
        .ok();
    client.map(IOVA, 4096, &ram, 0).ok();
    drop((client, own));
    daemon.wait_until_free();
    assert_eq!(open_files(&daemon), before);
}

#[test]
fn a_map_cut_off_behind_its_descriptor_maps_nothing() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let (ram, whole) = (Ram::new(4096), map_message());
    client
        .wire
        .send_with_fds(&whole[..whole.len() - 1], &[ram.as_fd()]);
    client.wire.finish();
    client.wire.expect_closed();
    daemon.wait_until_free();
    // The map that never arrived does not block the next client's map.
    let mut next = daemon.client();
    next.map(IOVA, 4096, &ram, 0).ok();
    next.request(command::REGION_READ, access(CONFIG, 0, 4))
        .ok();
}
