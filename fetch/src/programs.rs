//! Makes the programs of an unpacked root startable in place. A small script runs each program through the
//! unpacked dynamic loader. This needs no root, namespace or installation.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;
use crate::host::{self, Platform};
use crate::wrapper;

/// Folders of libraries in a root: in `usr/`, and in older suites beside it.
const PLACES: [&str; 2] = ["usr/lib", "lib"];
/// Suffix of a program after a script has taken its name.
const SUFFIX: &str = ".elf";

/// Replaces every program for this machine below `root`, an absolute path, by a script. Returns their number.
/// The root must stay at its path.
///
/// # Errors
/// When a file cannot be read or written, or the root has no dynamic loader for this machine.
pub fn make_startable(root: &Path) -> Result<usize, Error> {
    let platform = host::platform()?;
    let start = start_line(root, &platform)?;
    wrap_below(root, &start, &platform)
}

/// The dynamic loader of the unpacked `root`, and its folders of libraries.
///
/// # Errors
/// As [`make_startable`].
pub fn loader_of(root: &Path) -> Result<(PathBuf, Vec<PathBuf>), Error> {
    loader_in(root, &host::platform()?)
}

/// Keeps a QEMU that was built with the libraries of `tools`. Copies the QEMU, its libraries and the loader
/// below `folder/root`, and writes the script `folder/bin/NAME` that starts it.
///
/// # Errors
/// A file cannot be copied, or a library is missing.
pub fn keep_qemu(tools: &Path, program: &Path, folder: &Path) -> Result<PathBuf, Error> {
    let platform = host::platform()?;
    let (loader, folders) = loader_in(tools, &platform)?;
    let root = folder.join("root");
    let library = root.join("usr/lib").join(platform.triplet);
    let name = program.file_name().unwrap_or_default();
    let mut kept = vec![
        (program.to_owned(), root.join("usr/bin").join(name)),
        (loader.clone(), root.join(platform.loader)),
    ];
    let mut list = Command::new(&loader);
    list.arg("--library-path").arg(joined(&folders));
    let output = list.arg("--list").arg(program).output();
    let output = output.map_err(Error::io("start", &loader))?;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Some((library_name, rest)) = line.trim().split_once(" => ") else {
            continue;
        };
        let path = rest.split(" (").next().unwrap_or_default();
        if !Path::new(path).is_file() {
            return Err(Error::Missing {
                packages: "the libraries' packages".to_owned(),
                expected: library_name.to_owned(),
                folder: tools.to_owned(),
            });
        }
        kept.push((path.into(), library.join(library_name)));
    }
    for (from, to) in kept {
        let parent = to.parent().unwrap_or(&root);
        fs::create_dir_all(parent).map_err(Error::io("create", parent))?;
        fs::copy(&from, &to).map_err(Error::io("copy", &from))?;
    }
    wrapper::write(folder, &name.to_string_lossy(), &platform)?;
    Ok(folder.join("bin").join(name))
}

/// Debian's name of this machine's architecture.
///
/// # Errors
/// [`Error::Architecture`] when Debian's programs do not run here.
pub fn native_arch() -> Result<&'static str, Error> {
    Ok(host::platform()?.arch)
}

fn joined(folders: &[PathBuf]) -> String {
    let folders: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
    folders.join(":")
}

fn loader_in(root: &Path, platform: &Platform) -> Result<(PathBuf, Vec<PathBuf>), Error> {
    let folders = PLACES.map(|place| root.join(place).join(platform.triplet));
    let loader = Path::new(platform.loader).file_name().unwrap_or_default();
    let candidates: Vec<PathBuf> = folders.iter().map(|f| f.join(loader)).collect();
    let loader = candidates
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| Error::Missing {
            packages: "the programs' packages".to_owned(),
            expected: loader.to_string_lossy().into_owned(),
            folder: root.to_path_buf(),
        })?;
    Ok((loader, folders.to_vec()))
}

/// The first part of a script, up to the program.
fn start_line(root: &Path, platform: &Platform) -> Result<String, Error> {
    let (loader, folders) = loader_in(root, platform)?;
    Ok(format!(
        "#!/bin/sh\nexec {} --library-path {} --argv0 \"$0\"",
        quoted(&loader.display().to_string()),
        quoted(&joined(&folders))
    ))
}

fn wrap_below(folder: &Path, start: &str, platform: &Platform) -> Result<usize, Error> {
    let mut count = 0;
    for item in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let item = item.map_err(Error::io("read", folder))?;
        let path = item.path();
        // Does not follow links: their targets are visited in their own place.
        let data = item.metadata().map_err(Error::io("read", &path))?;
        if data.is_dir() {
            count += wrap_below(&path, start, platform)?;
        } else if data.is_file()
            && data.permissions().mode() & 0o100 != 0
            && is_program(&path, platform)?
        {
            wrap(&path, start)?;
            count += 1;
        }
    }
    Ok(count)
}

fn wrap(path: &Path, start: &str) -> Result<(), Error> {
    let mut name = path.as_os_str().to_owned();
    name.push(SUFFIX);
    let moved = PathBuf::from(name);
    fs::rename(path, &moved).map_err(Error::io("move", path))?;
    // argv[0] stays the script's path, because gcc searches for its parts beside it.
    let text = format!("{start} {} \"$@\"\n", quoted(&moved.display().to_string()));
    wrapper::executable(path, &text)
}

/// Whether `path` is a dynamically linked program (not a library) for this machine's processor: an ELF file
/// that names this machine's loader (source: the ELF specification, PT_INTERP).
fn is_program(path: &Path, platform: &Platform) -> Result<bool, Error> {
    // In every program from binutils, the name is in the first page.
    let mut head = Vec::new();
    let file = fs::File::open(path).map_err(Error::io("open", path))?;
    file.take(4096)
        .read_to_end(&mut head)
        .map_err(Error::io("read", path))?;
    let loader = Path::new(platform.loader).file_name().unwrap_or_default();
    let loader = loader.as_encoded_bytes();
    // The loader and libc also contain the name, but end in `.so` and a number.
    let library = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().contains(".so"));
    Ok(!library && head.starts_with(b"\x7fELF") && head.windows(loader.len()).any(|w| w == loader))
}

/// `text`, quoted as one word of a shell.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_starts_through_the_loader_of_its_root_and_a_script_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("a root's");
        let platform = host::platform().unwrap();
        let loader = Path::new(platform.loader).file_name().unwrap();
        let place = |path: &str, text: &[u8]| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            path
        };
        // A loader that only prints its arguments.
        let libraries = format!("usr/lib/{}", platform.triplet);
        let path = root.join(&libraries).join(loader);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        harness::write_script(&path, "#!/bin/sh\nprintf '%s\\n' \"$@\"\n").unwrap();
        let mut elf = b"\x7fELF\x02\x02 /lib/".to_vec();
        elf.extend_from_slice(loader.as_encoded_bytes());
        let program = place("usr/bin/tool", &elf);
        let script = place("usr/bin/script", b"#!/bin/sh\n");
        let foreign = place("usr/bin/foreign", b"\x7fELF /lib/ld64.so.1");

        assert_eq!(make_startable(&root).unwrap(), 1);
        // Not the script itself: see `harness::write_script`.
        let mut run = Command::new("sh");
        let out = run.arg(&program).args(["-o", "a b"]).output().unwrap();
        let text = String::from_utf8(out.stdout).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], "--library-path");
        assert!(lines[1].contains(&libraries), "{text}");
        assert_eq!(lines[2..4], ["--argv0", program.to_str().unwrap()]);
        let moved = format!("{}.elf", program.display());
        assert_eq!(lines[4..], [moved.as_str(), "-o", "a b"]);
        assert_eq!(fs::read(script).unwrap(), b"#!/bin/sh\n");
        assert!(fs::read(foreign).unwrap().starts_with(b"\x7fELF"));
    }

    #[test]
    fn a_root_without_a_loader_is_told_of() {
        let dir = tempfile::tempdir().unwrap();
        let text = make_startable(dir.path()).unwrap_err().to_string();
        assert!(text.contains("should hold ld-linux"), "{text}");
    }
}
