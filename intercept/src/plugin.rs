//! The TCG plugin in QEMU: it writes down what a guest executes, forwards the function's instructions, or both.
//!
//! Its arguments are described in `plugin/README.md`.

use crate::args::{Args, Moves};
use crate::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Its file, beside the program.
const FILE: &str = "libvfio_user_ism_plugin.so";

/// The plugin to load.
#[derive(Debug)]
pub struct Plugin {
    path: PathBuf,
    /// The moves that it posts, if someone said so.
    moves: Option<Moves>,
}

impl Plugin {
    /// The one that `args` names, or the one beside the program.
    ///
    /// # Errors
    /// There is none.
    pub fn find(args: &Args, program: &Path) -> Result<Self, Error> {
        let named = args.plugin.clone().or_else(|| args.forward.clone()?);
        let path = named.unwrap_or_else(|| program.with_file_name(FILE));
        // QEMU takes a relative path as one of its own plugin folder.
        path.canonicalize()
            .map(|path| Self {
                path,
                moves: args.moves,
            })
            .map_err(|source| Error::NoPlugin { path, source })
    }

    /// QEMU's arguments, for records in the file `out` and with the instructions for the functions with these ids going to
    /// the sockets in `forward`, wrongly in the way of `defect`.
    #[must_use]
    pub fn arguments(
        &self,
        out: Option<&Path>,
        forward: &[(&Path, u32)],
        defect: Option<&str>,
    ) -> [OsString; 2] {
        let mut plugin = option("file=", &self.path);
        if let Some(out) = out {
            plugin.push(option(",out=", out));
        }
        for (socket, fid) in forward {
            plugin.push(option(",forward=", socket));
            plugin.push(format!(",fid={fid}"));
        }
        // Only the probe is told everything; Linux would ask for a DMA window that QEMU refuses.
        if out.is_none() && !forward.is_empty() {
            plugin.push(",clp=full");
        }
        let moves = self.moves.filter(|_| !forward.is_empty());
        plugin.push(match moves {
            None => "",
            Some(Moves::Waited) => ",moves=waited",
            Some(Moves::Data) => ",moves=data",
            Some(Moves::Posted) => ",moves=posted",
        });
        if let Some(defect) = defect {
            plugin.push(option(",break=", Path::new(defect)));
        }
        ["-plugin".into(), plugin]
    }
}

/// A path as a part of a QEMU option: a comma would start the next part, so it is doubled.
pub fn option(prefix: &str, path: &Path) -> OsString {
    let mut option = OsString::from(prefix);
    option.push(path.to_string_lossy().replace(',', ",,"));
    option
}

#[cfg(test)]
mod tests {
    use super::{Moves, Plugin};
    use std::path::Path;

    #[test]
    fn both_uses_go_into_one_argument() {
        let plugin = |moves| Plugin {
            path: "/a,b.so".into(),
            moves,
        };
        let [flag, value] = plugin(None).arguments(
            Some(Path::new("/r")),
            &[(Path::new("/s.insn"), 8), (Path::new("/t.insn"), 9)],
            Some("split"),
        );
        assert_eq!(flag, "-plugin");
        assert_eq!(
            value,
            "file=/a,,b.so,out=/r,forward=/s.insn,fid=8,forward=/t.insn,fid=9,break=split"
        );
        let one = [(Path::new("/s.insn"), 8)];
        let [_, alone] = plugin(None).arguments(None, &one, None);
        assert_eq!(alone, "file=/a,,b.so,forward=/s.insn,fid=8,clp=full");
        let [_, posted] = plugin(Some(Moves::Posted)).arguments(None, &one, None);
        assert!(posted.to_string_lossy().ends_with(",clp=full,moves=posted"));
        let [_, observing] = plugin(Some(Moves::Posted)).arguments(None, &[], None);
        assert_eq!(observing, "file=/a,,b.so");
    }
}
