//! Shows the results of scenarios as a table, JSON and JUnit.

use std::collections::BTreeMap;
use std::time::Duration;

use comfy_table::{Cell, Table, presets};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};
use serde::Serialize;

/// The version of the JSON form.
const SCHEMA_VERSION: u32 = 1;

/// The result of one scenario.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Outcome {
    /// Name of the scenario.
    pub name: String,
    /// The purpose of the scenario.
    pub shows: String,
    /// Whether all checks passed.
    pub passed: bool,
    /// The failed checks, one sentence each.
    pub failures: Vec<String>,
    /// Seconds that the scenario took, without the guests' boot.
    pub seconds: f64,
    /// The traffic of each function.
    pub functions: Vec<Carriage>,
}

impl Outcome {
    /// Compares the result with that of run `number`. A difference is a failure.
    pub(super) fn compare(&mut self, again: &Self, number: u64) {
        let (first, second) = (self.settled(), again.settled());
        if first != second {
            self.failures.push(format!(
                "run {number} differs from run 1: {second}; run 1: {first}; {}",
                again.failures.join("; ")
            ));
            self.passed = false;
        }
    }

    /// The part of a result that must be equal in every run: all except times and counts that depend on them.
    fn settled(&self) -> String {
        let verdict = if self.passed { "passed" } else { "failed" };
        let functions = self.functions.iter().map(Carriage::settled);
        std::iter::once(verdict.to_owned())
            .chain(functions)
            .collect::<Vec<_>>()
            .join("; ")
    }
}

/// The traffic of a function during a scenario.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Carriage {
    pub guest: usize,
    /// Number of the guest's function, from 0.
    pub function: usize,
    /// The CHID of the function in the guest's kernel. None if the guest has ended or lacks the function.
    pub chid: Option<String>,
    /// Number of data moves of the function.
    pub moves: u64,
    /// Number of interrupts of the function.
    pub interrupts: u64,
    /// Number of faults that the server injected at the function, by kind.
    pub faults: BTreeMap<String, u64>,
}

/// The results of a run.
#[derive(Debug, Serialize)]
pub(super) struct Outcomes {
    schema_version: u32,
    passed: usize,
    failed: usize,
    scenarios: Vec<Outcome>,
}

impl Outcomes {
    pub(super) fn new(scenarios: Vec<Outcome>) -> Self {
        let passed = scenarios.iter().filter(|outcome| outcome.passed).count();
        Self {
            schema_version: SCHEMA_VERSION,
            passed,
            failed: scenarios.len() - passed,
            scenarios,
        }
    }

    /// Whether every scenario passed.
    pub(super) fn all_passed(&self) -> bool {
        self.failed == 0
    }

    /// A table for people, with the failures below it.
    pub(super) fn to_table(&self) -> String {
        let mut table = Table::new();
        table.load_style(presets::UTF8_BORDERS_ONLY);
        table.set_header(["scenario", "verdict", "s", "device: moves, interrupts"]);
        for outcome in &self.scenarios {
            let carried: Vec<String> = outcome.functions.iter().map(Carriage::line).collect();
            table.add_row([
                Cell::new(&outcome.name),
                Cell::new(if outcome.passed { "pass" } else { "FAIL" }),
                Cell::new(format!("{:.1}", outcome.seconds)),
                Cell::new(carried.join("\n")),
            ]);
        }
        let mut text = format!("{table}\n");
        for outcome in &self.scenarios {
            for failure in &outcome.failures {
                text.push_str(&format!("{}: {failure}\n", outcome.name));
            }
        }
        text.push_str(&format!("{} passed, {} failed\n", self.passed, self.failed));
        text
    }

    /// JUnit XML: one suite with a case for each scenario.
    ///
    /// # Errors
    /// A text that XML cannot hold.
    pub(super) fn to_junit(&self) -> Result<String, quick_junit::SerializeError> {
        let mut file = quick_junit::Report::new("lab scenarios");
        let mut suite = TestSuite::new("scenarios");
        for outcome in &self.scenarios {
            let status = if outcome.passed {
                TestCaseStatus::success()
            } else {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_type("does-not-hold");
                status.set_message(outcome.failures.join("\n"));
                status
            };
            let mut case = TestCase::new(outcome.name.clone(), status);
            case.set_classname("lab");
            case.set_time(Duration::from_secs_f64(outcome.seconds.max(0.0)));
            let carried: Vec<String> = outcome.functions.iter().map(Carriage::line).collect();
            case.set_system_out(format!("{}\n{}", outcome.shows, carried.join("\n")));
            suite.add_test_case(case);
        }
        file.add_test_suite(suite);
        file.to_string()
    }
}

impl Carriage {
    fn line(&self) -> String {
        let chid = self.chid.as_deref().unwrap_or("no CHID");
        let faults = self
            .faults
            .iter()
            .map(|(kind, count)| format!(", {kind} {count}"));
        format!(
            "guest {} function {} ({chid}): {}, {}{}",
            self.guest,
            self.function,
            self.moves,
            self.interrupts,
            faults.collect::<String>()
        )
    }

    /// [`Carriage::line`] without the counts that depend on time.
    fn settled(&self) -> String {
        let chid = self.chid.as_deref().unwrap_or("no CHID");
        let some = |count: u64| if count > 0 { "some" } else { "no" };
        let faults: Vec<&str> = self.faults.keys().map(String::as_str).collect();
        format!(
            "guest {} function {} ({chid}): {} moves, {} interrupts, faults [{}]",
            self.guest,
            self.function,
            some(self.moves),
            some(self.interrupts),
            faults.join(", ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{BTreeMap, Carriage, Outcome, Outcomes};

    fn outcomes() -> Outcomes {
        let outcome = |name: &str, failures: &[&str]| Outcome {
            name: name.to_owned(),
            shows: "One thing <and> another.".to_owned(),
            passed: failures.is_empty(),
            failures: failures.iter().map(|text| (*text).to_owned()).collect(),
            seconds: 1.25,
            functions: vec![Carriage {
                guest: 0,
                function: 1,
                chid: Some("0x07c0".to_owned()),
                moves: 12,
                interrupts: 3,
                faults: BTreeMap::from([("lose-move".to_owned(), 2)]),
            }],
        };
        Outcomes::new(vec![
            outcome("right", &[]),
            outcome("wrong", &["guest 0: \u{1b}no"]),
        ])
    }

    #[test]
    fn a_table_names_what_failed_and_which_device_carried() {
        let text = outcomes().to_table();
        for part in [
            "right",
            "FAIL",
            "(0x07c0): 12, 3, lose-move 2",
            "wrong: guest 0:",
            "1 passed, 1 failed",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!outcomes().all_passed());
    }

    #[test]
    fn junit_has_a_case_for_each_and_escapes_what_xml_has_not() {
        let text = outcomes().to_junit().unwrap();
        for part in [
            r#"tests="2""#,
            r#"failures="1""#,
            "&lt;and&gt;",
            "does-not-hold",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn runs_are_equal_but_for_times_and_counts() {
        type Change = fn(&mut Outcome);
        let again = |change: Change| {
            let mut first = outcomes().scenarios.remove(0);
            let mut second = first.clone();
            (second.seconds, second.functions[0].moves) = (9.0, 99);
            change(&mut second);
            first.compare(&second, 2);
            (first.passed, first.failures.join(""))
        };
        assert_eq!(again(|_| {}), (true, String::new()));
        let changes: [(Change, &str); 5] = [
            (|it| it.passed = false, "run 2 differs from run 1: failed;"),
            (|it| it.functions[0].moves = 0, "no moves"),
            (|it| it.functions[0].interrupts = 0, "no interrupts"),
            (|it| it.functions[0].chid = None, "no CHID"),
            (|it| it.functions[0].faults.clear(), "faults []"),
        ];
        for (change, part) in changes {
            let (passed, why) = again(change);
            assert!(!passed && why.contains(part), "{part}: {why}");
        }
    }

    #[test]
    fn the_json_counts_what_passed_and_what_failed() {
        let value: serde_json::Value =
            serde_json::from_str(&crate::json::text("write", &outcomes()).unwrap()).unwrap();
        assert_eq!((&value["passed"], &value["failed"]), (&1.into(), &1.into()));
        assert_eq!(value["scenarios"][0]["functions"][0]["moves"], 12);
    }
}
