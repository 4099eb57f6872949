//! Relations between packages: `libc6 (>= 2.34) | libc6.1` (source: Debian Policy, section 7.1).

use std::cmp::Ordering;
use std::fmt;

use super::deb_version;

/// A package's name, possibly with a condition on its version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Relation<'a> {
    pub(crate) name: &'a str,
    condition: Option<(&'a str, &'a str)>,
}

impl<'a> Relation<'a> {
    /// Any version of the package `name`.
    pub(crate) fn any(name: &'a str) -> Self {
        Self {
            name,
            condition: None,
        }
    }

    /// Only this version of the package `name`.
    pub(crate) fn exactly(name: &'a str, version: &'a str) -> Self {
        Self {
            name,
            condition: Some(("=", version)),
        }
    }

    /// Whether a package of this name with `version` meets the relation.
    pub(crate) fn is_met_by(&self, version: &str) -> bool {
        let Some((operator, wanted)) = self.condition else {
            return true;
        };
        let order = deb_version::compare(version, wanted);
        match operator {
            "=" => order == Ordering::Equal,
            ">=" | ">" => order != Ordering::Less,
            "<=" | "<" => order != Ordering::Greater,
            ">>" => order == Ordering::Greater,
            "<<" => order == Ordering::Less,
            _ => false,
        }
    }

    /// Whether an item of a package's `Provides` meets the relation. If the relation has a condition, the
    /// item must have a version.
    pub(crate) fn is_met_by_provided(&self, provided: &Self) -> bool {
        let version = provided.condition.map(|(_, version)| version);
        self.name == provided.name
            && (self.condition.is_none() || version.is_some_and(|v| self.is_met_by(v)))
    }
}

impl fmt::Display for Relation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.condition {
            Some((operator, version)) => write!(f, "{} ({operator} {version})", self.name),
            None => f.write_str(self.name),
        }
    }
}

/// A name without white space and without `:any`.
fn plain(text: &str) -> &str {
    let text = text.trim();
    text.split_once(':').map_or(text, |(name, _)| name)
}

fn relation(text: &str) -> Option<Relation<'_>> {
    let found = match text.split_once('(') {
        // The text in brackets is for source packages.
        None => Relation::any(plain(text.split(['[', '<']).next()?)),
        Some((name, rest)) => {
            let condition = rest.split(')').next()?.trim();
            let end = condition.find(|c: char| !"<>=".contains(c))?;
            let (operator, version) = condition.split_at(end);
            Relation {
                name: plain(name),
                condition: Some((operator, version.trim())),
            }
        }
    };
    (!found.name.is_empty()).then_some(found)
}

/// The items of a field, each with its alternatives.
pub(crate) fn list(field: &str) -> Vec<Vec<Relation<'_>>> {
    let items = field.split(',');
    let items = items.map(|item| item.split('|').filter_map(relation).collect::<Vec<_>>());
    items
        .filter(|alternatives| !alternatives.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_alternatives_and_conditions_are_read() {
        let found = list("libc6 (>= 2.34), a | b:any (= 1:2-3), gcc:any [amd64],");
        assert_eq!(found.len(), 3);
        assert_eq!(found[0][0].to_string(), "libc6 (>= 2.34)");
        assert_eq!(found[1][0], Relation::any("a"));
        assert_eq!(found[1][1], Relation::exactly("b", "1:2-3"));
        assert_eq!(found[2][0].name, "gcc");
        assert!(list("").is_empty());
    }

    #[test]
    fn every_operator_compares_versions() {
        for (condition, yes, no) in [
            (">= 2", "2", "1"),
            ("<= 2", "2", "3"),
            (">> 2", "3", "2"),
            ("<< 2", "1", "2"),
            ("= 2", "2", "2.1"),
            ("<< 2", "2~rc1", "2+"),
        ] {
            let text = format!("x ({condition})");
            let relation = list(&text)[0][0];
            assert!(relation.is_met_by(yes) && !relation.is_met_by(no), "{text}");
        }
    }

    #[test]
    fn a_provided_name_without_a_version_meets_no_condition() {
        let provided = list("awk, perlapi (= 5.40)");
        assert!(list("awk")[0][0].is_met_by_provided(&provided[0][0]));
        assert!(!list("awk (>= 1)")[0][0].is_met_by_provided(&provided[0][0]));
        assert!(list("perlapi (>= 5)")[0][0].is_met_by_provided(&provided[1][0]));
    }
}
