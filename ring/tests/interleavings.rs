//! Runs the real code with every order in which the memory accesses of two sides can take effect.
//!
//! A side runs until an access whose result is not known yet. The explorer chooses the next event, and runs
//! the side again from the start with one result more. A store waits in a buffer of its side before the other
//! side sees it. Buffered stores to different words become visible in any order; only a Release store waits
//! for all stores before it. A fence empties the buffer. This allows more orders than x86. Miri tests early
//! loads (`two_sides.rs`).

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::atomic::Ordering;

use vfio_user_ring::layout::{LEN, REPLIES, WORD};
use vfio_user_ring::{End, Memory, Side, Wait};

/// An access whose result is not known yet.
#[derive(Clone, Copy, Debug)]
enum Access {
    Load(usize),
    Store(usize, u64, Ordering),
    Fence,
}

/// The memory as one side accesses it.
struct Replayed {
    /// Content of the memory before both sides ran.
    before: Rc<RefCell<Vec<u64>>>,
    /// Results of the accesses so far; `None` while `before` is written.
    results: Rc<RefCell<Option<VecDeque<u64>>>>,
    stopped_at: Rc<Cell<Option<Access>>>,
}

impl Replayed {
    fn access(&self, access: Access) -> u64 {
        let mut before = self.before.borrow_mut();
        let Some(results) = &mut *self.results.borrow_mut() else {
            match access {
                Access::Load(word) => return before[word],
                Access::Store(word, value, _) => before[word] = value,
                Access::Fence => {}
            }
            return 0;
        };
        let Some(result) = results.pop_front() else {
            self.stopped_at.set(Some(access));
            resume_unwind(Box::new("the end of what is known"));
        };
        result
    }
}

impl Memory for Replayed {
    fn load(&self, word: usize, _: Ordering) -> u64 {
        self.access(Access::Load(word))
    }

    fn store(&self, word: usize, value: u64, order: Ordering) {
        self.access(Access::Store(word, value, order));
    }

    fn fence(&self) {
        self.access(Access::Fence);
    }
}

/// The accesses of both sides so far. `words` contains the words that they changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct State {
    words: BTreeMap<usize, u64>,
    results: [Vec<u64>; 2],
    buffers: [Vec<(usize, u64, bool)>; 2],
}

impl State {
    /// Returns the buffered stores of a side that may become visible next.
    fn ready(&self, side: usize) -> Vec<usize> {
        let buffer = &self.buffers[side];
        let is_ready = |at: &usize| {
            let (word, _, release) = buffer[*at];
            let mut earlier = buffer[..*at].iter();
            *at == 0 || !release && earlier.all(|(other, _, _)| *other != word)
        };
        (0..buffer.len()).filter(is_ready).collect()
    }
}

struct Explorer<R> {
    prepare: fn(&mut [End<Replayed>; 2]),
    sides: [fn(&mut End<Replayed>) -> R; 2],
    seen: HashSet<State>,
}

impl<R> Explorer<R> {
    /// Runs a side with these results, to its end or to the first access without a result. Also returns the
    /// memory before the run.
    fn run(&self, side: usize, results: &[u64]) -> (Result<R, Access>, Rc<RefCell<Vec<u64>>>) {
        let before = Rc::new(RefCell::new(vec![0; LEN / WORD]));
        let known = Rc::new(RefCell::new(None));
        let stopped_at = Rc::new(Cell::new(None));
        let mut ends = [Side::Client, Side::Server].map(|side| {
            let memory = Replayed {
                before: Rc::clone(&before),
                results: Rc::clone(&known),
                stopped_at: Rc::clone(&stopped_at),
            };
            End::new(memory, side)
        });
        (self.prepare)(&mut ends);
        *known.borrow_mut() = Some(results.iter().copied().collect());
        let run = self.sides[side];
        let result = catch_unwind(AssertUnwindSafe(|| run(&mut ends[side])));
        let result = match (result, stopped_at.get()) {
            (Ok(result), _) => Ok(result),
            (Err(_), Some(access)) => Err(access),
            (Err(panic), None) => resume_unwind(panic),
        };
        (result, before)
    }

    /// Explores every continuation of this state. Returns the number of states.
    fn explore(&mut self, judge: &impl Fn([R; 2])) -> usize {
        let mut open = vec![State::default()];
        while let Some(state) = open.pop() {
            if !self.seen.insert(state.clone()) {
                continue;
            }
            for side in [0, 1] {
                for at in state.ready(side) {
                    let mut next = state.clone();
                    let (word, value, _) = next.buffers[side].remove(at);
                    next.words.insert(word, value);
                    open.push(next);
                }
            }
            let [(one, before), (other, _)] =
                [0, 1].map(|side| self.run(side, &state.results[side]));
            match (one, other) {
                (Ok(one), Ok(other)) => judge([one, other]),
                (one, other) => {
                    let stops = [one.err(), other.err()];
                    for (side, access) in stops.into_iter().enumerate() {
                        if let Some(access) = access {
                            open.push(go_on(state.clone(), side, access, &before.borrow()));
                        }
                    }
                }
            }
        }
        self.seen.len()
    }
}

/// Returns the state after a side's access.
fn go_on(mut state: State, side: usize, access: Access, before: &[u64]) -> State {
    let buffer = &mut state.buffers[side];
    let result = match access {
        Access::Load(word) => {
            let own = buffer.iter().rev().find(|(other, _, _)| *other == word);
            let own = own.map(|(_, value, _)| *value);
            own.unwrap_or_else(|| *state.words.get(&word).unwrap_or(&before[word]))
        }
        Access::Store(word, value, order) => {
            buffer.push((word, value, order != Ordering::Relaxed));
            0
        }
        Access::Fence => {
            state
                .words
                .extend(buffer.drain(..).map(|(word, value, _)| (word, value)));
            0
        }
    };
    state.results[side].push(result);
    state
}

fn explore<R>(
    prepare: fn(&mut [End<Replayed>; 2]),
    sides: [fn(&mut End<Replayed>) -> R; 2],
    judge: impl Fn([R; 2]),
) -> usize {
    let seen = HashSet::new();
    Explorer {
        prepare,
        sides,
        seen,
    }
    .explore(&judge)
}

fn nothing(_: &mut [End<Replayed>; 2]) {}

#[test]
fn whoever_waits_for_bytes_is_woken() {
    let client = |end: &mut End<Replayed>| {
        end.send(b"8 bytes!").unwrap();
        end.must_wake()
    };
    let server = |end: &mut End<Replayed>| end.may_wait(Wait::Bytes).unwrap();
    let states = explore(nothing, [client, server], |[woken, waits]| {
        assert!(woken || !waits, "the server waits, and nobody wakes it");
    });
    assert!(states > 40, "{states}");
}

#[test]
fn bytes_are_there_whole_or_not_at_all() {
    let client = |end: &mut End<Replayed>| {
        end.send(b"more than a word").unwrap();
        Vec::new()
    };
    let server = |end: &mut End<Replayed>| {
        let mut out = [0; 32];
        let count = end.receive(&mut out).unwrap();
        out[..count].to_vec()
    };
    let states = explore(nothing, [client, server], |[_, received]| {
        assert!(received.is_empty() || received == b"more than a word");
    });
    assert!(states > 40, "{states}");
}

#[test]
fn whoever_waits_for_room_is_woken_and_nothing_is_overwritten() {
    /// Fills the server's lane with one record up to its end.
    #[track_caller]
    fn fill([_, server]: &mut [End<Replayed>; 2]) {
        let all = vec![1; REPLIES.capacity - WORD];
        assert_eq!(server.send(&all).unwrap(), all.len());
    }
    // The client takes 2 words of the record: the length and the first bytes.
    let client = |end: &mut End<Replayed>| {
        let mut out = [0; WORD];
        assert_eq!(end.receive(&mut out), Ok(WORD));
        assert_eq!(out, [1; WORD], "overwritten");
        end.must_wake_for_room()
    };
    let server = |end: &mut End<Replayed>| {
        let sent = end.send(&[2; WORD]).unwrap();
        sent == 0 && end.may_wait(Wait::Room).unwrap()
    };
    let states = explore(fill, [client, server], |[woken, waits]| {
        assert!(woken || !waits, "the server waits, and nobody wakes it");
    });
    assert!(states > 40, "{states}");
}
