//! Tests of `replay`: plays a capture against servers that answer the same, and against servers that do not.

use std::path::Path;

use vfio_user_ism_tests::{Daemon, program};

use crate::capture::read;
use crate::session::{Recorded, recorded, recorded_by, twin};

fn replay(capture: &Path, more: &[&str]) -> program::Ended {
    program::run([&["replay", capture.to_str().unwrap()], more].concat())
}

fn pair() -> String {
    program::profile("pair").display().to_string()
}

#[test]
fn the_same_server_answers_the_same() {
    let recorded = recorded(&[]);
    let capture = recorded.path("capture");
    let ended = replay(&capture, &["--profile", &pair()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // A sandbox is the business of `serve`.
    for word in ["panicked", "sandbox"] {
        assert!(!ended.stderr.contains(word), "{}", ended.stderr);
    }
    let (_, packets) = read(&std::fs::read(&capture).unwrap());
    let of = |kind| {
        packets
            .iter()
            .filter(move |packet| packet.kind == kind)
            .count()
    };
    let told = format!("{} messages sent, {} compared, 0 differ\n", of(0), of(1));
    assert_eq!(ended.stdout, told);
    let daemon = Daemon::with_profile("pair");
    let folder = daemon.folder.path().to_str().unwrap().to_owned();
    let ended = replay(&capture, &["--to", &folder]);
    assert_eq!(
        (ended.code, ended.stdout),
        (Some(0), told),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_profile_may_name_the_sockets_of_its_functions() {
    let recorded = recorded(&[]);
    let profile = recorded.path("named.json");
    let text = std::fs::read_to_string(pair()).unwrap();
    let named = text
        .replace(
            r#""name": "ism0","#,
            r#""name": "ism0", "socket": "ism1.sock","#,
        )
        .replace(
            r#""name": "ism1","#,
            r#""name": "ism1", "socket": "other","#,
        );
    assert_eq!(named.matches("\"socket\"").count(), 2, "{named}");
    std::fs::write(&profile, named).unwrap();
    let ended = replay(
        &recorded.path("capture"),
        &["--profile", profile.to_str().unwrap()],
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.ends_with(" 0 differ\n"), "{}", ended.stdout);
}

#[test]
fn a_client_with_a_twin_socket_is_played_again() {
    let recorded = recorded_by(&[], twin);
    let capture = recorded.path("capture");
    let (_, packets) = read(&std::fs::read(&capture).unwrap());
    let messages = packets.iter().filter(|packet| packet.kind < 2);
    let dma = messages.filter(|packet| [11, 12].contains(&packet.command()));
    let asked = dma.clone().filter(|packet| packet.kind == 1).count();
    assert!(asked >= 2);
    assert_eq!(dma.count(), 2 * asked, "each is answered in the capture");
    let ended = replay(&capture, &["--profile", &pair()]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stdout.ends_with(" 0 differ\n"), "{}", ended.stdout);
}

/// Returns the range of the data of packet `number` (from 1) in the file.
fn place(bytes: &[u8], number: usize) -> std::ops::Range<usize> {
    let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let (mut at, mut seen) = (0, 0);
    loop {
        let (kind, total) = (word(at), word(at + 4));
        seen += usize::from(kind == 6);
        if seen == number {
            return at + 28..at + 28 + word(at + 20);
        }
        at += total;
    }
}

#[test]
fn one_byte_that_was_changed_is_a_difference_at_its_message() {
    let recorded = recorded(&[]);
    let bytes = std::fs::read(recorded.path("capture")).unwrap();
    let (_, packets) = read(&bytes);
    // This is the last byte of the last answer to a REGION_READ.
    let is_it = |packet: &crate::capture::Packet| packet.kind == 1 && packet.command() == 9;
    let at = packets
        .iter()
        .rposition(|packet| is_it(packet) && packet.length > 16)
        .unwrap();
    let mut changed = bytes.clone();
    let last = place(&bytes, at + 1).end - 1;
    changed[last] ^= 0x40;
    let path = recorded.path("changed");
    std::fs::write(&path, changed).unwrap();
    let ended = replay(&path, &["--profile", &pair()]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let first = ended.stdout.lines().next().unwrap();
    assert!(
        first.starts_with(&format!("packet {}, connection ", at + 1)),
        "{first}"
    );
    assert!(first.contains("reply to REGION_READ: byte "), "{first}");
    assert!(
        ended.stdout.ends_with("compared, 1 differ\n"),
        "{}",
        ended.stdout
    );
}

#[test]
fn another_device_answers_otherwise() {
    let recorded = recorded(&[]);
    let profile = recorded.path("other.json");
    let text = std::fs::read_to_string(pair()).unwrap();
    std::fs::write(
        &profile,
        text.replace("0x1500000000000002", "0x1500000000000009"),
    )
    .unwrap();
    let ended = replay(
        &recorded.path("capture"),
        &["--profile", profile.to_str().unwrap()],
    );
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended
            .stdout
            .contains("of ism1: reply to REGION_READ: byte "),
        "{}",
        ended.stdout
    );
}

#[test]
fn a_function_that_the_profile_lacks_is_named() {
    let recorded = self::recorded(&[]);
    let ended = replay(&recorded.path("capture"), &[]);
    assert_ne!(ended.code, Some(0), "{ended:?}");
    let named = ended.stderr.contains("function \"ism1\" of the capture: ");
    assert!(named, "{}", ended.stderr);
}

#[track_caller]
fn refused(recorded: &Recorded, name: &str, expected: &str) {
    let ended = replay(&recorded.path(name), &["--profile", &pair()]);
    assert_ne!(ended.code, Some(0), "{ended:?}");
    assert!(
        ended.stderr.contains(expected),
        "{expected}: {}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("panicked"));
}

#[test]
fn what_is_no_whole_capture_is_refused_by_name() {
    let recorded = recorded_by(&["--capture-bytes", "20"], |_| ());
    std::fs::write(recorded.path("text"), "no capture at all").unwrap();
    refused(&recorded, "text", "no pcapng file");
    refused(&recorded, "missing", "cannot read");
    let cut = self::recorded(&["--capture-bytes", "20"]);
    refused(&cut, "capture", "bytes were kept (--capture-bytes)");
}
