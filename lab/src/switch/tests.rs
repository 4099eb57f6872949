//! Stations on a switch, as QEMU's `-netdev stream` would speak.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::{QUEUE, Switch};

const ALL: u8 = 0xff;

/// A frame's bytes with its length before; stations are called by one byte.
fn frame(to: u8, from: u8, payload: &[u8]) -> Vec<u8> {
    let address = |name| {
        if name == ALL {
            [ALL; 6]
        } else {
            [2, 0, 0, 0, 0, name]
        }
    };
    let body = [&address(to)[..], &address(from), &[8, 0], payload].concat();
    [&(body.len() as u32).to_be_bytes()[..], &body].concat()
}

struct Station(UnixStream);

impl Station {
    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    fn expect(&mut self, expected: &[u8]) {
        let mut bytes = vec![0; expected.len()];
        self.0.read_exact(&mut bytes).expect("a frame");
        assert_eq!(bytes, expected);
    }

    fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0; 1]), Ok(0))
    }
}

/// Runs `test` beside a switch with `ports` ports; it connects stations by port number.
fn with_switch(ports: usize, test: impl FnOnce(&dyn Fn(usize) -> Station) + Send + 'static) {
    let folder = tempfile::tempdir().unwrap();
    let path = |port: usize| -> PathBuf { folder.path().join(port.to_string()) };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut switch = Switch::new(None);
        for port in 0..ports {
            switch.add_port(&path(port)).unwrap();
        }
        let folder = folder.path().to_owned();
        let connect = move |port: usize| {
            let stream = UnixStream::connect(folder.join(port.to_string())).unwrap();
            stream
                .set_read_timeout(Some(Duration::from_secs(60)))
                .unwrap();
            Station(stream)
        };
        tokio::task::spawn_blocking(move || test(&connect))
            .await
            .unwrap();
    });
}

#[test]
fn frames_reach_their_station_and_no_other() {
    with_switch(3, |connect| {
        let (mut a, mut b, mut c) = (connect(0), connect(1), connect(2));
        a.send(&frame(ALL, 1, b"who is there"));
        b.expect(&frame(ALL, 1, b"who is there"));
        c.expect(&frame(ALL, 1, b"who is there"));
        b.send(&frame(1, 2, b"me"));
        a.expect(&frame(1, 2, b"me"));
        // c gets the second of these two only.
        a.send(&frame(2, 1, b"for b"));
        a.send(&frame(ALL, 1, b"for all"));
        b.expect(&frame(2, 1, b"for b"));
        b.expect(&frame(ALL, 1, b"for all"));
        c.expect(&frame(ALL, 1, b"for all"));
    });
}

#[test]
fn a_station_that_takes_nothing_holds_up_nobody() {
    with_switch(3, |connect| {
        let (mut a, mut b, _stuck) = (connect(0), connect(1), connect(2));
        let large = vec![7; 60_000];
        // More than the socket and the queue of the third station can hold.
        for _ in 0..QUEUE + 64 {
            a.send(&frame(ALL, 1, &large));
            b.expect(&frame(ALL, 1, &large));
        }
    });
}

#[test]
fn what_is_no_frame_ends_that_port_only_and_it_may_come_again() {
    with_switch(2, |connect| {
        let (mut a, mut b) = (connect(0), connect(1));
        for bad in [&u32::MAX.to_be_bytes()[..], &[0, 0, 0, 2, 1, 2]] {
            a.send(bad);
            assert!(a.is_closed());
            a = connect(0);
            a.send(&frame(ALL, 1, b"again"));
            b.expect(&frame(ALL, 1, b"again"));
        }
    });
}
