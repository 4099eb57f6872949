//! Facts about this machine.

use crate::error::Error;

/// Architectures that have a QEMU to fetch: the names in Rust and in Debian.
const NAMES: [(&str, &str); 3] = [
    ("x86_64", "amd64"),
    ("aarch64", "arm64"),
    ("s390x", "s390x"),
];

/// A Debian architecture that has a QEMU to fetch.
pub(crate) struct Platform {
    /// Debian's name of the architecture.
    pub(crate) arch: &'static str,
    /// The folder of libraries below `usr/lib`.
    pub(crate) triplet: &'static str,
    /// The dynamic loader, below the unpacked root.
    pub(crate) loader: &'static str,
}

/// The platform of this program.
pub(crate) fn platform() -> Result<Platform, Error> {
    platform_of(std::env::consts::ARCH)
}

/// The platform that Debian calls `arch`, if it is another one than this machine's.
pub(crate) fn foreign(arch: &str) -> Option<Platform> {
    let (rust, _) = NAMES.into_iter().find(|(_, debian)| *debian == arch)?;
    (rust != std::env::consts::ARCH).then(|| platform_of(rust).ok())?
}

/// The platform that Rust calls `arch`.
fn platform_of(arch: &'static str) -> Result<Platform, Error> {
    let (arch, triplet, loader) = match arch {
        "x86_64" => (
            "amd64",
            "x86_64-linux-gnu",
            "usr/lib64/ld-linux-x86-64.so.2",
        ),
        "aarch64" => (
            "arm64",
            "aarch64-linux-gnu",
            "usr/lib/ld-linux-aarch64.so.1",
        ),
        "s390x" => ("s390x", "s390x-linux-gnu", "usr/lib/ld64.so.1"),
        other => return Err(Error::Architecture(other)),
    };
    Ok(Platform {
        arch,
        triplet,
        loader,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_those_whose_programs_debian_has() {
        let archs = ["x86_64", "aarch64", "s390x"].map(|arch| platform_of(arch).unwrap().arch);
        assert_eq!(archs, ["amd64", "arm64", "s390x"]);
        assert_eq!(archs, NAMES.map(|(_, debian)| debian));
        let others = archs.map(|arch| foreign(arch).map(|platform| platform.arch));
        let here = platform().unwrap().arch;
        assert_eq!(others, archs.map(|arch| (arch != here).then_some(arch)));
        let Err(error) = platform_of("riscv64") else {
            panic!("no QEMU is fetched for it");
        };
        assert!(error.to_string().contains("riscv64"), "{error}");
    }
}
