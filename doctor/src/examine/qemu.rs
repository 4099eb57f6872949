//! Examines the QEMUs that `intercept` and `lab` would find.

use std::ffi::OsStr;
use std::fs;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use debian_fetch::{Cache, Machine, Qemu, Version};
use serde_json::{Value, json};

use crate::ask::ask;
use crate::report::{Finding, State, Topic};

const MACHINE: &str = "s390-ccw-virtio";
const DEVICE: &str = "vfio-user-pci";
/// The program that QEMU needs to load a guest's kernel.
const FIRMWARE: &str = "s390-ccw.img";

/// A program to examine.
#[derive(Debug)]
pub(super) struct Candidate {
    program: PathBuf,
    /// Source of the program: `--qemu`, `$QEMU`, `PATH` or `cache`.
    from: &'static str,
    /// Whether the user named it. Then a fault of it ends the search.
    named: bool,
}

/// The programs, in the order of the search.
pub(super) fn candidates(named: Option<&Path>, cache: Option<&Cache>) -> Vec<Candidate> {
    let candidate = |program: PathBuf, from, named| Candidate {
        program,
        from,
        named,
    };
    if let Some(path) = named {
        return vec![candidate(path.to_owned(), "--qemu", true)];
    }
    let name = Machine::S390x.program();
    let variable = std::env::var_os(Machine::S390x.variable()).filter(|value| !value.is_empty());
    let variable = variable.map(|path| candidate(path.into(), "$QEMU", true));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .filter(|program| program.is_file())
        .map(|program| candidate(program, "PATH", false));
    // Other entries with a QEMU are for other purposes, or of other versions of this program.
    let cached = cache.and_then(|cache| Qemu::have(Machine::S390x, cache));
    let cached = cached.map(|qemu| candidate(qemu.program, "cache", false));
    variable.into_iter().chain(on_path).chain(cached).collect()
}

/// The facts about one QEMU.
#[derive(Debug)]
pub(super) struct Examined {
    program: PathBuf,
    from: &'static str,
    named: bool,
    version: Result<Version, String>,
    /// Missing or broken parts, each with a remedy.
    faults: Vec<(String, &'static str)>,
    /// State of plugins: none, unknown API, or an API with its oldest and newest version.
    plugins: Plugins,
    /// The plugin's version after this QEMU loaded it.
    pub loaded: Option<Result<String, String>>,
    firmware: Option<PathBuf>,
}

#[derive(Debug)]
enum Plugins {
    None,
    /// No plugin was loaded that could have asked.
    Unknown,
    Api(u64, u64),
}

/// Examines a QEMU. Loads `plugin` into it, if there is one.
pub(super) fn examine(
    candidate: &Candidate,
    plugin: Option<&Path>,
    patience: Duration,
) -> Examined {
    let program = &candidate.program;
    let said = |words: &[&str]| {
        let words: Vec<&OsStr> = words.iter().map(OsStr::new).collect();
        ask(program, &words, None, patience).map(|answer| answer.stdout)
    };
    let version = said(&["--version"]).and_then(|text| {
        Version::parse(&text).ok_or_else(|| "its --version is not that of a QEMU".to_owned())
    });
    let mut examined = Examined {
        program: program.clone(),
        from: candidate.from,
        named: candidate.named,
        version,
        faults: Vec::new(),
        plugins: Plugins::None,
        loaded: None,
        firmware: None,
    };
    let version = match &examined.version {
        Ok(version) => *version,
        // A program that does not print its version gets no other questions.
        Err(_) => return examined,
    };
    let mut fault = |text: String, remedy| examined.faults.push((text, remedy));
    if version < Version::FIRST_WITH_VFIO_USER {
        fault(
            format!(
                "too old, expected {} or later",
                Version::FIRST_WITH_VFIO_USER
            ),
            "install a newer QEMU, or `vfio-user-ism fetch qemu`",
        );
    }
    match said(&["-machine", "help"]) {
        Ok(text) if names(&text).any(|name| name == MACHINE) => {}
        Ok(_) => fault(
            format!("no machine {MACHINE}"),
            "take a qemu-system-s390x, built for the target s390x-softmmu",
        ),
        Err(error) => fault(error, "repair this QEMU, or `vfio-user-ism fetch qemu`"),
    }
    match said(&["-device", "help"]) {
        Ok(text) if text.contains(&format!("\"{DEVICE}\"")) => {}
        Ok(_) => fault(
            format!("no device {DEVICE}"),
            "build QEMU with --enable-vfio-user-client, or `vfio-user-ism fetch qemu`",
        ),
        Err(error) => fault(error, "repair this QEMU, or `vfio-user-ism fetch qemu`"),
    }
    let folders = said(&["-L", "help"]).unwrap_or_default();
    let firmware = folders
        .lines()
        .map(|folder| Path::new(folder.trim()).join(FIRMWARE))
        .find(|path| path.is_file());
    if firmware.is_none() {
        fault(
            format!("no {FIRMWARE} in its data folders"),
            "install QEMU's s390x firmware (Debian: qemu-system-data, Fedora: qemu-system-s390x-core), or put \
             the folder that has it beside the program as pc-bios",
        );
    }
    examined.firmware = firmware;
    let options = said(&["-help"]).unwrap_or_default();
    if options.lines().any(|line| line.starts_with("-plugin ")) {
        examined.plugins = Plugins::Unknown;
        if let Some(plugin) = plugin {
            examined.load(plugin, patience);
        }
    }
    examined
}

/// The first words of a list's lines.
fn names(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.split_whitespace().next())
}

impl Examined {
    /// Starts QEMU without a machine, loads the plugin, and reads the plugin's records.
    fn load(&mut self, plugin: &Path, patience: Duration) {
        let loaded = load(&self.program, plugin, patience);
        if let Ok(start) = &loaded
            && let (Some(oldest), Some(newest)) =
                (start["qemu_api"][0].as_u64(), start["qemu_api"][1].as_u64())
        {
            self.plugins = Plugins::Api(oldest, newest);
        }
        self.loaded = Some(loaded.map(|start| {
            start["plugin_version"]
                .as_str()
                .unwrap_or("unknown")
                .to_owned()
        }));
    }

    /// Whether `intercept` can use this QEMU.
    pub(super) fn is_usable(&self) -> bool {
        self.version.is_ok() && self.faults.is_empty()
    }

    /// Whether this QEMU can load plugins.
    pub(super) fn has_plugins(&self) -> bool {
        !matches!(self.plugins, Plugins::None)
    }

    /// Path of the program.
    pub(super) fn program(&self) -> &Path {
        &self.program
    }

    /// The line about this QEMU. For an unused QEMU, it is only a note.
    pub(super) fn finding(&self, used: bool) -> Finding {
        let place = format!("{} ({})", self.program.display(), self.from);
        let details = json!({
            "program": self.program.display().to_string(),
            "from": self.from,
            "version": self.version.as_ref().ok().map(ToString::to_string),
            "usable": self.is_usable(),
            "plugins": self.has_plugins(),
            "plugin_api": match self.plugins {
                Plugins::Api(oldest, newest) => json!([oldest, newest]),
                _ => Value::Null,
            },
            "firmware": self.firmware.as_ref().map(|path| path.display().to_string()),
            "faults": self.faults.iter().map(|(text, _)| text).collect::<Vec<_>>(),
        });
        let finding =
            |state, text: String| Finding::new(Topic::Qemu, "qemu", state, text).with(details);
        let bad = if used || self.named {
            State::Missing
        } else {
            State::Note
        };
        let version = match &self.version {
            Ok(version) => version,
            Err(error) => {
                return finding(bad, format!("{place}: {error}"))
                    .fix("name another QEMU with $QEMU or --qemu, or `vfio-user-ism fetch qemu`");
            }
        };
        if !self.faults.is_empty() {
            let texts: Vec<_> = self.faults.iter().map(|(text, _)| text.as_str()).collect();
            let mut remedies: Vec<&str> = Vec::new();
            for (_, remedy) in &self.faults {
                if !remedies.contains(remedy) {
                    remedies.push(remedy);
                }
            }
            return finding(
                bad,
                format!("{place}: QEMU {version}, {}", texts.join(", ")),
            )
            .fix(remedies.join("; "));
        }
        let has = format!("{place}: QEMU {version}, {MACHINE}, {DEVICE}, {FIRMWARE}");
        match self.plugins {
            Plugins::Api(oldest, newest) if oldest == newest => {
                finding(State::Good, format!("{has}, plugins with API {newest}"))
            }
            Plugins::Api(oldest, newest) => finding(
                State::Good,
                format!("{has}, plugins with API {oldest} to {newest}"),
            ),
            Plugins::Unknown => finding(
                State::Good,
                format!("{has}, plugins (API not known without a plugin that loads)"),
            ),
            Plugins::None => finding(
                if used { State::Missing } else { State::Note },
                format!("{has}, no plugins: the lab and `intercept --forward` cannot use it"),
            )
            .fix("build QEMU with --enable-plugins, or `vfio-user-ism fetch qemu`"),
        }
    }
}

/// The QEMU that `intercept` and `lab` would use: a named one, the first on PATH, or the cache's.
pub(super) fn chosen(qemus: &[Examined]) -> Option<&Examined> {
    if let Some(named) = qemus.iter().find(|qemu| qemu.named) {
        return Some(named).filter(|qemu| qemu.is_usable());
    }
    // The search uses only the first one on PATH.
    let first = qemus.iter().find(|qemu| qemu.from == "PATH");
    let cached = qemus.iter().filter(|qemu| qemu.from == "cache");
    first
        .into_iter()
        .chain(cached)
        .find(|qemu| qemu.is_usable())
}

/// The plugin's first record from this QEMU.
fn load(program: &Path, plugin: &Path, patience: Duration) -> Result<Value, String> {
    let io = |error: std::io::Error| error.to_string();
    let folder = tempfile::tempdir().map_err(io)?;
    let records = folder.path().join("records.jsonl");
    let mut input = tempfile::tempfile().map_err(io)?;
    input
        .write_all(b"quit\n")
        .and_then(|()| input.rewind())
        .map_err(io)?;
    let escaped = |path: &Path| path.display().to_string().replace(',', ",,");
    let option = format!("file={},out={}", escaped(plugin), escaped(&records));
    let words = [
        "-M",
        "none",
        "-display",
        "none",
        "-nodefaults",
        "-S",
        "-monitor",
        "stdio",
        "-plugin",
    ];
    let words: Vec<&OsStr> = words
        .iter()
        .map(OsStr::new)
        .chain([OsStr::new(&option)])
        .collect();
    ask(program, &words, Some(input), patience)
        // The arguments do not help the reader.
        .map_err(|error| {
            error
                .rsplit_once("` ")
                .map_or(error.clone(), |(_, rest)| rest.to_owned())
        })?;
    let text = fs::read_to_string(&records).map_err(|_| "it recorded nothing".to_owned())?;
    let first = text.lines().next().unwrap_or_default();
    serde_json::from_str(first).map_err(|_| "its first record is no JSON".to_owned())
}
