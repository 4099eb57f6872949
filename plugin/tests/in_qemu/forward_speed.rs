// SPDX-License-Identifier: GPL-2.0-or-later
//! Measures forwarding: stores of 4 KiB by a guest, and the same messages without QEMU, to a server that only
//! acknowledges. The test prints the times and checks that everything arrives.

#[path = "../../src/forward/fake_server.rs"]
#[allow(dead_code, reason = "only its plain answers are needed here")]
mod fake_server;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::bare::{Guest, machine};
use crate::support::qemu;
use fake_server::{FakeServer, Reaction};
use s390x_asm::{Gr, zpci};
use vfio_user_ism_tests::daemon::Daemon;

const STORES: usize = 20_000;
const LENGTH: usize = 4096;
const DATA: u64 = 0x3_0000;

/// Times of the first and the last store.
type Times = Mutex<Option<(Instant, Instant)>>;

/// Starts a server that only acknowledges.
fn server() -> (FakeServer, Arc<Times>) {
    let times = Arc::new(Times::default());
    let noted = Arc::clone(&times);
    let server = FakeServer::start(move |_| {
        let now = Instant::now();
        let mut times = noted.lock().unwrap();
        let (first, _) = times.unwrap_or((now, now));
        *times = Some((first, now));
        Reaction::Done
    });
    (server, times)
}

/// Returns the time of one store, and the number of bytes in all.
#[track_caller]
fn evaluate(server: &FakeServer, times: &Times) -> (Duration, usize) {
    let requests = server.requests.lock().unwrap();
    assert_eq!(requests.len(), STORES);
    let (first, last) = times.lock().unwrap().unwrap();
    let bytes = requests.iter().map(|request| request.len() - 32).sum();
    ((last - first) / (STORES as u32 - 1), bytes)
}

/// Runs a client that sends the messages of such stores and waits for each answer.
fn ping_pong() -> (Duration, usize) {
    let (server, times) = server();
    let mut stream = UnixStream::connect(&server.path).unwrap();
    let size = 16 + 16 + 32 + LENGTH;
    let mut message = vec![1, 0, 10, 0];
    message.extend((size as u32).to_ne_bytes());
    message.extend([0; 8]);
    message.extend(16_u64.to_ne_bytes());
    message.extend(9_u32.to_ne_bytes());
    message.extend((32 + LENGTH as u32).to_ne_bytes());
    message.resize(size, 7);
    let mut answer = [0; 32];
    for _ in 0..STORES {
        stream.write_all(&message).unwrap();
        stream.read_exact(&mut answer).unwrap();
    }
    evaluate(&server, &times)
}

#[track_caller]
fn guest() -> (Duration, usize) {
    let device = Daemon::start();
    let (server, times) = server();
    let mut guest = Guest::new();
    guest.enable(8, 0);
    guest.request(Gr::R4, 0, 0, LENGTH as u64);
    guest.code.load_constant(Gr::R5, 1 << 32);
    guest.code.load_constant(Gr::R2, DATA);
    guest.code.load_constant(Gr::R3, STORES as u64);
    let again = guest.code.here();
    let store = zpci::pcistb(Gr::R4, Gr::R5, 0, Gr::R2);
    guest.code.emit(&store);
    guest.code.brctg(Gr::R3, again);
    let folder = tempfile::tempdir().unwrap();
    let image = guest.write(folder.path());
    let mut arguments = machine(&[(8, &device.only())]);
    arguments.extend(["-kernel".into(), image.to_str().unwrap().into()]);
    arguments.extend([
        "-plugin".into(),
        format!(
            "file={},forward={},fid=8",
            crate::support::plugin().display(),
            server.path.display()
        ),
    ]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = qemu(&arguments);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    evaluate(&server, &times)
}

#[test]
#[ignore = "needs QEMU 11.1: run ./test"]
fn stores_of_4_kib_all_arrive_and_cost_little_more_than_their_messages() {
    for _ in 0..3 {
        let (bare, bare_bytes) = ping_pong();
        let (forwarded, bytes) = guest();
        assert_eq!((bytes, bare_bytes), (STORES * LENGTH, STORES * LENGTH));
        let rate = LENGTH as f64 / forwarded.as_secs_f64() / 1e6;
        let ratio = forwarded.as_secs_f64() / bare.as_secs_f64();
        eprintln!(
            "a message and its answer {bare:?}, PCISTB of 4 KiB {forwarded:?}: {ratio:.2} times, {rate:.0} MB/s"
        );
    }
}
