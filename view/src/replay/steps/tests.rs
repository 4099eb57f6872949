use std::io::ErrorKind;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use vfio_user_capture::{Role, Writer};
use vfio_user_protocol::HEADER_LEN;
use vfio_user_protocol::header::{Command, Header};

use super::super::replay;
use super::*;

/// A capture of one client of function `name`: it connects, and sends `messages` requests.
fn capture(name: &str, messages: u16) -> Vec<u8> {
    let mut out = Vec::new();
    let mut writer = Writer::new(&mut out, "test").unwrap();
    let interface = writer.interface(name, "a function", 0).unwrap();
    let mut add = |kind, message: &[u8]| {
        let front = Front {
            kind,
            role: Role::Device,
            big_endian: cfg!(target_endian = "big"),
            connection: 1,
            descriptors: Vec::new(),
            lost: false,
            length: message.len() as u32,
        };
        let mut data = Vec::new();
        front.encode(&mut data);
        data.extend(message);
        let length = data.len() as u32;
        writer
            .packet(interface, 0, None, &[], &data, length)
            .unwrap();
    };
    add(Kind::Connected, b"");
    for id in 0..messages {
        let header = Header::command(id, Command::DeviceReset, HEADER_LEN as u32);
        add(Kind::ToServer, &header.encode());
    }
    writer.flush().unwrap();
    out
}

fn file(folder: &Path, bytes: &[u8]) -> PathBuf {
    let path = folder.join("capture");
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_capture_reaches_no_socket_outside_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let sockets = folder.path().join("sockets");
    std::fs::create_dir(&sockets).unwrap();
    let absolute = folder.path().join("x").display().to_string();
    for (name, at) in [
        (&absolute[..], folder.path().join("x.sock")),
        ("../x", folder.path().join("x.sock")),
        ("a\x1b[2J", sockets.join("a\x1b[2J.sock")),
        ("", sockets.join(".sock")),
        (".insn", sockets.join(".sock")),
    ] {
        let listener = UnixListener::bind(&at).unwrap();
        listener.set_nonblocking(true).unwrap();
        let told = replay(&file(folder.path(), &capture(name, 1)), &sockets)
            .unwrap_err()
            .to_string();
        assert!(told.contains(", packet 1: function "), "{told}");
        assert!(told.contains("expected 1 to 64 letters"), "{told}");
        assert!(!told.contains('\x1b'), "{told:?}");
        let arrived = listener.accept().unwrap_err();
        assert_eq!(arrived.kind(), ErrorKind::WouldBlock, "{name:?}");
        std::fs::remove_file(&at).unwrap();
    }
}

#[test]
fn names_that_a_profile_allows_are_played() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["ism0", "ism0.insn", "A-b_9"] {
        let steps = read(&file(folder.path(), &capture(name, 1))).unwrap();
        let function = name.trim_end_matches(".insn");
        assert!(steps.iter().all(|step| step.function == function));
        assert_eq!(steps.len(), 2);
    }
}

#[test]
fn a_capture_without_a_message_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    for bytes in [Vec::new(), capture("ism0", 0)] {
        let path = file(folder.path(), &bytes);
        let error = replay(&path, folder.path()).unwrap_err();
        assert!(matches!(error, ReplayError::Empty { .. }), "{error:?}");
        let told = format!("{}: no message of a client in it", path.display());
        assert_eq!(error.to_string(), told);
    }
}

#[test]
fn a_cut_capture_is_played_up_to_the_cut() {
    let folder = tempfile::tempdir().unwrap();
    let whole = capture("ism0", 3);
    let before = capture("ism0", 2);
    for len in before.len()..whole.len() {
        let steps = read(&file(folder.path(), &whole[..len])).unwrap();
        assert_eq!(steps.len(), 3, "{len} bytes");
    }
    // A cut before the first packet leaves nothing to play, and before the first message neither.
    for (len, cut) in [(6, true), (41, true), (capture("ism0", 0).len() + 1, false)] {
        match read(&file(folder.path(), &whole[..len])) {
            Err(ReplayError::Read { source, .. }) if cut => {
                assert!(matches!(source, ReadError::Cut { .. }), "{source:?}");
            }
            Err(ReplayError::Empty { .. }) if !cut => {}
            other => panic!("{len} bytes: {other:?}"),
        }
    }
}
