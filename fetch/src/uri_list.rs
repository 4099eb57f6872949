//! apt's `--print-uris`: what it would download.

use crate::entry::Package;

/// Reads lines `'URI' FILE BYTES HASH`; other lines are apt's talk and are passed over.
pub(crate) fn packages(output: &str) -> Vec<Package> {
    output.lines().filter_map(package).collect()
}

fn package(line: &str) -> Option<Package> {
    let mut words = line.strip_prefix('\'')?.split_whitespace().skip(1);
    let file = words.next()?.strip_suffix(".deb")?;
    let bytes = words.next()?.parse().ok()?;
    let mut parts = file.split('_');
    Some(Package {
        name: parts.next()?.to_owned(),
        // apt writes the epoch's colon as in an address.
        version: parts.next()?.replace("%3a", ":"),
        arch: parts.next()?.to_owned(),
        bytes,
    })
}

/// The name apt gives to the file of `package` in its archive folder.
pub(crate) fn file_name(package: &Package) -> String {
    let Package {
        name,
        version,
        arch,
        ..
    } = package;
    format!("{name}_{}_{arch}.deb", version.replace(':', "%3a"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
Reading package lists...
The following NEW packages will be installed:
  libc6 qemu-system-x86
'http://mirror.example/debian/pool/main/g/glibc/libc6_2.41-12%2bdeb13u5_amd64.deb' \
libc6_2.41-12+deb13u5_amd64.deb 2850108 SHA256:00
'http://mirror.example/debian/pool/main/q/qemu/qemu-system-x86_11.1.3_amd64.deb' \
qemu-system-x86_1%3a11.1.3+ds-1~bpo13+1_amd64.deb 10377056 SHA256:00
";

    #[test]
    fn reads_names_versions_and_sizes() {
        let found = packages(OUTPUT);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].name, "libc6");
        assert_eq!(found[0].version, "2.41-12+deb13u5");
        assert_eq!(found[0].arch, "amd64");
        assert_eq!(found[1].version, "1:11.1.3+ds-1~bpo13+1");
        assert_eq!(found[1].bytes, 10_377_056);
        assert_eq!(
            file_name(&found[1]),
            "qemu-system-x86_1%3a11.1.3+ds-1~bpo13+1_amd64.deb"
        );
    }
}
