//! Reads the output of test programs.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::iter::Sum;
use std::time::Duration;

/// Prints each line after `name` as it comes. Returns all lines.
pub(crate) fn pass_on(name: &str, reader: impl Read) -> Vec<String> {
    let mut reader = BufReader::new(reader);
    let mut lines = Vec::new();
    let mut bytes = Vec::new();
    while matches!(reader.read_until(b'\n', &mut bytes), Ok(count) if count > 0) {
        let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        bytes.clear();
        if !is_empty_run(&line) {
            println!("{name} | {line}");
        }
        lines.push(line);
    }
    lines
}

/// True for lines that every program prints and that carry no information.
fn is_empty_run(line: &str) -> bool {
    line.is_empty() || line.starts_with("running 0 tests")
}

/// Numbers of tests by outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            passed: sum.passed + one.passed,
            failed: sum.failed + one.failed,
            skipped: sum.skipped + one.skipped,
        })
    }
}

/// Parses the counts of a line `test result: ...`.
fn counts(line: &str) -> Option<Counts> {
    let (_, rest) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let count = |what: &str| {
        let part = rest.split("; ").find_map(|part| part.strip_suffix(what))?;
        part.trim().parse().ok()
    };
    Some(Counts {
        passed: count("passed")?,
        failed: count("failed")?,
        skipped: count("ignored")?,
    })
}

/// Returns the skipped test and the reason, for a line `skipped: NAME: REASON`.
fn skipped(line: &str) -> Option<&str> {
    line.strip_prefix("skipped: ")
}

/// The outcome of a test program.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// The name of the program.
    pub name: String,
    /// Numbers of its tests by outcome.
    pub counts: Counts,
    /// Time from start to end.
    pub took: Duration,
    /// Processor time of the program.
    pub(crate) processor: Duration,
    lines: Vec<String>,
    failed: bool,
}

impl Outcome {
    /// Creates the outcome from the output, the exit code, the time and the processor time. A program that
    /// ends early counts as a failed test.
    pub(crate) fn new(
        name: String,
        lines: Vec<String>,
        code: Option<i32>,
        time: [Duration; 2],
    ) -> Self {
        let [took, processor] = time;
        let results: Vec<Counts> = lines.iter().filter_map(|line| counts(line)).collect();
        let mut counts: Counts = results.iter().copied().sum();
        // The test harness counts a test that skips itself as passed.
        let skipped = lines.iter().filter(|line| skipped(line).is_some()).count() as u64;
        counts.passed = counts.passed.saturating_sub(skipped);
        counts.skipped += skipped;
        let failed = code != Some(0);
        if failed && counts.failed == 0 {
            counts.failed = 1;
        }
        Self {
            name,
            counts,
            took,
            processor,
            lines,
            failed,
        }
    }

    /// True if the program or one of its tests failed.
    pub(crate) fn is_failure(&self) -> bool {
        self.failed
    }

    /// The tests that skipped themselves, with their reasons.
    pub(crate) fn skipped(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| skipped(line))
    }

    /// The lines about failures: from the first heading on, or the last 30.
    pub(crate) fn failures(&self) -> &[String] {
        let from = self.lines.iter().position(|line| line == "failures:");
        let from = from.unwrap_or_else(|| self.lines.len().saturating_sub(30));
        &self.lines[from..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &str = "test result: ok. 7 passed; 0 failed; 2 ignored; 0 measured; 0 filtered out; finished in 1.04s";

    fn outcome(text: &str, code: Option<i32>) -> Outcome {
        let lines = text.lines().map(str::to_owned).collect();
        Outcome::new("some".to_owned(), lines, code, [Duration::ZERO; 2])
    }

    #[test]
    fn the_result_lines_of_a_program_are_added() {
        let one = outcome(&format!("{OK}\n{OK}"), Some(0));
        assert_eq!(one.counts.to_string(), "14 passed, 0 failed, 4 skipped");
        assert!(!one.is_failure());
    }

    #[test]
    fn a_test_that_skips_itself_is_not_counted_as_passed() {
        let one = outcome(
            &format!("test a ... \nskipped: a: no QEMU\nok\n{OK}"),
            Some(0),
        );
        assert_eq!(one.counts.to_string(), "6 passed, 0 failed, 3 skipped");
        assert_eq!(one.skipped().collect::<Vec<_>>(), ["a: no QEMU"]);
    }

    #[test]
    fn failures_are_shown_from_their_heading_on() {
        let bad = OK.replace("ok. 7 passed; 0", "FAILED. 6 passed; 1");
        let one = outcome(
            &format!("test a ... FAILED\nfailures:\n---- a\n{bad}"),
            Some(101),
        );
        assert!(one.is_failure());
        assert_eq!(one.counts.failed, 1);
        assert_eq!(one.failures().len(), 3);
    }

    #[test]
    fn a_program_that_crashes_is_a_failed_test() {
        let one = outcome("running 3 tests\ntest a ... ok", None);
        assert_eq!(one.counts.to_string(), "0 passed, 1 failed, 0 skipped");
        assert_eq!(one.failures().len(), 2);
    }
}
