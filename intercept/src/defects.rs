//! The list of the plugin's deliberate defects.

use crate::args::Args;
use crate::error::Error;
use crate::forwarding::find_plugin;
use crate::qemu;
use harness::Task;
use serde::Deserialize;
use std::path::Path;
use std::process::Command;

/// The value of `--break`, and of the plugin's `break`, for the list.
pub(crate) const LIST: &str = "list";

/// The version of the list that this crate reads.
const SCHEMA_VERSION: u32 = 1;

/// The list in the plugin's format (`plugin/src/defects.rs`).
#[derive(Deserialize)]
struct Listed {
    schema_version: u32,
    /// Text about the defects that stop QEMU at a chosen place.
    places: String,
    defects: Vec<Defect>,
}

#[derive(Deserialize)]
struct Defect {
    kind: String,
    name: String,
    what: String,
}

/// The plugin's list as text. Only QEMU can load the plugin and ask for the list.
///
/// # Errors
/// See [`Error`].
pub(crate) fn list(args: &Args, program: &Path) -> Result<String, Error> {
    let plugin = find_plugin(args, program)?;
    let qemu = qemu::locate(args.qemu.first().map(|named| named.as_os_str()))?;
    let folder = tempfile::tempdir().map_err(Error::file(&std::env::temp_dir()))?;
    let file = folder.path().join("defects.json");
    let task = Task {
        out: Some(file.clone()),
        defect: Some(LIST.to_owned()),
        ..Task::default()
    };
    let mut command = Command::new(&qemu.path);
    command.arg("-plugin").arg(plugin.argument(&task));
    let output = command.output().map_err(Error::file(&qemu.path))?;
    let said = || {
        String::from_utf8_lossy(&output.stderr)
            .trim_end()
            .to_owned()
    };
    let text = std::fs::read(&file).map_err(|_| Error::NoList(said()))?;
    let listed: Listed = serde_json::from_slice(&text)
        .map_err(|error| Error::NoList(format!("the list cannot be read: {error}")))?;
    if listed.schema_version != SCHEMA_VERSION {
        let version = listed.schema_version;
        let why = format!("schema_version is {version}, expected {SCHEMA_VERSION}");
        return Err(Error::NoList(why));
    }
    Ok(listed.words())
}

impl Listed {
    fn words(&self) -> String {
        let mut text = format!("--break takes one of these defects:\n{}\n", self.places);
        let mut kind = "";
        for defect in &self.defects {
            if kind != defect.kind {
                kind = &defect.kind;
                text.push_str(&format!("{kind}:\n"));
            }
            text.push_str(&format!("  {:<28} {}\n", defect.name, defect.what));
        }
        text
    }
}
