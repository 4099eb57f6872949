//! Identifies the tested program: path, version, hash and build id.

use super::check::Qemu;
use crate::recording::Binary;
use object::Object;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Identifies the program at `path`. If it is a script, identifies the emulator that the script starts, from
/// the process `id`.
pub(super) fn identify(qemu: &Qemu, id: u32) -> Option<Binary> {
    let path = std::fs::canonicalize(&qemu.path).ok()?;
    let path = if is_elf(&path) {
        path
    } else {
        running(id).unwrap_or(path)
    };
    let bytes = std::fs::read(&path).ok()?;
    let build_id = object::File::parse(bytes.as_slice())
        .ok()
        .and_then(|file| file.build_id().ok().flatten().map(hex));
    Some(Binary {
        path: path.display().to_string(),
        version: qemu.version.clone(),
        sha256: hex(&Sha256::digest(&bytes)),
        build_id,
    })
}

fn is_elf(path: &Path) -> bool {
    let mut start = [0; 4];
    std::fs::File::open(path)
        .and_then(|mut file| std::io::Read::read_exact(&mut file, &mut start))
        .is_ok()
        && start == *b"\x7fELF"
}

/// The emulator's file in a process: the first mapped file with its name. A dynamic loader may have started
/// it.
fn running(id: u32) -> Option<PathBuf> {
    let maps = std::fs::read_to_string(format!("/proc/{id}/maps")).ok()?;
    maps.lines()
        .filter_map(|line| {
            line.split_once('/')
                .map(|(_, path)| Path::new("/").join(path))
        })
        .find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("qemu-system-"))
        })
}

fn hex(bytes: &[u8]) -> String {
    crate::plan::hex::encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Qemu, identify};

    #[test]
    fn a_program_is_named_by_hash_and_build_id() {
        let path = std::env::current_exe().expect("this test");
        let qemu = Qemu {
            path: path.clone(),
            version: "v".into(),
        };
        let binary = identify(&qemu, std::process::id()).expect("is there");
        assert_eq!(
            binary.path,
            path.canonicalize().expect("is there").display().to_string()
        );
        assert_eq!((binary.version.as_str(), binary.sha256.len()), ("v", 64));
    }

    #[test]
    fn the_hash_is_sha256() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("empty");
        std::fs::write(&path, "").expect("writes");
        let qemu = Qemu {
            path,
            version: String::new(),
        };
        let binary = identify(&qemu, std::process::id()).expect("is there");
        assert_eq!(
            binary.sha256,
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(binary.build_id, None);
    }
}
