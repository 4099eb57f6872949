//! JUnit XML: one suite for each group.

use super::ci::{State, gone, state};
use super::model::{CaseReport, Report};
use super::words;
use crate::args::FailOn;
use quick_junit::{NonSuccessKind, Property, SerializeError, TestCase, TestCaseStatus, TestSuite};
use std::time::Duration;

/// The reports as JUnit XML.
///
/// # Errors
/// A name that XML cannot hold.
pub fn junit(reports: &[Report], fail_on: FailOn) -> Result<String, SerializeError> {
    let names: Vec<&str> = reports
        .iter()
        .map(|report| report.environment.executor.as_str())
        .collect();
    let mut file = quick_junit::Report::new(format!("intercept {}", names.join(", ")));
    file.set_time(reports.iter().map(time).sum());
    for report in reports {
        let prefix = match reports {
            [_] => String::new(),
            _ => format!("{}: ", report.environment.executor),
        };
        add(&mut file, report, &prefix, fail_on);
    }
    file.to_string()
}

/// A document with the reason why there is no report.
///
/// # Errors
/// A name that XML cannot hold.
pub fn junit_of_error(message: &str) -> Result<String, SerializeError> {
    let mut file = quick_junit::Report::new("intercept");
    let mut suite = TestSuite::new("run");
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_type("cannot-run").set_message(message);
    suite.add_test_case(TestCase::new("the test can take place", status));
    file.add_test_suite(suite);
    file.to_string()
}

fn time(report: &Report) -> Duration {
    Duration::from_millis(report.times.guest_ms)
}

fn add(file: &mut quick_junit::Report, report: &Report, prefix: &str, fail_on: FailOn) {
    let mut suite = TestSuite::new(format!("{prefix}set-up"));
    for (name, value) in words::about(report) {
        suite.add_property(Property::new(name, value));
    }
    let status = match report.stopped_set_up() {
        None => TestCaseStatus::success(),
        Some((step, stop)) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status
                .set_type("stopped")
                .set_message(format!("stopped at {step}: {stop}"));
            status
        }
    };
    suite.add_test_case(TestCase::new("the set-up ends", status));
    file.add_test_suite(suite);
    for group in report.groups() {
        let mut suite = TestSuite::new(format!("{prefix}{group}"));
        let mut total = Duration::ZERO;
        for (index, case) in report.cases.iter().enumerate() {
            if case.group != group {
                continue;
            }
            let mut test = test_case(report, case, prefix, fail_on);
            if let Some(time) = report.case_time(index) {
                test.set_time(time);
                total += time;
            }
            suite.add_test_case(test);
        }
        suite.set_time(total);
        file.add_test_suite(suite);
    }
    let gone = gone(report, fail_on);
    if gone.is_empty() {
        return;
    }
    let mut suite = TestSuite::new(format!("{prefix}gone"));
    for (id, why) in gone {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_type("gone").set_message(why);
        let mut test = TestCase::new(id, status);
        test.set_classname(format!("{prefix}gone"));
        suite.add_test_case(test);
    }
    file.add_test_suite(suite);
}

fn test_case(report: &Report, case: &CaseReport, prefix: &str, fail_on: FailOn) -> TestCase {
    let status = match state(report, case, fail_on) {
        State::Passed => TestCaseStatus::success(),
        State::Skipped(why) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(why);
            status
        }
        State::Failed(why) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status
                .set_type(case.label.clone())
                .set_message(why)
                .set_description(words::in_full(case));
            status
        }
    };
    let mut test = TestCase::new(case.id.clone(), status);
    test.set_classname(format!("{prefix}{}", case.group));
    test
}
