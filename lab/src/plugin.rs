//! The plugin that QEMU loads.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::args::Moves;
use crate::error::Error;
use crate::qemu::option;

/// The plugin's file, beside the program.
const FILE: &str = "libvfio_user_ism_plugin.so";

/// What the plugin does in a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    /// Carries instructions to this instruction channel, and posts these moves.
    Forward(PathBuf, Moves),
    /// Records them in this file.
    Observe(PathBuf),
}

/// The plugin that was named, or the one beside `program`.
///
/// # Errors
/// There is none.
pub fn find(named: Option<&Path>, program: &Path) -> Result<PathBuf, Error> {
    let path = named.map_or_else(|| program.with_file_name(FILE), Path::to_owned);
    let release = program.parent().is_some_and(|p| p.ends_with("release"));
    // QEMU takes a relative path as one of its own plugin folder.
    path.canonicalize().map_err(|source| Error::NoPlugin {
        path,
        release,
        source,
    })
}

/// The value of QEMU's `-plugin`; `fid` is the function's id in the guest.
pub fn argument(plugin: &Path, task: &Task, fid: u32) -> OsString {
    let mut argument = option("file=", plugin);
    match task {
        Task::Forward(channel, moves) => {
            argument.push(option(",forward=", channel));
            // The guest is to know the CHID that all functions of the fabric share.
            argument.push(format!(",fid={fid},clp=on,moves={}", moves.name()));
        }
        Task::Observe(records) => argument.push(option(",out=", records)),
    }
    argument
}

#[cfg(test)]
mod tests {
    use super::{Moves, Task, argument, find};
    use std::path::Path;

    #[test]
    fn a_comma_in_a_path_starts_no_new_option() {
        let forward = Task::Forward("/a,b.insn".into(), Moves::Posted);
        assert_eq!(
            argument(Path::new("/p,q.so"), &forward, 8),
            "file=/p,,q.so,forward=/a,,b.insn,fid=8,clp=on,moves=posted"
        );
        let observe = Task::Observe("/r".into());
        assert_eq!(argument(Path::new("/p"), &observe, 8), "file=/p,out=/r");
    }

    #[test]
    fn who_misses_it_is_told_the_command_of_their_build() {
        for (program, command) in [
            ("/x/release/vfio-user-ism", "cargo build --release -p"),
            ("/x/debug/vfio-user-ism", "cargo build -p"),
        ] {
            let text = find(None, Path::new(program)).unwrap_err().to_string();
            assert!(text.contains(command), "{text}");
        }
    }
}
