//! Chooses the packages for a set of names.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::index::{Index, Record};
use super::relation::Relation;

/// The lists of a suite and of its base suites, the preferred one first.
#[derive(Clone)]
pub(crate) struct Lists(pub(crate) Vec<Rc<Index>>);

/// Hashes of files that cannot be downloaded.
pub(crate) type Banned = BTreeSet<String>;

impl Lists {
    /// All versions of `name`, the best first. Those of the preferred list come first.
    pub(crate) fn versions<'a>(&'a self, name: &str) -> Vec<&'a Record> {
        self.0
            .iter()
            .flat_map(|index| index.versions(name))
            .collect()
    }

    /// The packages for `wanted`. With `full`, also all their dependencies. Never chooses a package in
    /// `banned`. An error names the missing package.
    pub(crate) fn resolve(
        &self,
        wanted: &[Relation<'_>],
        full: bool,
        banned: &Banned,
    ) -> Result<Vec<Record>, String> {
        let mut pins = BTreeMap::new();
        loop {
            match self.attempt(wanted, full, banned, &pins) {
                Ok(found) => return Ok(found),
                Err(Stop::Missing(words)) => return Err(words),
                Err(Stop::Other {
                    name,
                    version,
                    words,
                }) => {
                    if pins.insert(name, version).is_some() {
                        return Err(words);
                    }
                }
            }
        }
    }

    fn attempt(
        &self,
        wanted: &[Relation<'_>],
        full: bool,
        banned: &Banned,
        pins: &BTreeMap<String, String>,
    ) -> Result<Vec<Record>, Stop> {
        let mut chosen: BTreeMap<String, &Record> = BTreeMap::new();
        // In the order of the lists, so that equal lists give equal packages.
        let mut open: std::collections::VecDeque<(Vec<Relation<'_>>, String)> = wanted
            .iter()
            .map(|each| (vec![*each], String::new()))
            .collect();
        while let Some((alternatives, asker)) = open.pop_front() {
            if alternatives.iter().any(|each| is_met(each, &chosen)) {
                continue;
            }
            let found = alternatives
                .iter()
                .find_map(|each| self.best(each, banned, pins));
            let Some(record) = found else {
                return Err(Stop::Missing(missing(&alternatives, &asker)));
            };
            if let Some(other) = chosen.get(&record.name) {
                return Err(Stop::Other {
                    name: record.name.clone(),
                    version: record.version.clone(),
                    words: format!(
                        "{asker} needs {}, but {} is needed as well",
                        record.title(),
                        other.title()
                    ),
                });
            }
            chosen.insert(record.name.clone(), record);
            if full {
                let title = record.title();
                open.extend(
                    record
                        .depends()
                        .into_iter()
                        .map(|item| (item, title.clone())),
                );
            }
        }
        Ok(chosen.into_values().cloned().collect())
    }

    fn best(
        &self,
        relation: &Relation<'_>,
        banned: &Banned,
        pins: &BTreeMap<String, String>,
    ) -> Option<&Record> {
        let fits = |record: &&Record| {
            let pin = pins.get(&record.name);
            !banned.contains(&record.sha256) && pin.is_none_or(|version| *version == record.version)
        };
        let named = self.versions(relation.name).into_iter();
        let mut named = named.filter(fits);
        named
            .find(|record| relation.is_met_by(&record.version))
            .or_else(|| {
                let mut providers = self.0.iter().flat_map(|index| index.providers(relation));
                providers.find(fits)
            })
    }
}

/// The reason why an attempt ended.
enum Stop {
    Missing(String),
    /// A package must have another version than the first choice.
    Other {
        name: String,
        version: String,
        words: String,
    },
}

fn is_met(relation: &Relation<'_>, chosen: &BTreeMap<String, &Record>) -> bool {
    let named = chosen.get(relation.name);
    named.is_some_and(|record| relation.is_met_by(&record.version))
        || chosen.values().any(|record| record.provides(relation))
}

fn missing(alternatives: &[Relation<'_>], asker: &str) -> String {
    let names: Vec<_> = alternatives.iter().map(ToString::to_string).collect();
    let names = names.join(" | ");
    if asker.is_empty() {
        return format!("no usable package {names}");
    }
    format!("no usable package {names}, which {asker} needs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(suite: &str, packages: &[(&str, &str, &str)]) -> Rc<Index> {
        let mut text = String::new();
        for (name, version, more) in packages {
            text.push_str(&format!(
                "Package: {name}\nVersion: {version}\nArchitecture: all\n{more}Filename: f\n\
                 Size: 1\nSHA256: {suite}-{name}-{version}\n\n"
            ));
        }
        Rc::new(Index::read(&text, suite, "http://m/"))
    }

    fn titles(found: &[Record]) -> Vec<String> {
        found.iter().map(Record::title).collect()
    }

    fn full(lists: &Lists, name: &str, banned: &[&str]) -> Result<Vec<String>, String> {
        let banned = banned.iter().map(|each| (*each).to_owned()).collect();
        let found = lists.resolve(&[Relation::any(name)], true, &banned);
        found.map(|found| titles(&found))
    }

    #[test]
    fn dependencies_come_along_from_the_list_that_has_them() {
        let lists = Lists(vec![
            index(
                "new",
                &[("a", "2", "Pre-Depends: b (>= 1)\nDepends: c | d, e\n")],
            ),
            index(
                "base",
                &[
                    ("a", "3", ""),
                    ("b", "1", "Depends: a\n"),
                    ("d", "1", ""),
                    ("f", "1", "Provides: e\n"),
                ],
            ),
        ]);
        let found = full(&lists, "a", &[]).unwrap();
        assert_eq!(
            found,
            ["a 2 of new", "b 1 of base", "d 1 of base", "f 1 of base"]
        );
        let named = lists.resolve(&[Relation::any("a")], false, &Banned::new());
        assert_eq!(titles(&named.unwrap()), ["a 2 of new"]);
    }

    #[test]
    fn a_banned_file_gives_way_to_an_older_version() {
        let lists = Lists(vec![index("s", &[("a", "1", ""), ("a", "2", "")])]);
        assert_eq!(full(&lists, "a", &[]).unwrap(), ["a 2 of s"]);
        assert_eq!(full(&lists, "a", &["s-a-2"]).unwrap(), ["a 1 of s"]);
        let words = full(&lists, "a", &["s-a-2", "s-a-1"]).unwrap_err();
        assert_eq!(words, "no usable package a");
    }

    #[test]
    fn what_is_missing_is_told_with_who_needs_it() {
        let lists = Lists(vec![index(
            "s",
            &[("a", "1", "Depends: b (>= 2) | c\n"), ("b", "1", "")],
        )]);
        let words = full(&lists, "a", &[]).unwrap_err();
        assert_eq!(
            words,
            "no usable package b (>= 2) | c, which a 1 of s needs"
        );
    }

    #[test]
    fn a_version_that_another_package_insists_on_is_taken() {
        let lists = Lists(vec![index(
            "s",
            &[
                ("a", "1", "Depends: l, m\n"),
                ("l", "2", ""),
                ("l", "1", ""),
                ("m", "1", "Depends: l (= 1)\n"),
            ],
        )]);
        assert_eq!(
            full(&lists, "a", &[]).unwrap(),
            ["a 1 of s", "l 1 of s", "m 1 of s"]
        );
        let split = Lists(vec![index(
            "s",
            &[
                ("a", "1", "Depends: l (= 2), m\n"),
                ("l", "2", ""),
                ("l", "1", ""),
                ("m", "1", "Depends: l (= 1)\n"),
            ],
        )]);
        assert!(full(&split, "a", &[]).is_err());
    }
}
