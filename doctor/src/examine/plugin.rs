//! Examines the plugin: the file, its version, and whether it loads into the QEMU.

use std::path::{Path, PathBuf};

use super::qemu;
use crate::report::{Finding, State, Topic, VERSION};

/// File name of the plugin, beside the program.
const FILE: &str = "libvfio_user_ism_plugin.so";
const REMEDY: &str = "`cargo build --release -p vfio-user-ism-plugin` in this program's sources, or \
                      install the plugin that came with this program beside it";

#[derive(Debug)]
pub(super) struct Examined {
    /// The line about the plugin.
    pub finding: Finding,
}

/// The named plugin, or the one beside this program. The error is the path of a missing plugin.
pub(super) fn find(named: Option<&Path>) -> Result<PathBuf, PathBuf> {
    let path = match named {
        Some(path) => path.to_owned(),
        None => std::env::current_exe()
            .unwrap_or_default()
            .with_file_name(FILE),
    };
    match path.canonicalize() {
        Ok(path) if path.is_file() => Ok(path),
        _ => Err(path),
    }
}

/// Judges the plugin by QEMU's output when it loaded the plugin.
pub(super) fn examine(plugin: Result<PathBuf, PathBuf>, qemu: Option<&qemu::Examined>) -> Examined {
    let finding = |state, text: String| Finding::new(Topic::Plugin, "plugin", state, text);
    let path = match plugin {
        Ok(path) => path,
        Err(path) => {
            let text = format!(
                "{}: not there; the lab and `intercept --forward` need it",
                path.display()
            );
            return Examined {
                finding: finding(State::Missing, text).fix(REMEDY),
            };
        }
    };
    let place = path.display();
    let finding = match qemu.and_then(|qemu| Some((qemu, qemu.loaded.as_ref()?))) {
        None => finding(
            State::Note,
            format!("{place}: there; no QEMU could load it to ask for its version"),
        ),
        Some((_, Ok(version))) if version == VERSION => finding(
            State::Good,
            format!("{place}: version {version}, loads into QEMU"),
        ),
        Some((_, Ok(version))) => finding(
            State::Missing,
            format!("{place}: version {version}, expected {VERSION}"),
        )
        .fix(REMEDY),
        Some((qemu, Err(error))) => finding(
            State::Missing,
            format!(
                "{place}: does not load into {}: {error}",
                qemu.program().display()
            ),
        )
        .fix(if error.contains("API version") {
            "take a QEMU with plugin API 7 (QEMU 11.1), for example `vfio-user-ism fetch qemu`"
        } else {
            REMEDY
        }),
    };
    Examined { finding }
}
