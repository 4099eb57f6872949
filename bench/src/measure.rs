//! Runs rows in rounds, and computes medians.

use std::time::{Duration, Instant};

use serde::Serialize;

/// Number of operations of a round that are measured one by one.
const SINGLES: u64 = 500;

/// Performs an operation so many times.
pub(crate) type Drive = Box<dyn FnMut(u64)>;

/// One server in one row.
pub(crate) struct Contender {
    /// The name: `ours`, `vfio_user`, `bare`, or a variant of ours.
    pub name: &'static str,
    /// Drives the server.
    pub drive: Drive,
    /// Number of operations in one call with `1`.
    pub operations: u64,
}

/// The goal of a comparison.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Target {
    /// The number of operations in a second must be at least this part of the other's.
    AtLeast(f64),
    /// The time of an operation must exceed the other's by at most this part of itself.
    CostAtMost(f64),
}

/// A comparison of two contenders, by name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Versus {
    pub of: &'static str,
    pub against: &'static str,
    /// The goal, if there is one.
    pub target: Option<Target>,
}

/// One row of the benchmark, ready to run.
pub(crate) struct Row {
    /// The name of the row.
    pub name: String,
    /// The servers that take part.
    pub contenders: Vec<Contender>,
    pub versus: Vec<Versus>,
}

/// The result of one contender.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Time {
    pub row: String,
    /// The name of the server.
    pub server: &'static str,
    /// Median time of one operation, in nanoseconds.
    pub median_ns: f64,
    /// Time of one operation in the fastest round, in nanoseconds.
    pub best_ns: f64,
    /// Half of the operations that were measured one by one took at most this time.
    pub p50_ns: f64,
    /// Of 100 such operations, 99 took at most this time.
    pub p99_ns: f64,
    /// Of 1000 such operations, 999 took at most this time.
    pub p999_ns: f64,
    /// Operations in a second, computed from the median.
    pub per_second: f64,
}

/// The result of one comparison.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Ratio {
    pub row: String,
    /// The name of the first contender.
    pub of: &'static str,
    /// The name of the second contender.
    pub against: &'static str,
    /// Median over the rounds of the ratio of operations in a second.
    pub ratio: f64,
    /// Median over the rounds of the part by which an operation's time exceeds the other's.
    pub cost: f64,
    /// The goal, if there is one.
    pub target: Option<Target>,
    /// True if the goal was reached.
    pub met: Option<bool>,
}

/// The length of a measurement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Effort {
    /// Number of rounds.
    pub rounds: usize,
    /// Time for each contender in a round.
    pub time: Duration,
}

/// Runs a row. Returns its times and comparisons.
pub(crate) fn run(mut row: Row, effort: Effort) -> (Vec<Time>, Vec<Ratio>) {
    let counts: Vec<u64> = row
        .contenders
        .iter_mut()
        .map(|contender| calibrate(contender, effort.time))
        .collect();
    let mut rounds: Vec<Vec<f64>> = Vec::new();
    let mut singles = vec![Vec::new(); counts.len()];
    for round in 0..effort.rounds {
        let mut times = vec![0.0; counts.len()];
        // Every other round runs in reverse order, so that the first contender has no advantage.
        let order: Vec<usize> = match round % 2 {
            0 => (0..counts.len()).collect(),
            _ => (0..counts.len()).rev().collect(),
        };
        for at in order {
            let start = Instant::now();
            (row.contenders[at].drive)(counts[at]);
            let operations = counts[at] * row.contenders[at].operations;
            times[at] = start.elapsed().as_nanos() as f64 / operations as f64;
            for _ in 0..counts[at].min(SINGLES) {
                let start = Instant::now();
                (row.contenders[at].drive)(1);
                let took = start.elapsed().as_nanos() as f64;
                singles[at].push(took / row.contenders[at].operations as f64);
            }
        }
        rounds.push(times);
    }
    let times = row.contenders.iter().enumerate().map(|(at, contender)| {
        let all = rounds.iter().map(|times| times[at]);
        let median_ns = median(all.clone());
        let singles = &mut singles[at];
        singles.sort_by(f64::total_cmp);
        Time {
            row: row.name.clone(),
            server: contender.name,
            median_ns,
            best_ns: all.fold(f64::INFINITY, f64::min),
            p50_ns: percentile(singles, 0.5),
            p99_ns: percentile(singles, 0.99),
            p999_ns: percentile(singles, 0.999),
            per_second: 1e9 / median_ns,
        }
    });
    let place = |name| {
        row.contenders
            .iter()
            .position(|contender| contender.name == name)
    };
    let ratios = row.versus.iter().filter_map(|versus| {
        let (of, against) = (place(versus.of)?, place(versus.against)?);
        let ratio = median(rounds.iter().map(|times| times[against] / times[of]));
        let cost = median(rounds.iter().map(|times| 1.0 - times[against] / times[of]));
        let met = versus.target.map(|target| match target {
            Target::AtLeast(least) => ratio >= least,
            Target::CostAtMost(most) => cost <= most,
        });
        Some(Ratio {
            row: row.name.clone(),
            of: versus.of,
            against: versus.against,
            ratio,
            cost,
            target: versus.target,
            met,
        })
    });
    (times.collect(), ratios.collect())
}

/// Returns the value that this part of the sorted values does not exceed.
fn percentile(sorted: &[f64], part: f64) -> f64 {
    let rank = (part * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or(f64::NAN)
}

/// Returns how many operations take about `time`.
fn calibrate(contender: &mut Contender, time: Duration) -> u64 {
    let mut count = 1;
    loop {
        let start = Instant::now();
        (contender.drive)(count);
        let took = start.elapsed();
        if took * 4 >= time || count >= 1 << 24 {
            let wanted = count as f64 * time.as_secs_f64() / took.as_secs_f64().max(1e-9);
            return (wanted as u64).max(1);
        }
        count *= 2;
    }
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[len / 2],
        len => f64::midpoint(values[len / 2 - 1], values[len / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
    }

    #[test]
    fn a_percentile_is_a_value_that_came() {
        let values: Vec<f64> = (1..=1000).map(f64::from).collect();
        for (part, value) in [(0.5, 500.0), (0.99, 990.0), (0.999, 999.0), (1.0, 1000.0)] {
            assert_eq!(percentile(&values, part), value);
        }
        assert_eq!(percentile(&[7.0], 0.999), 7.0);
        assert!(percentile(&[], 0.5).is_nan());
    }

    #[test]
    fn ratios_are_those_of_the_rounds() {
        let slow = |name, ns: u64| Contender {
            name,
            operations: 1,
            drive: Box::new(move |count| std::thread::sleep(Duration::from_nanos(ns * count))),
        };
        let row = Row {
            name: "row".to_owned(),
            contenders: vec![slow("a", 20_000_000), slow("b", 1_000_000)],
            versus: vec![Versus {
                of: "b",
                against: "a",
                target: Some(Target::AtLeast(1.0)),
            }],
        };
        let effort = Effort {
            rounds: 3,
            time: Duration::from_millis(1),
        };
        let (times, ratios) = run(row, effort);
        assert_eq!((times.len(), ratios.len()), (2, 1));
        assert!(times[0].median_ns >= 20e6, "{times:?}");
        assert_eq!(ratios[0].met, Some(ratios[0].ratio >= 1.0));
    }
}
