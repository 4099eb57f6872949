//! Which Debian mirror to use: the one that this machine's apt already uses.

use std::path::Path;
use std::process::Command;

use crate::error::Error;
use crate::tool;

const OVERRIDE: &str = "VFIO_USER_ISM_MIRROR";
/// One of apt's index files in one line.
const FORMAT: &str = "$(ORIGIN)|$(LABEL)|$(REPO_URI)";
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

/// The mirror's address: what stands before `dists/`, ending in `/`.
pub(crate) fn find() -> Result<String, Error> {
    if let Some(value) = std::env::var_os(OVERRIDE).filter(|v| !v.is_empty()) {
        return checked(&value.to_string_lossy());
    }
    let mut ask = Command::new("apt-get");
    ask.args(["indextargets", "--format", FORMAT]);
    let targets = tool::output(&mut ask, "asking apt which mirrors it uses")?;
    if let Some(found) = from_index_targets(&targets) {
        return Ok(found);
    }
    // A machine on which `apt-get update` never ran has no index files to tell of.
    let mut ask = Command::new("apt-get");
    ask.args(["update", "--print-uris"])
        .args(["-o", "Debug::NoLocking=true"]);
    let uris = tool::output(&mut ask, "asking apt which mirrors it would use")?;
    from_update_uris(&uris).ok_or_else(|| Error::NoMirror {
        looked_at: "apt-get indextargets and apt-get update --print-uris".to_owned(),
    })
}

/// Picks from lines in [`FORMAT`]: Debian's own, not the security archive.
fn from_index_targets(lines: &str) -> Option<String> {
    lines.lines().find_map(|line| {
        let mut fields = line.splitn(3, '|');
        let (origin, label, uri) = (fields.next()?, fields.next()?, fields.next()?);
        (origin == "Debian" && label == "Debian" && usable(uri)).then(|| with_slash(uri))
    })
}

/// Picks from lines `'MIRROR/dists/SUITE/InRelease' …`: an archive with Debian's suite names,
/// and rather one with an `-updates` suite, which other vendors' archives do not have.
fn from_update_uris(lines: &str) -> Option<String> {
    let archives: Vec<(&str, &str)> = lines
        .lines()
        .filter_map(|line| {
            let uri = line.strip_prefix('\'')?.split('\'').next()?;
            let (mirror, rest) = uri.split_once("/dists/")?;
            Some((mirror, rest.strip_suffix("/InRelease")?))
        })
        .filter(|(mirror, _)| usable(mirror))
        .collect();
    let has_updates = |wanted: &str| {
        archives
            .iter()
            .any(|(mirror, suite)| *mirror == wanted && suite.ends_with("-updates"))
    };
    let known: Vec<&str> = archives
        .iter()
        .filter(|(_, suite)| SUITES.contains(suite))
        .map(|(mirror, _)| *mirror)
        .collect();
    let best = known.iter().find(|mirror| has_updates(mirror));
    best.or(known.first()).map(|mirror| with_slash(mirror))
}

fn usable(uri: &str) -> bool {
    uri.contains(":/") && !uri.starts_with("cdrom:") && !uri.contains(char::is_whitespace)
}

fn with_slash(uri: &str) -> String {
    format!("{}/", uri.trim_end_matches('/'))
}

fn checked(value: &str) -> Result<String, Error> {
    let bad = |expected| Error::BadMirror {
        value: value.to_owned(),
        expected,
    };
    if let Some(path) = value.strip_prefix("file:") {
        let lists = Path::new(path).join("dists");
        if !lists.is_dir() {
            return Err(bad("the folder it names holds no dists/"));
        }
    } else if !usable(value) {
        return Err(bad("it has the form http://HOST/PATH/ or file:/PATH/"));
    }
    Ok(with_slash(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Recorded from a bookworm machine with two other vendors' sources; host names replaced.
    const TARGETS: &str = "\
. nodistro|. nodistro|https://node.example/node_20.x/
Debian|Debian-Security|http://mirror.example/debian-security/
Debian|Debian|http://mirror.example/debian/
Debian|Debian Backports|http://mirror.example/debian/
";
    const URIS: &str = "\
'https://containers.example/linux/debian/dists/bookworm/InRelease' containers_InRelease 0 
'http://mirror.example/debian-security/dists/bookworm-security/InRelease' sec_InRelease 0 
'http://mirror.example/debian/dists/bookworm/InRelease' a_InRelease 0 
'http://mirror.example/debian/dists/bookworm-updates/InRelease' b_InRelease 0 
'http://mirror.example/debian/dists/bookworm/main/binary-amd64/Packages.xz' c_Packages 0 
";

    #[test]
    fn takes_debians_own_archive_and_not_security() {
        let found = from_index_targets(TARGETS);
        assert_eq!(found.as_deref(), Some("http://mirror.example/debian/"));
    }

    #[test]
    fn a_derivative_or_an_optical_disc_is_no_mirror() {
        let others = "Ubuntu|Ubuntu|http://u.example/ubuntu/\nDebian|Debian|cdrom:[Debian 12]/\n";
        assert_eq!(from_index_targets(others), None);
        assert_eq!(from_index_targets(""), None);
    }

    #[test]
    fn mirror_lists_are_passed_on_as_they_are() {
        let cloud = "Debian|Debian|mirror+file:/etc/apt/mirrors/debian.list\n";
        assert_eq!(
            from_index_targets(cloud).as_deref(),
            Some("mirror+file:/etc/apt/mirrors/debian.list/")
        );
    }

    #[test]
    fn a_machine_that_never_updated_tells_by_its_suites() {
        let found = from_update_uris(URIS);
        assert_eq!(found.as_deref(), Some("http://mirror.example/debian/"));
        let single = "'http://m.example/debian/dists/sid/InRelease' x 0";
        let found = from_update_uris(single);
        assert_eq!(found.as_deref(), Some("http://m.example/debian/"));
        let other = "'http://u.example/ubuntu/dists/noble/InRelease' x 0";
        assert_eq!(from_update_uris(other), None);
    }

    #[test]
    fn the_override_is_checked() {
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
        assert!(error.to_string().contains("set VFIO_USER_ISM_MIRROR"));
    }
}
