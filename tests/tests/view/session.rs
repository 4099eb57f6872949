//! A session in which everything happens that a server writes down.

use std::path::{Path, PathBuf};

use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, IOVA, code, dmb, target};
use vfio_user_ism_tests::{Bytes, Client, Daemon, Driver, Via, program};

/// Bytes of the buffers.
pub(crate) const DMB_LEN: u32 = 0x4000;

/// A CDC message.
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
    // 5000 bytes in two pieces, cut at the page, and the message that tells of them.
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
    // Past the end of the buffer, a plain store, and messages that make no sense.
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

/// What a session left behind.
pub(crate) struct Recorded {
    /// The events.
    pub events: Vec<serde_json::Value>,
    /// Folder with `events`, `capture` and what a test puts there.
    pub folder: tempfile::TempDir,
}

impl Recorded {
    /// The path of a file in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Records the session with more arguments for the server.
pub(crate) fn recorded(arguments: &[&str]) -> Recorded {
    recorded_by(arguments, play)
}

/// Records what `play` does.
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
