//! The TCG plugin that QEMU loads. `plugin/README.md` describes its arguments.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use thiserror::Error;

use crate::qemu::option;

/// The plugin's file name, beside the program.
const FILE: &str = "libvfio_user_ism_plugin.so";

/// The plugin is not in its place.
#[derive(Debug, Error)]
#[error(
    "no plugin {}: build it with `cargo build{} -p vfio-user-ism-plugin`, or name it with --plugin",
    path.display(), if *release { " --release" } else { "" }
)]
pub struct NoPlugin {
    path: PathBuf,
    release: bool,
    source: std::io::Error,
}

/// The plugin that QEMU loads, by its path.
#[derive(Debug, Clone)]
pub struct Plugin(PathBuf);

/// The moves that the plugin posts, which means that it does not wait for the server's answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Moves {
    /// Every move is posted.
    #[default]
    Posted,
    /// Moves without a signal are posted.
    Data,
    /// No move is posted.
    Waited,
}

impl Moves {
    /// The value of the plugin's argument `moves=`.
    const fn name(self) -> &'static str {
        match self {
            Self::Posted => "posted",
            Self::Data => "data",
            Self::Waited => "waited",
        }
    }
}

/// The settings of the plugin in one guest.
#[derive(Debug, Default)]
pub struct Task {
    /// The file for records of the executed instructions.
    pub out: Option<PathBuf>,
    /// Instruction channels, each with the id of its function in the guest.
    pub forward: Vec<(PathBuf, u32)>,
    /// The value of `clp`: how much the plugin reports to the guest about the functions.
    pub clp: Option<&'static str>,
    /// The moves that end before the server has answered.
    pub moves: Option<Moves>,
    /// True if messages go through shared memory.
    pub ring: bool,
    /// The name of a deliberate defect.
    pub defect: Option<String>,
}

impl Plugin {
    /// Finds the plugin at `named`, or beside `program`.
    ///
    /// # Errors
    /// There is no such file.
    pub fn find(named: Option<&Path>, program: &Path) -> Result<Self, NoPlugin> {
        let path = named.map_or_else(|| program.with_file_name(FILE), Path::to_owned);
        let release = program.parent().is_some_and(|p| p.ends_with("release"));
        // QEMU resolves a relative path in its own plugin folder.
        let found = path.canonicalize();
        found.map(Self).map_err(|source| NoPlugin {
            path,
            release,
            source,
        })
    }

    /// Returns the value for QEMU's `-plugin`.
    pub fn argument(&self, task: &Task) -> OsString {
        let mut argument = option("file=", &self.0);
        if let Some(out) = &task.out {
            argument.push(option(",out=", out));
        }
        for (channel, fid) in &task.forward {
            argument.push(option(",forward=", channel));
            argument.push(format!(",fid={fid}"));
        }
        if let Some(clp) = task.clp {
            argument.push(format!(",clp={clp}"));
        }
        if let Some(moves) = task.moves {
            argument.push(format!(",moves={}", moves.name()));
        }
        if task.ring {
            argument.push(",ring=on");
        }
        if let Some(defect) = &task.defect {
            argument.push(option(",break=", Path::new(defect)));
        }
        argument
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Moves, Plugin, Task};

    #[test]
    fn all_tasks_go_into_one_argument() {
        let task = Task {
            out: Some("/r".into()),
            forward: vec![("/s,1.insn".into(), 8), ("/t.insn".into(), 9)],
            clp: Some("full"),
            moves: Some(Moves::Posted),
            ring: true,
            defect: Some("split".to_owned()),
        };
        assert_eq!(
            Plugin("/a,b.so".into()).argument(&task),
            "file=/a,,b.so,out=/r,forward=/s,,1.insn,fid=8,forward=/t.insn,fid=9,clp=full,moves=posted,ring=on,break=split"
        );
        assert_eq!(Plugin("/p".into()).argument(&Task::default()), "file=/p");
    }

    #[test]
    fn a_missing_plugin_names_the_command_of_the_same_build() {
        for (program, command) in [
            ("/x/release/vfio-user-ism", "cargo build --release -p"),
            ("/x/debug/vfio-user-ism", "cargo build -p"),
        ] {
            let error = Plugin::find(None, Path::new(program)).unwrap_err();
            assert!(error.to_string().contains(command), "{error}");
        }
    }
}
