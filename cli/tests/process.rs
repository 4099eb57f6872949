//! The program itself, given a connected socket: descriptors by number, and how it ends.

use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::io::FdFlags;
use vfio_user_protocol::message::{RegionAccess, Version};
use vfio_user_protocol::{HEADER_LEN, Header, Request};

/// It leaves room for a machine on which each processor has ten other tasks.
const PATIENCE: Duration = Duration::from_secs(180);

/// The program, to be started; descriptors that are not close-on-exec reach it.
fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_vfio-user-ism"))
}

/// A socket pair; the second end reaches children, under its own number.
fn pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(PATIENCE)).unwrap();
    rustix::io::fcntl_setfd(theirs.as_fd(), FdFlags::empty()).unwrap();
    (ours, theirs)
}

fn exit_code(mut child: Child) -> Option<i32> {
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    panic!("the program does not end");
}

fn ask(stream: &mut UnixStream, request: &Request<'_>) -> Header {
    let mut bytes = Vec::new();
    request.encode(7, 0, &mut bytes);
    stream.write_all(&bytes).unwrap();
    let mut head = [0; HEADER_LEN];
    stream.read_exact(&mut head).unwrap();
    let header = Header::decode(&head);
    let mut body = vec![0; header.message_size as usize - HEADER_LEN];
    stream.read_exact(&mut body).unwrap();
    header
}

const HELLO: Request<'_> = Request::Version(Version {
    major: 0,
    minor: 0,
    text: "",
});

#[test]
fn nobody_reading_stderr_disturbs_neither_the_client_nor_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report");
    let (mut client, theirs) = pair();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let child = program()
        .args(["--fd", &theirs.as_raw_fd().to_string(), "--report"])
        .arg(&report)
        .stdout(Stdio::null())
        .stderr(writer)
        .spawn()
        .unwrap();
    drop(theirs);
    assert!(!ask(&mut client, &HELLO).is_error());
    for _ in 0..3 {
        let nowhere = RegionAccess {
            offset: 0,
            region: 99,
            count: 4,
        };
        assert!(ask(&mut client, &Request::RegionRead(nowhere)).is_error());
    }
    drop(client);
    assert_eq!(exit_code(child), Some(0));
    let report = std::fs::read_to_string(report).unwrap();
    assert!(report.contains("\"refused_messages\": 3"), "{report}");
}

#[test]
fn a_descriptor_named_twice_is_an_error() {
    let (_client, theirs) = pair();
    let number = theirs.as_raw_fd().to_string();
    let output = program()
        .args(["--fd", &number, "--ready-fd", &number])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{told}");
    assert!(told.contains("named twice"), "{told}");
}
