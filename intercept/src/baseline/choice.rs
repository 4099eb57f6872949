//! Chooses one of several baselines. QEMU's faults depend on the host's byte order, so the baseline must have
//! the same.

use super::file::Baseline;
use crate::document::{Document, DocumentError};
use crate::error::Error;
use std::path::{Path, PathBuf};

/// The argument of `--baseline`: a file, or a folder of files.
#[derive(Debug)]
pub(crate) enum Baselines {
    /// One file.
    One(Box<Baseline>),
    /// A folder. The run uses one of its files.
    Folder {
        path: PathBuf,
        /// The files, sorted by name.
        files: Vec<(PathBuf, Baseline)>,
    },
}

/// The byte order in a host's description: the word before `-endian`.
fn order(host: &str) -> Option<&str> {
    let before = host.strip_suffix("-endian")?;
    before.rsplit([' ', ',']).next()
}

impl Baselines {
    /// Reads a file, or all files of a folder whose names end with `.json`.
    ///
    /// # Errors
    /// A file that cannot be read or is no baseline; a folder without one.
    pub(crate) fn read(path: &Path) -> Result<Self, DocumentError> {
        if !path.is_dir() {
            return Ok(Self::One(Box::new(Baseline::read(path)?)));
        }
        let failed = |error| Document::new("baseline", path).failed(error);
        let mut names = Vec::new();
        for item in std::fs::read_dir(path).map_err(failed)? {
            names.push(item.map_err(failed)?.path());
        }
        names.retain(|name| name.extension().is_some_and(|end| end == "json"));
        names.sort();
        let read = |name: PathBuf| Baseline::read(&name).map(|baseline| (name, baseline));
        let files = names.into_iter().map(read).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::Folder {
            path: path.to_owned(),
            files,
        })
    }

    /// The baseline for `now`. From a folder, it is one from a host of the same byte order: of the same QEMU
    /// if there is one, else the last by name. Prints the chosen file on standard error, and warns if a named
    /// file comes from a host of the other byte order.
    ///
    /// # Errors
    /// A folder without a baseline from a host of this byte order.
    pub(crate) fn choose(&self, now: &Baseline) -> Result<&Baseline, Error> {
        let (wanted, qemu) = (order(&now.environment.host), &now.environment.executor);
        match self {
            Self::One(baseline) => {
                let host = &baseline.environment.host;
                if order(host) != wanted {
                    eprintln!(
                        "the baseline comes from another kind of host ({host}; this run: {}): QEMU reverses \
                         block stores on little-endian hosts only",
                        now.environment.host
                    );
                }
                Ok(baseline)
            }
            Self::Folder { path, files } => {
                let mut fitting = files
                    .iter()
                    .filter(|(_, one)| order(&one.environment.host) == wanted);
                let same = |(_, one): &&(_, Baseline)| one.environment.executor == *qemu;
                let chosen = fitting.clone().find(same).or_else(|| fitting.next_back());
                let Some((file, baseline)) = chosen else {
                    let there = |(name, one): &(PathBuf, Baseline)| {
                        let name = name.file_name().unwrap_or_default().to_string_lossy();
                        format!("{name} of {}", one.environment.host)
                    };
                    return Err(Error::NoBaselineOfHost {
                        path: path.clone(),
                        host: now.environment.host.clone(),
                        there: files.iter().map(there).collect(),
                    });
                };
                eprintln!(
                    "compared with {}, of {}",
                    file.display(),
                    baseline.environment.executor
                );
                Ok(baseline)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::file::Origin;
    use crate::expect::Model;

    fn of(host: &str, executor: &str) -> Baseline {
        Baseline {
            schema_version: crate::report::model::SCHEMA_VERSION,
            environment: Origin {
                executor: executor.into(),
                host: host.into(),
                profile: "ism".into(),
            },
            plan: "default".into(),
            seed: None,
            expect: Model::Relaxed,
            cases: Vec::new(),
        }
    }

    const LITTLE: &str = "Linux x86_64, little-endian";
    const BIG: &str = "Linux s390x, big-endian";

    #[test]
    fn a_folder_gives_the_baseline_of_the_byte_order_and_if_there_is_one_of_the_qemu() {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, host, executor) in [
            ("1.json", LITTLE, "11.1"),
            ("2.json", BIG, "11.1"),
            ("3.json", LITTLE, "11.2"),
        ] {
            let text = of(host, executor).to_json().expect("writes");
            std::fs::write(folder.path().join(name), text).expect("writes");
        }
        std::fs::write(folder.path().join("README"), "no baseline").expect("writes");
        let baselines = Baselines::read(folder.path()).expect("reads");
        let chosen = |host: &str, executor: &str| {
            let now = of(host, executor);
            baselines.choose(&now).expect("chosen").environment.clone()
        };
        for (host, executor, expected) in [
            (LITTLE, "11.1", "11.1"),
            (LITTLE, "11.2", "11.2"),
            ("Linux aarch64, little-endian", "12", "11.2"),
            (BIG, "11.2", "11.1"),
        ] {
            let origin = chosen(host, executor);
            assert_eq!(order(&origin.host), order(host), "{host} {executor}");
            assert_eq!(origin.executor, expected, "{host} {executor}");
        }
        std::fs::remove_file(folder.path().join("2.json")).expect("removes");
        let left = Baselines::read(folder.path()).expect("reads");
        let error = left.choose(&of(BIG, "11.1")).expect_err("none").to_string();
        assert!(
            error.contains("Linux s390x, big-endian") && error.contains("3.json of Linux x86_64"),
            "{error}"
        );
    }

    #[test]
    fn a_file_in_the_folder_that_is_no_baseline_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("a.json"), "{}").expect("writes");
        let error = Baselines::read(folder.path())
            .expect_err("refused")
            .to_string();
        assert!(error.contains("a.json: at"), "{error}");
    }
}
