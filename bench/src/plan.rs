//! The list of rows, and their run.

use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;

use crate::args::Args;
use crate::busy;
use crate::compare::Change;
use crate::facts::{self, Fact};
use crate::measure::{self, Effort, Ratio, Row, Time};
use crate::rows::{self, Mode};

/// All results of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Results {
    /// Times of the contenders in all rows.
    pub times: Vec<Time>,
    /// Results of all comparisons.
    pub ratios: Vec<Ratio>,
    /// Figures about memory and idle time.
    pub facts: Vec<Fact>,
    /// The processors on which client and servers ran.
    pub scheduling: String,
    /// Comparison with an earlier run, if one was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changes: Option<Vec<Change>>,
}

/// A row that is created when its turn comes, so that its servers run no longer than necessary.
struct Maker {
    /// The name of the row, for `--only`.
    name: String,
    make: Box<dyn Fn() -> Row>,
}

fn maker(name: impl Into<String>, make: impl Fn() -> Row + 'static) -> Maker {
    Maker {
        name: name.into(),
        make: Box::new(make),
    }
}

/// Returns the rows whose result depends on how server and client wait.
fn each(mode: Mode) -> Vec<Maker> {
    let name = |name: &str| match mode.poll_us {
        0 => format!("default {name}"),
        _ => format!("polled {name}"),
    };
    let mut makers = vec![
        maker(name("region-read"), move || rows::region_read(mode)),
        maker(name("region-write"), move || rows::region_write(mode)),
        maker(name("posted"), move || rows::posted_writes(mode)),
        maker(name("multi"), move || rows::write_multi(mode)),
    ];
    for len in [8, 4096] {
        makers.push(maker(name("store appended"), move || {
            rows::store_appended(mode, len)
        }));
        makers.push(maker(name("store iova"), move || {
            rows::store_iova(mode, len)
        }));
        makers.push(maker(name("store process"), move || {
            rows::store_process(mode, len)
        }));
    }
    makers.push(maker(name("load appended"), move || rows::load(mode)));
    makers.push(maker(name("load iova"), move || rows::load_iova(mode)));
    for maps in [1, 1000, 65_535] {
        makers.push(maker(name("map"), move || rows::map_unmap(mode, maps)));
    }
    for len in [8, 4096] {
        makers.push(maker(name("move"), move || rows::move_to_other(mode, len)));
        makers.push(maker(name("checks"), move || rows::checks(mode, len)));
    }
    makers
}

fn makers(poll_us: u64) -> Vec<Maker> {
    let mut makers = each(Mode { poll_us: 0 });
    makers.extend(each(Mode { poll_us }));
    for poll_us in [0, poll_us] {
        for len in [8, 4096] {
            makers.push(maker("channel", move || {
                rows::channel_store(Mode { poll_us }, len)
            }));
        }
    }
    makers.push(maker("lookup", rows::lookup));
    makers.push(maker("busy", busy::row));
    makers
}

/// Describes the processors on which client and servers run.
fn scheduling() -> String {
    let rows = "default, polled and channel rows";
    let number = |set: &CpuSet| (0..CpuSet::MAX_CPU).find(|cpu| set.is_set(*cpu));
    match processors() {
        Some((client, servers)) => format!(
            "{rows}: the client is pinned to processor {}, the servers to processor {}; other rows: not pinned",
            number(&client).unwrap_or_default(),
            number(&servers).unwrap_or_default()
        ),
        None => "nothing is pinned: there is one processor".to_owned(),
    }
}

/// Returns one processor for the client and one for the servers, if there are two.
fn processors() -> Option<(CpuSet, CpuSet)> {
    let all = sched_getaffinity(None).ok()?;
    let mut each = (0..CpuSet::MAX_CPU).filter(|cpu| all.is_set(*cpu));
    let mut one = || {
        let mut set = CpuSet::new();
        set.set(each.next()?);
        Some(set)
    };
    Some((one()?, one()?))
}

/// Restricts this thread, and the processes that it starts, to processors.
fn pin(processors: Option<&CpuSet>) {
    if let Some(processors) = processors {
        sched_setaffinity(None, processors).expect("a processor that this may run on");
    }
}

/// Runs every row that `args` selects.
///
/// # Errors
/// No row has the text of `--only` in its name.
pub(crate) fn run(args: &Args) -> Result<Results, String> {
    let effort = if args.quick {
        Effort {
            rounds: 1,
            time: Duration::from_millis(1),
        }
    } else {
        Effort {
            rounds: args.rounds.max(1),
            time: Duration::from_millis(args.round_ms.max(1)),
        }
    };
    let wanted = |name: &str| {
        args.only
            .as_ref()
            .is_none_or(|text| name.contains(text.as_str()))
    };
    let makers = makers(args.poll_us);
    let others = ["memory", "idle"].map(str::to_owned);
    let names = || makers.iter().map(|maker| &maker.name).chain(&others);
    if !names().any(|name| wanted(name)) {
        let names: Vec<_> = names().map(String::as_str).collect();
        return Err(format!(
            "--only: no row has this text in its name; the names are: {}",
            names.join(", ")
        ));
    }
    let everywhere = sched_getaffinity(None).expect("where this may run");
    let mut results = Results {
        scheduling: scheduling(),
        ..Results::default()
    };
    for maker in &makers {
        if !wanted(&maker.name) {
            continue;
        }
        // Client and servers each have a processor. If they share one, a round trip takes a third of the time
        // or three times as long, and the scheduler leaves each server where it first ran.
        let alike = ["default", "polled", "channel"];
        let apart = alike.iter().any(|name| maker.name.starts_with(name));
        let apart = apart.then(processors).flatten();
        pin(apart.as_ref().map(|(_, servers)| servers));
        let row = (maker.make)();
        pin(apart.as_ref().map(|(client, _)| client));
        eprintln!("bench: {}", row.name);
        let (times, ratios) = measure::run(row, effort);
        if apart.is_some() {
            pin(Some(&everywhere));
        }
        results.times.extend(times);
        results.ratios.extend(ratios);
    }
    if wanted("memory") {
        eprintln!("bench: memory");
        results.facts.extend(facts::memory());
    }
    if wanted("idle") {
        eprintln!("bench: idle");
        let pause = Duration::from_millis(if args.quick { 100 } else { 3000 });
        results.facts.extend(facts::idle(args.poll_us, pause));
    }
    Ok(results)
}
