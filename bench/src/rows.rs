//! The rows of the benchmark.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use vfio_user_ism_tests::driver::target;
use vfio_user_ism_tests::{Daemon, Ram};

use crate::fabric::{BUFFER, IOVA, RAM_LEN, Seat};
use crate::link::Link;
use crate::measure::{Contender, Row, Target, Versus};
use crate::messages::{self, Exchange};
use crate::servers::{Setting, Stand, gid, name, ours};

/// Names of the contenders in most rows.
pub(crate) const OURS: &str = "ours";
const FOREIGN: &str = "vfio_user";
const BARE: &str = "bare";
const LIBVFIO_USER: &str = "libvfio-user";
/// Name of the measured server with several stores without an answer.
const AHEAD: &str = "ours, 16 under way";
const RING: &str = "ours, ring";
const RING_AHEAD: &str = "ours, ring, 16 under way";
const UNDER_WAY: u64 = 16;

/// Bytes of a page.
const PAGE: usize = 4096;

/// The way in which servers and client wait for messages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    /// Microseconds for which server and client poll before they wait; 0 is the default setting.
    pub poll_us: u64,
}

impl Mode {
    pub(crate) fn poll(self) -> Duration {
        Duration::from_micros(self.poll_us)
    }

    pub(crate) fn setting(self) -> Setting {
        let poll_us = self.poll_us;
        Setting {
            poll_us,
            ..Setting::default()
        }
    }

    fn name(self, name: &str) -> String {
        match self.poll_us {
            0 => name.to_owned(),
            _ => format!("{name}, polled"),
        }
    }

    /// Compares the measured server with the others. The foreign server cannot poll, so it must be slower by
    /// more in polled rows.
    fn versus(self) -> Vec<Versus> {
        let versus = |against, target| Versus {
            of: OURS,
            against,
            target,
        };
        match self.poll_us {
            0 => vec![
                versus(FOREIGN, Some(Target::AtLeast(1.05))),
                versus(LIBVFIO_USER, Some(Target::AtLeast(1.05))),
                versus(BARE, None),
            ],
            _ => vec![
                versus(FOREIGN, Some(Target::AtLeast(2.5))),
                versus(LIBVFIO_USER, Some(Target::AtLeast(2.5))),
                versus(BARE, Some(Target::AtLeast(0.85))),
            ],
        }
    }
}

/// Creates a contender of the measured server. `script` drives it, and `kept` lives as long.
pub(crate) fn contender<K: 'static>(
    name: &'static str,
    mut link: Link,
    script: Vec<Exchange>,
    kept: K,
) -> Contender {
    let operations = script.len() as u64;
    let drive = move |times| {
        let _kept = &kept;
        for _ in 0..times {
            script.iter().for_each(|exchange| exchange.call(&mut link));
        }
    };
    Contender {
        name,
        drive: Box::new(drive),
        operations,
    }
}

fn bare(mode: Mode, script: Vec<Exchange>) -> Contender {
    let stand = Stand::bare(mode.poll_us);
    let mut steps = Vec::new();
    let mut take = 0;
    for exchange in &script {
        take += exchange.bytes.len();
        if exchange.reply > 0 {
            steps.push((std::mem::take(&mut take), exchange.reply));
        }
    }
    let link = Link::bare(&stand.socket(), mode.poll(), &steps);
    contender(BARE, link, script, stand)
}

fn foreign(mode: Mode, script: Vec<Exchange>, prepare: impl FnOnce(&mut Link)) -> Contender {
    let stand = Stand::foreign();
    let mut link = Link::open(&stand.socket(), mode.poll());
    prepare(&mut link);
    contender(FOREIGN, link, script, stand)
}

/// Creates a contender on libvfio-user, if the library is available and supports the script; it has no zPCI
/// I/O region.
fn libvfio_user(mode: Mode, script: &[Exchange]) -> Option<Contender> {
    if script.iter().any(|exchange| exchange.is_zpci()) {
        return None;
    }
    let stand = Stand::libvfio_user()?;
    let link = Link::open(&stand.socket(), mode.poll());
    Some(contender(LIBVFIO_USER, link, script.to_vec(), stand))
}

/// Creates a row of the measured server and the bare one, and of the foreign one if it supports the script.
fn row(
    mode: Mode,
    name: &str,
    with_foreign: bool,
    script: impl FnOnce(&mut Seat) -> Vec<Exchange>,
) -> Row {
    let daemon = ours(&mode.setting());
    let mut seat = Seat::take(&daemon, 0, mode.poll());
    let script = script(&mut seat);
    let Seat { link, ram, irq } = seat;
    let mut contenders = vec![contender(OURS, link, script.clone(), (daemon, ram, irq))];
    if with_foreign {
        contenders.push(foreign(mode, script.clone(), |_| ()));
        contenders.extend(libvfio_user(mode, &script));
    }
    contenders.push(bare(mode, script));
    Row {
        name: mode.name(name),
        contenders,
        versus: mode.versus(),
    }
}

pub(crate) fn region_read(mode: Mode) -> Row {
    row(mode, "REGION_READ of 8 bytes", true, |seat| {
        seat.response();
        vec![messages::read(2, 0, 8)]
    })
}

/// A write into the function's own DMB: one into the command window that no header follows breaks a rule.
pub(crate) fn region_write(mode: Mode) -> Row {
    row(mode, "REGION_WRITE of 8 bytes", true, |seat| {
        vec![messages::write(0, seat.dmb(gid(0)), &[1; 8])]
    })
}

/// 63 posted writes, each sent separately, and one write with a reply.
pub(crate) fn posted_writes(mode: Mode) -> Row {
    row(mode, "posted REGION_WRITE of 8 bytes", true, |seat| {
        let token = seat.dmb(gid(0));
        let mut script = vec![messages::posted(0, token, &[1; 8]); 63];
        script.push(messages::write(0, token, &[1; 8]));
        script
    })
}

/// 16 writes of 8 bytes that do not adjoin, so that they are no block store in pieces.
pub(crate) fn write_multi(mode: Mode) -> Row {
    row(mode, "REGION_WRITE_MULTI of 16", false, |seat| {
        let (token, data) = (seat.dmb(gid(0)), [1; 8]);
        let writes: Vec<(u32, u64, &[u8])> = (0..16)
            .map(|n| (0, token + (15 - n) * 16, &data[..]))
            .collect();
        vec![messages::multi(&writes)]
    })
}

/// A store into the function's own DMB, with the payload after the request.
pub(crate) fn store_appended(mode: Mode, len: usize) -> Row {
    let name = format!("zPCI store of {len}, appended");
    row(mode, &name, true, |seat| {
        let token = seat.dmb(gid(0));
        vec![messages::store(0, token, &vec![1; len])]
    })
}

/// A store with its payload in the client's DMA map.
pub(crate) fn store_iova(mode: Mode, len: usize) -> Row {
    let name = format!("zPCI store of {len}, iova");
    row(mode, &name, false, |seat| {
        let token = seat.dmb(gid(0));
        vec![messages::store_from(0, token, IOVA + BUFFER, len)]
    })
}

/// A store with its payload in this process.
pub(crate) fn store_process(mode: Mode, len: usize) -> Row {
    let name = format!("zPCI store of {len}, process");
    // The bytes live as long as this process, because the server reads them whenever the row runs.
    let bytes: &'static [u8] = vec![1; 2 * PAGE].leak();
    row(mode, &name, false, |seat| {
        let token = seat.dmb(gid(0));
        let address = bytes.as_ptr().addr().next_multiple_of(PAGE) as u64;
        vec![messages::store_from(0, token, address, len)]
    })
}

/// Stores through the instruction channel, by socket and by ring. Each waits for its answer, or sixteen are
/// sent before the first answer.
pub(crate) fn channel_store(mode: Mode, len: usize) -> Row {
    let prepared = |open: &dyn Fn(&Path) -> Link| {
        let daemon = ours(&mode.setting());
        let mut seat = Seat::take(&daemon, 0, mode.poll());
        let token = seat.dmb(gid(0));
        let link = open(&daemon.channel(&name(0)));
        let store = messages::store(0, token, &vec![1; len]);
        (link, store, (daemon, seat))
    };
    let by_socket = || prepared(&|path| Link::open(path, mode.poll()));
    let by_ring = || prepared(&Link::open_ring);
    let waited = |name, (link, store, kept)| contender(name, link, vec![store], kept);
    let ahead = |name, (mut link, store, kept): (Link, Exchange, _)| Contender {
        name,
        operations: UNDER_WAY,
        drive: Box::new(move |times| {
            let _kept: &(Daemon, Seat) = &kept;
            for _ in 0..times {
                let replies: usize = (0..UNDER_WAY).map(|_| store.send(&mut link)).sum();
                link.receive(replies);
            }
        }),
    };
    let versus = |of, target| Versus {
        of,
        against: BARE,
        target,
    };
    Row {
        name: mode.name(&format!("channel store of {len}")),
        contenders: vec![
            waited(OURS, by_socket()),
            ahead(AHEAD, by_socket()),
            waited(RING, by_ring()),
            ahead(RING_AHEAD, by_ring()),
            bare(mode, vec![messages::store(0, 0, &vec![1; len])]),
        ],
        versus: vec![
            versus(OURS, None),
            versus(AHEAD, Some(Target::AtLeast(3.0))),
            versus(RING, None),
            versus(RING_AHEAD, Some(Target::AtLeast(3.0))),
        ],
    }
}

/// A load: request and read of the result, sent in one call.
pub(crate) fn load(mode: Mode) -> Row {
    row(mode, "zPCI load of 8", true, |seat| {
        seat.response();
        vec![messages::load(2, 0)]
    })
}

pub(crate) fn load_iova(mode: Mode) -> Row {
    row(mode, "zPCI load of 8, iova", false, |seat| {
        seat.response();
        vec![messages::load_to(2, 0, IOVA + BUFFER)]
    })
}

/// Returns the address of map number `at` in rows with many maps.
pub(crate) fn many(at: u64) -> u64 {
    0x10_0000_0000 + at * 0x2000
}

/// Maps `count` pages, several at a time.
pub(crate) fn populate(link: &mut Link, ram: &Rc<Ram>, count: u64) {
    const AT_A_TIME: u64 = 64;
    for first in (0..count).step_by(AT_A_TIME as usize) {
        let maps = (first..count.min(first + AT_A_TIME))
            .map(|at| messages::map(many(at), 0x1000, ram, at * 0x1000 % RAM_LEN));
        let replies: usize = maps.map(|map| map.send(link)).sum();
        link.receive(replies);
    }
}

/// DMA_MAP and DMA_UNMAP of one page, with at most `maps` maps at a time.
pub(crate) fn map_unmap(mode: Mode, maps: u64) -> Row {
    let ram = Rc::new(Ram::new(RAM_LEN));
    let script = vec![
        messages::map(many(maps / 2) + 0x1000, 0x1000, &ram, 0x3000),
        messages::unmap(many(maps / 2) + 0x1000, 0x1000),
    ];
    let daemon = ours(&mode.setting());
    let mut link = Link::open(&daemon.only(), mode.poll());
    populate(&mut link, &ram, maps - 1);
    Row {
        name: mode.name(&format!("DMA_MAP, DMA_UNMAP at {maps}")),
        contenders: vec![
            contender(OURS, link, script.clone(), daemon),
            foreign(mode, script.clone(), |link| populate(link, &ram, maps - 1)),
            bare(mode, script),
        ],
        versus: mode.versus(),
    }
}

/// A store of 8 bytes from one of many maps, each time another one.
pub(crate) fn lookup() -> Row {
    let one = |name, maps: u64| {
        let daemon = ours(&Setting::default());
        let mut seat = Seat::take(&daemon, 0, Duration::ZERO);
        let token = seat.dmb(gid(0));
        populate(&mut seat.link, &Rc::new(Ram::new(RAM_LEN)), maps - 1);
        // A generator modulo 2^12 with a full period: the values are scattered, and each occurs once.
        let picks = (0..4096u64).scan(1, |state, _| {
            *state = (*state * 1_664_525 + 1_013_904_223) % 4096;
            Some(*state)
        });
        let gaddr = |pick| match maps {
            1 => IOVA + BUFFER + pick * 8,
            _ => many(pick * (maps - 1) / 4096) + pick % 512 * 8,
        };
        let script = picks.map(|pick| messages::store_from(0, token, gaddr(pick), 8));
        contender(
            name,
            seat.link,
            script.collect(),
            (daemon, seat.ram, seat.irq),
        )
    };
    Row {
        name: "zPCI store of 8, iova, lookup".to_owned(),
        contenders: vec![
            one("1 map", 1),
            one("1000 maps", 1000),
            one("65535 maps", 65_535),
        ],
        versus: ["1000 maps", "65535 maps"]
            .map(|of| Versus {
                of,
                against: "1 map",
                target: Some(Target::AtLeast(0.5)),
            })
            .into(),
    }
}

/// A move of 8 bytes into another function's memory, with and without signal.
pub(crate) fn move_to_other(mode: Mode, len: usize) -> Row {
    let setting = Setting {
        functions: 2,
        ..mode.setting()
    };
    let one = |name, signal| -> (Contender, Vec<Exchange>) {
        let daemon: Daemon = ours(&setting);
        let sender = Seat::take(&daemon, 0, mode.poll());
        let mut receiver = Seat::take(&daemon, 1, mode.poll());
        let token = receiver.dmb(gid(0));
        let script = vec![messages::store(
            0,
            target(token, 0, signal, 0),
            &vec![1; len],
        )];
        let Seat { link, ram, irq } = sender;
        let kept = (receiver, daemon, ram, irq);
        (contender(name, link, script.clone(), kept), script)
    };
    let (plain, script) = one("ours", false);
    let (signal, _) = one("ours, signal", true);
    Row {
        name: mode.name(&format!("move of {len} to another function")),
        contenders: vec![plain, signal, bare(mode, script)],
        versus: ["ours", "ours, signal"]
            .map(|of| Versus {
                of,
                against: BARE,
                target: None,
            })
            .into(),
    }
}

/// The time that rules and events add to a store.
pub(crate) fn checks(mode: Mode, len: usize) -> Row {
    let one = |name, rules, events| {
        let daemon = ours(&Setting {
            rules,
            events,
            ..mode.setting()
        });
        let mut seat = Seat::take(&daemon, 0, mode.poll());
        let token = seat.dmb(gid(0));
        let script = vec![messages::store(0, token, &vec![1; len])];
        contender(name, seat.link, script, (daemon, seat.ram, seat.irq))
    };
    let versus = |of, most| Versus {
        of,
        against: "neither",
        target: Some(Target::CostAtMost(most)),
    };
    Row {
        name: mode.name(&format!("rules and events, store of {len}")),
        contenders: vec![
            one("neither", false, false),
            one("rules", true, false),
            one("rules, events", true, true),
        ],
        versus: vec![versus("rules", 0.03), versus("rules, events", 0.10)],
    }
}
