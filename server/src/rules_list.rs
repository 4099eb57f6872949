//! `rules` and `explain`.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;
use zpci_region::rule::catalogue::CATALOGUE;
use zpci_region::{Rule, RuleSet};

use crate::cli::ListFormat;
use crate::profile::plan::group_name;

/// All rules with their severities in force.
pub fn list(rules: &RuleSet, format: ListFormat) -> String {
    match format {
        ListFormat::Table => {
            let mut table = Table::new();
            table
                .load_style(presets::NOTHING)
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_header(["rule", "group", "severity", "what breaks it"]);
            for info in &CATALOGUE {
                let severity = rules.severity(info.rule).name();
                table.add_row([info.id, group_name(info.group), severity, info.title]);
            }
            format!("{table}\n")
        }
        ListFormat::Json => {
            let list: Vec<_> = CATALOGUE
                .iter()
                .map(|info| {
                    json!({
                        "id": info.id,
                        "group": group_name(info.group),
                        "severity": rules.severity(info.rule).name(),
                        "default_severity": info.default.name(),
                        "always_fails": info.always_fails,
                        "title": info.title,
                        "reason": info.reason,
                        "source": info.source,
                    })
                })
                .collect();
            format!("{:#}\n", serde_json::Value::Array(list))
        }
    }
}

/// One rule, told.
pub fn explain(id: &str) -> Option<String> {
    let info = Rule::from_id(id)?.info();
    let carried_out = if info.always_fails {
        "An access that breaks it cannot be carried out and fails whatever the severity.\n"
    } else {
        ""
    };
    Some(format!(
        "{}: {}\n\nGroup {}, severity {} unless the profile says otherwise.\n{carried_out}\n{}\n\nSource: {}\n",
        info.id,
        info.title,
        group_name(info.group),
        info.default.name(),
        wrap(info.reason, 80),
        info.source,
    ))
}

/// The rule whose id shares most with `id`: most common words, then longest common prefix.
pub fn nearest(id: &str) -> &'static str {
    let likeness = |candidate: &str| {
        let words = candidate
            .split('-')
            .filter(|word| id.split('-').any(|other| other == *word))
            .count();
        let prefix = candidate
            .bytes()
            .zip(id.bytes())
            .take_while(|(one, other)| one == other)
            .count();
        (words, prefix)
    };
    CATALOGUE
        .iter()
        .max_by_key(|info| likeness(info.id))
        .map_or("", |info| info.id)
}

fn wrap(text: &str, width: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_listed_and_explained() {
        let table = list(&RuleSet::default(), ListFormat::Table);
        for info in &CATALOGUE {
            assert!(table.contains(info.id));
            let text = explain(info.id).unwrap();
            assert!(text.contains(info.source) && text.contains(info.title));
            assert!(text.lines().all(|line| line.len() <= 200));
        }
        assert_eq!(explain("no-such-rule"), None);
    }

    #[test]
    fn a_misspelt_rule_is_guessed() {
        assert_eq!(nearest("split-store"), "split-block-store");
        assert_eq!(nearest("crosses"), "crosses-4k");
    }
}
