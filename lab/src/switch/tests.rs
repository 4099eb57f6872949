//! Tests the switch with stations that speak like QEMU's `-netdev stream`.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{QUEUE, Switch};

const ALL: u8 = 0xff;

/// The bytes of a frame, with its length before them. One byte names a station.
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

    #[track_caller]
    fn expect(&mut self, expected: &[u8]) {
        let mut bytes = vec![0; expected.len()];
        self.0.read_exact(&mut bytes).expect("a frame");
        assert_eq!(bytes, expected);
    }

    /// The next frame, with its length before it.
    fn frame(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        self.0.read_exact(&mut bytes).expect("a length");
        let length = u32::from_be_bytes(bytes[..].try_into().unwrap()) as usize;
        bytes.resize(4 + length, 0);
        self.0.read_exact(&mut bytes[4..]).expect("a frame");
        bytes
    }

    /// The same station, for another thread.
    fn again(&self) -> Self {
        Self(self.0.try_clone().unwrap())
    }

    fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0; 1]), Ok(0))
    }
}

/// Runs `test` with a switch with `ports` ports. It connects stations by port number.
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
        // Station c gets only the second of these two frames.
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
        // This is more than the socket and the queue of the third station can hold.
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

/// Random numbers, the same in every run.
struct Dice(u64);

impl Dice {
    /// A number from 0 to `below` - 1.
    fn roll(&mut self, below: usize) -> usize {
        // xorshift64 (source: Marsaglia, "Xorshift RNGs", 2003).
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }
}

/// A payload with its number. Its length is one at which something may fail: the shortest, that of a page, of
/// a network's largest frame, of QEMU's largest frame.
fn numbered(number: usize, dice: &mut Dice) -> Vec<u8> {
    let most = super::frame::LARGEST - super::frame::HEADER;
    let lengths = [8, 9, 46, 1500, 4095, 4096, 65_535, most - 1, most];
    let length = lengths[dice.roll(lengths.len())];
    let mut payload = vec![number as u8; length];
    payload[..8].copy_from_slice(&(number as u64).to_be_bytes());
    payload
}

/// Sends `bytes` in pieces of random lengths, like a sender with a full socket.
fn send_in_pieces(station: &mut Station, bytes: &[u8], dice: &mut Dice) {
    let mut rest = bytes;
    while !rest.is_empty() {
        let length = rest.len().min(1 + dice.roll(rest.len().min(9000)));
        let (piece, behind) = rest.split_at(length);
        station.send(piece);
        rest = behind;
    }
}

/// Two stations send to each other at the same time, in bursts larger than a socket's buffer, cut at any
/// byte. Both read in small and in large pieces, with long pauses. Unless a queue overflows, no frame may be
/// lost, torn or out of order, and nothing may stop.
#[test]
fn bursts_and_slow_readers_stop_nothing_and_lose_nothing() {
    const FRAMES: usize = 1500;
    // The frames that wait for one station stay below the queue's length.
    const WINDOW: usize = QUEUE / 2;
    with_switch(2, |connect| {
        let (mut a, mut b) = (connect(0), connect(1));
        // The switch learns both addresses.
        a.send(&frame(ALL, 1, b"here"));
        b.expect(&frame(ALL, 1, b"here"));
        b.send(&frame(1, 2, b"and here"));
        a.expect(&frame(1, 2, b"and here"));
        let got = [AtomicUsize::new(0), AtomicUsize::new(0)];
        let send = |mut station: Station, to: u8, from: u8, got: &AtomicUsize| {
            let (mut dice, mut cuts) = (Dice(77 + u64::from(from)), Dice(5 + u64::from(from)));
            for number in 0..FRAMES {
                while number - got.load(Ordering::Acquire) >= WINDOW {
                    std::thread::sleep(Duration::from_millis(1));
                }
                let bytes = frame(to, from, &numbered(number, &mut dice));
                send_in_pieces(&mut station, &bytes, &mut cuts);
            }
        };
        let take = |mut station: Station, to: u8, from: u8, got: &AtomicUsize| {
            let (mut dice, mut rest) = (Dice(77 + u64::from(from)), Dice(9 + u64::from(to)));
            for number in 0..FRAMES {
                station.expect(&frame(to, from, &numbered(number, &mut dice)));
                got.store(number + 1, Ordering::Release);
                if rest.roll(200) == 0 {
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        };
        let (to_b, to_a) = (&got[1], &got[0]);
        std::thread::scope(|scope| {
            let (a_again, b_again) = (a.again(), b.again());
            scope.spawn(move || send(a, 2, 1, to_b));
            scope.spawn(move || send(b, 1, 2, to_a));
            scope.spawn(move || take(a_again, 1, 2, to_a));
            scope.spawn(move || take(b_again, 2, 1, to_b));
        });
    });
}

/// A station that does not read loses the frames that its queue cannot hold. When it reads again, it gets
/// whole frames in order, the oldest first, and all later frames.
#[test]
fn a_station_that_was_stopped_goes_on_with_whole_frames() {
    const SENT: usize = 2 * QUEUE;
    // This is more than the socket and the switch's buffer hold. After it, the queue has room.
    const ROOM: usize = 200;
    let page = |number: usize| frame(ALL, 1, &[&number.to_be_bytes()[..], &[7; 4088]].concat());
    with_switch(3, move |connect| {
        let (mut a, mut stopped, mut other) = (connect(0), connect(1), connect(2));
        for _ in 0..3 {
            for number in 0..SENT {
                a.send(&page(number));
                // The station has all of them, so the switch has forwarded them.
                other.expect(&page(number));
            }
            let mut next = 0;
            for taken in 0.. {
                let bytes = stopped.frame();
                if bytes == frame(ALL, 1, b"go on") {
                    assert!(taken >= QUEUE, "{taken}");
                    break;
                }
                let number = usize::from_be_bytes(bytes[18..26].try_into().unwrap());
                assert_eq!(bytes, page(number));
                assert!(number >= next, "frame {number} behind {next}");
                next = number + 1;
                if taken == ROOM {
                    a.send(&frame(ALL, 1, b"go on"));
                    other.expect(&frame(ALL, 1, b"go on"));
                }
            }
            // The test proves something only if some frames were lost.
            assert!(next < SENT, "{next}");
        }
    });
}
