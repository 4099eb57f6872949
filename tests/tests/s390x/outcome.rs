//! Reads the output of a test program, test by test.

use std::collections::{BTreeMap, BTreeSet};

use crate::exceptions::Exceptions;

/// The outcome of each test of a program.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    passed: BTreeSet<String>,
    failed: BTreeSet<String>,
    /// Tests that need a QEMU, a guest, a browser or another program. They are ignored on every host.
    ignored: BTreeSet<String>,
    /// The text of each failure, by test.
    failures: BTreeMap<String, String>,
}

impl Outcome {
    /// Reads a test program's standard output.
    ///
    /// # Errors
    /// The text says what is missing: the program did not end normally, or its lines disagree with the counts
    /// in the last one.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let mut outcome = Self::default();
        let mut last = None;
        for line in text.lines() {
            if let Some(result) = line.strip_prefix("test result: ") {
                last = Some(result);
            }
            let test = line.strip_prefix("test ");
            let Some((name, end)) = test.and_then(|test| test.rsplit_once(" ... ")) else {
                continue;
            };
            let name = name.trim_end_matches(" - should panic").to_owned();
            match end.split(',').next() {
                Some("ok") => outcome.passed.insert(name),
                Some("FAILED") => outcome.failed.insert(name),
                Some("ignored") => outcome.ignored.insert(name),
                _ => continue,
            };
        }
        for part in text.split("\n---- ").skip(1) {
            if let Some((name, failure)) = part.split_once(" stdout ----\n") {
                let failure = failure.split("\nfailures:").next().unwrap_or_default();
                outcome.failures.insert(name.to_owned(), failure.to_owned());
            }
        }
        let last = last.ok_or("it ended before its tests did")?;
        let told = |word: &str| {
            let part = last.split([';', '.']).find(|part| part.ends_with(word))?;
            part.trim_end_matches(word).trim().parse::<usize>().ok()
        };
        let sets = [&outcome.passed, &outcome.failed, &outcome.ignored];
        for (word, set) in ["passed", "failed", "ignored"].iter().zip(sets) {
            if told(word) != Some(set.len()) {
                return Err(format!(
                    "{} lines say {word}, and it says: {last}",
                    set.len()
                ));
            }
        }
        Ok(outcome)
    }

    /// Returns the errors, if the tests in `exceptions` must fail and all others must pass.
    pub(crate) fn faults(&self, program: &str, exceptions: &Exceptions) -> Vec<String> {
        let mut faults = Vec::new();
        let excused: BTreeSet<&str> = exceptions.of(program).map(|one| &*one.test).collect();
        for test in &self.failed {
            if !excused.contains(test.as_str()) {
                let text = self.failures.get(test).map_or("", String::as_str);
                faults.push(format!("{program}: {test} failed:\n{text}"));
            }
        }
        for exception in exceptions.of(program) {
            let (test, call) = (&exception.test, &exception.call);
            let failure = self.failures.get(test).map_or("", String::as_str);
            let fault = if self.passed.contains(test) {
                "passes after all"
            } else if !self.failed.contains(test) {
                "does not run"
            } else if !failure.contains(&exception.words) {
                "fails with other words"
            } else {
                continue;
            };
            faults.push(format!(
                "{program}: {test} is an exception because of {call}, and it {fault}\n{failure}"
            ));
        }
        faults
    }

    /// Numbers of passed, failed and ignored tests.
    pub(crate) fn counts(&self) -> [usize; 3] {
        [&self.passed, &self.failed, &self.ignored].map(BTreeSet::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\nrunning 4 tests\ntest a::b ... ok\ntest c ... ignored, needs QEMU\ntest d - should panic ... ok\n\
        test e ... FAILED\n\nfailures:\n\n---- e stdout ----\nno huge pages\n\nfailures:\n    e\n\n\
        test result: FAILED. 2 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.35s\n";

    fn exceptions(test: &str, words: &str) -> Exceptions {
        let text = format!("mmap: 1: none ({words})\n    some/lib {test}\n");
        Exceptions::read(&text).expect("reads")
    }

    #[test]
    fn tests_are_told_by_name() {
        let outcome = Outcome::read(TEXT).expect("reads");
        assert_eq!(outcome.counts(), [2, 1, 1]);
        assert!(outcome.passed.contains("d") && outcome.ignored.contains("c"));
        assert_eq!(outcome.failures["e"].trim(), "no huge pages");
    }

    #[test]
    fn a_program_that_does_not_end_or_loses_a_line_is_a_fault() {
        let (start, _) = TEXT.split_once("test result").expect("a result");
        assert!(Outcome::read(start).is_err());
        assert!(Outcome::read(&TEXT.replace("test a::b ... ok\n", "")).is_err());
    }

    #[test]
    fn an_exception_must_fail_and_for_its_reason_and_nothing_else_may() {
        let outcome = Outcome::read(TEXT).expect("reads");
        let faults = |test: &str, words: &str| outcome.faults("some/lib", &exceptions(test, words));
        assert_eq!(faults("e", "huge pages"), Vec::<String>::new());
        for (test, words, expected) in [
            ("e", "other", "fails with other words"),
            ("d", "huge pages", "passes after all"),
            ("c", "huge pages", "does not run"),
            ("gone", "huge pages", "does not run"),
        ] {
            let faults = faults(test, words);
            let found = faults.iter().any(|fault| fault.contains(expected));
            assert!(found, "{test}: {faults:?}");
        }
        let without = outcome.faults("some/lib", &Exceptions::default());
        assert!(without[0].starts_with("some/lib: e failed:"), "{without:?}");
    }
}
