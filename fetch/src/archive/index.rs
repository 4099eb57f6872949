//! A suite's list of packages: `Packages`.

use std::collections::HashMap;
use std::rc::Rc;

use super::control::{self, Paragraph};
use super::deb_version;
use super::relation::{self, Relation};
use crate::entry::Package;

/// A package in a list.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) arch: String,
    pub(super) depends: String,
    pub(super) provides: String,
    /// Path of the file below the archive's address.
    pub(crate) file: String,
    pub(crate) bytes: u64,
    /// SHA-256 in hexadecimal digits.
    pub(crate) sha256: String,
    /// The suite of the list.
    pub(crate) suite: Rc<str>,
    /// The archive's address, ending in `/`.
    pub(crate) base: Rc<str>,
}

impl Record {
    fn read(paragraph: Paragraph<'_>, suite: &Rc<str>, base: &Rc<str>) -> Option<Self> {
        let text = |name| paragraph.get(name).unwrap_or_default().to_owned();
        let depends: Vec<_> = ["Pre-Depends", "Depends"]
            .into_iter()
            .filter_map(|name| paragraph.get(name))
            .collect();
        Some(Self {
            name: paragraph.get("Package")?.to_owned(),
            version: paragraph.get("Version")?.to_owned(),
            arch: text("Architecture"),
            depends: depends.join(", "),
            provides: text("Provides"),
            file: paragraph.get("Filename")?.to_owned(),
            bytes: paragraph.get("Size")?.parse().ok()?,
            sha256: paragraph.get("SHA256")?.to_ascii_lowercase(),
            suite: Rc::clone(suite),
            base: Rc::clone(base),
        })
    }

    /// The package's dependencies. Of each item, one alternative must be there.
    pub(crate) fn depends(&self) -> Vec<Vec<Relation<'_>>> {
        relation::list(&self.depends)
    }

    /// Whether the package provides `relation` under another name.
    pub(crate) fn provides(&self, relation: &Relation<'_>) -> bool {
        let provided = relation::list(&self.provides);
        let mut provided = provided.iter().flatten();
        provided.any(|each| relation.is_met_by_provided(each))
    }

    pub(crate) fn package(&self) -> Package {
        Package {
            name: self.name.clone(),
            version: self.version.clone(),
            arch: self.arch.clone(),
            bytes: self.bytes,
        }
    }

    /// Name, version and suite, as text for messages.
    pub(crate) fn title(&self) -> String {
        format!("{} {} of {}", self.name, self.version, self.suite)
    }
}

/// The packages of one suite for one architecture.
pub(crate) struct Index {
    records: Vec<Record>,
    by_name: HashMap<String, Vec<usize>>,
    providers: HashMap<String, Vec<usize>>,
}

impl Index {
    /// Reads the text of a `Packages` file. Skips paragraphs that lack a field.
    pub(crate) fn read(text: &str, suite: &str, base: &str) -> Self {
        let (suite, base) = (Rc::from(suite), Rc::from(base));
        let records: Vec<_> = control::paragraphs(text)
            .filter_map(|paragraph| Record::read(paragraph, &suite, &base))
            .collect();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        let mut providers: HashMap<String, Vec<usize>> = HashMap::new();
        for (at, record) in records.iter().enumerate() {
            by_name.entry(record.name.clone()).or_default().push(at);
            for provided in relation::list(&record.provides).into_iter().flatten() {
                let all = providers.entry(provided.name.to_owned()).or_default();
                all.push(at);
            }
        }
        Self {
            records,
            by_name,
            providers,
        }
    }

    /// Every package, in the order of the list.
    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    /// All versions of the package `name`, the newest first.
    pub(crate) fn versions(&self, name: &str) -> Vec<&Record> {
        let mut found = self.pick(self.by_name.get(name));
        found.sort_by(|a, b| deb_version::compare(&b.version, &a.version));
        found
    }

    /// The packages that provide `relation` under another name.
    pub(crate) fn providers(&self, relation: &Relation<'_>) -> Vec<&Record> {
        let mut found = self.pick(self.providers.get(relation.name));
        found.retain(|record| record.provides(relation));
        found.sort_by(|a, b| deb_version::compare(&b.version, &a.version));
        found
    }

    fn pick(&self, places: Option<&Vec<usize>>) -> Vec<&Record> {
        let places = places.into_iter().flatten();
        places.filter_map(|at| self.records.get(*at)).collect()
    }
}
