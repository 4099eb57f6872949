//! What must be known of the machine this runs on.

use std::path::Path;

use crate::error::Error;

const KEYRINGS: [&str; 2] = [
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/debian-archive-keyring.pgp",
];

/// The file with Debian's archive keys.
pub(crate) fn keyring() -> Result<&'static str, Error> {
    first_file(&KEYRINGS)
}

fn first_file(candidates: &[&'static str]) -> Result<&'static str, Error> {
    candidates
        .iter()
        .copied()
        .find(|path| Path::new(path).is_file())
        .ok_or_else(|| Error::NoKeyring {
            looked_for: candidates.join(", "),
        })
}

/// A Debian architecture that QEMU can be fetched for.
pub(crate) struct Platform {
    /// Debian's name of it.
    pub(crate) arch: &'static str,
    /// The folder of its libraries below `usr/lib`.
    pub(crate) triplet: &'static str,
    /// The dynamic loader, below the unpacked root.
    pub(crate) loader: &'static str,
}

/// The platform this program was built for.
pub(crate) fn platform() -> Result<Platform, Error> {
    match std::env::consts::ARCH {
        "x86_64" => Ok(Platform {
            arch: "amd64",
            triplet: "x86_64-linux-gnu",
            loader: "usr/lib64/ld-linux-x86-64.so.2",
        }),
        "aarch64" => Ok(Platform {
            arch: "arm64",
            triplet: "aarch64-linux-gnu",
            loader: "usr/lib/ld-linux-aarch64.so.1",
        }),
        other => Err(Error::Architecture(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_keyring_names_the_package_to_install() {
        let error = first_file(&["/no/such/keyring.gpg"])
            .unwrap_err()
            .to_string();
        assert!(error.contains("/no/such/keyring.gpg"), "{error}");
        assert!(error.contains("debian-archive-keyring"), "{error}");
    }
}
