use super::{Baseline, Comparison, Line, Origin};
use crate::expect::Model;
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
        line("half-fixed", &[Verdict::Split, Verdict::Reversed], "cc 0"),
        line("broken", &[Verdict::Whole], "cc 0"),
        line(
            "other",
            &[Verdict::RefusedWrongly],
            "specification exception",
        ),
        line("same", &[Verdict::AsSpecified], "cc 0, loaded 0x1"),
        line("gone", &[Verdict::Lost], "cc 0"),
    ]);
    let now = baseline(vec![
        line("fixed", &[Verdict::Whole], "cc 0"),
        line("half-fixed", &[Verdict::Split], "cc 0"),
        line("broken", &[Verdict::Lost], "cc 0"),
        line("other", &[Verdict::RefusedWrongly], "operand exception"),
        line("same", &[Verdict::AsSpecified], "cc 0, loaded 0x2"),
        line("new", &[Verdict::Whole], "cc 0"),
    ]);
    let comparison = Comparison::new(&before, &now);
    assert!(!comparison.is_equal());
    assert_eq!(
        comparison.describe(),
        "better: fixed: split + reversed (guest: cc 0) -> whole (guest: cc 0)\n\
         better: half-fixed: split + reversed (guest: cc 0) -> split (guest: cc 0)\n\
         worse: broken: whole (guest: cc 0) -> lost (guest: cc 0)\n\
         different: other: refused-wrongly (guest: specification exception) -> refused-wrongly (guest: operand exception)\n\
         new: new: whole (guest: cc 0)\n\
         gone: gone: was lost (guest: cc 0)\n\
         against the baseline: 2 better, 1 worse, 1 different, 1 new, 1 gone\n"
    );
    assert!(Comparison::new(&now, &now).is_equal());
}

#[test]
fn a_baseline_survives_the_way_through_a_file_a_line_a_case() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("baseline.json");
    let before = baseline(vec![
        line("a", &[Verdict::Whole], "cc 0"),
        line("b", &[Verdict::Lost], "cc 0"),
    ]);
    std::fs::write(&path, before.to_json()).expect("writes");
    assert_eq!(Baseline::read(&path).expect("reads"), before);
    assert!(
        before
            .to_json()
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
        .to_json(),
    )
    .expect("writes");
    let message = Baseline::read(&path).expect_err("refused").to_string();
    assert!(
        message.ends_with("baseline.json: at schema-version: is 2, expected 1"),
        "{message}"
    );
}
