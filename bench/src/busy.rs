//! Measures a busy function beside many other functions.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use vfio_user_ism_tests::Daemon;

use crate::fabric::Seat;
use crate::measure::{Contender, Row, Target, Versus};
use crate::messages;
use crate::rows::contender;
use crate::servers::{Setting, gid, ours};

/// Number of functions of the fabric, one of which is measured.
const FUNCTIONS: usize = 64;
/// Time after which idle clients check again if they should be busy.
const NAP: Duration = Duration::from_millis(1);

/// The clients of the other functions. They are busy on request.
struct Others {
    busy: Arc<AtomicBool>,
    end: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Others {
    fn start(daemon: &Daemon) -> Self {
        let (busy, end) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let threads = (1..FUNCTIONS).map(|at| {
            let mut seat = Seat::take(daemon, at, Duration::ZERO);
            let (busy, end) = (Arc::clone(&busy), Arc::clone(&end));
            std::thread::spawn(move || {
                let token = seat.dmb(gid(at));
                let store = messages::store(0, token, &[1; 8]);
                while !end.load(Ordering::Relaxed) {
                    if busy.load(Ordering::Relaxed) {
                        store.call(&mut seat.link);
                    } else {
                        std::thread::sleep(NAP);
                    }
                }
            })
        });
        let threads = threads.collect();
        Self { busy, end, threads }
    }
}

impl Drop for Others {
    fn drop(&mut self) {
        self.end.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().expect("a busy client");
        }
    }
}

/// Measures a store of 8 bytes by the only function of a fabric, by one beside 63 functions with silent
/// clients, and by one beside 63 functions that also store.
pub(crate) fn row() -> Row {
    let one = |name, functions| {
        let daemon = ours(&Setting {
            functions,
            ..Setting::default()
        });
        let mut seat = Seat::take(&daemon, 0, Duration::ZERO);
        let token = seat.dmb(gid(0));
        let script = vec![messages::store(0, token, &[1; 8])];
        (name, seat, script, daemon)
    };
    let alone = {
        let (name, seat, script, daemon) = one("alone", 1);
        contender(name, seat.link, script, (daemon, seat.ram, seat.irq))
    };
    let beside_idle = {
        let (name, seat, script, daemon) = one("63 idle", FUNCTIONS);
        let idle: Vec<Seat> = (1..FUNCTIONS)
            .map(|at| Seat::take(&daemon, at, Duration::ZERO))
            .collect();
        contender(name, seat.link, script, (idle, daemon, seat.ram, seat.irq))
    };
    let beside_busy = {
        let (name, seat, script, daemon) = one("63 busy", FUNCTIONS);
        let others = Others::start(&daemon);
        let busy = Arc::clone(&others.busy);
        let kept = (others, daemon, seat.ram, seat.irq);
        let mut inner = contender(name, seat.link, script, kept);
        Contender {
            name,
            operations: inner.operations,
            drive: Box::new(move |times| {
                busy.store(true, Ordering::Relaxed);
                (inner.drive)(times);
                busy.store(false, Ordering::Relaxed);
            }),
        }
    };
    Row {
        name: "zPCI store of 8, one of 64 functions".to_owned(),
        contenders: vec![alone, beside_idle, beside_busy],
        versus: vec![
            Versus {
                of: "63 idle",
                against: "alone",
                target: Some(Target::AtLeast(0.97)),
            },
            Versus {
                of: "63 busy",
                against: "alone",
                target: None,
            },
        ],
    }
}
