//! Tests what a guest sees of its memory while the server writes there for another guest: the order of
//! writes, and no lost signal.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};

use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, IEQ, IOVA, SBA, code, dmb, target};
use vfio_user_ism_tests::threads::{alone, spin};
use vfio_user_ism_tests::{Bytes, Daemon, Driver, Via, View};

/// Returns true if a stage is visible.
type Look<'a> = Box<dyn Fn() -> bool + Sync + 'a>;

/// The stages of a signal, last first. A guest that sees one must see all stages after it in this list.
struct Stages<'a> {
    stages: Vec<(&'static str, Look<'a>)>,
    /// Clears the stages for the next signal.
    clear: Box<dyn Fn() + Sync + 'a>,
}

impl Stages<'_> {
    /// Waits for many signals, each time at another stage, and checks that all earlier stages are visible.
    /// `round` is the current signal, `seen` the last one that was checked.
    #[track_caller]
    fn watch(&self, rounds: u64, round: &AtomicU64, seen: &AtomicU64) {
        for number in 1..=rounds {
            spin("the next round", || round.load(SeqCst) >= number);
            let first = number as usize % self.stages.len();
            spin(self.stages[first].0, &self.stages[first].1);
            let missing: Vec<_> = self.stages[first..]
                .iter()
                .filter(|(_, there)| !there())
                .map(|(name, _)| *name)
                .collect();
            // The round is marked before the check, because the other thread must not wait for this one for
            // ever.
            if !missing.is_empty() {
                seen.store(u64::MAX, SeqCst);
            }
            assert_eq!(missing, [""; 0], "{} was there", self.stages[first].0);
            for (name, there) in &self.stages {
                spin(name, there);
            }
            (self.clear)();
            seen.store(number, SeqCst);
        }
    }
}

#[test]
fn a_guest_never_sees_a_stage_of_a_signal_before_the_earlier_stages() {
    signals_in_stages(true);
    signals_in_stages(false);
}

fn signals_in_stages(sealed: bool) {
    const ROUNDS: u64 = 1000;
    let _alone = alone();
    let daemon = Daemon::with_profile("pair");
    let mut sender = Driver::probe(&daemon.socket("ism0"), Via::Channel);
    let mut receiver = Driver::probe(&daemon.socket("ism1"), Via::Bar);
    if !sealed {
        receiver.unseal();
    }
    let token = receiver.register_dmb(0x4000, FIRST_INDEX, sender.gid());
    let memory = View::of(&receiver.ram);
    let (round, seen) = (AtomicU64::new(0), AtomicU64::new(0));
    let interrupts = AtomicU64::new(0);
    let now = || round.load(SeqCst).to_be();
    let irq = &receiver.irq;
    let stages = Stages {
        stages: vec![
            (
                "interrupt",
                Box::new(|| {
                    interrupts.fetch_add(irq.take(), SeqCst) > 0 || interrupts.load(SeqCst) > 0
                }),
            ),
            (
                "summary bit",
                Box::new(|| memory.byte(SBA).load(SeqCst) == 0x80),
            ),
            (
                "DMB bit",
                Box::new(|| memory.byte(SBA + 8).load(SeqCst) == 0x80),
            ),
            (
                "mask",
                Box::new(|| memory.half(SBA + 320).load(SeqCst) != 0),
            ),
            (
                "data",
                // This checks the first, a middle and the last doubleword of a page.
                Box::new(|| {
                    [0, 2048, 4088]
                        .iter()
                        .all(|at| memory.word(DMB + at).load(SeqCst) == now())
                }),
            ),
        ],
        clear: Box::new(|| {
            memory.byte(SBA).fetch_and(0x7f, SeqCst);
            memory.byte(SBA + 8).fetch_and(0x7f, SeqCst);
            memory.half(SBA + 320).store(0, SeqCst);
            interrupts.store(0, SeqCst);
        }),
    };
    std::thread::scope(|threads| {
        threads.spawn(|| stages.watch(ROUNDS, &round, &seen));
        for number in 1..=ROUNDS {
            round.store(number, SeqCst);
            let data = number.to_be_bytes().repeat(512);
            sender.post(target(token, 0, true, 0), &data);
            spin("the guest", || seen.load(SeqCst) >= number);
        }
    });
}

#[test]
fn a_guest_never_sees_a_stage_of_an_event_before_the_earlier_stages() {
    const ROUNDS: u64 = 1000;
    let _alone = alone();
    let daemon = Daemon::with_profile("pair");
    let mut sender = Driver::probe(&daemon.socket("ism0"), Via::Channel);
    let mut receiver = Driver::probe(&daemon.socket("ism1"), Via::Bar);
    let to = receiver.gid();
    let memory = View::of(&receiver.ram);
    let (round, seen) = (AtomicU64::new(0), AtomicU64::new(0));
    let interrupts = AtomicU64::new(0);
    let irq = &receiver.irq;
    let slot = || (round.load(SeqCst) - 1) % 15;
    let stages = Stages {
        stages: vec![
            (
                "interrupt",
                Box::new(|| {
                    interrupts.fetch_add(irq.take(), SeqCst) > 0 || interrupts.load(SeqCst) > 0
                }),
            ),
            (
                "summary bit",
                Box::new(|| memory.byte(SBA).load(SeqCst) & 0x80 != 0),
            ),
            (
                "event bit",
                Box::new(|| memory.byte(SBA).load(SeqCst) & 0x40 != 0),
            ),
            (
                "index",
                Box::new(|| memory.word(IEQ).load(SeqCst) == (slot() + 1).to_be()),
            ),
            (
                "entry",
                Box::new(|| {
                    let info = memory.word(IEQ + 32 + 32 * slot() + 24);
                    info.load(SeqCst) == round.load(SeqCst).to_be()
                }),
            ),
        ],
        clear: Box::new(|| {
            memory.byte(SBA).fetch_and(0x3f, SeqCst);
            interrupts.store(0, SeqCst);
        }),
    };
    std::thread::scope(|threads| {
        threads.spawn(|| stages.watch(ROUNDS, &round, &seen));
        for number in 1..=ROUNDS {
            round.store(number, SeqCst);
            let event = Bytes::new().be64(to).be32(1).be32(0x80).be64(number);
            sender.run(code::SIGNAL_IEQ, event).ok();
            spin("the guest", || seen.load(SeqCst) >= number);
        }
    });
}

/// Does what the Linux driver does on an interrupt (6.12 `ism_handle_irq`): clears the summary bit first,
/// then every DMB bit that is set, each before it reads the buffer.
fn handle_interrupt(memory: &View, mut handle: impl FnMut(u64)) {
    memory.byte(SBA).fetch_and(0x7f, SeqCst);
    for word in 1..30_u64 {
        let bits = memory.word(SBA + 8 * word);
        loop {
            let set = u64::from_be(bits.load(SeqCst));
            if set == 0 {
                break;
            }
            let bit = set.leading_zeros();
            bits.fetch_and(!(1_u64 << 63 >> bit).to_be(), SeqCst);
            let index = 64 * word + u64::from(bit) - 32;
            memory.half(SBA + 256 + 2 * index).store(0, SeqCst);
            handle(index - u64::from(FIRST_INDEX));
        }
    }
}

#[test]
fn no_signal_of_three_senders_is_lost() {
    const MESSAGES: u64 = 2000;
    const BUFFERS: u64 = 4;
    let _alone = alone();
    let daemon = Daemon::with_profile("quad");
    let mut receiver = Driver::probe(&daemon.socket("ism0"), Via::Bar);
    let mut senders =
        ["ism1", "ism2", "ism3"].map(|name| Driver::probe(&daemon.socket(name), Via::Channel));
    // Buffers of different senders alternate, and so do their bits.
    let place = |buffer: u64, sender: u64| 3 * buffer + sender;
    let mut tokens = vec![Vec::new(); 3];
    for (sender, driver) in senders.iter_mut().enumerate() {
        let gid = driver.gid();
        for buffer in 0..BUFFERS {
            let at = place(buffer, sender as u64);
            let memory = dmb(
                IOVA + DMB + 0x4000 * at,
                0x4000,
                FIRST_INDEX + at as u32,
                gid,
            );
            tokens[sender].push(receiver.run(code::REG_DMB, memory).number());
        }
    }
    let memory = View::of(&receiver.ram);
    let mut last = vec![0; 3 * BUFFERS as usize];
    std::thread::scope(|threads| {
        for (driver, tokens) in senders.iter_mut().zip(&tokens) {
            threads.spawn(move || {
                for number in 1..=MESSAGES {
                    for token in tokens {
                        driver.post(target(*token, 0, true, 0), &number.to_be_bytes().repeat(4));
                    }
                }
            });
        }
        while last.iter().any(|number| *number < MESSAGES) {
            // Without an interrupt nothing is visible, so a lost one ends the wait.
            receiver.irq.wait();
            handle_interrupt(&memory, |buffer| {
                // The next message may be in progress: each doubleword is of this message or a later one.
                let words = [0, 8, 16, 24]
                    .map(|at| u64::from_be(memory.word(DMB + 0x4000 * buffer + at).load(SeqCst)));
                let before = &mut last[buffer as usize];
                let number = words.into_iter().min().unwrap();
                assert!(number >= *before, "{words:?} after {before} in {buffer}");
                *before = number;
            });
        }
    });
    let moves = daemon.stop();
    for name in ["ism1", "ism2", "ism3"] {
        assert_eq!(moves.function(name)["signals"], MESSAGES * BUFFERS);
    }
}
