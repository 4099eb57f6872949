//! The names of the packages that a kernel and its modules come from.

use debian_fetch::{Error, Package};

use super::KitError;

/// The architecture of a guest.
pub(super) const ARCH: &str = "s390x";
/// The kernel's and compiler's prefix for it.
pub(super) const TRIPLET: &str = "s390x-linux-gnu";

/// The packages for one kernel.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Names {
    /// For s390x or all: kernel, modules, headers, source, busybox.
    pub(super) guest: Vec<String>,
    /// For this machine: what compiles. With all they depend on.
    pub(super) tools: Vec<String>,
    /// Of those, what belongs to one kernel: it must have the guest packages' version.
    pub(super) kbuild: String,
    /// The compiler, e.g. `s390x-linux-gnu-gcc-12`.
    pub(super) compiler: String,
}

impl Names {
    /// Follows dependencies from the names that stay the same; `depends` tells those of a package.
    pub(super) fn find(
        depends: impl Fn(&str) -> Result<Vec<String>, Error>,
    ) -> Result<Self, KitError> {
        let one = |package: &str, start: &str, end: &str| {
            let names = depends(package)?;
            let found = names
                .iter()
                .find(|name| name.starts_with(start) && name.ends_with(end));
            found.cloned().ok_or_else(|| KitError::Depends {
                package: package.to_owned(),
                expected: format!("{start}*{end}"),
                got: names.join(", "),
            })
        };
        let image = one("linux-image-s390x", "linux-image-", "")?;
        // Newer kernels have the image and the modules in packages of their own.
        let parts = depends(&image)?.into_iter();
        let parts =
            parts.filter(|n| n.starts_with("linux-binary-") || n.starts_with("linux-modules-"));
        let headers = one("linux-headers-s390x", "linux-headers-", "")?;
        let common = one(&headers, "linux-headers-", "-common")?;
        let kbuild = one(&headers, "linux-kbuild-", "")?;
        // gcc-12, or gcc-16-for-host.
        let gcc = one(&headers, "gcc-", "")?;
        let gcc = gcc.strip_suffix("-for-host").unwrap_or(&gcc);
        let source = one("linux-source", "linux-source-", "")?;

        let mut guest = vec![image.clone()];
        guest.extend(parts);
        guest.extend([headers, common, source, "busybox-static".to_owned()]);
        let mut tools = compiler_packages(gcc);
        tools.extend(["make", "xz-utils"].map(str::to_owned));
        tools.push(kbuild.clone());
        Ok(Self {
            guest,
            tools,
            kbuild,
            compiler: format!("{TRIPLET}-{gcc}"),
        })
    }
}

/// The packages of a compiler for static guest programs; `gcc` is e.g. `gcc-12`.
pub(super) fn compiler_packages(gcc: &str) -> Vec<String> {
    vec![
        format!("{gcc}-{TRIPLET}"),
        "libc6-dev-s390x-cross".to_owned(),
    ]
}

/// All packages of the kernel must be of one version, or modules do not fit.
pub(super) fn same_version(packages: &[Package]) -> Result<(), KitError> {
    let kernel: Vec<&Package> = packages
        .iter()
        .filter(|package| of_kernel(&package.name))
        .collect();
    let first = kernel.first().map(|package| &package.version);
    if kernel.iter().all(|package| Some(&package.version) == first) {
        return Ok(());
    }
    let versions: Vec<_> = kernel
        .iter()
        .map(|package| format!("{} {}", package.name, package.version))
        .collect();
    Err(KitError::Versions {
        versions: versions.join(", "),
    })
}

fn of_kernel(name: &str) -> bool {
    let families = ["image", "binary", "modules", "headers", "source", "kbuild"];
    families
        .iter()
        .any(|family| name.starts_with(&format!("linux-{family}-")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depends(table: &'static [(&str, &str)]) -> impl Fn(&str) -> Result<Vec<String>, Error> {
        move |name| {
            let line = table.iter().find(|(package, _)| *package == name);
            let list = line.map_or("", |(_, list)| *list);
            Ok(list.split_whitespace().map(str::to_owned).collect())
        }
    }

    /// As bookworm-backports has them.
    const OLD: &[(&str, &str)] = &[
        ("linux-image-s390x", "linux-image-6.12.95+deb12-s390x"),
        (
            "linux-image-6.12.95+deb12-s390x",
            "kmod linux-base initramfs-tools",
        ),
        ("linux-headers-s390x", "linux-headers-6.12.95+deb12-s390x"),
        (
            "linux-headers-6.12.95+deb12-s390x",
            "linux-base linux-headers-6.12.95+deb12-common linux-image-6.12.95+deb12-s390x \
             linux-kbuild-6.12.95+deb12 gcc-12",
        ),
        ("linux-source", "linux-source-6.12"),
    ];

    /// As sid has them.
    const NEW: &[(&str, &str)] = &[
        (
            "linux-image-s390x",
            "linux-base-s390x linux-image-7.2.13+deb14-s390x",
        ),
        (
            "linux-image-7.2.13+deb14-s390x",
            "dracut linux-binary-7.2.13+deb14-s390x linux-modules-7.2.13+deb14-s390x",
        ),
        (
            "linux-headers-s390x",
            "linux-base-s390x linux-headers-7.2.13+deb14-s390x",
        ),
        (
            "linux-headers-7.2.13+deb14-s390x",
            "gcc-16-for-host linux-base linux-headers-7.2.13+deb14-common \
             linux-kbuild-7.2.13+deb14",
        ),
        ("linux-source", "linux-source-7.2"),
    ];

    #[test]
    fn old_and_new_ways_of_packaging() {
        let old = Names::find(depends(OLD)).unwrap();
        assert_eq!(
            old.guest,
            [
                "linux-image-6.12.95+deb12-s390x",
                "linux-headers-6.12.95+deb12-s390x",
                "linux-headers-6.12.95+deb12-common",
                "linux-source-6.12",
                "busybox-static"
            ]
        );
        assert_eq!(old.kbuild, "linux-kbuild-6.12.95+deb12");
        assert_eq!(old.tools[0], "gcc-12-s390x-linux-gnu");
        assert_eq!(old.compiler, "s390x-linux-gnu-gcc-12");

        let new = Names::find(depends(NEW)).unwrap();
        assert!(
            new.guest
                .contains(&"linux-binary-7.2.13+deb14-s390x".to_owned())
        );
        assert!(
            new.guest
                .contains(&"linux-modules-7.2.13+deb14-s390x".to_owned())
        );
        assert_eq!(new.tools[0], "gcc-16-s390x-linux-gnu");
    }

    #[test]
    fn a_missing_dependency_is_named() {
        let text = Names::find(depends(&[])).unwrap_err().to_string();
        assert!(
            text.contains("linux-image-s390x should depend on one named linux-image-*"),
            "{text}"
        );
    }

    #[test]
    fn versions_of_a_mirror_in_between_are_refused() {
        let package = |name: &str, version: &str| Package {
            name: name.to_owned(),
            version: version.to_owned(),
            arch: "all".to_owned(),
            bytes: 1,
        };
        let mut packages = vec![
            package("linux-image-6.12.95", "6.12.95-1"),
            package("linux-source-6.12", "6.12.95-1"),
            package("linux-libc-dev-s390x-cross", "6.1.4"),
        ];
        same_version(&packages).unwrap();
        packages[1].version = "6.12.96-1".to_owned();
        let text = same_version(&packages).unwrap_err().to_string();
        assert!(text.contains("linux-source-6.12 6.12.96-1"), "{text}");
    }
}
