//! A small report with one case of each kind, in every form.

use super::{CaseReport, Report, html, json, junit, junit_of_error, side_by_side, table, tap};
use crate::args::FailOn;
use crate::baseline::{Baseline, Comparison};
use crate::expect::{Expectation, Model, Seen};
use crate::plan::{Case, Instruction};
use crate::probe::{FunctionFacts, Outcome};
use crate::recording::{Access, Binary, Environment, Piece, Stop, Times};
use crate::verdict::{Detail, Verdict};

fn case(id: &str, verdicts: &[Verdict], label: &str, pieces: Vec<Piece>) -> CaseReport {
    let good = verdicts.iter().all(|verdict| verdict.is_good());
    let stored: Vec<u8> = (0..16).collect();
    let case = Case {
        space: 2,
        offset: 8,
        length: 16,
        ..Case::new(id, "group", Instruction::Pcistb)
    };
    CaseReport {
        id: id.into(),
        group: "group".into(),
        instruction: Instruction::Pcistb,
        length: 16,
        verdicts: verdicts.to_vec(),
        label: label.into(),
        good,
        expectation: Expectation {
            fields: Vec::new(),
            counted: None,
            accept: true,
            refusals: Vec::new(),
            seen: Some(Seen {
                function: 0,
                answer: None,
                access: Access::Store,
                space: 2,
                offset: 8,
                length: 16,
                bytes: stored.clone(),
                block: true,
                optional: false,
            }),
        },
        outcome: Outcome {
            executed: verdicts != [Verdict::NotRun],
            ..Outcome::default()
        },
        stopped: None,
        details: if good {
            Vec::new()
        } else {
            vec![Detail::Stopped(Stop::Crashed {
                signal: None,
                exit_code: None,
                words: vec!["bytes <reversed> & \"split\"".into()],
                backtrace: Vec::new(),
            })]
        },
        difference: super::Difference::first(&case, 8, &stored, &pieces),
        case,
        stored,
        offset: 8,
        pieces,
    }
}

fn piece(offset: u64, bytes: &[u8]) -> Piece {
    Piece {
        function: 0,
        access: Access::Store,
        path: "bar".into(),
        space: 2,
        offset,
        bytes: bytes.to_vec(),
        result: "accepted".into(),
    }
}

fn report() -> Report {
    let whole: Vec<u8> = (0..16).collect();
    let halves = vec![
        piece(8, &[7, 6, 5, 4, 3, 2, 1, 0]),
        piece(16, &[15, 14, 13, 12, 11, 10, 9, 8]),
    ];
    let cases = vec![
        case("good", &[Verdict::Whole], "whole", vec![piece(8, &whole)]),
        case(
            "cut # one",
            &[Verdict::Split, Verdict::Reversed],
            "split 2x8 + reversed",
            halves,
        ),
        case("idle", &[Verdict::NotRun], "not-run", Vec::new()),
    ];
    Report {
        environment: Environment {
            executor: "QEMU <11>".into(),
            host: "Linux".into(),
            profile: "ism".into(),
            tool: "t".into(),
            binary: Some(Binary {
                path: "/q/qemu".into(),
                version: "QEMU <11>".into(),
                sha256: "ab12".into(),
                build_id: Some("cd34".into()),
            }),
        },
        plan: "small".into(),
        seed: Some(7),
        expect: Model::Relaxed,
        facts: FunctionFacts::default(),
        setup: Vec::new(),
        totals: [("whole", 1), ("split", 1), ("reversed", 1), ("not-run", 1)]
            .map(|(name, count)| (name.to_owned(), count))
            .into(),
        ran: 2,
        good: 1,
        cases,
        starts: Vec::new(),
        lengths: None,
        comparison: None,
        unaccounted: Vec::new(),
        times: Times {
            started: 1,
            guest_ms: 1500,
            cases_us: vec![2000, 0, 0],
        },
    }
}

/// The same report, in which the split case crashes QEMU.
fn crashing() -> Report {
    let mut report = report();
    report.cases[1].verdicts = vec![Verdict::Crashed];
    report.cases[1].label = "crashed".into();
    report.cases[1].stopped = Some(Stop::Crashed {
        signal: Some(11),
        exit_code: None,
        words: vec!["last words".into()],
        backtrace: Vec::new(),
    });
    report
}

/// The report with a comparison with `before`.
fn against(before: &Report) -> Report {
    let mut now = report();
    now.comparison = Some(Comparison::new(
        &Baseline::of(before).cases,
        &Baseline::of(&now).cases,
    ));
    now
}

#[test]
fn json_reads_as_a_baseline_of_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.json");
    let text = json(&[report()]).expect("writes");
    std::fs::write(&path, &text).expect("writes");
    let before = Baseline::read(&path).expect("reads");
    assert!(Comparison::new(&before.cases, &Baseline::of(&report()).cases).is_equal());
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["environment"]["binary"]["sha256"], "ab12");
    assert_eq!(value["cases"][1]["difference"]["first"], 0);
    assert_eq!(value["cases"][1]["outcome"]["condition"], 0);
}

#[test]
fn json_of_several_is_a_list() {
    let text = json(&[report(), crashing()]).expect("writes");
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["reports"][1]["cases"][1]["label"], "crashed");
}

#[test]
fn the_table_starts_with_totals_and_groups_failures() {
    let text = table(&report(), false);
    let at = |part: &str| {
        text.find(part)
            .unwrap_or_else(|| panic!("{part:?} is missing in\n{text}"))
    };
    assert!(at("QEMU <11>") < at("plan small, seed 7"));
    assert!(at("2 instructions: 1 as they should be, 1 not") < at("what became of the others"));
    assert!(at("1 split, 1 reversed") < at("cut # one (split 2x8 + reversed)"));
    assert!(!text.contains('\u{1b}'), "no colour was asked for");
    assert!(
        table(&report(), true).contains('\u{1b}'),
        "colour was asked for"
    );
}

#[test]
fn tap_has_a_line_per_case_and_escapes() {
    let text = tap(&[report()], FailOn::Any);
    assert!(text.starts_with("TAP version 14\n1..3\n# tested: QEMU <11>\n# binary: /q/qemu\n"));
    assert!(text.contains("\nok 1 - good\n"));
    assert!(
        text.contains("\nnot ok 2 - cut \\# one\n  ---\n  verdict: \"split 2x8 + reversed\"\n")
    );
    assert!(text.contains("\nok 3 - idle # SKIP "));
    assert_eq!(
        text.matches("  ---\n").count(),
        text.matches("  ...\n").count()
    );
}

#[test]
fn tap_keeps_a_name_with_a_line_end_in_its_line() {
    let mut report = report();
    report.cases[1].id = "one\nok 9 - two".into();
    report.environment.executor = "QEMU\nnot ok 8 - three".into();
    let text = tap(&[report], FailOn::Any);
    let results = text
        .lines()
        .filter(|line| line.starts_with("ok ") || line.starts_with("not ok "));
    assert_eq!(results.count(), 3, "{text}");
}

#[test]
fn what_changed_and_did_not_run_or_is_gone_fails_in_every_form() {
    let mut before = report();
    before.cases[2].verdicts = vec![Verdict::Whole];
    before.cases[2].label = "whole".into();
    let mut extra = before.cases[0].clone();
    extra.id = "formerly".into();
    before.cases.push(extra);
    let now = [against(&before)];
    let text = junit(&now, FailOn::Changed).expect("writes");
    assert!(text.contains(r#"failures="2""#), "{text}");
    assert!(text.contains(r#"message="gone: was whole"#), "{text}");
    let text = tap(&now, FailOn::Changed);
    assert!(text.starts_with("TAP version 14\n1..4\n"), "{text}");
    for line in ["\nnot ok 3 - idle\n", "\nnot ok 4 - formerly\n"] {
        assert!(text.contains(line), "{text}");
    }
    // None of them is worse.
    let text = junit(&now, FailOn::Worse).expect("writes");
    assert!(text.contains(r#"failures="0""#), "{text}");
    assert!(tap(&now, FailOn::Worse).starts_with("TAP version 14\n1..3\n"));
}

#[test]
fn junit_counts_failures_and_skips() {
    let text = junit(&[report()], FailOn::Any).expect("writes");
    assert!(
        text.contains(r#"<testsuite name="group" tests="3" skipped="1" errors="0" failures="1""#),
        "{text}"
    );
    assert!(text.contains(r#"type="split 2x8 + reversed""#), "{text}");
    for part in [
        r#"message="split 2x8 + reversed: expected one store of 16 bytes, the guest got cc 0; "#,
        r#"<property name="sha256" value="ab12"/>"#,
        r#"name="intercept QEMU &lt;11&gt;""#,
        r#"time="0.002""#,
        r#"time="1.500""#,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn junit_skips_known_failures_unless_any_failure_counts() {
    let known = against(&report());
    for (fail_on, failures) in [(FailOn::Changed, 0), (FailOn::Worse, 0), (FailOn::Any, 1)] {
        let text = junit(std::slice::from_ref(&known), fail_on).expect("writes");
        assert!(
            text.contains(&format!(r#"failures="{failures}""#)),
            "{text}"
        );
        assert_eq!(text.contains("known: split 2x8"), failures == 0, "{text}");
    }
}

#[test]
fn junit_fails_on_what_is_worse_and_not_on_what_is_better() {
    let mut whole = report();
    whole.cases[1].verdicts = vec![Verdict::Whole];
    whole.cases[1].label = "whole".into();
    let worse = junit(&[against(&whole)], FailOn::Worse).expect("writes");
    assert!(worse.contains("(worse: whole (guest: cc 0)"), "{worse}");
    let mut lost = report();
    lost.cases[1].verdicts = vec![Verdict::Lost, Verdict::Split, Verdict::Altered];
    lost.cases[1].label = "lost + split + altered".into();
    let better = against(&lost);
    let text = junit(std::slice::from_ref(&better), FailOn::Worse).expect("writes");
    assert!(text.contains("better than the baseline: split"), "{text}");
    let text = junit(&[better], FailOn::Changed).expect("writes");
    assert!(text.contains(r#"failures="1""#), "{text}");
}

#[test]
fn a_crash_has_its_signal_and_last_words_in_every_form() {
    let reports = [crashing()];
    for text in [
        table(&reports[0], false),
        junit(&reports, FailOn::Any).expect("writes"),
        html(&reports),
        json(&reports).expect("writes"),
    ] {
        assert!(text.contains("last words"), "{text}");
        assert!(text.contains("SIGSEGV") || text.contains("\"signal\": 11"));
    }
}

#[test]
fn cases_that_stopped_qemu_alike_share_a_line() {
    let mut report = crashing();
    let mut same = report.cases[1].clone();
    same.id = "same".into();
    report.cases.push(same);
    let line = ", same: QEMU was ended by SIGSEGV";
    assert!(table(&report, false).contains(line));
    assert!(html(&[report]).contains(line));
}

#[test]
fn a_wrong_fact_is_told_with_its_case() {
    let mut report = report();
    report.cases[1].verdicts = vec![Verdict::ToldWrongly];
    report.cases[1].details = vec![Detail::WroteBehindBlock];
    let line = format!(
        "{}: the instruction wrote after its block",
        report.cases[1].id
    );
    let text = table(&report, false);
    assert!(text.contains(&line), "{text}");
}

#[test]
fn a_run_that_could_not_take_place_is_an_error_in_junit() {
    let text = junit_of_error("no QEMU <here>").expect("writes");
    assert!(text.contains(r#"errors="1""#), "{text}");
    assert!(text.contains(r#"message="no QEMU &lt;here&gt;""#), "{text}");
}

#[test]
fn several_reports_stand_side_by_side_and_differences_come_first() {
    let mut other = crashing();
    other.environment.executor = "QEMU 12".into();
    let reports = [report(), other];
    let text = side_by_side(&reports, false);
    let row = text
        .lines()
        .find(|line| line.contains("1: cut # one"))
        .expect("the case that differs");
    assert!(row.contains("split + reversed (cc 0)") && row.contains("crashed (no answer)"));
    assert!(!text.contains("1: good"), "the same in both:\n{text}");
    let page = html(&reports);
    let at = |part: &str| {
        page.find(part)
            .unwrap_or_else(|| panic!("{part} in {page}"))
    };
    assert!(at("<article id=\"case-cut # one\"") < at("<article id=\"case-good\""));
    assert_eq!(page.matches("<article").count(), 3);
    let alone = side_by_side(&[report(), report()], false);
    assert!(alone.contains("no case differs between them"), "{alone}");
}

#[test]
fn the_page_is_whole_escaped_and_needs_nothing_else() {
    let page = html(&[report()]);
    assert!(page.contains("QEMU &lt;11&gt;") && !page.contains("QEMU <11>"));
    assert!(page.contains("bytes &lt;reversed&gt; &amp; &quot;split&quot;"));
    assert!(
        page.contains("<b>07</b>"),
        "the bytes that differ are shown"
    );
    for outside in ["http://", "https://", "src=", "@import", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("<article").count(), 3);
    assert_eq!(page.matches("</article>").count(), 3);
}

#[test]
fn a_picture_shows_the_store_above_its_pieces_in_order() {
    let page = html(&[report()]);
    let cut = page
        .split("<article")
        .skip(1)
        .find(|part| part.contains("cut # one"))
        .expect("the case");
    let at = |part: &str| {
        cut.find(part)
            .unwrap_or_else(|| panic!("{part:?} is missing in\n{cut}"))
    };
    assert!(at("class=\"guest\"") < at(">1 bar +0x0<"));
    assert!(at(">1 bar +0x0<") < at(">2 bar +0x8<"));
    assert_eq!(cut.matches("class=\"turned\"").count(), 2);
    let good = page
        .split("<article")
        .skip(1)
        .find(|part| part.contains("id=\"case-good\""))
        .expect("the case");
    assert_eq!(good.matches("class=\"same\"").count(), 1);
    assert!(page.contains("the device saw nothing"));
}
