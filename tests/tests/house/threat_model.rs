//! Checks that every threat in `docs/threat-model.md` names an existing test, and that the tests in
//! `docs/foreign-tests.md` exist.

use std::collections::BTreeSet;
use std::fs;

use vfio_user_ism_tests::program::repository;

fn page(name: &str) -> String {
    fs::read_to_string(repository().join("docs").join(name)).unwrap()
}

/// Returns the tests that a text names, as file and function.
fn named(text: &str) -> Vec<(String, String)> {
    let quoted = text.split('`').skip(1).step_by(2);
    let tests = quoted.filter_map(|name| name.split_once(".rs::"));
    tests
        .map(|(file, test)| (format!("{file}.rs"), test.to_owned()))
        .collect()
}

#[test]
fn every_named_test_is_there() {
    let pages = ["threat-model.md", "foreign-tests.md"].map(|name| {
        let named = named(&page(name));
        assert!(named.len() > 40, "{name}: {}", named.len());
        named
    });
    for (file, test) in pages.into_iter().flatten() {
        let source = fs::read_to_string(repository().join(&file));
        let source = source.unwrap_or_else(|error| panic!("{file}: {error}"));
        let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
        let at = lines.iter().position(|line| {
            let line = line.strip_prefix("async ").unwrap_or(line);
            let name = line
                .strip_prefix("fn ")
                .and_then(|rest| rest.split_once('('));
            name.is_some_and(|(name, _)| name == test)
        });
        let at = at.unwrap_or_else(|| panic!("{file} has no test {test}"));
        let attributes: Vec<&&str> = lines[..at]
            .iter()
            .rev()
            .take_while(|line| line.starts_with('#') || line.starts_with("//"))
            .collect();
        let is_test = attributes.iter().any(|line| line.contains("test"));
        assert!(is_test, "{test} of {file} is no test: {attributes:?}");
        let ignored = attributes.iter().any(|line| line.starts_with("#[ignore"));
        assert!(!ignored, "{test} of {file} does not always run");
    }
}

#[test]
fn every_threat_names_a_test() {
    let page = page("threat-model.md");
    let rows = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.contains("| so | test |"));
    let mut threats = BTreeSet::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        assert_eq!(cells.len(), 3, "{row}");
        assert!(!named(cells[2]).is_empty(), "no test: {row}");
        threats.insert(cells[0].trim());
    }
    assert!(threats.len() > 30, "{}", threats.len());
}

#[test]
fn every_foreign_case_has_a_result() {
    let page = page("foreign-tests.md");
    let (cases, demands) = page.split_once("## The specification").unwrap();
    let rows = |text: &str, heads: &[&str]| -> Vec<Vec<String>> {
        let rows = text.lines().filter(|line| line.starts_with("| "));
        let rows = rows.filter(|line| !heads.iter().any(|head| line.starts_with(head)));
        rows.map(|row| {
            let cells = row.strip_prefix("| ").unwrap().trim_end_matches('|');
            cells
                .split(" | ")
                .map(|cell| cell.trim().to_owned())
                .collect()
        })
        .collect()
    };
    let heads = [
        "| words |",
        "| file, case |",
        "| holds |",
        "| differs |",
        "| does not apply |",
    ];
    let cases = rows(cases, &heads);
    assert!(cases.len() > 35, "{}", cases.len());
    for cells in cases {
        let result = ["holds", "differs: ", "does not apply: "];
        let tried = !cells[1].starts_with(result[2]);
        assert!(
            result.iter().any(|word| cells[1].starts_with(word)),
            "{cells:?}"
        );
        assert!(!tried || !named(&cells[2]).is_empty(), "no test: {cells:?}");
    }
    let demands = rows(demands, &["| demand |"]);
    assert!(demands.len() > 35, "{}", demands.len());
    for cells in demands {
        assert!(
            cells[1].contains(".rs::") || cells[1].contains("](threat-model.md)"),
            "{cells:?}"
        );
    }
}
