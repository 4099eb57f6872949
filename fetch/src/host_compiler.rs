//! Makes a C compiler for this machine from unpacked packages.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::programs::{loader_of, quoted};
use crate::wrapper;

/// Writes the script `cc` into the folder `programs`. Returns its path.
///
/// The script runs the package `gcc`, which is unpacked in `root` and made startable there, with the headers
/// and libraries of `root`. Its programs need these libraries at run time, because a build starts some of
/// them.
///
/// # Errors
/// The script cannot be written, or `root` has no dynamic loader for this machine.
pub fn host_compiler(root: &Path, programs: &Path) -> Result<PathBuf, Error> {
    let (loader, folders) = loader_of(root)?;
    let libraries = folders
        .iter()
        .map(|f| format!("-Wl,-rpath,{}", f.display()));
    let libraries: Vec<_> = libraries.collect();
    let bin = root.join("usr/bin");
    let word = |path: &Path| quoted(&path.display().to_string());
    let text = format!(
        "exec {gcc} --sysroot={root} -B{bin}/ -Wl,--dynamic-linker={loader} {} \"$@\"",
        libraries.join(" "),
        gcc = word(&bin.join("gcc")),
        root = word(root),
        bin = word(&bin),
        loader = word(&loader),
    );
    // Debian's older libraries are in /lib, and linker scripts name them there.
    for folder in ["lib", "lib64"] {
        let link = root.join(folder);
        let target = root.join("usr").join(folder);
        if !link.exists() && target.exists() {
            symlink(Path::new("usr").join(folder), &link).map_err(Error::io("link", &link))?;
        }
    }
    script(programs, "cc", &text)
}

/// Writes the shell script `name` into `folder`. Returns its path.
///
/// # Errors
/// It cannot be written.
pub fn script(folder: &Path, name: &str, text: &str) -> Result<PathBuf, Error> {
    let path = folder.join(name);
    wrapper::executable(&path, &format!("#!/bin/sh\n{text}\n"))?;
    Ok(path)
}
