//! The archive format of an initramfs: cpio "newc".
//!
//! Source: the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`.

/// The kind of file of an entry: the upper bits of its mode.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Folder,
    File,
    Link,
    /// A character device with major and minor number.
    Device(u32, u32),
}

impl Kind {
    fn bits(self) -> u32 {
        match self {
            Self::Folder => 0o040_000,
            Self::File => 0o100_000,
            Self::Link => 0o120_000,
            Self::Device(..) => 0o020_000,
        }
    }
}

/// An archive under construction. Every file belongs to root and has no date.
pub(crate) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    pub(crate) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            entries: 0,
        }
    }

    /// Adds an entry. `data` is a file's content or a link's target. Returns `None` if it has 4 GiB or more.
    pub(crate) fn add(&mut self, path: &str, kind: Kind, rights: u32, data: &[u8]) -> Option<()> {
        self.entries += 1;
        let mode = kind.bits() | (rights & 0o7777);
        self.entry(path, self.entries, mode, kind, data)
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        // The trailer has no data, so it cannot be too large.
        let _ = self.entry("TRAILER!!!", 0, 0, Kind::File, &[]);
        self.bytes
    }

    fn entry(&mut self, path: &str, inode: u32, mode: u32, kind: Kind, data: &[u8]) -> Option<()> {
        let size = u32::try_from(data.len()).ok()?;
        let name_size = u32::try_from(path.len() + 1).ok()?;
        let (major, minor) = match kind {
            Kind::Device(major, minor) => (major, minor),
            _ => (0, 0),
        };
        self.bytes.extend_from_slice(b"070701");
        let (owner, group, links, date, check) = (0, 0, 1, 0, 0);
        for field in [
            inode, mode, owner, group, links, date, size, 0, 0, major, minor, name_size, check,
        ] {
            self.bytes
                .extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(data);
        self.pad();
        Some(())
    }

    fn pad(&mut self) {
        let whole = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(whole, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_byte_for_byte() {
        let mut archive = Archive::new();
        archive
            .add("bin/sh", Kind::Link, 0o777, b"busybox")
            .unwrap();
        archive
            .add("dev/console", Kind::Device(5, 1), 0o600, b"")
            .unwrap();
        let expected = [
            // magic, inode, mode, owner, group, links, date, size
            "070701",
            "00000001",
            "0000A1FF",
            "00000000",
            "00000000",
            "00000001",
            "00000000",
            "00000007", // device, special device, name size, check
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000007",
            "00000000",
            "bin/sh\0\0\0\0",
            "busybox\0", //
            "070701",
            "00000002",
            "00002180",
            "00000000",
            "00000000",
            "00000001",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000005",
            "00000001",
            "0000000C",
            "00000000",
            "dev/console\0\0\0", //
            "070701",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000001",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "00000000",
            "0000000B",
            "00000000",
            "TRAILER!!!\0\0\0\0",
        ];
        let text = String::from_utf8(archive.finish()).unwrap();
        assert_eq!(text, expected.concat());
    }

    #[test]
    fn every_part_starts_at_a_multiple_of_four() {
        for length in 0..9 {
            let mut archive = Archive::new();
            let name = "n".repeat(length + 1);
            archive
                .add(&name, Kind::File, 0o644, &vec![b'd'; length])
                .unwrap();
            archive.add("z", Kind::File, 0o644, b"").unwrap();
            let bytes = archive.finish();
            let places: Vec<_> = bytes
                .windows(6)
                .enumerate()
                .filter_map(|(at, w)| (w == b"070701").then_some(at))
                .collect();
            assert_eq!(places.len(), 3);
            assert!(places.iter().all(|at| at % 4 == 0), "{length}: {places:?}");
        }
    }
}
