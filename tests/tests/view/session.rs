//! A session with every kind of event that a server records.

use std::path::{Path, PathBuf};

use vfio_user_ism_tests::client::{command, irq, set_irqs};
use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, IOVA, code, dmb, target, zpci_request};
use vfio_user_ism_tests::lender::{Layout, Lender};
use vfio_user_ism_tests::wire::{Wire, message};
use vfio_user_ism_tests::{Bytes, Client, Daemon, Driver, Via, program};

/// Bytes of the buffers.
pub(crate) const DMB_LEN: u32 = 0x4000;

/// Builds a CDC message.
pub(crate) fn cdc(producer: (u16, u32), consumer: (u16, u32), flags: u8, state: u8) -> Vec<u8> {
    let front = Bytes::new().raw(&[0xfe, 0, 0, 0, 0, 0, 0, 0]);
    let producer = front.be16(producer.0).be32(producer.1).be16(0);
    let consumer = producer.be16(consumer.0).be32(consumer.1);
    consumer.raw(&[flags, state]).raw(&[0; 8]).0
}

/// Plays the session against the sockets of a daemon that serves the profile `pair`.
pub(crate) fn play(daemon: &Daemon) {
    let mut owner = Driver::probe(&daemon.socket("ism0"), Via::Region);
    let mut sender = Driver::probe(&daemon.socket("ism1"), Via::Channel);
    let (to, from) = (owner.gid(), sender.gid());
    owner.run(code::QUERY_INFO, []);
    let memory = dmb(IOVA + DMB, DMB_LEN, FIRST_INDEX, from);
    let token = owner.run(code::REG_DMB, memory).number();
    let memory = dmb(IOVA + DMB, DMB_LEN, FIRST_INDEX, to);
    let back = sender.run(code::REG_DMB, memory).number();
    // 5000 bytes in two pieces, cut at the page, and the message about them.
    sender.put(target(token, 0, false, 32), &[7; 4064]).ok();
    sender.put(target(token, 0, false, 4096), &[8; 936]).ok();
    sender
        .put(target(token, 0, true, 0), &cdc((0, 5000), (0, 0), 0x10, 0))
        .ok();
    owner
        .put(target(back, 0, true, 0), &cdc((0, 0), (0, 5000), 0, 0))
        .ok();
    for more in [5100, 5200, 5300] {
        let at = u64::from(more) - 100 + 32;
        sender.put(target(token, 0, false, at), &[9; 100]).ok();
        let message = cdc((0, more), (0, 0), 0, 0);
        sender.put(target(token, 0, true, 0), &message).ok();
    }
    let last = cdc((0, 5300), (0, 0), 0, 0x80);
    sender.put(target(token, 0, true, 0), &last).ok();
    let signal = Bytes::new().be64(to).be32(1).be32(0x80).be64(5);
    sender.run(code::SIGNAL_IEQ, signal).ok();
    sender.run(99, []).failed();
    // A store past the end of the buffer, a plain store, and malformed messages.
    sender.put(target(token, 0, false, 0x3fff), &[1, 2]);
    owner.client.write(2, 0, &[1, 2, 3]);
    owner.client.write_multi(&[(2, 8, &[0; 8])]);
    owner.client.post(2, 8, &[0; 8]);
    owner.client.read(7, 0, 4).ok();
    owner.client.write(7, 4, &[6, 0]).ok();
    owner.client.request(99, []);
    let mut second = Client::connect(&daemon.socket("ism0"));
    second.request(1, [0; 4]);
    owner.client.reset();
    drop(sender);
}

/// The records of a session.
pub(crate) struct Recorded {
    /// The events of the session.
    pub events: Vec<serde_json::Value>,
    /// Folder with `events`, `capture` and files of a test.
    pub folder: tempfile::TempDir,
}

impl Recorded {
    /// Returns the path of a file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Records the session with more arguments for the server.
pub(crate) fn recorded(arguments: &[&str]) -> Recorded {
    recorded_by(arguments, play)
}

/// Records the actions of `play`.
#[track_caller]
pub(crate) fn recorded_by(arguments: &[&str], play: impl FnOnce(&Daemon)) -> Recorded {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("capture");
    let profile = program::profile("pair");
    let mut all = vec!["--profile", profile.to_str().unwrap()];
    all.extend(["--capture", capture.to_str().unwrap()]);
    all.extend(arguments);
    let daemon = Daemon::with_arguments(&all);
    play(&daemon);
    std::fs::copy(
        daemon.folder.path().join("stderr"),
        folder.path().join("stderr"),
    )
    .unwrap();
    let events = daemon.folder.path().join("events");
    let kept = folder.path().join("events");
    let keep = |from: &Path| std::fs::hard_link(from, &kept).unwrap();
    keep(&events);
    let stopped = daemon.stop();
    assert_eq!(stopped.ended.code, Some(0), "{}", stopped.ended.stderr);
    Recorded {
        events: stopped.events,
        folder,
    }
}

/// Plays every kind of message, in every form that a client may choose, against the sockets of a daemon that
/// serves the profile `pair`.
pub(crate) fn every_kind(daemon: &Daemon) {
    let words =
        |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|word| word.to_ne_bytes()).collect() };
    let mut driver = Driver::probe(&daemon.socket("ism1"), Via::Region);
    let client = &mut driver.client;
    client.map_without_fd(0x40_0000_0000, 0x1000).ok();
    client.unmap(0x40_0000_0000, 0x1000).ok();
    for argsz in [16, 4096] {
        client
            .request(command::GET_INFO, words(&[argsz, 0, 0, 0]))
            .ok();
    }
    for index in 0..10 {
        for argsz in [32, 512] {
            let body = words(&[argsz, 0, index, 0, 0, 0, 0, 0]);
            client.request(command::GET_REGION_INFO, body).ok();
        }
        let body = words(&[512, 0, index, 0]);
        client.request(command::GET_REGION_IO_FDS, body).ok();
    }
    for index in 0..5 {
        client
            .request(command::GET_IRQ_INFO, words(&[16, 0, index, 0]))
            .ok();
    }
    for (flags, bools) in [
        (irq::NONE | irq::TRIGGER, &[][..]),
        (irq::BOOL | irq::MASK, &[1]),
        (irq::BOOL | irq::UNMASK, &[1]),
    ] {
        let body = set_irqs(flags, irq::MSI, 0, 1, bools);
        client.request(command::SET_IRQS, body).ok();
    }
    for region in [0, 2, 4, 7] {
        client.read(region, 0, 8).ok();
    }
    client.write(7, 0x3c, &[1]).ok();
    client.write(4, 0, &[0; 8]);
    client
        .write_multi(&[(7, 0x3c, &[1]), (2, 0x100, &[2; 8]), (0, 0, &[3; 3])])
        .ok();
    for (argsz, flags, data) in [(8, 1 << 18, 0), (16, 1 | 1 << 16, 0), (16, 2 | 1 << 17, 8)] {
        let body = [words(&[argsz, flags]), vec![0; data]].concat();
        client.request(command::FEATURE, body);
    }
    // The device has no migration, but these messages have a known form.
    client.request(17, words(&[4096, 4096]));
    client.request(18, [words(&[16, 8]), vec![7; 8]].concat());
    client.request(14, words(&[8, 1]));
    // These are the three requests of the region.
    driver.store(2, 0x100, &[1; 40]).ok();
    driver.load(2, 0x100);
    let register = zpci_request(4, 0, 2, 0x100, 8).raw(&[2; 8]);
    driver.client.write(9, 16, &register.0).ok();
    driver.client.read(9, 0, 16).ok();
    // Memory by messages, in each of the layouts, on the client's own socket and on a separate one.
    for layout in [Layout::Wide, Layout::Narrow, Layout::Padded] {
        let client = Client::open(&daemon.socket("ism0"));
        let mut guest = Lender::over(client, layout);
        let irq = guest.client.eventfd(irq::MSI);
        let token = guest.register();
        guest
            .client
            .write(0, target(token, 0, true, 8), &[5; 24])
            .ok();
        guest.serve_until(&irq);
        guest.client.reset();
    }
    twin(daemon);
    driver.client.reset();
}

/// Connects a client with a twin socket, and moves data into its own memory.
pub(crate) fn twin(daemon: &Daemon) {
    let socket = daemon.socket("ism0");
    let text = r#"{"capabilities":{"twin_socket":{"supported":true}}}"#;
    let (client, mut reply) = Client::enter(&socket, text, &[]);
    let mut twin = Wire::new(reply.fds.remove(0).into());
    let mut guest = Lender::over(client, Layout::Wide);
    let irq = guest.client.eventfd(irq::MSI);
    let token = guest.register();
    guest
        .client
        .write(0, target(token, 0, true, 8), &[5; 24])
        .ok();
    while twin.wait_for_bytes_or(&irq) {
        let asked = twin.receive().unwrap();
        let count = u64::from_ne_bytes(asked.body[8..16].try_into().unwrap()) as usize;
        let answer = if asked.command == command::DMA_READ {
            [&asked.body[..], &vec![1; count]].concat()
        } else {
            asked.body[..16].to_vec()
        };
        twin.send(&message(asked.id, asked.command, 1, &answer));
    }
    guest.client.reset();
}
