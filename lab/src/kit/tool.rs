//! The guest tool, compiled from `lab/guest/*.c` with the kernel's modules, and again when its source
//! changes.

use std::fs;
use std::path::{Path, PathBuf};

use debian_fetch::{
    Cache, Closure, Entry, For, Steps, Workshop, compiler_packages, make_startable, native_arch,
};

use super::error::KitError;
use super::folder::{write, write_sources};
use super::hash::hash;
use super::target::TRIPLET;

macro_rules! file {
    ($name:literal) => {
        ($name, include_str!(concat!("../../guest/", $name)))
    };
}

/// The source's files.
const SOURCES: [(&str, &str); 16] = [
    file!("clock.c"),
    file!("connection.c"),
    file!("diag.c"),
    file!("error.c"),
    file!("hold.c"),
    file!("info.c"),
    file!("netlink.c"),
    file!("options.c"),
    file!("ping.c"),
    file!("request.c"),
    file!("send.c"),
    file!("serve.c"),
    file!("smcd-tool.c"),
    file!("stream.c"),
    file!("tick.c"),
    file!("tool.h"),
];

/// Path of the program in an entry.
const PROGRAM: &str = "smcd-tool";
/// The file beside the program with the hash of its source.
const OF: &str = "smcd-tool.source";
/// Name of the entry with only this program.
const ENTRY: &str = "lab-smcd-tool";

/// The program of the present source, from `kit` or from its own entry. Compiles it if it is missing.
pub(super) fn find(cache: &Cache, kit: &Entry) -> Result<PathBuf, KitError> {
    let key = key();
    let in_kit = fs::read_to_string(kit.root().join(OF));
    if in_kit.is_ok_and(|of| of == key) {
        return Ok(kit.root().join(PROGRAM));
    }
    let entry = cache.built(ENTRY, &key, For::Lab, |workshop| alone(cache, workshop))?;
    Ok(entry.root().join(PROGRAM))
}

/// Compiles the program with this machine's cross compiler, or with a fetched one.
fn alone(cache: &Cache, workshop: &Workshop) -> Result<(), KitError> {
    let logs = cache.folder().join("logs");
    let build = workshop.folder().join("build");
    let on_machine = format!("{TRIPLET}-gcc");
    let path = std::env::var_os("PATH").unwrap_or_default();
    if std::env::split_paths(&path).any(|folder| folder.join(&on_machine).is_file()) {
        let steps = Steps::new(workshop, None, &logs, ENTRY, 1)?;
        steps.begin("building the guest tool with this machine's compiler");
        return compile(&steps, &on_machine, &build, &workshop.root());
    }
    let arch = native_arch()?;
    workshop.with_compiler(arch, |suite, gcc| {
        let tools = workshop.folder().join("tools");
        let shelf = workshop.shelf(suite, arch)?;
        shelf.unpack(&compiler_packages(gcc), Closure::Full, &tools)?;
        make_startable(&tools)?;
        let steps = Steps::new(workshop, Some(tools.join("usr/bin")), &logs, ENTRY, 1)?;
        steps.begin("building the guest tool");
        let compiler = format!("{TRIPLET}-{gcc}");
        compile(&steps, &compiler, &build, &workshop.root())
    })
}

/// Compiles the program with `compiler` in the folder `build`, into `root`.
pub(super) fn compile(
    steps: &Steps,
    compiler: &str,
    build: &Path,
    root: &Path,
) -> Result<(), KitError> {
    let folder = build.join("tool");
    write_sources(&folder, &SOURCES)?;
    let program = root.join(PROGRAM);
    let mut arguments: Vec<String> = FLAGS.map(str::to_owned).to_vec();
    arguments.extend(["-o".to_owned(), program.display().to_string()]);
    let compiled = SOURCES.iter().filter(|(name, _)| name.ends_with(".c"));
    arguments.extend(compiled.map(|(name, _)| folder.join(name).display().to_string()));
    steps.run("building the guest tool", compiler, arguments)?;
    write(&root.join(OF), key())
}

const FLAGS: [&str; 9] = [
    "-D_GNU_SOURCE",
    "-std=gnu11",
    "-O2",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-static",
    "-pthread",
    "-s",
];

/// The key of the program. It changes with the source and with the compilation.
fn key() -> String {
    let names = SOURCES.iter().flat_map(|(name, text)| [*name, *text]);
    format!("source {:016x}", hash(names.chain(FLAGS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_source_file_is_listed() {
        let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("guest");
        let there = crate::kit::folder::files(&guest).unwrap();
        let there: Vec<_> = there
            .iter()
            .filter_map(|path| path.file_name()?.to_str())
            .filter(|name| name.ends_with(".c") || name.ends_with(".h"))
            .collect();
        assert_eq!(SOURCES.map(|(name, _)| name).to_vec(), there);
    }
}
