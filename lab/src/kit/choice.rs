//! The choice of the guests' kernel.

use std::path::{Path, PathBuf};

use debian_fetch::Series;

use super::error::KitError;

/// The kernel of the guests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelChoice {
    /// The newest of Debian's kernels of this series. The kit of 6.12 has ism, smc, and smc with
    /// loopback-ism. In later kits, ism sits below the dibs layer, and there is no smc.
    Debian(Series),
    /// A kernel with its own checks, and with ism and smc built in. This machine builds it from Debian's
    /// source of this series, or of the best series that Debian has.
    Debug(Option<Series>),
    /// The user's own kernel.
    Own(OwnKernel),
}

/// The user's own kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnKernel {
    /// The kernel image for s390x.
    pub kernel: PathBuf,
    /// An initramfs of the user. The lab's own files replace files of the same name.
    pub initrd: Option<PathBuf>,
    /// A folder to search for modules. Without it, ism and smc must be built in.
    pub modules: Option<PathBuf>,
}

impl OwnKernel {
    pub(super) fn check(&self) -> Result<(), KitError> {
        let file = |path: &Path, what| {
            if path.is_file() {
                return Ok(());
            }
            Err(KitError::Own {
                what,
                path: path.to_path_buf(),
                expected: "a file",
            })
        };
        file(&self.kernel, "kernel")?;
        if let Some(initrd) = &self.initrd {
            file(initrd, "initrd")?;
        }
        match &self.modules {
            Some(folder) if !folder.is_dir() => Err(KitError::Own {
                what: "modules",
                path: folder.clone(),
                expected: "a folder",
            }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_brought_must_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let kernel = dir.path().join("image");
        std::fs::write(&kernel, "x").unwrap();
        let mut own = OwnKernel {
            kernel: kernel.clone(),
            initrd: None,
            modules: Some(dir.path().to_path_buf()),
        };
        own.check().unwrap();
        own.modules = Some(kernel);
        let text = own.check().unwrap_err().to_string();
        assert!(
            text.contains("modules") && text.contains("a folder"),
            "{text}"
        );
        own.kernel = dir.path().join("absent");
        let text = own.check().unwrap_err().to_string();
        assert!(text.contains("absent") && text.contains("a file"), "{text}");
    }
}
