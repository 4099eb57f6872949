use std::collections::BTreeSet;

use super::*;

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

/// Returns the line with which a generated part of the page begins.
fn begin(part: &str) -> String {
    format!("<!-- {part}: from the catalogue; UPDATE_RULES=1 cargo test -p zpci-region -->\n")
}
const END: &str = "<!-- end -->\n";

/// Wraps a text into lines of at most 100 characters.
fn wrapped(text: &str) -> String {
    let (mut lines, mut width) = (String::new(), 0);
    for word in text.split(' ') {
        if width > 0 && width + 1 + word.len() > 100 {
            lines.push('\n');
            width = 0;
        } else if width > 0 {
            lines.push(' ');
            width += 1;
        }
        lines.push_str(word);
        width += word.len();
    }
    lines
}

fn table() -> String {
    let mut table =
        "| rule | group | default | always fails | |\n|---|---|---|---|---|\n".to_owned();
    for info in &CATALOGUE {
        table += &format!(
            "| [`{id}`](#{id}) | {} | {} | {} | {} |\n",
            info.group.name(),
            info.default.name(),
            if info.always_fails { "yes" } else { "" },
            info.title,
            id = info.id,
        );
    }
    table
}

fn sections(group: Group) -> String {
    CATALOGUE
        .iter()
        .filter(|info| info.group == group)
        .map(|info| {
            let (id, title) = (info.id, info.title);
            let (reason, source) = (
                wrapped(info.reason),
                wrapped(&format!("Source: {}.", info.source)),
            );
            format!("### {id}\n\n*{title}*\n\n{reason}\n\n{source}\n\n")
        })
        .collect()
}

/// Returns the page with its parts generated from the catalogue.
fn generated(page: &str) -> String {
    let mut parts = vec![("rules".to_owned(), table())];
    for group in [Group::Shape, Group::Command, Group::Data, Group::Smcd] {
        parts.push((group.name().to_owned(), format!("\n{}", sections(group))));
    }
    let mut new = page.to_owned();
    for (part, text) in parts {
        let begin = begin(&part);
        let start = new.find(&begin).unwrap_or_else(|| panic!("no part {part}")) + begin.len();
        let len = new[start..]
            .find(END)
            .unwrap_or_else(|| panic!("{part} has no end"));
        new.replace_range(start..start + len, &text);
    }
    new
}

#[test]
fn the_page_says_what_the_catalogue_says() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/rules.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let expected = generated(&page);
    if std::env::var_os("UPDATE_RULES").is_some() {
        std::fs::write(&path, expected).unwrap();
    } else {
        assert!(
            page == expected,
            "docs/rules.md differs from the catalogue: run UPDATE_RULES=1 cargo test -p zpci-region"
        );
    }
}

/// Checks that a test names every rule, in the crate that checks the rule.
#[test]
fn every_rule_is_tested_beside_its_check() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |files: &[&str]| -> String {
        let text = |file: &&str| std::fs::read_to_string(root.join(file)).unwrap();
        files.iter().map(text).collect()
    };
    let shape = read(&[
        "src/shape/tests/stores.rs",
        "src/shape/tests/loads.rs",
        "src/shape/tests/runs.rs",
    ]);
    let order = read(&[
        "../ism/tests/device/rules.rs",
        "../ism/tests/device/move_rules.rs",
        "../ism/tests/device/moves.rs",
        "../ism/src/data_move/smcd/tests.rs",
    ]);
    for info in &CATALOGUE {
        let tests = if info.group == Group::Shape {
            &shape
        } else {
            &order
        };
        let name = format!("Rule::{:?}", info.rule);
        assert!(
            tests.contains(&name) || tests.contains(&format!("\"{}\"", info.id)),
            "{name}"
        );
    }
}
