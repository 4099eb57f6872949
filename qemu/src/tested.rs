//! QEMU versions that were built and tested with the changes.

/// A tested version, and Debian's tarball of it.
///
/// Debian's mirror keeps tarballs that no list names any more. The hashes are from the signed list of
/// sid (10.2.2) and from the `.dsc` file that Debian's maintainer of QEMU signed (11.1.1, checked with
/// debian-keyring 2026.06.27).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tested {
    /// The version in the file VERSION.
    pub version: &'static str,
    /// Debian's version, with epoch.
    pub debian: &'static str,
    /// The tarball's size.
    pub bytes: u64,
    /// The tarball's SHA-256, in hexadecimal digits.
    pub sha256: &'static str,
}

/// Every tested version, the newest first.
pub const TESTED: [Tested; 2] = [
    Tested {
        version: "11.1.1",
        debian: "1:11.1.1+ds-1",
        bytes: 39_217_980,
        sha256: "0b1376e75dbe3e2fea4e408f8669f88a723f419f36a5b7d74cc6a4cfe07e4f5e",
    },
    Tested {
        version: "10.2.2",
        debian: "1:10.2.2+ds-1",
        bytes: 38_669_728,
        sha256: "be05230fe47a6937cd29f28f562932c8125f9c93c2a82c625198f7a4aa601dfb",
    },
];

/// The tested versions, as text for messages.
pub fn versions() -> String {
    TESTED.map(|tested| tested.version).join(", ")
}

impl Tested {
    /// The path of the tarball below the archive's address.
    pub fn file(&self) -> String {
        format!("pool/main/q/qemu/qemu_{}+ds.orig.tar.xz", self.version)
    }

    /// Whether this version matches `wanted`, such as `11.1` or `11.1.1`.
    pub fn is_of(&self, wanted: &str) -> bool {
        let rest = self.version.strip_prefix(wanted);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::TESTED;

    #[test]
    fn a_version_is_found_by_its_first_numbers() {
        let of = |wanted| TESTED.iter().filter(|each| each.is_of(wanted)).count();
        assert_eq!(
            [of("11.1"), of("11.1.1"), of("11"), of("11.")],
            [1, 1, 1, 0]
        );
        assert_eq!([of("1"), of("11.1.11"), of("10.2.2.1")], [0, 0, 0]);
    }

    #[test]
    fn every_tarball_is_of_its_version() {
        for each in TESTED {
            assert!(each.debian.contains(each.version), "{each:?}");
            assert!(each.file().contains(each.version), "{each:?}");
            let digits = each.sha256.bytes().filter(u8::is_ascii_hexdigit).count();
            assert_eq!((digits, each.sha256.len()), (64, 64), "{each:?}");
        }
    }
}
