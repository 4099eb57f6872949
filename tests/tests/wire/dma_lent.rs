//! Tests of memory without a descriptor that is no longer lent. DMA_UNMAP and DEVICE_RESET are answered when
//! no part of earlier moves is on its way, and moves that did not arrive are not announced.

use std::time::{Duration, Instant};

use serde_json::json;
use vfio_user_ism_tests::client::irq::{BOOL, MASK, MSI, NONE, TRIGGER, UNMASK};
use vfio_user_ism_tests::client::{command, dma_map, dma_unmap, set_irqs, version};
use vfio_user_ism_tests::driver::{FIRST_INDEX, code, target};
use vfio_user_ism_tests::errno::EIO;
use vfio_user_ism_tests::lender::{BUFFER, IOVA, LEN, Layout, Lender, QUEUE, SBA};
use vfio_user_ism_tests::wire::{Message, message, u64_at};
use vfio_user_ism_tests::{Bytes, Client, Daemon, Driver, Eventfd, Via};

/// This is shorter than the server's wait for the client's answer.
const BRIEFLY: Duration = Duration::from_millis(300);

/// Creates a lender with registered buffers, its interrupt, and the token of its buffer. The server knows its
/// layout.
fn lender(daemon: &Daemon) -> (Lender, Eventfd, u64) {
    ready(Lender::in_pages(daemon.client(), Layout::Wide))
}

fn ready(mut guest: Lender) -> (Lender, Eventfd, u64) {
    let irq = guest.client.eventfd(MSI);
    let token = guest.register();
    guest
        .client
        .write(0, target(token, 0, true, 0), &[1; 64])
        .ok();
    guest.serve_until(&irq);
    guest.memory.fill(0);
    (guest, irq, token)
}

/// Makes a move of 64 bytes with the value `n`, with signal.
fn signalled(guest: &mut Lender, token: u64, n: u8) {
    let place = target(token, 0, true, u64::from(n) * 64);
    guest.client.write(0, place, &[n; 64]).ok();
}

/// Returns kind and address of a command of the server.
fn place(message: &Message) -> (u16, u64) {
    (message.command, u64_at(&message.body, 0))
}

/// Sends a request. Returns its reply, and checks that it does not come before `answer` has answered the
/// server's message `out`.
#[track_caller]
fn after_answer(
    guest: &mut Lender,
    request: (u16, &[u8]),
    answer: impl FnOnce(&mut Lender),
) -> Message {
    let sent = Instant::now();
    let id = guest.client.send(request.0, 0, request.1);
    while sent.elapsed() < BRIEFLY / 3 {
        std::thread::sleep(Duration::from_millis(5));
    }
    let early = guest.client.wire.has_bytes();
    if sent.elapsed() < BRIEFLY {
        assert!(!early, "answered before the transaction in flight is over");
    }
    answer(guest);
    guest.client.reply_to(id)
}

/// Checks that the server sends nothing more, and raises no interrupt.
#[track_caller]
fn nothing_follows(guest: &mut Lender, irq: &Eventfd) {
    let more: Vec<_> = guest.asked().iter().map(place).collect();
    assert_eq!(more, []);
    assert_eq!(irq.take(), 0, "an interrupt");
}

#[test]
fn an_unmap_waits_for_the_write_in_flight_and_cancels_the_others() {
    let daemon = Daemon::start();
    let (mut guest, irq, token) = lender(&daemon);
    for n in 0..10 {
        signalled(&mut guest, token, n);
    }
    let first = guest.client.receive();
    assert_eq!(place(&first), (command::DMA_WRITE, BUFFER));
    let unmap = dma_unmap(0, BUFFER, 0x1000);
    let reply = after_answer(&mut guest, (command::DMA_UNMAP, &unmap), |guest| {
        guest.serve(&first);
    });
    assert_eq!(reply.ok(), unmap);
    nothing_follows(&mut guest, &irq);
    assert_eq!(guest.memory[..0x1000], [0; 0x1000], "no bits");
    drop(guest);
    let stopped = daemon.stop();
    let moves: Vec<_> = stopped.events_named("data-move").collect();
    assert_eq!(moves.len(), 11);
    assert!(moves[1..].iter().all(|event| event["signalled"] == false));
    let lost: Vec<_> = stopped.events_named("not-written").collect();
    assert_eq!(lost.len(), 10);
    assert!(lost.iter().all(|event| event["errno"].is_null()));
    assert_eq!(stopped.events_named("interrupt").count(), 1);
}

#[test]
fn a_new_map_at_the_same_place_never_gets_old_bytes() {
    let daemon = Daemon::start();
    let (mut guest, irq, token) = lender(&daemon);
    for n in 0..5 {
        signalled(&mut guest, token, n);
    }
    let first = guest.client.receive();
    // All bytes go in one send: the server has both requests before the answer.
    let id = 7;
    let requests = [
        message(id, command::DMA_UNMAP, 0, &dma_unmap(0, BUFFER, 0x1000)),
        message(id, command::DMA_MAP, 0, &dma_map(BUFFER, 0x1000, 0)),
        message(first.id, command::DMA_WRITE, 1, &first.body[..12]),
    ];
    guest.client.wire.send(&requests.concat());
    for number in [command::DMA_UNMAP, command::DMA_MAP] {
        let reply = guest.client.reply_to(id);
        assert_eq!((reply.command, reply.errno()), (number, None));
    }
    nothing_follows(&mut guest, &irq);
    signalled(&mut guest, token, 9);
    guest.serve_until(&irq);
    let (old, new) = (&guest.memory[0x1000..0x1240], &guest.memory[0x1240..0x1280]);
    assert!(old.iter().all(|byte| *byte == 0));
    assert_eq!(new, [9; 64]);
}

#[test]
fn later_parts_of_a_transfer_in_parts_are_not_sent() {
    let daemon = Daemon::start();
    let mut client = Client::connect(&daemon.only());
    let text = r#"{"capabilities":{"max_data_xfer_size":16}}"#;
    client.request(command::VERSION, version(0, 0, text)).ok();
    let mut guest = Lender::in_pages(client, Layout::Wide);
    let irq = guest.client.eventfd(MSI);
    guest.run(code::REG_SBA, &SBA.to_be_bytes());
    guest.run(code::REG_IEQ, &Bytes::new().be64(QUEUE).be64(512).0);
    let gid = guest.gid();
    // An entry of the event queue takes two messages of 16 bytes.
    let event = |guest: &mut Lender| {
        guest
            .client
            .post(2, 8, &Bytes::new().be64(gid).be64(1 << 32 | 0x80).0);
        guest.client.post(2, 24, &7_u64.to_be_bytes());
        guest.client.post(
            2,
            0,
            &Bytes::new().be32(code::SIGNAL_IEQ).be16(0).be16(32).0,
        );
    };
    event(&mut guest);
    guest.serve_until(&irq);
    guest.memory.fill(0);
    event(&mut guest);
    let first = guest.client.receive();
    assert_eq!(place(&first), (command::DMA_WRITE, QUEUE + 64));
    let unmap = dma_unmap(0, QUEUE, 0x1000);
    after_answer(&mut guest, (command::DMA_UNMAP, &unmap), |guest| {
        guest.serve(&first);
    })
    .ok();
    nothing_follows(&mut guest, &irq);
    assert_eq!(guest.memory[0], 0, "no event bit");
    drop(guest);
    let stopped = daemon.stop();
    let queued: Vec<_> = stopped.events_named("queued").collect();
    assert_eq!(
        (&queued[0]["delivered"], &queued[1]["delivered"]),
        (&json!(true), &json!(false))
    );
}

#[test]
fn bits_are_not_written_when_their_read_is_answered_too_late() {
    let daemon = Daemon::start();
    let (mut guest, irq, token) = lender(&daemon);
    signalled(&mut guest, token, 2);
    let data = guest.client.receive();
    guest.serve(&data);
    let read = guest.client.receive();
    assert_eq!(
        place(&read),
        (command::DMA_READ, SBA + 256 + 2 * u64::from(FIRST_INDEX))
    );
    let unmap = dma_unmap(0, SBA, 0x1000);
    after_answer(&mut guest, (command::DMA_UNMAP, &unmap), |guest| {
        guest.serve(&read);
    })
    .ok();
    nothing_follows(&mut guest, &irq);
}

#[test]
fn a_range_over_several_maps_and_all_maps_cancel_too() {
    for (flags, iova, size) in [(0, IOVA - 0x1000, LEN + 0x2000), (2, 0, 0)] {
        let daemon = Daemon::start();
        let (mut guest, irq, token) = lender(&daemon);
        for n in 0..3 {
            signalled(&mut guest, token, n);
        }
        let first = guest.client.receive();
        let unmap = dma_unmap(flags, iova, size);
        let reply = after_answer(&mut guest, (command::DMA_UNMAP, &unmap), |guest| {
            guest.serve(&first);
        });
        assert_eq!(u64_at(&reply.ok(), 16), LEN);
        nothing_follows(&mut guest, &irq);
    }
}

#[test]
fn an_unmap_of_other_memory_waits_for_nothing_and_cancels_nothing() {
    let daemon = Daemon::start();
    let (mut guest, irq, token) = lender(&daemon);
    signalled(&mut guest, token, 1);
    guest.client.unmap(QUEUE, 0x1000).ok();
    // A refused unmap cancels nothing either.
    guest.client.unmap(BUFFER, 0x800).refused(22);
    guest.serve_until(&irq);
    assert_eq!(guest.memory[0x1040..0x1080], [1; 64]);
    assert_eq!(guest.memory[0], 0x80);
}

#[test]
fn a_client_that_cannot_answer_before_its_unmap_gets_the_reply_all_the_same() {
    let daemon = Daemon::start();
    let (mut guest, irq, token) = lender(&daemon);
    signalled(&mut guest, token, 1);
    signalled(&mut guest, token, 2);
    // QEMU does this while it holds its lock: it answers the server only when it has the reply.
    guest.client.unmap(BUFFER, 0x1000).ok();
    let waiting = guest.client.put_aside();
    assert_eq!(
        waiting.iter().map(place).collect::<Vec<_>>(),
        [(command::DMA_WRITE, BUFFER + 64)]
    );
    guest.client.map_without_fd(BUFFER, 0x1000).ok();
    guest.refuse(&waiting[0], 14);
    nothing_follows(&mut guest, &irq);
    signalled(&mut guest, token, 3);
    guest.serve_until(&irq);
    assert_eq!(guest.memory[0x10c0..0x1100], [3; 64]);
}

#[test]
fn after_the_reply_to_a_reset_nothing_of_earlier_moves_comes() {
    let daemon = Daemon::start();
    let (mut guest, irq, token) = lender(&daemon);
    for n in 0..8 {
        signalled(&mut guest, token, n);
    }
    let first = guest.client.receive();
    after_answer(&mut guest, (command::RESET, &[]), |guest| {
        guest.serve(&first);
    })
    .ok();
    nothing_follows(&mut guest, &irq);
    // The device still works.
    let token = guest.register();
    signalled(&mut guest, token, 5);
    guest.serve_until(&irq);
    drop(guest);
    let stopped = daemon.stop();
    let moves: Vec<_> = stopped.events_named("data-move").collect();
    let told = moves.iter().filter(|event| event["signalled"] == true);
    assert_eq!((moves.len(), told.count()), (10, 2));
}

#[test]
fn an_interrupt_that_was_masked_before_a_reset_does_not_come_after_it() {
    let daemon = Daemon::start();
    let mut driver = Driver::attach(&daemon.only(), Via::Bar);
    let irq = driver.client.eventfd(MSI);
    let mut set = |flags, bools: &[u8]| {
        let body = set_irqs(flags, MSI, 0, 1, bools);
        driver.client.request(command::SET_IRQS, body).ok();
    };
    set(NONE | MASK, &[]);
    set(NONE | TRIGGER, &[]);
    driver.client.reset();
    let mut set = |flags, bools: &[u8]| {
        let body = set_irqs(flags, MSI, 0, 1, bools);
        driver.client.request(command::SET_IRQS, body).ok();
    };
    set(BOOL | UNMASK, &[1]);
    assert_eq!(irq.take(), 0);
    set(NONE | TRIGGER, &[]);
    assert_eq!(irq.take(), 1);
}

/// Refuses the first command to `iova`, and answers the others.
fn refuse_at(guest: &mut Lender, iova: u64) -> Vec<(u16, u64)> {
    let (mut seen, mut refused) = (Vec::new(), false);
    loop {
        let asked = guest.asked();
        if asked.is_empty() {
            return seen;
        }
        for message in asked {
            let (number, at) = place(&message);
            seen.push((number, at));
            if at == iova && !std::mem::replace(&mut refused, true) {
                guest.refuse(&message, 14);
            } else {
                guest.serve(&message);
            }
        }
    }
}

#[test]
fn a_refused_write_is_not_announced() {
    let mask = SBA + 256 + 2 * u64::from(FIRST_INDEX);
    for (refused, summary) in [(BUFFER + 64, 0), (mask, 0), (SBA + 8, 0), (SBA, 0)] {
        let daemon = Daemon::start();
        let (mut guest, irq, token) = lender(&daemon);
        signalled(&mut guest, token, 1);
        let seen = refuse_at(&mut guest, refused);
        assert_eq!(
            seen.last().unwrap().1,
            refused,
            "nothing follows: {seen:x?}"
        );
        assert_eq!((guest.memory[0], irq.take()), (summary, 0));
        // The next move is not affected.
        signalled(&mut guest, token, 2);
        guest.serve_until(&irq);
        assert_eq!(guest.memory[0x1080..0x10c0], [2; 64]);
        drop(guest);
        let stopped = daemon.stop();
        let told: Vec<_> = stopped
            .events_named("data-move")
            .map(|event| event["signalled"].as_bool().unwrap())
            .collect();
        assert_eq!(told, [true, false, true], "{refused:#x}");
        let lost: Vec<_> = stopped.events_named("not-written").collect();
        assert_eq!(lost.len(), 1);
        assert_eq!(
            (&lost[0]["iova"], &lost[0]["errno"]),
            (&json!(refused), &json!(14))
        );
        assert_eq!(stopped.events_named("interrupt").count(), 2);
    }
}

#[test]
fn a_peers_memory_is_its_own_to_take_back() {
    let daemon = Daemon::with_profile("pair");
    let mut mover = Driver::probe(&daemon.socket("ism0"), Via::Bar);
    let mover_gid = mover.gid();
    let owner = Client::open(&daemon.socket("ism1"));
    let mut owner = Lender::in_pages(owner, Layout::Wide);
    let irq = owner.client.eventfd(MSI);
    let token = owner.register_for(mover_gid);
    mover.put(target(token, 0, true, 0), &[1; 64]).ok();
    owner.serve_until(&irq);
    owner.memory.fill(0);
    for n in 1..6 {
        mover
            .put(target(token, 0, true, 64 * n), &[n as u8; 64])
            .ok();
    }
    let first = owner.client.receive();
    let unmap = dma_unmap(0, BUFFER, 0x1000);
    after_answer(&mut owner, (command::DMA_UNMAP, &unmap), |owner| {
        owner.serve(&first);
    })
    .ok();
    mover.put(target(token, 0, true, 0), &[9; 64]).refused(EIO);
    nothing_follows(&mut owner, &irq);
    // The mover's reset does not drop its earlier moves.
    owner.client.map_without_fd(BUFFER, 0x1000).ok();
    mover.put(target(token, 0, true, 0), &[7; 64]).ok();
    mover.client.reset();
    owner.serve_until(&irq);
    assert_eq!(owner.memory[0x1000..0x1040], [7; 64]);
}

#[test]
fn moves_of_a_client_that_left_are_recorded_as_not_signalled() {
    let daemon = Daemon::start();
    let (mut guest, _irq, token) = lender(&daemon);
    for n in 0..4 {
        signalled(&mut guest, token, n);
    }
    drop(guest);
    daemon.wait_until_free();
    let stopped = daemon.stop();
    let told: Vec<_> = stopped
        .events_named("data-move")
        .map(|event| event["signalled"].as_bool().unwrap())
        .collect();
    assert_eq!(told, [true, false, false, false, false]);
}

/// Maps a page without a descriptor, with these permissions (1 read, 2 write).
fn map_page(client: &mut Client, iova: u64, permissions: u32) {
    let body = Bytes::new()
        .u32(32)
        .u32(permissions)
        .u64(0)
        .u64(iova)
        .u64(0x1000);
    client.request(command::DMA_MAP, body).ok();
}

#[test]
fn memory_mapped_write_only_is_never_read() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    map_page(&mut client, SBA, 3);
    map_page(&mut client, BUFFER, 2);
    map_page(&mut client, QUEUE, 2);
    let mut guest = Lender::with_maps(client, Layout::Wide);
    let irq = guest.client.eventfd(MSI);
    let token = guest.register();
    // This is the very first message, before the layout is known.
    for n in 1..4 {
        signalled(&mut guest, token, n);
    }
    let mut seen = guest.serve_all();
    assert_ne!(irq.take(), 0);
    // The server reads bits in an SBA before it sets them.
    guest.client.reset();
    let refused = guest.run(code::REG_SBA, &QUEUE.to_be_bytes());
    assert_ne!(refused[4..6], [0, 0]);
    seen.extend(guest.serve_all());
    let reads: Vec<_> = seen
        .iter()
        .map(place)
        .filter(|(number, iova)| *number == command::DMA_READ && *iova >= BUFFER)
        .collect();
    assert_eq!(reads, []);
    assert_eq!(guest.memory[0x1040..0x1080], [1; 64]);
}
