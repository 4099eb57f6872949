//! Makes the initramfs that a guest boots: the kit and the lab's own scripts.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::error::Error;
use crate::kit::{Kit, Module};

const INIT: &str = include_str!("../guest/init");
const AGENT: &str = include_str!("../guest/agent");
const VLAN: &str = include_str!("../guest/vlan");
const BUFFERS: &str = include_str!("../guest/smc-buffers");
const UNLOAD: &str = include_str!("../guest/unload");

/// Path of the module with planted faults in a guest.
const PLANT: &str = "lib/lab/plant.ko";

/// Writes the initramfs for all guests to `path`. It contains the module `plant`, if there is one.
///
/// # Errors
/// A part cannot be read, or the file cannot be written.
pub(crate) fn write_initramfs(kit: &Kit, plant: Option<&Module>, path: &Path) -> Result<(), Error> {
    let plant = plant.map(Module::read).transpose().map_err(Error::Kit)?;
    kit.initramfs(path, |made| {
        let made = made
            .file("lab/agent", 0o644, AGENT)
            .file("lab/smc-buffers", 0o644, BUFFERS)
            .file("lab/unload", 0o644, UNLOAD)
            .file("lab/vlan", 0o644, VLAN);
        let made = match plant {
            Some(bytes) => made.file(PLANT, 0o644, bytes),
            None => made,
        };
        made.init(INIT)
    })
    .map_err(Error::Kit)
}

/// Checks that `path` is an s390x kernel image that QEMU can boot.
///
/// QEMU takes an ELF file of machine s390, or an image with `S390EP` at 0x10008 (`LINUX_MAGIC_ADDR`
/// in its `hw/s390x/ipl.c`; Linux writes it in `arch/s390/boot/head.S`).
///
/// # Errors
/// The file cannot be read, or is something else.
pub(crate) fn check_kernel(path: &Path) -> Result<(), Error> {
    const MAGIC_AT: u64 = 0x1_0008;
    const MAGIC: &[u8] = b"S390EP";
    const ELF: &[u8] = b"\x7fELF\x02\x02";
    const ELF_S390: &[u8] = &[0, 22];
    let read = |at: u64| {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(at))?;
        let mut bytes = Vec::new();
        file.take(32).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let head = read(0).map_err(Error::file("read", path))?;
    let elf = head.starts_with(ELF) && head.get(18..20) == Some(ELF_S390);
    let magic = read(MAGIC_AT).map_err(Error::file("read", path))?;
    if elf || magic.starts_with(MAGIC) {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "--kernel {}: this is no s390x kernel image: expected a bzImage (arch/s390/boot/bzImage of \
         a kernel tree, or Debian's vmlinuz) or an s390x vmlinux",
        path.display()
    )))
}

#[cfg(test)]
mod tests {
    use super::{AGENT, BUFFERS, INIT, UNLOAD, VLAN, check_kernel};

    #[test]
    fn only_s390x_kernels_are_taken() {
        let folder = tempfile::tempdir().unwrap();
        let check = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            check_kernel(&path)
        };
        let image = [&[0; 0x1_0008][..], b"S390EP\0\x01"].concat();
        check("bzImage", &image).unwrap();
        let mut elf = *b"\x7fELF\x02\x02\x01\0\0\0\0\0\0\0\0\0\0\x02\0\x16";
        check("vmlinux", &elf).unwrap();
        elf[19] = 62;
        for (name, bytes) in [("x86", &elf[..]), ("empty", b""), ("text", b"[Unit]")] {
            let error = check(name, bytes).unwrap_err();
            assert!(error.is_usage(), "{error}");
            assert!(error.to_string().contains(name), "{error}");
        }
        let missing = check_kernel(&folder.path().join("none")).unwrap_err();
        assert!(missing.to_string().contains("none"), "{missing}");
    }
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[test]
    fn the_scripts_are_ones_a_shell_accepts() {
        for script in [INIT, AGENT, BUFFERS, UNLOAD, VLAN] {
            let mut shell = Command::new("sh");
            let mut child = shell.arg("-n").stdin(Stdio::piped()).spawn().unwrap();
            let mut pipe = child.stdin.take().unwrap();
            pipe.write_all(script.as_bytes()).unwrap();
            drop(pipe);
            assert!(child.wait().unwrap().success());
        }
    }
}
