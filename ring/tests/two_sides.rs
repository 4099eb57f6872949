//! Tests of both ends on memory of this process: bytes arrive unchanged, and an end survives any corruption.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::thread;

use vfio_user_ring::layout::{CLIENT_WAITS, LEN, REPLIES, REQUESTS, SERVER_WAITS, WORD};
use vfio_user_ring::{End, Fault, Memory, Side, Wait};

#[derive(Clone, Debug)]
struct Words(Arc<[AtomicU64]>);

impl Words {
    fn new() -> Self {
        Self((0..LEN / WORD).map(|_| AtomicU64::new(0)).collect())
    }

    fn set(&self, offset: usize, value: u64) {
        self.store(offset / WORD, value, Ordering::Relaxed);
    }
}

impl Memory for Words {
    fn load(&self, word: usize, order: Ordering) -> u64 {
        self.0[word].load(order)
    }

    fn store(&self, word: usize, value: u64, order: Ordering) {
        self.0[word].store(value, order);
    }

    fn fence(&self) {
        fence(Ordering::SeqCst);
    }
}

fn ends() -> (Words, End<Words>, End<Words>) {
    let words = Words::new();
    let end = |side| End::new(words.clone(), side);
    (words.clone(), end(Side::Client), end(Side::Server))
}

/// Numbers that look random and are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }
}

#[test]
fn bytes_come_out_as_they_went_in() {
    let rounds = if cfg!(miri) { 30 } else { 20_000 };
    let mut numbers = Numbers(1);
    let (_, mut client, mut server) = ends();
    let (mut next_in, mut next_out) = (0_u8, 0_u8);
    let mut under_way = 0;
    for _ in 0..rounds {
        let bytes: Vec<u8> = (0..numbers.below(9000))
            .map(|at| next_in.wrapping_add(at as u8))
            .collect();
        let sent = client.send(&bytes).unwrap();
        next_in = next_in.wrapping_add(sent as u8);
        under_way += sent;
        let mut out = vec![0xEE; WORD + numbers.below(9000)];
        let count = server.receive(&mut out).unwrap();
        assert!(count > 0 || under_way == 0, "{under_way} bytes are there");
        under_way -= count;
        for byte in &out[..count] {
            assert_eq!(*byte, next_out);
            next_out = next_out.wrapping_add(1);
        }
        assert!(out[count..].iter().all(|byte| *byte == 0xEE), "behind them");
    }
}

#[test]
fn a_full_lane_takes_nothing_until_there_is_room() {
    let (_, mut client, mut server) = ends();
    let much = vec![7; 2 * REPLIES.capacity];
    assert_eq!(server.send(&much).unwrap(), REPLIES.capacity - WORD);
    assert_eq!(server.send(&much).unwrap(), 0);
    assert!(server.may_wait(Wait::Room).unwrap());
    assert!(client.must_wake_for_room());
    let mut out = [0; 24];
    assert_eq!(client.receive(&mut out).unwrap(), 24);
    assert_eq!(server.send(&much).unwrap(), 24);
}

#[test]
fn a_side_is_woken_for_what_it_waits_for_and_once() {
    let (_, mut client, mut server) = ends();
    assert!(!client.must_wake());
    assert!(server.may_wait(Wait::Bytes).unwrap());
    assert!(!client.must_wake_for_room(), "it waits for bytes");
    client.send(b"a").unwrap();
    assert!(client.must_wake());
    assert!(!client.must_wake(), "it was woken");
    assert!(!server.may_wait(Wait::Bytes).unwrap(), "bytes are there");
    assert!(!client.must_wake(), "it did not wait");
    assert_eq!(server.receive(&mut [0; 8]).unwrap(), 1);
    assert!(server.may_wait(Wait::Bytes).unwrap());
    server.waits_no_more();
    assert!(!client.must_wake());
}

#[test]
fn a_position_or_length_that_makes_no_sense_is_named() {
    let told = |scribble: &dyn Fn(&Words)| {
        let (words, mut client, mut server) = ends();
        client.send(&[1; 40]).unwrap();
        scribble(&words);
        let mut out = vec![0; LEN];
        let result = server.receive(&mut out);
        result.unwrap_err().to_string()
    };
    let request_tail = |value| told(&|words: &Words| words.set(REQUESTS.tail, value));
    for (tail, part) in [
        (REQUESTS.capacity as u64 + 8, "request lane: tail 0x80008"),
        (u64::MAX - 7, "0 to 0x80000 bytes apart"),
        (13, "position 0xd is no multiple of 8"),
    ] {
        let message = request_tail(tail);
        assert!(message.contains(part), "{tail:#x}: {message}");
    }
    for length in [0, 41, 48, u64::MAX, u64::MAX - 7] {
        let message = told(&|words: &Words| words.set(REQUESTS.data, length));
        let part = format!("{length:#x} bytes, expected 1 to 0x28");
        assert!(message.contains(&part), "{message}");
    }
    let (words, mut client, mut server) = ends();
    server.send(&[0; 8]).unwrap();
    words.set(REPLIES.head, 8 * 1024 * 1024);
    let much = vec![0; REPLIES.capacity];
    assert!(matches!(
        server.send(&much),
        Err(Fault::Positions { lane: "reply", .. })
    ));
    words.set(REPLIES.head, 3);
    assert!(matches!(server.send(&much), Err(Fault::Unaligned { .. })));
    assert_eq!(
        client.receive(&mut [0; 8]),
        Ok(8),
        "the other end is not disturbed"
    );
}

/// Tests that an end never panics, and never returns more bytes than it has room for, whatever the other side
/// writes.
#[test]
fn a_scribbler_gets_faults_at_most() {
    let rounds = if cfg!(miri) { 40 } else { 4_000 };
    let mut numbers = Numbers(7);
    let mut faults = 0;
    let (mut words, _, mut server) = ends();
    let mut out = vec![0; 3000];
    for _ in 0..rounds {
        let small = numbers.below(0x90000) as u64;
        let value = match numbers.below(4) {
            0 => numbers.next(),
            1 => small,
            2 => small * 8,
            _ => u64::MAX - small,
        };
        let offset = match numbers.below(8) {
            0 => REQUESTS.tail,
            1 => REQUESTS.head,
            2 => REPLIES.tail,
            3 => REPLIES.head,
            4 => CLIENT_WAITS,
            5 => SERVER_WAITS,
            _ => REQUESTS.data + numbers.below(REQUESTS.capacity / WORD) * WORD,
        };
        words.set(offset, value);
        let length = numbers.below(3000);
        let done = server
            .receive(&mut out)
            .and_then(|_| server.send(&vec![1; length]))
            .and_then(|_| server.may_wait(Wait::Room));
        let _ = server.must_wake();
        if done.is_err() {
            faults += 1;
            (words, _, server) = ends();
        }
    }
    assert!(faults > rounds / 20, "{faults}");
}

/// Each side waits, and is woken by unparking its thread, as often as it likes: nobody waits for ever.
#[test]
fn two_threads_that_wait_for_each_other_come_to_an_end() {
    let times = if cfg!(miri) { 12 } else { 20_000 };
    let (_, mut client, mut server) = ends();
    let main = thread::current();
    let echo = thread::spawn(move || {
        let mut out = [0; 64];
        for _ in 0..times {
            let count = wait_and_receive(&mut server, &mut out);
            assert_eq!(server.send(&out[..count]), Ok(count));
            if server.must_wake() {
                main.unpark();
            }
        }
    });
    let mut out = [0; 64];
    for time in 0..times as u64 {
        client.send(&time.to_ne_bytes()).unwrap();
        if client.must_wake() {
            echo.thread().unpark();
        }
        assert_eq!(wait_and_receive(&mut client, &mut out), 8);
        assert_eq!(out[..8], time.to_ne_bytes());
    }
    echo.join().unwrap();
}

fn wait_and_receive(end: &mut End<Words>, out: &mut [u8]) -> usize {
    loop {
        match end.receive(out).unwrap() {
            0 if end.may_wait(Wait::Bytes).unwrap() => thread::park(),
            0 => {}
            count => return count,
        }
        end.waits_no_more();
    }
}
