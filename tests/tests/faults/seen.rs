//! Tests that every kind of fault has a black-box test and a scenario. The table in `docs/faults.md` names
//! them.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;
use vfio_user_ism_tests::program::{self, repository};

/// Returns the kinds in the schema of the control socket.
#[track_caller]
fn kinds() -> BTreeSet<String> {
    let ended = program::run(["ctl", "-", "schema"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let schema: Value = serde_json::from_str(&ended.stdout).unwrap();
    let mut kinds = BTreeSet::new();
    for one in schema["$defs"]["Action"]["oneOf"].as_array().unwrap() {
        kinds.extend(one["properties"].as_object().unwrap().keys().cloned());
    }
    kinds
}

/// Returns the rows of the table: cells without their quotes.
fn rows() -> Vec<Vec<String>> {
    let text = fs::read_to_string(repository().join("docs/faults.md")).unwrap();
    let heading = "## Where each kind is seen";
    let (_, part) = text.split_once(heading).expect(heading);
    let (part, _) = part.split_once("\n## ").unwrap();
    part.lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let cells = line.trim_matches('|').split('|');
            cells.map(|cell| cell.trim().replace('`', "")).collect()
        })
        .collect()
}

/// Returns the text of a test function, up to the next attribute.
fn body(place: &str) -> Option<String> {
    let (file, name) = place.split_once("::")?;
    let path = repository().join(format!("tests/tests/faults/{file}.rs"));
    let text = fs::read_to_string(path).ok()?;
    let (before, rest) = text.split_once(&format!("fn {name}("))?;
    let is_test = before.trim_end().ends_with("#[test]");
    is_test.then(|| rest.split("#[test]").next().unwrap_or_default().to_owned())
}

/// Returns the kinds that the steps of a scenario inject.
fn injected(scenario: &Value) -> BTreeSet<String> {
    let steps = scenario["steps"].as_array().unwrap().iter();
    let actions = steps.flat_map(|step| {
        let step = &step["do"];
        [&step["fault"]["do"], &step["inject"]["action"]]
    });
    let name = |action: &Value| match action {
        Value::String(name) => Some(name.clone()),
        Value::Object(object) => object.keys().next().cloned(),
        _ => None,
    };
    actions.filter_map(name).collect()
}

#[test]
fn every_kind_has_a_black_box_test_and_a_scenario() {
    let rows = rows();
    let told: BTreeSet<String> = rows.iter().map(|row| row[0].clone()).collect();
    assert_eq!(told, kinds(), "docs/faults.md, \"Where each kind is seen\"");
    assert_eq!(rows.len(), told.len(), "a kind stands there twice");
    let library = program::run(["lab", "--list-scenarios", "--format", "json"]);
    assert_eq!(library.code, Some(0), "{}", library.stderr);
    let library: Value = serde_json::from_str(&library.stdout).unwrap();
    for row in &rows {
        let kind = &row[0];
        let body = body(&row[1]).unwrap_or_else(|| panic!("{kind}: no test {}", row[1]));
        let quoted = format!("\"{kind}\"");
        assert!(body.contains(&quoted), "{kind}: not in the test {}", row[1]);
        let named: BTreeSet<&str> = row[2].split(", ").collect();
        let with_it: BTreeSet<&str> = library
            .as_array()
            .unwrap()
            .iter()
            .filter(|scenario| injected(scenario).contains(kind))
            .map(|scenario| scenario["name"].as_str().unwrap())
            .collect();
        assert!(!with_it.is_empty(), "{kind}: no scenario injects it");
        assert_eq!(named, with_it, "{kind}: the scenarios that inject it");
    }
}
