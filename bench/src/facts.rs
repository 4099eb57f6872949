//! Measures memory and idle time of the server.

use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use vfio_user_ism_tests::{Daemon, Ram};

use crate::fabric::{RAM_LEN, Seat};
use crate::link::Link;
use crate::messages;
use crate::rows;
use crate::servers::{Setting, ours};

/// A measured figure that is not the time of an operation.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Fact {
    pub name: &'static str,
    /// The value of the figure.
    pub value: f64,
    /// The unit of the value.
    pub unit: &'static str,
    /// The highest acceptable value.
    pub at_most: f64,
    /// True if the value is acceptable.
    pub met: bool,
}

impl Fact {
    fn new(name: &'static str, value: f64, unit: &'static str, at_most: f64) -> Self {
        let met = value <= at_most;
        Self {
            name,
            value,
            unit,
            at_most,
            met,
        }
    }
}

/// Number of functions of the larger server.
const MANY: usize = 64;

/// Measures resident memory. Every function has a client that has stored and loaded.
pub(crate) fn memory() -> Vec<Fact> {
    let with = |functions| {
        let setting = Setting {
            functions,
            ..Setting::default()
        };
        let daemon = ours(&setting);
        let seats: Vec<Seat> = (0..functions)
            .map(|at| {
                let mut seat = Seat::take(&daemon, at, Duration::ZERO);
                seat.response();
                seat
            })
            .collect();
        let kib = resident_kib(&daemon);
        drop(seats);
        kib
    };
    let one = with(1);
    let each = (with(MANY) - one) / (MANY - 1) as f64;
    let daemon = ours(&Setting::default());
    let mut link = Link::open(&daemon.only(), Duration::ZERO);
    let ram = Rc::new(Ram::new(RAM_LEN));
    rows::populate(&mut link, &ram, 1);
    let before = resident_kib(&daemon);
    messages::unmap(rows::many(0), 0x1000).call(&mut link);
    rows::populate(&mut link, &ram, 65_535);
    let maps = resident_kib(&daemon) - before;
    vec![
        Fact::new("resident, one function", one, "KiB", 16384.0),
        Fact::new("resident, each more", each, "KiB", 256.0),
        Fact::new("resident, 65535 maps", maps, "KiB", 16384.0),
    ]
}

/// Measures the processor time of a server whose client pauses, in percent of one processor.
pub(crate) fn idle(poll_us: u64, pause: Duration) -> Vec<Fact> {
    let used = |poll_us| {
        let daemon = ours(&Setting {
            poll_us,
            ..Setting::default()
        });
        let mut seat = Seat::take(&daemon, 0, Duration::ZERO);
        (0..1000).for_each(|_| seat.response());
        // After this time, the work that the last messages caused is done.
        std::thread::sleep(Duration::from_secs(2).min(pause));
        let before = ticks(&daemon);
        std::thread::sleep(pause);
        (ticks(&daemon) - before) / pause.as_secs_f64()
    };
    vec![
        Fact::new("processor while idle", used(0), "%", 0.0),
        Fact::new("processor while idle, --poll-us", used(poll_us), "%", 0.0),
    ]
}

/// Returns the resident memory (VmRSS) of a server in KiB.
fn resident_kib(daemon: &Daemon) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .expect("VmRSS")
}

/// Returns the processor time so far, user and system, in ticks of 1/100 s (`USER_HZ` on all supported
/// systems).
fn ticks(daemon: &Daemon) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.pid())).unwrap();
    let behind_name = stat.rsplit_once(')').expect("a name in parentheses").1;
    let fields: Vec<&str> = behind_name.split_whitespace().collect();
    // These are fields 14 and 15 of the line. The first field after the name is number 3.
    [11, 12]
        .map(|at| fields[at].parse::<f64>().unwrap())
        .iter()
        .sum()
}
