// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;
use crate::forward::fake_server::{FakeServer, REGISTER, Reaction};
use crate::forward::message::{self, Place};
use zpci_region::clp::ClpFacts;
use zpci_region::request::Op;

const PATIENCE: Duration = Duration::from_secs(30);
const PLACE: Place = Place {
    pcias: 2,
    offset: 8,
    length: 3,
};

fn connect(server: &FakeServer) -> Channel {
    Channel::connect(&server.path, PATIENCE, true).unwrap().0
}

fn store(channel: &mut Channel) -> Result<Answer<()>, ChannelError> {
    let mut message = Vec::new();
    let id = channel.take_ids(1);
    message::begin_store(&mut message, id, Op::StoreBlock, PLACE);
    message.extend([1, 2, 3]);
    channel.store(id, &message)
}

fn load(channel: &mut Channel) -> Result<Answer<u64>, ChannelError> {
    let mut message = Vec::new();
    let id = channel.take_ids(2);
    message::load(&mut message, id, PLACE);
    channel.load(id, &message)
}

#[test]
fn the_server_tells_limits_and_sizes() {
    let clp = ClpFacts {
        maxstbl: 1024,
        relaxed: false,
        ..ClpFacts::default()
    };
    let server = FakeServer::with(&clp, 48, |_| Reaction::Done);
    let (_, facts) = Channel::connect(&server.path, PATIENCE, true).unwrap();
    assert_eq!(
        facts,
        FunctionFacts {
            clp,
            bars: [1 << 48, 0, 4096, 0, 0, 0],
        }
    );
}

#[test]
fn stores_and_loads_go_their_way_for_a_long_time() {
    let server = FakeServer::start(|_| Reaction::Done);
    let mut channel = connect(&server);
    // This is more than the number of message ids.
    for _ in 0..40_000 {
        assert_eq!(load(&mut channel).unwrap(), Ok(REGISTER));
    }
    assert_eq!(store(&mut channel).unwrap(), Ok(()));
    let requests = server.requests.lock().unwrap();
    assert_eq!(requests.len(), 40_001);
    assert_eq!(requests[40_000][32..], [1, 2, 3]);
    assert_eq!(requests[0].len(), 32);
}

#[test]
fn a_refusal_leaves_the_channel_in_step() {
    let mut refusing = false;
    let server = FakeServer::start(move |_| {
        refusing = !refusing;
        if refusing {
            Reaction::Refuse(5)
        } else {
            Reaction::Done
        }
    });
    let mut channel = connect(&server);
    for _ in 0..3 {
        assert_eq!(load(&mut channel).unwrap(), Err(Errno::EIO));
        assert_eq!(load(&mut channel).unwrap(), Ok(REGISTER));
        assert_eq!(store(&mut channel).unwrap(), Err(Errno::EIO));
        assert_eq!(store(&mut channel).unwrap(), Ok(()));
    }
}

#[test]
fn the_socket_carries_on_where_no_ring_is_wanted() {
    let server = FakeServer::start(|_| Reaction::Done);
    let (mut channel, _) = Channel::connect(&server.path, PATIENCE, false).unwrap();
    assert_eq!(load(&mut channel).unwrap(), Ok(REGISTER));
    assert!(!server.has_ring());
    let server = FakeServer::start(|_| Reaction::Done);
    let mut channel = connect(&server);
    assert_eq!(load(&mut channel).unwrap(), Ok(REGISTER));
    assert!(server.has_ring());
}

#[test]
fn a_server_that_goes_away_or_talks_nonsense_is_told() {
    let other_id = |size: u32, flags: u32| {
        let mut bytes = vec![0xEE, 0xEE, 10, 0];
        bytes.extend(size.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes.resize(size.min(64) as usize, 0);
        bytes
    };
    for (reaction, part) in [
        (Reaction::Close, "closed the connection"),
        (Reaction::Bytes(vec![0xFF; 64]), "is malformed"),
        (Reaction::Bytes(other_id(32, 1)), "expected 10"),
        (Reaction::Bytes(other_id(100_000, 1)), "100000 bytes"),
        (Reaction::Bytes(other_id(32, 0)), "is malformed"),
        (Reaction::Extra(vec![7; 5]), "5 bytes more"),
    ] {
        let answer = reaction.clone();
        let server = FakeServer::start(move |_| answer.clone());
        let error = store(&mut connect(&server)).unwrap_err().to_string();
        assert!(error.contains(part), "{reaction:?}: {error}");
    }
}

#[test]
fn a_silent_server_is_not_waited_for_for_ever() {
    // The answers at the start must come in this time, too, on a busy machine and in an emulator.
    let patience = Duration::from_secs(3);
    let server = FakeServer::start(|_| Reaction::Nothing);
    let (mut channel, _) = Channel::connect(&server.path, patience, true).unwrap();
    assert!(matches!(store(&mut channel), Err(ChannelError::Silent(_))));
    // This server sends a byte now and then.
    let drip = FakeServer::start(|_| Reaction::Drip);
    let (mut channel, _) = Channel::connect(&drip.path, patience, true).unwrap();
    assert!(matches!(store(&mut channel), Err(ChannelError::Silent(_))));
}

#[test]
fn what_cannot_be_connected_says_why() {
    let nobody = Channel::connect(Path::new("/nowhere/f.insn"), PATIENCE, true).unwrap_err();
    assert!(nobody.to_string().contains("No such file"), "{nobody}");
    let server = FakeServer::with(&ClpFacts::default(), 0, |_| Reaction::Done);
    let error = Channel::connect(&server.path, PATIENCE, true).unwrap_err();
    assert!(error.to_string().contains("no zPCI I/O region"), "{error}");
}
