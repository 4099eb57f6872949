use std::collections::BTreeSet;

use super::*;

const PAGE: &str = include_str!("../../../../docs/rules.md");

#[test]
fn every_entry_stands_at_its_index_and_is_found_by_its_id() {
    for (index, info) in CATALOGUE.iter().enumerate() {
        assert_eq!(info.rule.index(), index, "{}", info.id);
        assert_eq!(Rule::from_id(info.id), Some(info.rule));
        assert_eq!(info.rule.to_string(), info.id);
    }
    assert_eq!(Rule::from_id("no-such-rule"), None);
}

#[test]
fn ids_are_unique_kebab_case() {
    let ids: BTreeSet<_> = CATALOGUE.iter().map(|info| info.id).collect();
    assert_eq!(ids.len(), Rule::COUNT);
    for id in ids {
        assert!(
            id.split('-').all(|word| !word.is_empty()
                && word.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9'))),
            "{id}"
        );
    }
}

#[test]
fn every_rule_says_what_why_and_from_where() {
    for info in &CATALOGUE {
        assert!(!info.title.is_empty(), "{}: title", info.id);
        assert!(
            !info.title.ends_with('.'),
            "{}: a title is no sentence",
            info.id
        );
        assert!(info.reason.ends_with('.'), "{}: reason", info.id);
        assert!(info.reason.len() > 60, "{}: reason", info.id);
        assert!(info.source.len() > 10, "{}: source", info.id);
    }
}

#[test]
fn what_cannot_be_carried_out_always_fails() {
    let failing: Vec<_> = CATALOGUE
        .iter()
        .filter(|info| info.always_fails)
        .map(|info| info.id)
        .collect();
    assert_eq!(
        failing,
        [
            "length-over-max",
            "outside-bar",
            "pcistg-to-data-bar",
            "load-too-long",
            "unknown-dmb",
            "outside-dmb",
            "not-permitted-by-rgid"
        ]
    );
}

/// The table and the sections of docs/rules.md name every rule, in order, and nothing else.
#[test]
fn the_page_lists_exactly_the_catalogue() {
    let expected: Vec<_> = CATALOGUE.iter().map(|info| info.id).collect();
    let sections: Vec<_> = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    assert_eq!(sections, expected);
    let rows: Vec<_> = PAGE
        .lines()
        .filter_map(|line| line.strip_prefix("| [`"))
        .filter_map(|rest| rest.split('`').next())
        .collect();
    assert_eq!(rows, expected);
}

/// Group, default severity, reason and source on the page are those of the catalogue.
#[test]
fn the_page_says_what_the_catalogue_says() {
    let words = PAGE.split_whitespace().collect::<Vec<_>>().join(" ");
    for info in &CATALOGUE {
        let row = format!(
            "| [`{id}`](#{id}) | {group} | {default} | {fails} |",
            id = info.id,
            group = info.group.name(),
            default = info.default.name(),
            fails = if info.always_fails { "yes" } else { "" },
        );
        let row = row.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(&row), "row of {}", info.id);
        for text in [info.title, info.reason, info.source] {
            assert!(words.contains(text), "{}: {text}", info.id);
        }
    }
}

/// Where the page names a test (a file and functions in it), there is one.
#[test]
fn the_tests_on_the_page_exist() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut named = 0;
    for paragraph in PAGE
        .split("\n\n")
        .filter(|text| text.starts_with("Tests: `"))
    {
        let mut quoted = paragraph.split('`').skip(1).step_by(2);
        let file = quoted.next().unwrap();
        let text = std::fs::read_to_string(root.join(file))
            .unwrap_or_else(|error| panic!("{file}: {error}"));
        for test in quoted {
            assert!(
                text.contains(&format!("fn {test}()")),
                "{file}: no test {test}"
            );
            named += 1;
        }
    }
    assert!(
        named
            >= CATALOGUE
                .iter()
                .filter(|info| info.group == Group::Shape)
                .count()
    );
}
