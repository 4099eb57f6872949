//! Limits the number of log lines, because peers can cause very many.
//!
//! A line of level info or warn costs one token of [`LOG_BURST`]; [`LOG_PER_SECOND`] tokens come back. Other
//! levels are free: errors concern the operator, and debug and trace must be requested.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

use crate::limits::{LOG_BURST, LOG_PER_SECOND};

static LEFT_OUT: AtomicU64 = AtomicU64::new(0);

/// Number of lines that this process has left out.
pub fn left_out() -> u64 {
    LEFT_OUT.load(Ordering::Relaxed)
}

/// Leaves out log lines that exceed the limit.
#[derive(Debug)]
pub struct LogBudget(Mutex<Tokens>);

#[derive(Debug)]
struct Tokens {
    left: f64,
    since: Instant,
    /// Number of lines left out since the last written line.
    missed: u64,
}

/// The decision on a line.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Write,
    LeaveOut,
    /// Write the line after a note about so many missing lines.
    WriteAfter(u64),
}

impl Default for LogBudget {
    fn default() -> Self {
        Self(Mutex::new(Tokens {
            left: f64::from(LOG_BURST),
            since: Instant::now(),
            missed: 0,
        }))
    }
}

impl Tokens {
    fn spend(&mut self, now: Instant) -> Verdict {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        self.since = now;
        self.left = (self.left + passed * f64::from(LOG_PER_SECOND)).min(f64::from(LOG_BURST));
        if self.left < 1.0 {
            self.missed += 1;
            return Verdict::LeaveOut;
        }
        self.left -= 1.0;
        match std::mem::take(&mut self.missed) {
            0 => Verdict::Write,
            missed => Verdict::WriteAfter(missed),
        }
    }
}

impl<S: Subscriber> Layer<S> for LogBudget {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        let level = *event.metadata().level();
        if level != Level::INFO && level != Level::WARN {
            return true;
        }
        let mut tokens = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let verdict = tokens.spend(Instant::now());
        drop(tokens);
        match verdict {
            Verdict::Write => true,
            Verdict::LeaveOut => {
                LEFT_OUT.fetch_add(1, Ordering::Relaxed);
                false
            }
            Verdict::WriteAfter(lines) => {
                tracing::error!(lines, "log lines were left out here: there were too many");
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_burst_is_written_and_then_a_few_a_second() {
        let start = Instant::now();
        let mut tokens = Tokens {
            left: f64::from(LOG_BURST),
            since: start,
            missed: 0,
        };
        let mut written = |seconds: u64, lines: u32| {
            let now = start + Duration::from_secs(seconds);
            let verdicts = (0..lines).map(|_| tokens.spend(now));
            verdicts
                .filter(|verdict| *verdict != Verdict::LeaveOut)
                .count() as u32
        };
        assert_eq!(written(0, LOG_BURST + 500), LOG_BURST);
        assert_eq!(written(1, 500), LOG_PER_SECOND);
        assert_eq!(written(1_000_000, LOG_BURST + 1), LOG_BURST);
    }

    #[test]
    fn the_first_line_after_a_gap_tells_of_it() {
        let start = Instant::now();
        let mut tokens = Tokens {
            left: 1.0,
            since: start,
            missed: 0,
        };
        assert_eq!(tokens.spend(start), Verdict::Write);
        assert_eq!(tokens.spend(start), Verdict::LeaveOut);
        assert_eq!(tokens.spend(start), Verdict::LeaveOut);
        let later = start + Duration::from_secs(1);
        assert_eq!(tokens.spend(later), Verdict::WriteAfter(2));
        assert_eq!(tokens.spend(later), Verdict::Write);
    }
}
