//! A small report with one case of each kind, in every form.

use super::{CaseReport, Report, html, junit, table, tap};
use crate::expect::Model;
use crate::plan::Instruction;
use crate::probe::FunctionFacts;
use crate::recording::{Access, Environment, Piece, Times};
use crate::verdict::Verdict;

fn case(id: &str, verdicts: &[Verdict], label: &str, pieces: Vec<Piece>) -> CaseReport {
    let good = verdicts.iter().all(|verdict| verdict.is_good());
    CaseReport {
        id: id.into(),
        group: "group".into(),
        operation: "PCISTB BAR 2 offset 0x8 length 16".into(),
        instruction: Instruction::Pcistb,
        length: 16,
        verdicts: verdicts.to_vec(),
        label: label.into(),
        good,
        expected: "one store of 16 bytes".into(),
        guest: "cc 0".into(),
        detail: if good {
            String::new()
        } else {
            "bytes <reversed> & \"split\"".into()
        },
        stored: "000102030405060708090a0b0c0d0e0f".into(),
        offset: 8,
        pieces,
    }
}

fn piece(offset: u64, bytes: &[u8]) -> Piece {
    Piece {
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
        schema_version: 1,
        environment: Environment {
            executor: "QEMU <11>".into(),
            host: "Linux".into(),
            profile: "ism".into(),
            tool: "t".into(),
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
        unaccounted: Vec::new(),
        times: Times::default(),
    }
}

#[test]
fn json_survives_the_way_through_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.json");
    std::fs::write(&path, report().to_json()).expect("writes");
    assert_eq!(Report::read(&path).expect("reads"), report());
    std::fs::write(&path, report().to_json().replace("\"plan\"", "\"plann\"")).expect("writes");
    let message = Report::read(&path).expect_err("refused").to_string();
    assert!(
        message.contains("report.json: at plann: unknown field"),
        "{message}"
    );
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
    let text = tap(&report());
    assert!(text.starts_with("TAP version 14\n1..3\n"));
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
fn junit_counts_failures_and_skips() {
    let text = junit(&report()).expect("writes");
    assert!(
        text.contains(r#"<testsuite name="group" tests="3" skipped="1" errors="0" failures="1">"#),
        "{text}"
    );
    assert!(text.contains(r#"type="split 2x8 + reversed""#), "{text}");
}

#[test]
fn the_page_is_whole_escaped_and_needs_nothing_else() {
    let page = html(&report());
    assert!(page.contains("QEMU &lt;11&gt;") && !page.contains("QEMU <11>"));
    assert!(page.contains("bytes &lt;reversed&gt; &amp; &quot;split&quot;"));
    for outside in ["http://", "https://", "src=", "@import", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert_eq!(page.matches("<article").count(), 3);
    assert_eq!(page.matches("</article>").count(), 3);
}

#[test]
fn a_picture_shows_the_store_above_its_pieces_in_order() {
    let page = html(&report());
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
