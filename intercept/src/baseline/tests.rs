use super::comparison::{Comparison, Line};
use super::file::{Baseline, Origin};
use crate::expect::Model;
use crate::report::words;
use crate::verdict::Verdict;

fn line(id: &str, verdicts: &[Verdict], guest: &str) -> Line {
    let label = verdicts
        .iter()
        .map(|verdict| verdict.name())
        .collect::<Vec<_>>()
        .join(" + ");
    Line {
        id: id.into(),
        label,
        verdicts: verdicts.to_vec(),
        guest: guest.into(),
        answer: None,
    }
}

fn baseline(cases: Vec<Line>) -> Baseline {
    let origin = Origin {
        executor: "QEMU".into(),
        host: "host".into(),
        profile: "ism".into(),
    };
    Baseline {
        schema_version: 1,
        environment: origin,
        plan: "p".into(),
        seed: None,
        expect: Model::Relaxed,
        cases,
    }
}

#[test]
fn changes_are_named_by_kind() {
    let before = baseline(vec![
        line("fixed", &[Verdict::Split, Verdict::Reversed], "cc 0"),
        line("fixed-too", &[Verdict::Split, Verdict::Reversed], "cc 0"),
        line("half-fixed", &[Verdict::Split, Verdict::Reversed], "cc 0"),
        line("broken", &[Verdict::Whole], "cc 0"),
        line(
            "other",
            &[Verdict::RefusedWrongly],
            "specification exception",
        ),
        line("same", &[Verdict::AsSpecified], "cc 0"),
        line("gone", &[Verdict::Lost], "cc 0"),
    ]);
    let now = baseline(vec![
        line("fixed", &[Verdict::Whole], "cc 0"),
        line("fixed-too", &[Verdict::Whole], "cc 0"),
        line("half-fixed", &[Verdict::Split], "cc 0"),
        line("broken", &[Verdict::Lost], "cc 0"),
        line("other", &[Verdict::RefusedWrongly], "operand exception"),
        Line {
            answer: Some("cc 0".into()),
            ..line("same", &[Verdict::AsSpecified], "cc 0, loaded 0x2")
        },
        line("new", &[Verdict::Whole], "cc 0"),
    ]);
    let comparison = Comparison::new(&before.cases, &now.cases);
    assert!(!comparison.is_equal());
    assert_eq!(
        words::changes(&comparison),
        "worse: whole (guest: cc 0) -> lost (guest: cc 0): broken\n\
         different: refused-wrongly (guest: specification exception) -> refused-wrongly (guest: operand exception): other\n\
         better: split + reversed (guest: cc 0) -> whole (guest: cc 0): fixed, fixed-too\n\
         better: split + reversed (guest: cc 0) -> split (guest: cc 0): half-fixed\n\
         new: whole (guest: cc 0): new\n\
         gone: was lost (guest: cc 0): gone\n\
         against the baseline: 1 worse, 1 different, 3 better, 1 new, 1 gone\n"
    );
    assert!(Comparison::new(&now.cases, &now.cases).is_equal());
}

#[test]
fn a_baseline_survives_the_way_through_a_file_a_line_a_case() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("baseline.json");
    let before = baseline(vec![
        line("a", &[Verdict::Whole], "cc 0"),
        line("b", &[Verdict::Lost], "cc 0"),
    ]);
    std::fs::write(&path, before.to_json().expect("writes")).expect("writes");
    assert_eq!(Baseline::read(&path).expect("reads"), before);
    assert!(
        before
            .to_json()
            .expect("writes")
            .lines()
            .any(|line| line.contains(r#""id":"b""#) && !line.contains(r#""id":"a""#))
    );
}

#[test]
fn a_file_of_another_version_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("baseline.json");
    std::fs::write(
        &path,
        Baseline {
            schema_version: 2,
            ..baseline(Vec::new())
        }
        .to_json()
        .expect("writes"),
    )
    .expect("writes");
    let message = Baseline::read(&path).expect_err("refused").to_string();
    assert!(
        message.ends_with("baseline.json: at schema-version: is 2, expected 1"),
        "{message}"
    );
}

#[test]
fn what_is_worse_is_told_from_what_only_changed() {
    let split = [Verdict::Split, Verdict::Reversed];
    let before = || {
        baseline(vec![
            line("a", &split, "cc 0"),
            line("b", &[Verdict::Lost], "cc 0"),
        ])
    };
    let now = |a: &[Verdict], b: &[Verdict]| {
        let now = baseline(vec![line("a", a, "cc 0"), line("b", b, "cc 0")]);
        Comparison::new(&before().cases, &now.cases)
    };
    let better = now(&[Verdict::Whole], &[Verdict::Lost]);
    assert!(!better.is_equal() && !better.is_worse());
    assert!(now(&split, &[Verdict::Altered]).is_worse(), "other faults");
    assert!(
        now(
            &[Verdict::Split, Verdict::Reversed, Verdict::Lost],
            &[Verdict::Lost]
        )
        .is_worse()
    );
    let mut more = before();
    more.cases.push(line("c", &[Verdict::Whole], "cc 0"));
    assert!(!Comparison::new(&before().cases, &more.cases).is_worse());
    more.cases.push(line("d", &[Verdict::Lost], "cc 0"));
    assert!(
        Comparison::new(&before().cases, &more.cases).is_worse(),
        "new and faulty"
    );
}
