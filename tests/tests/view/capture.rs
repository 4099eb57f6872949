//! Reads a capture file block by block, with code of these tests.

use std::collections::BTreeMap;

use rustix::process::Signal;
use vfio_user_ism_tests::driver::RAM_LEN;
use vfio_user_ism_tests::{Client, Daemon, program};

use crate::session::{recorded, recorded_by};

/// One packet: interface, direction flag, comments, header of the capture, descriptors, message.
#[derive(Debug)]
pub(crate) struct Packet {
    pub interface: usize,
    pub time: u64,
    pub direction: u32,
    pub comments: Vec<String>,
    pub kind: u8,
    pub role: u8,
    pub connection: u32,
    pub length: u32,
    pub descriptors: Vec<(u8, u64)>,
    pub message: Vec<u8>,
}

impl Packet {
    fn number(&self, at: usize, len: usize) -> u32 {
        let mut bytes = [0; 4];
        bytes[..len].copy_from_slice(&self.message[at..at + len]);
        u32::from_ne_bytes(bytes)
    }

    pub(crate) fn command(&self) -> u32 {
        self.number(2, 2)
    }

    pub(crate) fn is_reply(&self) -> bool {
        self.number(8, 4) & 1 == 1
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn options(mut bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut options = Vec::new();
    while bytes.len() >= 4 {
        let half = |at: usize| u16::from_ne_bytes([bytes[at], bytes[at + 1]]);
        let (code, len) = (half(0), usize::from(half(2)));
        if code == 0 {
            break;
        }
        options.push((code, bytes[4..4 + len].to_vec()));
        bytes = &bytes[4 + len.next_multiple_of(4)..];
    }
    options
}

/// Returns the names of the interfaces, and the packets.
#[track_caller]
pub(crate) fn read(bytes: &[u8]) -> (Vec<String>, Vec<Packet>) {
    let (mut names, mut packets, mut rest) = (Vec::new(), Vec::new(), bytes);
    assert_eq!((word(rest, 0), word(rest, 8)), (0x0a0d_0d0a, 0x1a2b_3c4d));
    while !rest.is_empty() {
        let (kind, total) = (word(rest, 0), word(rest, 4) as usize);
        let (block, after) = rest.split_at(total);
        assert_eq!(word(block, total - 4) as usize, total);
        let body = &block[8..total - 4];
        match kind {
            1 => {
                assert_eq!(body[..2], 147_u16.to_ne_bytes());
                let options: BTreeMap<_, _> = options(&body[8..]).into_iter().collect();
                assert_eq!(options[&9], [9], "nanoseconds");
                names.push(String::from_utf8(options[&2].clone()).unwrap());
            }
            6 => {
                let kept = word(body, 12) as usize;
                let (data, options) = (
                    &body[20..20 + kept],
                    options(&body[20 + kept.next_multiple_of(4)..]),
                );
                let flags = options.iter().find(|(code, _)| *code == 2).unwrap();
                let comments = options.iter().filter(|(code, _)| *code == 1);
                let count = usize::from(data[8]);
                let descriptor = |at: usize| {
                    let one = &data[16 + 16 * at..32 + 16 * at];
                    (one[0], u64::from_le_bytes(one[8..].try_into().unwrap()))
                };
                assert_eq!(data[0], 1);
                let whole = word(body, 16) as usize;
                let length = u32::from_le_bytes(data[12..16].try_into().unwrap());
                assert_eq!(whole, 16 + 16 * count + length as usize);
                packets.push(Packet {
                    interface: word(body, 0) as usize,
                    time: u64::from(word(body, 4)) << 32 | u64::from(word(body, 8)),
                    direction: word(&flags.1, 0),
                    comments: comments
                        .map(|(_, text)| String::from_utf8(text.clone()).unwrap())
                        .collect(),
                    kind: data[1],
                    role: data[2],
                    connection: u32::from_le_bytes(data[4..8].try_into().unwrap()),
                    length,
                    descriptors: (0..count).map(descriptor).collect(),
                    message: data[16 + 16 * count..].to_vec(),
                });
            }
            _ => {}
        }
        rest = after;
    }
    (names, packets)
}

#[test]
fn every_message_is_there_with_its_direction_descriptors_and_comments() {
    let recorded = recorded(&[]);
    let (names, packets) = read(&std::fs::read(recorded.path("capture")).unwrap());
    assert_eq!(names, ["ism0", "ism0.insn", "ism1", "ism1.insn"]);
    let mut waiting = BTreeMap::new();
    let mut open = BTreeMap::new();
    for packet in &packets {
        assert_eq!(packet.direction, if packet.kind == 1 { 2 } else { 1 });
        assert_eq!(packet.interface % 2, usize::from(packet.role));
        match packet.kind {
            2 => assert!(open.insert(packet.connection, packet.interface).is_none()),
            3 => assert_eq!(open.remove(&packet.connection), Some(packet.interface)),
            _ => {
                assert_eq!(open[&packet.connection], packet.interface);
                assert_eq!(packet.message.len(), packet.length as usize);
                assert_eq!(packet.number(4, 4), packet.length);
                let key = (packet.connection, packet.number(0, 2), packet.command());
                let wants = packet.number(8, 4) & 0x10 == 0;
                match packet.is_reply() {
                    false if wants => assert!(waiting.insert(key, packet.time).is_none()),
                    false => {}
                    true => assert!(waiting.remove(&key).unwrap() <= packet.time),
                }
            }
        }
    }
    assert!(
        waiting.is_empty() && open.is_empty(),
        "{waiting:?} {open:?}"
    );
    let with = |command| {
        packets
            .iter()
            .find(move |p| p.kind == 0 && p.command() == command)
            .unwrap()
    };
    assert_eq!(with(2).descriptors, [(1, RAM_LEN)], "a memfd");
    assert_eq!(with(8).descriptors, [(3, 0)], "an eventfd");
    let comments: Vec<_> = packets.iter().flat_map(|packet| &packet.comments).collect();
    for said in ["refused, errno 95: ", "torn-header"] {
        assert!(
            comments.iter().any(|comment| comment.contains(said)),
            "{said}: {comments:?}"
        );
    }
    let violations = recorded
        .events
        .iter()
        .filter(|event| event["event"] == "violation");
    let refusals = recorded
        .events
        .iter()
        .filter(|event| event["event"] == "refused-request");
    let told = |what: &str| {
        comments
            .iter()
            .filter(|comment| comment.contains(what))
            .count()
    };
    assert_eq!(told("refused, errno"), refusals.count());
    for violation in violations {
        let rule = violation["rule"].as_str().unwrap();
        assert!(told(rule) > 0, "{rule}");
    }
}

#[test]
fn messages_are_cut_where_they_are_asked_to_be() {
    let recorded = recorded(&["--capture-bytes", "20"]);
    let (_, packets) = read(&std::fs::read(recorded.path("capture")).unwrap());
    let mut cut = 0;
    for packet in packets {
        assert_eq!(packet.message.len(), (packet.length as usize).min(20));
        cut += usize::from(packet.length > 20);
    }
    assert!(cut > 50, "{cut}");
}

#[test]
fn bytes_that_make_no_sense_are_the_last_of_their_connection() {
    let recorded = recorded_by(&[], |daemon| {
        let mut client = Client::open(&daemon.socket("ism0"));
        client.wire.send(&[0; 16]);
        assert!(client.wire.receive().is_none(), "the server hangs up");
    });
    let (_, packets) = read(&std::fs::read(recorded.path("capture")).unwrap());
    let bad = packets
        .iter()
        .find(|packet| !packet.comments.is_empty())
        .unwrap();
    assert!(bad.comments[0].starts_with("malformed: "), "{bad:?}");
    assert_eq!((bad.kind, &bad.message[..]), (0, &[0; 16][..]));
}

#[test]
fn the_capture_is_there_when_a_client_has_left_and_ends_at_its_limit() {
    let folder = tempfile::tempdir().unwrap();
    let capture = folder.path().join("capture");
    let arguments = [
        "--capture",
        capture.to_str().unwrap(),
        "--capture-limit",
        "5000",
    ];
    let daemon = Daemon::with_arguments(&arguments);
    drop(daemon.client());
    daemon.wait_until_free();
    vfio_user_ism_tests::patience::eventually("the capture", || {
        let (_, packets) = read(&std::fs::read(&capture).ok()?);
        (packets.last()?.kind == 3).then_some(())
    });
    let mut client = daemon.client();
    for _ in 0..100 {
        client.read(7, 0, 4).ok();
    }
    daemon.signal(Signal::TERM);
    let stopped = daemon.wait();
    assert_eq!(stopped.ended.code, Some(0));
    assert!(stopped.ended.stderr.contains("the capture file is full"));
    let bytes = std::fs::read(&capture).unwrap();
    assert!((5000..6000).contains(&bytes.len()), "{}", bytes.len());
    read(&bytes);
}

#[test]
fn a_capture_that_cannot_be_made_is_told() {
    let ended = program::run([
        "--socket-path",
        "/tmp/never.sock",
        "--capture",
        "/no/such/folder/c",
    ]);
    assert_eq!(ended.code, Some(3));
    assert!(
        ended.stderr.contains("/no/such/folder/c"),
        "{}",
        ended.stderr
    );
}
