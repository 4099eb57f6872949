//! apt with its own source list, state and archive folder, apart from the machine's.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::entry::Package;
use crate::error::Error;
use crate::progress::Progress;
use crate::request::{Closure, Request};
use crate::{host, mirror, tool, uri_list};

/// A private apt for the suite and architecture of one request.
pub(crate) struct Apt {
    request: Request,
    folder: PathBuf,
    config: PathBuf,
}

impl Apt {
    /// Lays out the folders and the configuration below `base`.
    pub(crate) fn new(base: &Path, request: &Request) -> Result<Self, Error> {
        let folder = base.join(format!("{}-{}", request.suite, request.arch));
        for sub in ["state", "lists/partial", "archives/partial", "none"] {
            let path = folder.join(sub);
            fs::create_dir_all(&path).map_err(Error::io("create", &path))?;
        }
        let apt = Self {
            request: request.clone(),
            config: folder.join("apt.conf"),
            folder,
        };
        let sources = sources(&request.suites(), &mirror::find()?, host::keyring()?);
        apt.write("sources.list", &sources)?;
        apt.write("apt.conf", &configuration(&apt.folder, request))?;
        Ok(apt)
    }

    /// Reads the package lists anew.
    pub(crate) fn update(&self, progress: &Progress) -> Result<(), Error> {
        let action = format!(
            "reading the package lists of {} ({})",
            self.request.suites().join(", "),
            self.request.arch
        );
        let steps = progress.steps(&action);
        let mut update = self.tool("apt-get");
        update.args(["-qq", "-o", "APT::Status-Fd=1"]).args([
            "-o",
            "APT::Update::Error-Mode=any",
            "update",
        ]);
        let read = tool::lines(&mut update, &action, |line| steps.status(line));
        read.map_err(|error| match error {
            Error::Failed { action, words, .. } => Error::Lists { action, words },
            other => other,
        })
    }

    /// The packages to ask for: those named, and what the meta packages stand for.
    pub(crate) fn names(&self) -> Result<Vec<String>, Error> {
        let mut names = self.request.packages.clone();
        for meta in &self.request.metas {
            names.push(self.meta(meta)?);
        }
        Ok(names)
    }

    /// What fetching `names` means: every package with version and size.
    pub(crate) fn resolve(&self, names: &[String]) -> Result<Vec<Package>, Error> {
        let action = format!("looking up {}", names.join(", "));
        let mut ask = self.get();
        // An empty archive folder, or those already downloaded would not be listed.
        let none = self.folder.join("none");
        ask.arg("-o").arg(setting("Dir::Cache::archives", &none));
        ask.arg("--print-uris").args(names);
        let found = uri_list::packages(&tool::output(&mut ask, &action)?);
        if found.is_empty() {
            return Err(Error::Answer {
                what: action,
                expected: "a list of package files",
                got: String::new(),
            });
        }
        Ok(found)
    }

    /// Downloads what `names` mean; files already there are not fetched again.
    pub(crate) fn download(&self, names: &[String], progress: &Progress) -> Result<(), Error> {
        let action = format!("downloading {}", names.join(", "));
        let steps = progress.steps(&action);
        let mut get = self.get();
        get.args(["-qq", "-o", "APT::Status-Fd=1"]).args(names);
        tool::lines(&mut get, &action, |line| steps.status(line))
    }

    /// Unpacks `packages` into `root`.
    pub(crate) fn unpack(
        &self,
        packages: &[Package],
        root: &Path,
        progress: &Progress,
    ) -> Result<(), Error> {
        fs::create_dir_all(root).map_err(Error::io("create", root))?;
        let steps = progress.steps("unpacking");
        for (done, package) in packages.iter().enumerate() {
            steps.share(done, packages.len());
            let mut unpack = Command::new("dpkg-deb");
            unpack.arg("-x").arg(self.archive(package)).arg(root);
            tool::output(&mut unpack, &format!("unpacking {}", package.name))?;
        }
        Ok(())
    }

    /// Deletes the downloaded files of `packages`.
    pub(crate) fn clean(&self, packages: &[Package]) -> Result<(), Error> {
        for package in packages {
            let path = self.archive(package);
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
        Ok(())
    }

    /// The names of the packages that `name` depends on, in the order of its list; of
    /// alternatives, the first.
    pub(crate) fn depends(&self, name: &str) -> Result<Vec<String>, Error> {
        let what = format!("looking up what {name} stands for");
        let mut ask = self.tool("apt-cache");
        ask.args(["show", "--no-all-versions", name]);
        let answer = tool::output(&mut ask, &what)?;
        dependencies(&answer).ok_or(Error::Answer {
            what,
            expected: "a line Depends:",
            got: answer,
        })
    }

    /// What a meta package stands for: of the packages it depends on, the first whose name begins
    /// as its own does (`linux-image-s390x` may also depend on `linux-base-s390x`).
    fn meta(&self, name: &str) -> Result<String, Error> {
        let names = self.depends(name)?;
        let family = name.rsplit_once('-').map_or(name, |(family, _)| family);
        let of_family = names.iter().find(|n| n.starts_with(family));
        of_family
            .or(names.first())
            .cloned()
            .ok_or_else(|| Error::Answer {
                what: format!("looking up what {name} stands for"),
                expected: "at least one dependency",
                got: String::new(),
            })
    }

    fn archive(&self, package: &Package) -> PathBuf {
        let archives = self.folder.join("archives");
        archives.join(uri_list::file_name(package))
    }

    fn get(&self) -> Command {
        let mut get = self.tool("apt-get");
        match self.request.closure {
            Closure::Named => get.arg("download"),
            Closure::Full => get.args(["install", "--download-only", "--yes"]),
        };
        get.args(["-t", &self.request.suite]);
        get
    }

    fn tool(&self, name: &str) -> Command {
        let mut tool = Command::new(name);
        tool.arg("-c").arg(&self.config);
        // `apt-get download` puts the files where it stands.
        tool.current_dir(self.folder.join("archives"));
        tool
    }

    fn write(&self, name: &str, text: &str) -> Result<(), Error> {
        let path = self.folder.join(name);
        fs::write(&path, text).map_err(Error::io("write", &path))
    }
}

fn setting(key: &str, value: &Path) -> String {
    format!("{key}={}/", value.display())
}

fn sources(suites: &[&str], mirror: &str, keyring: &str) -> String {
    let line = |suite: &&str| {
        format!("deb [signed-by={keyring} target=Packages lang=none] {mirror} {suite} main\n")
    };
    suites.iter().map(line).collect()
}

/// What sets this apt apart. The machine's own configuration is read before it, for its proxies.
fn configuration(folder: &Path, request: &Request) -> String {
    let at = folder.display();
    let Request { arch, suite, .. } = request;
    format!(
        "// Hooks of the machine are for its own package lists.\n\
         #clear APT::Update::Pre-Invoke;\n\
         #clear APT::Update::Post-Invoke;\n\
         #clear APT::Update::Post-Invoke-Success;\n\
         #clear APT::Architectures;\n\
         APT::Architecture \"{arch}\";\n\
         APT::Architectures {{ \"{arch}\"; }};\n\
         // A backports suite is not taken from by itself.\n\
         APT::Default-Release \"{suite}\";\n\
         APT::Install-Recommends \"false\";\n\
         APT::Install-Suggests \"false\";\n\
         APT::Sandbox::User \"root\";\n\
         Acquire::Languages \"none\";\n\
         Acquire::Retries \"3\";\n\
         // The cache has a lock of its own.\n\
         Debug::NoLocking \"true\";\n\
         Dir::State \"{at}/state/\";\n\
         Dir::State::lists \"{at}/lists/\";\n\
         Dir::State::status \"/dev/null\";\n\
         Dir::Cache::archives \"{at}/archives/\";\n\
         Dir::Cache::pkgcache \"\";\n\
         Dir::Cache::srcpkgcache \"\";\n\
         Dir::Etc::sourcelist \"{at}/sources.list\";\n\
         Dir::Etc::sourceparts \"-\";\n\
         Dir::Etc::preferences \"-\";\n\
         Dir::Etc::preferencesparts \"-\";\n"
    )
}

fn dependencies(show: &str) -> Option<Vec<String>> {
    let list = show.lines().find_map(|l| l.strip_prefix("Depends: "))?;
    let name = |item: &str| item.trim().split([' ', '|', ':']).next().map(str::to_owned);
    Some(list.split(',').filter_map(name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_signed_and_prefer_the_suite_named_last() {
        let text = sources(
            &["trixie", "trixie-backports"],
            "http://m.example/d/",
            "/k.gpg",
        );
        assert_eq!(
            text,
            "deb [signed-by=/k.gpg target=Packages lang=none] http://m.example/d/ trixie main\n\
             deb [signed-by=/k.gpg target=Packages lang=none] http://m.example/d/ \
             trixie-backports main\n"
        );
    }

    #[test]
    fn names_come_without_versions_and_alternatives() {
        let show = "Package: linux-image-s390x\nVersion: 6.12.107-1\n\
                    Depends: linux-image-6.12.107+deb13-s390x (= 6.12.107-1), a | b (= 1), gcc:any\n";
        assert_eq!(
            dependencies(show).unwrap(),
            ["linux-image-6.12.107+deb13-s390x", "a", "gcc"]
        );
        assert_eq!(dependencies("Package: x\n"), None);
    }

    #[test]
    fn nothing_of_the_machine_is_written() {
        let request = Request {
            name: "x".into(),
            suite: "trixie".into(),
            arch: "s390x".into(),
            packages: vec![],
            metas: vec![],
            closure: Closure::Named,
        };
        let text = configuration(Path::new("/cache/apt/x"), &request);
        assert!(text.contains("APT::Default-Release \"trixie\";"), "{text}");
        for line in text.lines().filter(|l| l.starts_with("Dir::")) {
            let value = line.split('"').nth(1).unwrap();
            let own = value.starts_with("/cache/apt/x/");
            assert!(own || ["", "-", "/dev/null"].contains(&value), "{line}");
        }
    }
}
