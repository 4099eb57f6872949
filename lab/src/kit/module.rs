//! A kernel module's file.

use std::path::{Path, PathBuf};

use super::error::KitError;

/// Possible suffixes of module files.
const ENDINGS: [&str; 4] = [".ko", ".ko.xz", ".ko.zst", ".ko.gz"];

/// A kernel module's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    name: String,
    file: PathBuf,
}

impl Module {
    /// The module in `file`.
    pub(super) fn at(file: &Path) -> Self {
        let file_name = file.file_name().unwrap_or_default().to_string_lossy();
        Self {
            name: name(&file_name).unwrap_or_else(|| file_name.into_owned()),
            file: file.to_path_buf(),
        }
    }

    /// Name of the module in `lsmod`, with `_` for `-`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Path of the file, which may be compressed.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The module's bytes, decompressed.
    ///
    /// # Errors
    /// When the file cannot be read, or is not compressed as its name says.
    pub fn read(&self) -> Result<Vec<u8>, KitError> {
        Ok(debian_fetch::read_compressed(&self.file)?)
    }
}

/// The name of the module in a file called `file_name`. None if it is no module file.
pub(super) fn name(file_name: &str) -> Option<String> {
    let stem = ENDINGS.iter().find_map(|end| file_name.strip_suffix(end))?;
    Some(stem.replace('-', "_"))
}

/// The modules that this module needs: the names in its `depends=`. (Source: the kernel's
/// `scripts/mod/modpost.c`, which writes it. Strings of `.modinfo` end with a NUL.)
pub(super) fn depends(bytes: &[u8]) -> Vec<String> {
    const KEY: &[u8] = b"\0depends=";
    let Some(at) = bytes.windows(KEY.len()).position(|window| window == KEY) else {
        return Vec::new();
    };
    let rest = bytes.get(at + KEY.len()..).unwrap_or_default();
    let list = rest.split(|byte| *byte == 0).next().unwrap_or_default();
    let list = String::from_utf8_lossy(list);
    let names = list.split(',').filter(|name| !name.is_empty());
    names.map(|name| name.replace('-', "_")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::process::Command;

    #[test]
    fn names_are_those_of_lsmod() {
        assert_eq!(name("virtio-rng.ko.xz").as_deref(), Some("virtio_rng"));
        assert_eq!(name("ism.ko").as_deref(), Some("ism"));
        assert_eq!(name("modules.dep"), None);
    }

    #[test]
    fn needs_are_read_from_modinfo() {
        let bytes = b"\x7fELF..license=GPL\0depends=ism,ib-core\0name=smc\0";
        assert_eq!(depends(bytes), ["ism", "ib_core"]);
        assert!(depends(b"x\0depends=\0name=pnet\0").is_empty());
        assert!(depends(b"nothing").is_empty());
    }

    #[test]
    fn compression_is_taken_off() {
        let dir = tempfile::tempdir().unwrap();
        let plain = dir.path().join("a-b.ko");
        fs::write(&plain, b"module").unwrap();
        assert_eq!(Module::at(&plain).read().unwrap(), b"module");
        let done = Command::new("gzip").arg(&plain).status().unwrap();
        assert!(done.success());
        let packed = Module::at(&dir.path().join("a-b.ko.gz"));
        assert_eq!(packed.name(), "a_b");
        assert_eq!(packed.read().unwrap(), b"module");
        fs::write(packed.file(), b"torn").unwrap();
        let text = packed.read().unwrap_err().to_string();
        assert!(text.contains("a-b.ko.gz"), "{text}");
    }
}
