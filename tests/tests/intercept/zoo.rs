//! Tests that the report distinguishes each deliberate defect of the plugin from the correct interception,
//! and names it.
//!
//! docs/zoo.md gives the verdict of each defect and a case that shows it. `ZOO_WRITE=1` writes the tables
//! anew. Each kind of defect is a test, so that they can run separately (`zoo::loads`) and at the same time.
//! Each run needs a QEMU of its own, so only every third defect of a kind runs, and all of them with
//! `VFIO_USER_ISM_ZOO=all`. Names and descriptions on the page are compared for all.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use vfio_user_ism_tests::program::{self, Ended};

/// Number of runs without a report after which a defect counts as having none. On a busy machine QEMU may not
/// start in time.
const TRIES: usize = 3;
/// One of so many defects runs.
const PART: usize = 3;
/// The table's entry for a defect that no case shows.
const UNSEEN: &str = "not seen";
/// The table's entry for a defect with which no plan can run.
const NO_REPORT: &str = "no report";

/// A row of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    name: String,
    what: String,
    /// The most frequent verdict, [`UNSEEN`], or [`NO_REPORT`].
    verdict: String,
    /// A case with that verdict; the message if there is no report.
    case: String,
}

fn page() -> PathBuf {
    program::repository().join("docs/zoo.md")
}

fn intercept(arguments: &[&str]) -> Ended {
    let mut command = program::command();
    command
        .args(["intercept", "--forward", "--quick"])
        .args(arguments);
    // Hundreds of runs that fail on purpose must leave no logs.
    let state = tempfile::tempdir().unwrap();
    command.env("XDG_STATE_HOME", state.path());
    program::finish(command)
}

/// Returns the kinds with their defects: name and description.
fn list() -> &'static BTreeMap<String, Vec<(String, String)>> {
    static LIST: OnceLock<BTreeMap<String, Vec<(String, String)>>> = OnceLock::new();
    LIST.get_or_init(|| {
        let ended = intercept(&["--break", "list"]);
        let mut kinds = BTreeMap::new();
        let mut kind = None;
        for line in ended.stdout.lines() {
            if let Some(name) = line.strip_suffix(':').filter(|name| !name.contains(' ')) {
                kind = Some(name.to_owned());
            } else if let (Some(kind), Some(defect)) = (&kind, line.strip_prefix("  ")) {
                let (name, what) = defect.split_once(' ').unwrap();
                let defects: &mut Vec<_> = kinds.entry(kind.clone()).or_default();
                defects.push((name.to_owned(), what.trim().to_owned()));
            }
        }
        kinds
    })
}

/// Labels of the cases. The flag is true for a good label.
type Labels = Vec<(String, String, bool)>;

/// Returns the labels of a run with this defect, or the reason for a missing report.
#[track_caller]
fn labels(defect: Option<&str>) -> Result<Labels, String> {
    let mut arguments = vec!["--format", "json", "--timeout", "100"];
    if let Some(defect) = defect {
        arguments.extend(["--break", defect]);
    }
    let ended = intercept(&arguments);
    let Ok(report) = serde_json::from_str::<Value>(&ended.stdout) else {
        assert_eq!(ended.code, Some(3), "{defect:?}: {}", ended.stderr);
        let message = ended
            .stderr
            .lines()
            .find(|line| line.contains("intercept: "));
        let message = message.unwrap_or_default();
        return Err(message.split("intercept: ").last().unwrap().to_owned());
    };
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let cases = report["cases"].as_array().unwrap().iter();
    Ok(cases
        .map(|case| {
            (
                text(&case["id"]),
                text(&case["label"]),
                case["good"] == true,
            )
        })
        .collect())
}

/// Returns the labels without a defect, all of them good.
#[track_caller]
fn good() -> &'static Labels {
    static GOOD: OnceLock<Labels> = OnceLock::new();
    GOOD.get_or_init(|| {
        let labels = labels(None).unwrap();
        let bad: Vec<_> = labels.iter().filter(|(_, _, good)| !good).collect();
        assert!(bad.is_empty(), "the correct interception: {bad:?}");
        labels
    })
}

/// Returns the verdicts of the cases that are not good with this defect, and its row.
#[track_caller]
fn judge(name: &str, what: &str) -> (BTreeMap<String, String>, Row) {
    let row = |verdict: &str, case: &str| Row {
        name: name.to_owned(),
        what: what.to_owned(),
        verdict: verdict.to_owned(),
        case: case.to_owned(),
    };
    let mut found = labels(Some(name));
    for _ in 1..TRIES {
        if found.is_err() {
            found = labels(Some(name));
        }
    }
    let labels = match found {
        Ok(labels) => labels,
        Err(message) => {
            let words = message.split_whitespace().take(9).collect::<Vec<_>>();
            return (BTreeMap::new(), row(NO_REPORT, &words.join(" ")));
        }
    };
    let bad: Vec<_> = labels.iter().filter(|(_, _, good)| !good).collect();
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, label, _) in &bad {
        *counts.entry(label.split(' ').next().unwrap()).or_default() += 1;
    }
    let row = match counts.iter().max_by_key(|(_, count)| **count) {
        Some((verdict, _)) => {
            let case = bad.iter().find(|(_, label, _)| label.starts_with(verdict));
            row(verdict, &case.unwrap().0)
        }
        None => {
            let stripped = |labels: &Labels| -> Vec<String> {
                labels.iter().map(|(_, label, _)| label.clone()).collect()
            };
            assert_eq!(stripped(&labels), stripped(good()), "{name}");
            row(UNSEEN, "-")
        }
    };
    let bad = bad.into_iter();
    (
        bad.map(|(id, label, _)| (id.clone(), label.clone()))
            .collect(),
        row,
    )
}

/// Returns the rows of the page under a heading.
fn rows(text: &str, heading: &str) -> Vec<Vec<String>> {
    let section = text
        .split("\n## ")
        .find(|section| section.starts_with(heading));
    let lines = section.unwrap_or_default().lines();
    lines
        .filter(|line| line.starts_with("| `") && !line.starts_with("| `break="))
        .map(|line| {
            let cells = line.trim_matches('|').split(" | ");
            cells
                .map(|cell| cell.trim().trim_matches('`').to_owned())
                .collect()
        })
        .collect()
}

fn table(rows: &[Row]) -> String {
    let mut text =
        String::from("| `break=` | what is wrong | verdict | for example |\n|---|---|---|---|\n");
    for Row {
        name,
        what,
        verdict,
        case,
    } in rows
    {
        text.push_str(&format!("| `{name}` | {what} | {verdict} | `{case}` |\n"));
    }
    text
}

/// Writes the table of a kind into the page.
fn write(kind: &str, rows: &[Row]) {
    static PAGE: Mutex<()> = Mutex::new(());
    let _one = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let text = std::fs::read_to_string(page()).unwrap();
    let start = text.find(&format!("\n## {kind}\n")).unwrap();
    let from = start + text[start..].find("\n| `break=`").unwrap() + 1;
    let end = text[from..]
        .find("\n\n")
        .map_or(text.len(), |end| from + end + 1);
    let new = format!("{}{}{}", &text[..from], table(rows), &text[end..]);
    std::fs::write(page(), new).unwrap();
}

/// Checks that every defect of a kind is on the page, and that those that run give the verdict on the page.
#[track_caller]
fn check(kind: &str) {
    let defects = &list()[kind];
    let is_written = std::env::var_os("ZOO_WRITE").is_some();
    let step = match std::env::var("VFIO_USER_ISM_ZOO").as_deref() {
        _ if is_written => 1,
        Ok("all") => 1,
        Ok(other) => panic!("VFIO_USER_ISM_ZOO is {other:?}, expected `all`"),
        Err(_) => PART,
    };
    good();
    // The kinds run at the same time, which is enough load for a small machine.
    let judged = defects.iter().step_by(step);
    let found: Vec<_> = judged.map(|(name, what)| judge(name, what)).collect();
    if is_written {
        let rows: Vec<Row> = found.iter().map(|(_, row)| row.clone()).collect();
        return write(kind, &rows);
    }
    let text = std::fs::read_to_string(page()).unwrap();
    let documented = rows(&text, kind);
    let described = documented.iter().map(|row| (&row[0], &row[1]));
    assert!(
        described.eq(defects.iter().map(|(name, what)| (name, what))),
        "docs/zoo.md, {kind}"
    );
    println!("{kind}: {} of {} defects ran", found.len(), defects.len());
    let unseen: BTreeSet<String> = rows(&text, "What no case shows")
        .into_iter()
        .map(|row| row[0].clone())
        .collect();
    for (row, (bad, now)) in documented.iter().step_by(step).zip(&found) {
        let [name, _, verdict, case] = &row[..] else {
            panic!("{row:?}");
        };
        match verdict.as_str() {
            UNSEEN => assert_eq!(verdict, &now.verdict, "{name}"),
            NO_REPORT => assert_eq!(verdict, &now.verdict, "{name}: {}", now.case),
            // The case may have more verdicts, for example if a piece is lost and altered.
            _ => assert!(
                bad.get(case)
                    .is_some_and(|label| label.contains(verdict.as_str())),
                "{name}: {case} should be {verdict}, but {}: {bad:?}",
                now.case
            ),
        }
        assert_eq!(
            verdict == UNSEEN,
            unseen.contains(name),
            "{name}: a reason for what is not seen"
        );
    }
}

macro_rules! kinds {
    ($($kind:ident)*) => {
        $(
            #[test]
            #[ignore = "needs QEMU 11.1 and the plugin: run ./test"]
            fn $kind() {
                check(stringify!($kind));
            }
        )*

        #[test]
        #[ignore = "needs QEMU 11.1 and the plugin: run ./test"]
        fn every_kind_is_tested() {
            let tested = BTreeSet::from([$(stringify!($kind)),*]);
            assert!(list().keys().map(String::as_str).eq(tested));
            let count: usize = list().values().map(Vec::len).sum();
            assert!(count >= 60, "{count}");
        }
    };
}

kinds! {
    answers blocks calls checks controls endings limits loads operands pieces refusals splits stores
}
