//! A kernel module's file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::KitError;

/// Endings of module files, and the program that takes the compression off.
const ENDINGS: [(&str, Option<&str>); 4] = [
    (".ko", None),
    (".ko.xz", Some("xz")),
    (".ko.zst", Some("zstd")),
    (".ko.gz", Some("gzip")),
];

/// A kernel module's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    name: String,
    file: PathBuf,
    /// Where the programs for compression are; without it, on `PATH`.
    programs: Option<PathBuf>,
}

impl Module {
    /// The module in `file`.
    pub(super) fn at(file: &Path) -> Self {
        let file_name = file.file_name().unwrap_or_default().to_string_lossy();
        Self {
            name: name(&file_name).unwrap_or_else(|| file_name.into_owned()),
            file: file.to_path_buf(),
            programs: None,
        }
    }

    /// With the programs for compression in `folder`.
    pub(super) fn programs_in(mut self, folder: &Path) -> Self {
        self.programs = Some(folder.to_path_buf());
        self
    }

    /// Its name as `lsmod` shows it, with `_` for `-`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file, perhaps compressed.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The module's bytes, with any compression taken off.
    ///
    /// # Errors
    /// When the file cannot be read, or the program for its compression is missing or refuses.
    pub fn read(&self) -> Result<Vec<u8>, KitError> {
        let path = self.file.to_string_lossy();
        let ending = ENDINGS.iter().rev().find(|(end, _)| path.ends_with(end));
        match ending.and_then(|(_, program)| *program) {
            None => fs::read(&self.file).map_err(KitError::io("read", &self.file)),
            Some(program) => self.unpack(program),
        }
    }

    fn unpack(&self, program: &str) -> Result<Vec<u8>, KitError> {
        let step = format!("reading {}", self.file.display());
        let place = self.programs.as_ref().map(|folder| folder.join(program));
        let run = Command::new(place.unwrap_or_else(|| program.into()))
            .arg("-dc")
            .arg(&self.file)
            .stdin(Stdio::null())
            .output();
        let output = run.map_err(|source| KitError::Start {
            step: step.clone(),
            program: program.to_owned(),
            source,
        })?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let words = String::from_utf8_lossy(&output.stderr);
        let source = std::io::Error::other(words.trim().to_owned());
        Err(KitError::io("unpack", &self.file)(source))
    }
}

/// The name of the module in a file called `file_name`; none, if that is no module's.
pub(super) fn name(file_name: &str) -> Option<String> {
    let stem = ENDINGS
        .iter()
        .find_map(|(end, _)| file_name.strip_suffix(end))?;
    Some(stem.replace('-', "_"))
}

/// The modules that the one with these bytes needs: the names in its `depends=` (source: the
/// kernel's `scripts/mod/modpost.c`, which writes it; strings of `.modinfo` end with a NUL).
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
