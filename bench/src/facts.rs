//! Memory and idle time of our server.

use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use vfio_user_ism_tests::{Daemon, Ram};

use crate::fabric::{RAM_LEN, Seat};
use crate::link::Link;
use crate::messages;
use crate::rows;
use crate::servers::{Setting, ours};

/// Something that is not a time of an operation.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Fact {
    pub name: &'static str,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// The highest good value.
    pub at_most: f64,
    /// Whether it is.
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

/// Functions of the larger server.
const MANY: usize = 64;

/// Resident memory, every function having a client that has stored and loaded.
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

/// Processor time of a server whose client pauses, in percent of one processor.
pub(crate) fn idle(poll_us: u64, pause: Duration) -> Vec<Fact> {
    let used = |poll_us| {
        let daemon = ours(&Setting {
            poll_us,
            ..Setting::default()
        });
        let mut seat = Seat::take(&daemon, 0, Duration::ZERO);
        (0..1000).for_each(|_| seat.response());
        // What the last messages leave to be done is done by then.
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

/// VmRSS of a server.
fn resident_kib(daemon: &Daemon) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .expect("VmRSS")
}

/// Processor time so far, user and system, in ticks of 1/100 s (`USER_HZ`, the same on all that
/// this runs on).
fn ticks(daemon: &Daemon) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.pid())).unwrap();
    let behind_name = stat.rsplit_once(')').expect("a name in parentheses").1;
    let fields: Vec<&str> = behind_name.split_whitespace().collect();
    // Fields 14 and 15 of the whole line; the first behind the name is 3.
    [11, 12]
        .map(|at| fields[at].parse::<f64>().unwrap())
        .iter()
        .sum()
}
