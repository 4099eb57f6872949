//! `rules` and `explain`.

use comfy_table::{ContentArrangement, Table, presets};
use serde_json::json;
use zpci_region::rule::catalogue::CATALOGUE;
use zpci_region::{Rule, RuleSet};

use crate::args::ListFormat;

/// All rules with their severities in force, of each function by name.
pub(crate) fn list(functions: &[(&str, &RuleSet)], format: ListFormat) -> String {
    match format {
        ListFormat::Table => {
            let mut table = Table::new();
            table
                .load_style(presets::NOTHING)
                .set_content_arrangement(ContentArrangement::Dynamic)
                .set_header(["rule", "group", "severity", "what breaks it"]);
            for info in &CATALOGUE {
                let severity = match severities(functions, info.rule) {
                    Severities::All(severity) => severity.to_owned(),
                    Severities::Each(of) => of
                        .iter()
                        .map(|(name, severity)| format!("{severity} ({name})"))
                        .collect::<Vec<_>>()
                        .join(", "),
                };
                table.add_row([info.id, info.group.name(), &severity, info.title]);
            }
            format!("{table}\n")
        }
        ListFormat::Json => {
            let list: Vec<_> = CATALOGUE
                .iter()
                .map(|info| {
                    let mut rule = json!({
                        "id": info.id,
                        "group": info.group.name(),
                        "severity": null,
                        "default_severity": info.default.name(),
                        "always_fails": info.always_fails,
                        "title": info.title,
                        "reason": info.reason,
                        "source": info.source,
                    });
                    match severities(functions, info.rule) {
                        Severities::All(severity) => rule["severity"] = severity.into(),
                        Severities::Each(of) => rule["severities"] = of.into_iter().collect(),
                    }
                    rule
                })
                .collect();
            format!("{:#}\n", serde_json::Value::Array(list))
        }
    }
}

/// The severities of one rule: one for all functions, or each function's name with its own.
enum Severities<'a> {
    All(&'static str),
    Each(Vec<(&'a str, &'static str)>),
}

fn severities<'a>(functions: &[(&'a str, &RuleSet)], rule: Rule) -> Severities<'a> {
    let each: Vec<_> = functions
        .iter()
        .map(|(name, rules)| (*name, rules.severity(rule).name()))
        .collect();
    match each.as_slice() {
        [(_, first), others @ ..] if others.iter().all(|(_, other)| other == first) => {
            Severities::All(first)
        }
        _ => Severities::Each(each),
    }
}

/// The text about one rule. None if no rule has this id.
pub(crate) fn explain(id: &str) -> Option<String> {
    let info = Rule::from_id(id)?.info();
    let always_fails = if info.always_fails {
        "An access that breaks it cannot be carried out. It fails at every severity.\n"
    } else {
        ""
    };
    Some(format!(
        "{}: {}\n\nGroup {}, severity {} unless the profile says otherwise.\n{always_fails}\n{}\n\nSource: {}\n",
        info.id,
        info.title,
        info.group.name(),
        info.default.name(),
        textwrap::fill(info.reason, 80),
        info.source,
    ))
}

/// The id of a rule that is most like `id`. None if no rule is like it.
pub(crate) fn nearest(id: &str) -> Option<&'static str> {
    let likeness = |rule: &'static str| (strsim::jaro_winkler(rule, id), rule);
    CATALOGUE
        .iter()
        .map(|info| likeness(info.id))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, rule)| rule)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_listed_and_explained() {
        let rules = RuleSet::default();
        let table = list(&[("ism0", &rules)], ListFormat::Table);
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
        assert_eq!(nearest("split-store"), Some("split-block-store"));
        assert_eq!(nearest("crosses"), Some("crosses-4k"));
        assert_eq!(nearest("nonsense"), None);
    }
}
