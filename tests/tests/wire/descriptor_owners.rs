//! Tests that descriptors belong to the message whose first byte they came with, also if several messages are
//! received together.

use std::os::fd::{AsFd, BorrowedFd};

use vfio_user_ism_tests::client::irq::{EVENTFD, MSI, NONE, TRIGGER};
use vfio_user_ism_tests::client::{CONFIG, access, command, dma_map, region_write, set_irqs};
use vfio_user_ism_tests::errno::EINVAL;
use vfio_user_ism_tests::wire::message;
use vfio_user_ism_tests::{Client, Daemon, Eventfd, Ram};

const IOVA: u64 = 0x1_0000_0000;
const LEN: u64 = 0x10000;

/// Bytes to send in one call: messages, and the descriptors that go with the first byte.
struct Piece<'a>(&'a [&'a [u8]], &'a [BorrowedFd<'a>]);

/// Sends pieces so that the server finds several of them together: it is busy with a long reply meanwhile.
fn send_together(client: &mut Client, pieces: &[Piece<'_>]) {
    // Two replies of 1 MiB do not fit the socket, so the server waits until they are received.
    let long = access(0, 0, 1 << 20);
    let ids: Vec<_> = (0..2)
        .map(|_| client.send(command::REGION_READ, 0, &long))
        .collect();
    // This is longer than a receive after an access.
    let info = [16_u32, 0, 1, 0].map(u32::to_ne_bytes).concat();
    let info = client.send(command::GET_IRQ_INFO, 0, info);
    for Piece(messages, fds) in pieces {
        client.wire.send_with_fds(&messages.concat(), fds);
    }
    for id in ids {
        client.reply_to(id).ok();
    }
    client.reply_to(info).ok();
}

/// Returns the errnos of the replies, in order; 0 is success.
fn errnos(client: &mut Client, replies: usize) -> Vec<u32> {
    let replies = (0..replies).map(|_| client.receive());
    replies.map(|reply| reply.errno().unwrap_or(0)).collect()
}

fn map(iova: u64) -> Vec<u8> {
    message(1, command::DMA_MAP, 0, &dma_map(iova, LEN, 0))
}

fn take_eventfd() -> Vec<u8> {
    let body = set_irqs(EVENTFD | TRIGGER, MSI, 0, 1, &[]);
    message(2, command::SET_IRQS, 0, &body)
}

fn reset() -> Vec<u8> {
    message(3, command::RESET, 0, &[])
}

/// True if the eventfd is that of the vector.
fn is_taken(client: &mut Client, eventfd: &Eventfd) -> bool {
    let body = set_irqs(NONE | TRIGGER, MSI, 0, 1, &[]);
    client.request(command::SET_IRQS, body).ok();
    eventfd.take() == 1
}

/// Number of guest memory files that the server has mapped.
fn files(daemon: &Daemon) -> usize {
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", daemon.pid())).unwrap();
    maps.lines()
        .filter(|line| line.contains("memfd:guest-ram"))
        .count()
}

#[test]
fn the_first_of_several_messages_in_one_piece_gets_the_descriptors() {
    let daemon = Daemon::start();
    let (ram, eventfd) = (Ram::new(LEN), Eventfd::new());
    let mut client = daemon.client();
    // The eventfd goes with the first message, which accepts one.
    let (first, second) = (take_eventfd(), map(IOVA));
    client
        .wire
        .send_with_fds(&[&first[..], &second].concat(), &[eventfd.as_fd()]);
    assert_eq!(errnos(&mut client, 2), [0, 0]);
    assert!(is_taken(&mut client, &eventfd));
    assert_eq!(files(&daemon), 0, "the map has no descriptor");
    // Two maps, of which the first has the file.
    let (first, second) = (map(IOVA + LEN), map(IOVA + 2 * LEN));
    client
        .wire
        .send_with_fds(&[&first[..], &second].concat(), &[ram.as_fd()]);
    assert_eq!(errnos(&mut client, 2), [0, 0]);
    assert_eq!(files(&daemon), 1);
    client.unmap(IOVA + 2 * LEN, LEN).ok();
    assert_eq!(files(&daemon), 1);
    client.unmap(IOVA + LEN, LEN).ok();
    assert_eq!(files(&daemon), 0);
}

#[test]
fn a_message_that_takes_none_is_refused_with_them_and_the_next_has_none() {
    let daemon = Daemon::start();
    let eventfd = Eventfd::new();
    let mut client = daemon.client();
    let together = [&reset()[..], &take_eventfd(), &reset()].concat();
    client.wire.send_with_fds(&together, &[eventfd.as_fd()]);
    assert_eq!(errnos(&mut client, 3), [EINVAL, 0, 0]);
    assert!(!is_taken(&mut client, &eventfd));
}

#[test]
fn pieces_that_are_received_together_keep_their_own_descriptors() {
    let daemon = Daemon::start();
    let (ram, eventfd) = (Ram::new(LEN), Eventfd::new());
    let (ram, event) = (ram.as_fd(), eventfd.as_fd());
    let (map, take, reset) = (map(IOVA), take_eventfd(), reset());
    for (pieces, expected, taken, file) in [
        // Each message is in a separate piece.
        (
            vec![Piece(&[&map], &[]), Piece(&[&take], &[event])],
            vec![0, 0],
            true,
            0,
        ),
        (
            vec![Piece(&[&map], &[ram]), Piece(&[&take], &[])],
            vec![0, 0],
            false,
            1,
        ),
        (
            vec![Piece(&[&map], &[ram]), Piece(&[&take], &[event])],
            vec![0, 0],
            true,
            1,
        ),
        (
            vec![Piece(&[&reset], &[]), Piece(&[&map], &[ram])],
            vec![0, 0],
            false,
            1,
        ),
        // Several messages are in one piece.
        (vec![Piece(&[&map, &take], &[ram])], vec![0, 0], false, 1),
        (
            vec![Piece(&[&reset, &map], &[ram])],
            vec![EINVAL, 0],
            false,
            0,
        ),
        (
            vec![Piece(&[&reset], &[]), Piece(&[&take, &map], &[event])],
            vec![0, 0, 0],
            true,
            0,
        ),
        (
            vec![
                Piece(&[&map, &reset], &[ram]),
                Piece(&[&take, &reset], &[event]),
            ],
            vec![0, 0, 0, 0],
            true,
            1,
        ),
    ] {
        let mut client = daemon.client();
        send_together(&mut client, &pieces);
        assert_eq!(errnos(&mut client, expected.len()), expected);
        assert_eq!(
            (is_taken(&mut client, &eventfd), files(&daemon)),
            (taken, file)
        );
        drop(client);
        daemon.wait_until_free();
    }
}

#[test]
fn a_message_cut_in_pieces_gets_the_descriptors_of_each() {
    let daemon = Daemon::start();
    let ram = Ram::new(LEN);
    let map = map(IOVA);
    for cut in [1, 15, 16, 17, 47] {
        for with_first in [true, false] {
            let mut client = daemon.client();
            let fds = [ram.as_fd()];
            let (front, rest) = map.split_at(cut);
            let (first, second) = if with_first {
                (&fds[..], &[][..])
            } else {
                (&[][..], &fds[..])
            };
            client.wire.send_with_fds(front, first);
            client.wire.send_with_fds(rest, second);
            assert_eq!(errnos(&mut client, 1), [0], "{cut}");
            assert_eq!(files(&daemon), 1, "{cut}");
            drop(client);
            daemon.wait_until_free();
        }
    }
}

#[test]
fn a_map_behind_many_posted_writes_gets_its_descriptor() {
    let daemon = Daemon::start();
    let ram = Ram::new(LEN);
    let mut client = daemon.client();
    for round in 0..20 {
        for n in 0..200 {
            client.send(
                command::REGION_WRITE,
                0x10,
                region_write(CONFIG, 0x3c, &[n]),
            );
        }
        let iova = IOVA + 2 * round * LEN;
        client.map(iova, LEN, &ram, 0).ok();
        client.map_without_fd(iova + LEN, LEN).ok();
        assert_eq!(files(&daemon), 1);
        client.unmap(iova, LEN).ok();
        assert_eq!(files(&daemon), 0);
    }
}
