//! Tests of memory without a descriptor: the server sends DMA_READ and DMA_WRITE in the layout of the client,
//! and no region access waits for an answer.

use vfio_user_ism_tests::client::{command, irq::MSI, version};
use vfio_user_ism_tests::driver::{code, header, target};
use vfio_user_ism_tests::lender::{BUFFER, IOVA, LEN, Layout, Lender, SBA};
use vfio_user_ism_tests::wire::u64_at;
use vfio_user_ism_tests::{Bytes, Client, Daemon, Eventfd};

#[track_caller]
fn a_signalled_move(layout: Layout) {
    let daemon = Daemon::start();
    let mut guest = Lender::new(&daemon, layout);
    let irq = guest.client.eventfd(MSI);
    let token = guest.register();
    // A neighbouring bit and a reserved one must survive.
    guest.memory[8] = 0x40;
    let data: Vec<u8> = (0..100).collect();
    guest
        .client
        .write(0, target(token, 3, true, 24), &data)
        .ok();
    guest.serve_until(&irq);
    assert_eq!(guest.memory[0x1018..0x1018 + 100], data);
    assert_eq!(guest.memory[8], 0xc0, "DMB bit 32, and the neighbour's");
    assert_eq!(
        guest.memory[320..322],
        0x1000_u16.to_be_bytes(),
        "element 3"
    );
    assert_eq!(guest.memory[0], 0x80, "summary");
}

#[test]
fn a_move_reaches_a_client_with_the_documented_layout() {
    a_signalled_move(Layout::Wide);
}

#[test]
fn a_move_reaches_a_client_with_the_layout_of_qemu_10() {
    a_signalled_move(Layout::Narrow);
}

#[test]
fn a_move_reaches_a_client_with_the_padded_structure_of_qemu_10() {
    a_signalled_move(Layout::Padded);
}

/// Such a reply is the same in the wide layout and in that of QEMU 10.
#[test]
fn memory_full_of_zeros_does_not_hide_the_layout() {
    for layout in [Layout::Wide, Layout::Narrow, Layout::Padded] {
        for data in [&[0; 40][..], &[0, 0, 0, 0, 5, 0, 0, 0, 0], &[7], &[0, 9]] {
            let daemon = Daemon::start();
            let mut guest = Lender::new(&daemon, layout);
            let irq = guest.client.eventfd(MSI);
            let token = guest.register();
            guest.client.write(0, target(token, 3, true, 24), data).ok();
            guest.serve_until(&irq);
            assert_eq!(
                guest.memory[0x1018..0x1018 + data.len()],
                *data,
                "{layout:?}"
            );
            assert_eq!(guest.memory[8], 0x80, "{layout:?} DMB bit");
            assert_eq!(guest.memory[320..322], [0x10, 0], "{layout:?} element 3");
            assert_eq!(guest.memory[0], 0x80, "{layout:?} summary");
        }
    }
}

/// A narrow client on a big-endian host reads the count of a wide request as zero.
#[test]
fn a_client_that_reads_the_count_as_zero_is_asked_again() {
    for layout in [Layout::Narrow, Layout::Padded] {
        let daemon = Daemon::start();
        let mut guest = Lender::new(&daemon, layout);
        let irq = guest.client.eventfd(MSI);
        let token = guest.register();
        guest
            .client
            .write(0, target(token, 0, true, 0), &[6; 32])
            .ok();
        let first = guest.client.receive();
        assert_eq!(first.command, command::DMA_READ);
        let answer = Bytes::new().u64(u64_at(&first.body, 0)).u32(0);
        let answer = match layout {
            Layout::Padded => answer.u32(0),
            _ => answer,
        };
        guest.client.answer(&first, &answer.0);
        guest.serve_until(&irq);
        assert_eq!(guest.memory[0x1000..0x1020], [6; 32], "{layout:?}");
        assert_eq!(guest.memory[0], 0x80, "{layout:?}");
    }
}

#[test]
fn a_region_access_never_waits_for_the_client() {
    let daemon = Daemon::start();
    let mut guest = Lender::new(&daemon, Layout::Wide);
    let irq = guest.client.eventfd(MSI);
    let token = guest.register();
    // No command of the server is answered until the end.
    for n in 0..10 {
        guest
            .client
            .write(0, target(token, 0, n == 9, u64::from(n)), &[n])
            .ok();
        guest.client.read(7, 0, 4).ok();
    }
    guest.serve_until(&irq);
    assert_eq!(guest.memory[0x1000..0x100a], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

#[test]
fn the_interrupt_comes_after_everything_is_written() {
    let daemon = Daemon::start();
    let mut guest = Lender::new(&daemon, Layout::Wide);
    let irq = guest.client.eventfd(MSI);
    let token = guest.register();
    guest
        .client
        .write(0, target(token, 0, true, 0), &[9; 8])
        .ok();
    let mut order = Vec::new();
    while guest.memory[0] & 0x80 == 0 {
        assert_eq!(irq.take(), 0, "an interrupt before the summary bit");
        let message = guest.client.receive();
        if message.command == command::DMA_WRITE {
            order.push(u64_at(&message.body, 0) - IOVA);
        }
        guest.serve(&message);
    }
    irq.wait();
    assert_eq!(order, [0x1000, 320, 8, 0], "data, mask, bit, summary");
}

/// Serves the server until `eventfd` is signalled. Returns the addresses that it wrote, in order.
#[track_caller]
fn written_until(guest: &mut Lender, eventfd: &Eventfd, writes: usize) -> Vec<u64> {
    let mut written = Vec::new();
    while written.len() < writes {
        assert_eq!(eventfd.take(), 0, "an interrupt after {written:x?}");
        let message = guest.client.receive();
        if message.command == command::DMA_WRITE {
            written.push(u64_at(&message.body, 0));
        }
        guest.serve(&message);
    }
    eventfd.wait();
    written
}

#[test]
fn everything_is_written_in_the_order_in_which_a_receiver_looks() {
    let daemon = Daemon::start();
    let mut guest = Lender::new(&daemon, Layout::Wide);
    let irq = guest.client.eventfd(MSI);
    let token = guest.register();
    guest
        .client
        .write(0, target(token, 0, true, 8), &[1; 24])
        .ok();
    let data_mask_bit_summary = [BUFFER + 8, SBA + 320, SBA + 8, SBA];
    assert_eq!(written_until(&mut guest, &irq, 4), data_mask_bit_summary);
    // An event that the function sends to itself.
    let queue = BUFFER + 0x1000;
    let payload = [queue.to_be_bytes(), 512u64.to_be_bytes()].concat();
    guest.run(code::REG_IEQ, &payload);
    let gid = guest.run(code::READ_GID, &[])[8..].to_vec();
    let event = Bytes::new().raw(&gid).be32(1).be32(0x80).be64(7);
    guest.run(code::SIGNAL_IEQ, &event.0);
    let entry_index_event_summary = [queue + 32, queue, SBA, SBA];
    assert_eq!(
        written_until(&mut guest, &irq, 4),
        entry_index_event_summary
    );
    assert_eq!(guest.memory[0], 0xc0);
}

#[test]
fn no_message_carries_more_than_was_agreed_on() {
    let daemon = Daemon::start();
    let mut client = Client::connect(&daemon.only());
    let text = r#"{"capabilities":{"max_data_xfer_size":16}}"#;
    client.request(command::VERSION, version(0, 0, text)).ok();
    let mut guest = Lender::over(client, Layout::Wide);
    let irq = guest.client.eventfd(MSI);
    guest.run(code::REG_SBA, &SBA.to_be_bytes());
    guest.run(code::REG_IEQ, &Bytes::new().be64(BUFFER).be64(512).0);
    // 24 bytes of payload, which take two stores here.
    let event = Bytes::new().be64(0x1500_0000_0000_0001).be32(1).be32(0x80);
    guest.client.post(2, 8, &event.0);
    guest.client.post(2, 24, &7_u64.to_be_bytes());
    guest.client.post(2, 0, &header(code::SIGNAL_IEQ, 32));
    guest.serve_until(&irq);
    assert_eq!(guest.largest, 16, "an entry of 32 bytes takes two messages");
    assert_eq!(
        guest.memory[0x1000..0x1008],
        1_u64.to_be_bytes(),
        "the queue's index"
    );
    assert_eq!(
        guest.memory[0x1038..0x1040],
        7_u64.to_be_bytes(),
        "the event's info"
    );
}

#[test]
fn a_client_that_refuses_loses_the_write_only() {
    let daemon = Daemon::start();
    let mut guest = Lender::new(&daemon, Layout::Wide);
    let irq = guest.client.eventfd(MSI);
    let token = guest.register();
    guest
        .client
        .write(0, target(token, 0, false, 0), &[1; 8])
        .ok();
    let refused = guest.client.receive();
    let error = Bytes::new()
        .u16(refused.id)
        .u16(refused.command)
        .u32(16)
        .u32(0x21)
        .u32(14);
    guest.client.wire.send(&error.0);
    guest
        .client
        .write(0, target(token, 0, true, 8), &[2; 8])
        .ok();
    guest.serve_until(&irq);
    assert_eq!(guest.memory[0x1008..0x1010], [2; 8]);
}

#[test]
fn a_client_that_leaves_with_work_outstanding_is_forgotten() {
    let daemon = Daemon::start();
    let mut guest = Lender::new(&daemon, Layout::Wide);
    let token = guest.register();
    guest
        .client
        .write(0, target(token, 0, true, 0), &[1; 8])
        .ok();
    drop(guest);
    daemon.wait_until_free();
    let mut next = daemon.client();
    next.reset();
    next.map_without_fd(IOVA, LEN).ok();
}
