//! JUnit XML: a suite per group.

use super::model::{CaseReport, Report};
use crate::verdict::Verdict;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

/// The report as JUnit XML.
///
/// # Errors
/// None that is known: the text is built in memory.
pub fn junit(report: &Report) -> Result<String, quick_junit::SerializeError> {
    let mut file = quick_junit::Report::new(format!("intercept {}", report.environment.executor));
    for group in report.groups() {
        let mut suite = TestSuite::new(group);
        suite.add_test_cases(
            report
                .cases
                .iter()
                .filter(|case| case.group == group)
                .map(test_case),
        );
        file.add_test_suite(suite);
    }
    file.to_string()
}

fn test_case(case: &CaseReport) -> TestCase {
    let status = if case.verdicts.contains(&Verdict::NotRun) {
        TestCaseStatus::skipped()
    } else if case.good {
        TestCaseStatus::success()
    } else {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_type(case.label.clone());
        status.set_message(format!(
            "expected {}, the guest got {}",
            case.expected, case.guest
        ));
        status.set_description(format!("{}\n{}", case.operation, case.detail));
        status
    };
    let mut test = TestCase::new(case.id.clone(), status);
    test.set_classname(case.group.clone());
    test
}
