//! Histograms of the time that accesses take.

use std::time::{Duration, Instant};

/// The operation whose time is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timed {
    /// A store that runs no command.
    Store,
    /// A load of any region.
    Load,
    /// A store that runs a command, up to its response.
    Command,
}

impl Timed {
    /// All operations, in the order of the counters.
    pub const ALL: [Self; 3] = [Self::Store, Self::Load, Self::Command];

    /// The operation's name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Load => "load",
            Self::Command => "command",
        }
    }
}

/// Upper bounds of all buckets but the last, which has none: in microseconds, and in seconds as Prometheus
/// text.
pub const BOUNDS: [(u64, &str); 12] = [
    (1, "0.000001"),
    (2, "0.000002"),
    (5, "0.000005"),
    (10, "0.00001"),
    (20, "0.00002"),
    (50, "0.00005"),
    (100, "0.0001"),
    (200, "0.0002"),
    (500, "0.0005"),
    (1_000, "0.001"),
    (10_000, "0.01"),
    (100_000, "0.1"),
];

/// The times of one operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// Number of times in each bucket; the last one has no bound.
    buckets: [u64; BOUNDS.len() + 1],
    /// Sum of all times.
    pub sum: Duration,
}

impl Histogram {
    fn add(&mut self, time: Duration) {
        let bucket = BOUNDS
            .iter()
            .position(|(micros, _)| time <= Duration::from_micros(*micros));
        self.buckets[bucket.unwrap_or(BOUNDS.len())] += 1;
        self.sum = self.sum.saturating_add(time);
    }

    /// Number of times up to each bound, and of all times.
    pub fn up_to(&self) -> [u64; BOUNDS.len() + 1] {
        let mut total = 0;
        self.buckets.map(|times| {
            total += times;
            total
        })
    }
}

/// The times of one function, by operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latencies([Histogram; Timed::ALL.len()]);

impl Latencies {
    /// Counts an operation that began at `begun` and has ended now.
    pub fn took(&mut self, what: Timed, begun: Instant) {
        self.0[what as usize].add(begun.elapsed());
    }

    /// Returns the times of one operation.
    pub fn of(&self, what: Timed) -> &Histogram {
        &self.0[what as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::{BOUNDS, Histogram};
    use std::time::Duration;

    #[test]
    fn a_time_counts_in_every_bucket_that_reaches_it() {
        let mut histogram = Histogram::default();
        for nanos in [0, 1_000, 1_001, 4_999, 600_000, 99_000_000, 3_000_000_000] {
            histogram.add(Duration::from_nanos(nanos));
        }
        assert_eq!(histogram.up_to(), [2, 3, 4, 4, 4, 4, 4, 4, 4, 5, 5, 6, 7]);
        assert_eq!(histogram.sum, Duration::from_nanos(3_099_607_000));
    }

    #[test]
    fn bounds_ascend_and_are_named_in_seconds() {
        for (micros, seconds) in BOUNDS {
            let named: f64 = seconds.parse().unwrap();
            assert!((named * 1e6 - micros as f64).abs() < 1e-6, "{seconds}");
        }
        assert!(BOUNDS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }
}
