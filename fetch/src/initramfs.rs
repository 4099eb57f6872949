//! Makes the root file system that a guest boots into.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::cpio::{Archive, Kind};
use crate::error::Error;

/// Mounts the file systems that every guest needs, and puts busybox's commands on `PATH`. Kernel messages
/// stay on the console, so that a hang is visible.
const PROLOGUE: &str = "\
#!/bin/sh
/bin/busybox mkdir -p /proc /sys /dev /tmp /run /usr/bin /usr/sbin /sbin
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
/bin/busybox --install -s
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/ TERM=dumb
";

enum Item {
    Folder,
    File { rights: u32, bytes: Vec<u8> },
    Link { target: String },
}

/// The content of an initramfs. Paths have no leading `/`. It adds the folders above a file by itself.
///
/// Equal content gives equal bytes. It is written without compression: the emulated machine would
/// spend more time on unpacking than the host on reading.
pub struct Initramfs {
    items: BTreeMap<String, Item>,
}

impl Initramfs {
    /// An initramfs with `busybox`, a static program for the guest's architecture, as `/bin/sh`.
    ///
    /// # Errors
    /// When the program cannot be read.
    pub fn new(busybox: &Path) -> Result<Self, Error> {
        let bytes = fs::read(busybox).map_err(Error::io("read", busybox))?;
        let empty = Self {
            items: BTreeMap::new(),
        };
        Ok(empty
            .file("bin/busybox", 0o755, bytes)
            .link("bin/sh", "busybox")
            .folder("dev"))
    }

    /// Adds or replaces a file. `rights` are as in `chmod`.
    #[must_use]
    pub fn file(mut self, path: &str, rights: u32, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        self.put(path, Item::File { rights, bytes });
        self
    }

    /// Adds or replaces a symbolic link.
    #[must_use]
    pub fn link(mut self, path: &str, target: &str) -> Self {
        let target = target.to_owned();
        self.put(path, Item::Link { target });
        self
    }

    /// Adds an empty folder.
    #[must_use]
    pub fn folder(mut self, path: &str) -> Self {
        self.put(path, Item::Folder);
        self
    }

    /// Sets the shell commands of process 1. They run with `/proc`, `/sys` and `/dev` mounted and
    /// busybox's commands on `PATH`. If they end, the kernel panics: end with `exec sh` or
    /// `poweroff -f`.
    #[must_use]
    pub fn init(self, commands: &str) -> Self {
        self.file("init", 0o755, format!("{PROLOGUE}{commands}\n"))
    }

    /// The archive's bytes.
    ///
    /// # Errors
    /// [`Error::FileTooLarge`] for a file of 4 GiB or more.
    pub fn bytes(&self) -> Result<Vec<u8>, Error> {
        let mut archive = Archive::new();
        for (path, item) in &self.items {
            let (kind, rights, data) = match item {
                Item::Folder => (Kind::Folder, 0o755, [].as_slice()),
                Item::File { rights, bytes } => (Kind::File, *rights, bytes.as_slice()),
                Item::Link { target } => (Kind::Link, 0o777, target.as_bytes()),
            };
            archive
                .add(path, kind, rights, data)
                .ok_or_else(|| Error::FileTooLarge {
                    path: path.clone(),
                    bytes: data.len() as u64,
                })?;
            if path == "dev" {
                // Without this device, process 1 has no standard output.
                let console = Kind::Device(5, 1);
                archive.add("dev/console", console, 0o600, &[]);
            }
        }
        Ok(archive.finish())
    }

    /// Writes the archive to `path`.
    ///
    /// # Errors
    /// When the file cannot be written, or as [`Initramfs::bytes`].
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        fs::write(path, self.bytes()?).map_err(Error::io("write", path))
    }

    fn put(&mut self, path: &str, item: Item) {
        // The kernel makes no folders on its own, and wants each before what is in it, as the
        // sorted order of the map has them.
        let parts: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
        for depth in 1..parts.len() {
            let folder = parts.iter().take(depth).copied().collect::<Vec<_>>();
            self.items.entry(folder.join("/")).or_insert(Item::Folder);
        }
        self.items.insert(parts.join("/"), item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn toy() -> Initramfs {
        let dir = tempfile::tempdir().unwrap();
        let busybox = dir.path().join("busybox");
        fs::write(&busybox, b"ELF").unwrap();
        Initramfs::new(&busybox).unwrap()
    }

    fn names(bytes: &[u8]) -> Vec<String> {
        let mut names = Vec::new();
        let mut at = 0;
        let number = |at: usize| {
            let text = std::str::from_utf8(&bytes[at..at + 8]).unwrap();
            usize::from_str_radix(text, 16).unwrap()
        };
        while at < bytes.len() {
            let (size, name_size) = (number(at + 54), number(at + 94));
            let name = &bytes[at + 110..at + 110 + name_size - 1];
            names.push(String::from_utf8(name.to_vec()).unwrap());
            at = (at + 110 + name_size).next_multiple_of(4);
            at = (at + size).next_multiple_of(4);
        }
        names
    }

    #[test]
    fn folders_come_before_what_is_in_them() {
        let made = toy().file("/lib/modules/6.12/a.ko", 0o644, b"x").init("ls");
        assert_eq!(
            names(&made.bytes().unwrap()),
            [
                "bin",
                "bin/busybox",
                "bin/sh",
                "dev",
                "dev/console",
                "init",
                "lib",
                "lib/modules",
                "lib/modules/6.12",
                "lib/modules/6.12/a.ko",
                "TRAILER!!!"
            ]
        );
    }

    #[test]
    fn init_mounts_then_runs_the_commands() {
        let made = toy().init("echo hello guest");
        let text = String::from_utf8(made.bytes().unwrap()).unwrap();
        let sysfs = text.find("mount -t sysfs sysfs /sys").unwrap();
        assert!(text.find("echo hello guest").unwrap() > sysfs);
        assert!(text.contains("#!/bin/sh\n"));
    }

    #[test]
    fn equal_content_gives_equal_bytes() {
        let one = toy().file("a", 0o644, b"1").file("b", 0o644, b"2");
        let two = toy().file("b", 0o644, b"2").file("a", 0o644, b"1");
        assert_eq!(one.bytes().unwrap(), two.bytes().unwrap());
        let other = toy().file("a", 0o644, b"3").file("b", 0o644, b"2");
        assert_ne!(one.bytes().unwrap(), other.bytes().unwrap());
    }

    #[test]
    fn the_script_is_one_a_shell_accepts() {
        let mut shell = Command::new("sh");
        shell.arg("-n").stdin(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        let mut pipe = child.stdin.take().unwrap();
        std::io::Write::write_all(&mut pipe, PROLOGUE.as_bytes()).unwrap();
        drop(pipe);
        assert!(child.wait().unwrap().success());
    }
}
