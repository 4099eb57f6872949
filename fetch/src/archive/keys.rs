//! Debian's archive keys.

use std::fs;
use std::path::{Path, PathBuf};

use super::pgp::{self, Key};
use crate::error::Error;

const OVERRIDE: &str = "VFIO_USER_ISM_KEYRING";
/// Keys and signing subkeys, without names and signatures. Source: Debian's package debian-archive-keyring
/// 2023.3+deb12u2 (and 2025.1, which has the same keys for these releases).
const DEBIAN: &str = include_str!("../../keys/debian-archive.asc");
/// The folders in which Debian machines keep these keys. They may have keys of newer releases.
const ON_MACHINE: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.pgp",
    "/usr/share/keyrings/debian-archive-keyring.gpg",
];

/// The keys that may sign an archive. These are the keys in the file of `VFIO_USER_ISM_KEYRING`, or else
/// Debian's keys and those of this machine's package debian-archive-keyring.
pub(crate) fn trusted() -> Result<Vec<Key>, Error> {
    if let Some(path) = std::env::var_os(OVERRIDE).filter(|value| !value.is_empty()) {
        return named(&PathBuf::from(path));
    }
    let mut keys = pgp::keys(DEBIAN.as_bytes());
    let on_machine = ON_MACHINE.iter().filter_map(|path| fs::read(path).ok());
    keys.extend(on_machine.flat_map(|bytes| pgp::keys(&bytes)));
    Ok(keys)
}

fn named(path: &Path) -> Result<Vec<Key>, Error> {
    let keys = pgp::keys(&fs::read(path).map_err(Error::io("read", path))?);
    if keys.is_empty() {
        return Err(Error::Keyring {
            path: path.to_path_buf(),
        });
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fingerprints that `gpg --show-keys` prints for the package's file. Each release has keys for its
    /// archive and for the security archive, each with a subkey, and a key of the release itself.
    const FINGERPRINTS: [&str; 15] = [
        "1F89983E0081FDE018F3CC9673A4F27B8DD47936",
        "A7236886F3CCCAAD148A27F80E98404D386FA1D9",
        "AC530D520F2F3269F5E98313A48449044AAD5C5D",
        "ED541312A33F1128F10B1C6C54404762BBB6E853",
        "A4285295FC7B1A81600062A9605C66F00D6C9793",
        "4D64FEC119C2029067D6E791F8D2585B8783D481",
        "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8",
        "4CB50190207B4758A3F73A796ED0E7B82643E131",
        "05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0",
        "B0CAB9266E8C3929798B3EEEBDE6D2B9216EC7A8",
        "04B54C3CDCA79751B16BC6B5225629DF75B188BD",
        "B8E5F13176D2A7A75220028078DBA3BC47EF2265",
        "5E04A1E3223A19A20706E20F9904613D4CCE68C6",
        "89C87ACEA5DD6B8E6A7068808E9F831205B4BA95",
        "41587F7DB8C774BCCF131416762F67A0B2C39DE4",
    ];

    #[test]
    fn the_keys_are_debians_and_no_others() {
        let keys = pgp::keys(DEBIAN.as_bytes());
        let found: Vec<_> = keys.iter().map(Key::fingerprint).collect();
        assert_eq!(found, FINGERPRINTS);
    }

    #[test]
    fn a_file_without_keys_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("no-keys");
        fs::write(&path, "hello").unwrap();
        let text = named(&path).unwrap_err().to_string();
        assert!(
            text.contains("no-keys") && text.contains("OpenPGP"),
            "{text}"
        );
    }
}
