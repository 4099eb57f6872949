//! Finds the Debian mirror: a named one, or one of this machine's apt sources. It reads the sources as files
//! (source: sources.list(5)), without apt.

use std::fs;
use std::path::Path;

use crate::apt_conf::files_of;
use crate::archive::control;
use crate::error::Error;

const OVERRIDE: &str = "VFIO_USER_ISM_MIRROR";
const SECURITY_OVERRIDE: &str = "VFIO_USER_ISM_SECURITY_MIRROR";
const FILES: [&str; 2] = ["/etc/apt/sources.list", "/etc/apt/sources.list.d"];
const SUITES: [&str; 12] = [
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "duke",
    "sid",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
    "experimental",
];

/// Addresses of the archives: the part before `dists/`, ending in `/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mirrors {
    /// Debian's own archive.
    pub(crate) main: String,
    /// The archive of security updates, if its address is known.
    pub(crate) security: Option<String>,
}

impl Mirrors {
    /// The mirrors from the environment, or else from this machine's apt sources.
    pub(crate) fn find() -> Result<Self, Error> {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let security = set(SECURITY_OVERRIDE);
        let security = security
            .map(|value| checked(SECURITY_OVERRIDE, &value))
            .transpose()?;
        let mut found = match set(OVERRIDE) {
            Some(value) => Self::beside(checked(OVERRIDE, &value)?),
            None => from_sources(&sources()).ok_or_else(|| Error::NoMirror {
                looked_at: FILES.join(" and "),
            })?,
        };
        found.security = security.or(found.security);
        Ok(found)
    }

    /// The archive that has the lists of `suite`.
    pub(crate) fn of(&self, suite: &str) -> Result<&str, String> {
        if !suite.ends_with("-security") {
            return Ok(&self.main);
        }
        let known = self.security.as_deref();
        known.ok_or_else(|| {
            format!("no address of the security archive is known: set {SECURITY_OVERRIDE}")
        })
    }

    /// The security archive at its usual place beside a mirror.
    fn beside(main: String) -> Self {
        let parent = main.strip_suffix("/debian/");
        let security = parent.map(|parent| format!("{parent}/debian-security/"));
        Self { main, security }
    }
}

/// The address of this machine's mirror.
///
/// # Errors
/// [`Error::NoMirror`] when nothing names one, [`Error::BadMirror`] when a variable is wrong.
pub fn mirror() -> Result<String, Error> {
    Ok(Mirrors::find()?.main)
}

/// The archives in apt's files: address and suite.
fn sources() -> Vec<(String, String)> {
    let [list, folder] = FILES;
    let mut found = Vec::new();
    for file in std::iter::once(list.into()).chain(files_of(folder)) {
        let text = fs::read_to_string(&file).unwrap_or_default();
        match file.extension().and_then(|end| end.to_str()) {
            Some("list") => found.extend(one_line_sources(&text)),
            Some("sources") => found.extend(paragraph_sources(&text)),
            _ => {}
        }
    }
    let direct = |(uri, suite): (String, String)| Some((first_of_list(&uri)?, suite));
    found.into_iter().filter_map(direct).collect()
}

/// Parses lines `deb [options] URI SUITE COMPONENT...`.
fn one_line_sources(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().filter_map(|line| {
        let line = line.split('#').next()?.trim().strip_prefix("deb")?;
        let line = line.strip_prefix([' ', '\t'])?.trim_start();
        let line = match line.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?.1,
            None => line,
        };
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    });
    lines.collect()
}

/// Parses paragraphs with `Types`, `URIs` and `Suites`.
fn paragraph_sources(text: &str) -> Vec<(String, String)> {
    let kept: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let text = kept.join("\n");
    let mut found = Vec::new();
    for paragraph in control::paragraphs(&text) {
        let words = |name: &str| -> Vec<String> {
            let lines = paragraph.lines(name);
            lines
                .flat_map(str::split_whitespace)
                .map(str::to_owned)
                .collect()
        };
        let off = paragraph
            .get("Enabled")
            .is_some_and(|value| value.eq_ignore_ascii_case("no"));
        if off || !words("Types").iter().any(|kind| kind == "deb") {
            continue;
        }
        for uri in words("URIs") {
            found.extend(
                words("Suites")
                    .into_iter()
                    .map(|suite| (uri.clone(), suite)),
            );
        }
    }
    found
}

/// The first mirror of a mirror list in a file.
fn first_of_list(uri: &str) -> Option<String> {
    let Some(path) = uri.strip_prefix("mirror+file:") else {
        return Some(uri.to_owned());
    };
    let text = fs::read_to_string(path.trim_end_matches('/')).ok()?;
    let mut lines = text.lines().map(str::trim);
    let line = lines.find(|line| !line.is_empty() && !line.starts_with('#'))?;
    line.split_whitespace().next().map(str::to_owned)
}

/// Chooses an archive with Debian's suite names. Prefers one with an `-updates` suite, which other vendors'
/// archives do not have.
fn from_sources(sources: &[(String, String)]) -> Option<Mirrors> {
    let usable = || sources.iter().filter(|(uri, _)| usable(uri));
    let has_updates = |wanted: &str| {
        let mut all = usable();
        all.any(|(uri, suite)| with_slash(uri) == with_slash(wanted) && suite.ends_with("-updates"))
    };
    let known: Vec<&str> = usable()
        .filter(|(_, suite)| SUITES.contains(&suite.as_str()))
        .map(|(uri, _)| uri.as_str())
        .collect();
    let best = known.iter().find(|uri| has_updates(uri));
    let main = best.or(known.first()).map(|uri| with_slash(uri))?;
    let is_security = |suite: &str| {
        let base = suite.strip_suffix("-security");
        base.is_some_and(|base| SUITES.contains(&base))
    };
    let security = usable().find(|(_, suite)| is_security(suite));
    let security = security.map(|(uri, _)| with_slash(uri));
    let beside = Mirrors::beside(main);
    Some(Mirrors {
        security: security.or(beside.security),
        main: beside.main,
    })
}

fn usable(uri: &str) -> bool {
    let known = ["http://", "https://", "file:/"];
    known.iter().any(|scheme| uri.starts_with(scheme)) && !uri.contains(char::is_whitespace)
}

fn with_slash(uri: &str) -> String {
    format!("{}/", uri.trim_end_matches('/'))
}

fn checked(variable: &'static str, value: &str) -> Result<String, Error> {
    let bad = |expected| Error::BadMirror {
        variable,
        value: value.to_owned(),
        expected,
    };
    if !usable(value) {
        return Err(bad("it has the form http://HOST/PATH/ or file:/PATH/"));
    }
    if let Some(path) = value.strip_prefix("file:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if !Path::new(path).join("dists").is_dir() {
            return Err(bad("the folder it names holds no dists/"));
        }
        return Ok(with_slash(&format!("file:{path}")));
    }
    Ok(with_slash(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both forms, each with another vendor's source. Host names are replaced.
    const LIST: &str = "\
# deb http://comment.example/debian trixie main
deb https://containers.example/linux/debian bookworm stable
deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian/ bookworm main contrib # note
deb http://mirror.example/debian bookworm-updates main
deb-src http://source.example/debian bookworm main
deb http://sec.example/debian-security/ bookworm-security main
";
    const PARAGRAPHS: &str = "\
# A comment
Types: deb deb-src
URIs: http://mirror.example/debian
Suites: trixie trixie-updates
Components: main

Types: deb
URIs: http://mirror.example/debian-security
Suites: trixie-security

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: trixie
";

    fn mirrors(main: &str, security: Option<&str>) -> Option<Mirrors> {
        Some(Mirrors {
            main: main.to_owned(),
            security: security.map(str::to_owned),
        })
    }

    #[test]
    fn both_forms_of_sources_tell_both_archives() {
        assert_eq!(
            from_sources(&one_line_sources(LIST)),
            mirrors(
                "http://mirror.example/debian/",
                Some("http://sec.example/debian-security/")
            )
        );
        let found = paragraph_sources(PARAGRAPHS);
        assert!(!found.iter().any(|(uri, _)| uri.contains("off.example")));
        assert_eq!(
            from_sources(&found),
            mirrors(
                "http://mirror.example/debian/",
                Some("http://mirror.example/debian-security/")
            )
        );
    }

    #[test]
    fn a_derivative_or_an_optical_disc_is_no_mirror() {
        let others =
            "deb http://u.example/ubuntu noble main\ndeb cdrom:[Debian 12]/ bookworm main\n";
        assert_eq!(from_sources(&one_line_sources(others)), None);
        assert_eq!(from_sources(&[]), None);
    }

    #[test]
    fn a_list_of_mirrors_stands_for_its_first() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("debian.list");
        fs::write(
            &path,
            "# mine\n\nhttps://a.example/debian priority:1\nhttp://b.example/\n",
        )
        .unwrap();
        let uri = format!("mirror+file:{}", path.display());
        assert_eq!(first_of_list(&uri).unwrap(), "https://a.example/debian");
        assert_eq!(first_of_list("mirror+file:/none"), None);
    }

    #[test]
    fn the_security_archive_lies_beside_the_main_one_or_is_unknown() {
        let found = Mirrors::beside("http://m.example/debian/".to_owned());
        assert_eq!(
            found.of("trixie-backports").unwrap(),
            "http://m.example/debian/"
        );
        assert_eq!(
            found.of("trixie-security").unwrap(),
            "http://m.example/debian-security/"
        );
        let other = Mirrors::beside("http://m.example/cache/".to_owned());
        let text = other.of("trixie-security").unwrap_err();
        assert!(text.contains("VFIO_USER_ISM_SECURITY_MIRROR"), "{text}");
    }

    #[test]
    fn the_override_is_checked() {
        let checked = |value| checked(OVERRIDE, value);
        assert_eq!(
            checked("https://m.example/debian").unwrap(),
            "https://m.example/debian/"
        );
        let error = checked("m.example").unwrap_err().to_string();
        assert!(
            error.contains("VFIO_USER_ISM_MIRROR=\"m.example\""),
            "{error}"
        );
        assert!(error.contains("http://HOST/PATH/"), "{error}");
        let error = checked("file:/nowhere-at-all").unwrap_err().to_string();
        assert!(error.contains("no dists/"), "{error}");
    }

    #[test]
    fn the_error_says_what_to_set() {
        let error = Error::NoMirror {
            looked_at: "x".into(),
        };
        assert!(error.to_string().contains("Set VFIO_USER_ISM_MIRROR"));
    }
}
