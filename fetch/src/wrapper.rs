//! The scripts that start an unpacked QEMU.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::error::Error;
use crate::host::Platform;

/// Folders with QEMU's data files, below `usr/`. Several packages have such a folder.
const DATA: [&str; 4] = [
    "share/qemu",
    "share/seabios",
    "share/vgabios",
    "lib/ipxe/qemu",
];

/// Writes the script `bin/PROGRAM` into the entry at `folder`.
pub(crate) fn write(folder: &Path, program: &str, platform: &Platform) -> Result<(), Error> {
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).map_err(Error::io("create", &bin))?;
    executable(&bin.join(program), &text(program, platform))
}

/// Writes a file that can be started.
pub(crate) fn executable(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::io("write", path))?;
    let rights = fs::Permissions::from_mode(0o755);
    fs::set_permissions(path, rights).map_err(Error::io("set rights of", path))
}

/// The script finds all files relative to its own place, so the cache may be moved, and links to the script
/// work. QEMU searches for its modules beside the running program. Here that is the loader, so a variable
/// gives the place. `exec` keeps the process id, so that the caller can end QEMU.
fn text(program: &str, platform: &Platform) -> String {
    let Platform {
        triplet, loader, ..
    } = platform;
    let data: Vec<_> = DATA
        .iter()
        .map(|dir| format!("-L \"$root/usr/{dir}\""))
        .collect();
    let data = data.join(" ");
    format!(
        "#!/bin/sh\n\
         # Starts QEMU with the libraries, modules and data files it was fetched with.\n\
         self=$(readlink -f -- \"$0\")\n\
         root=${{self%/bin/*}}/root\n\
         lib=$root/usr/lib/{triplet}\n\
         export QEMU_MODULE_DIR=\"$lib/qemu\"\n\
         exec \"$root/{loader}\" --library-path \"$lib\" --argv0 \"$0\" \\\n  \
         \"$root/usr/bin/{program}\" {data} \"$@\"\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// A loader that only prints its arguments.
    const ECHO: &str = "#!/bin/sh\necho \"$QEMU_MODULE_DIR\"\nprintf '%s\\n' \"$@\"\n";

    #[test]
    fn starts_the_program_from_any_folder_and_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let entry = dir.path().join("a cache/qemu");
        let platform = Platform {
            arch: "amd64",
            triplet: "t",
            loader: "ld.so",
        };
        fs::create_dir_all(entry.join("root")).unwrap();
        let loader = entry.join("root/ld.so");
        harness::write_script(&loader, ECHO).unwrap();
        write(&entry, "qemu-x", &platform).unwrap();
        let link = dir.path().join("qemu-link");
        std::os::unix::fs::symlink(entry.join("bin/qemu-x"), &link).unwrap();

        for start in [&entry.join("bin/qemu-x"), &link] {
            // Not the script itself: see `harness::write_script`.
            let mut run = Command::new("sh");
            let run = run.arg(start).args(["-M", "a b"]).current_dir("/");
            let out = run.output().unwrap();
            let text = String::from_utf8(out.stdout).unwrap();
            let lines: Vec<_> = text.lines().collect();
            let entry = entry.canonicalize().unwrap();
            let at = |path: &str| entry.join("root").join(path).display().to_string();
            assert_eq!(lines[0], at("usr/lib/t/qemu"));
            assert_eq!(lines[1..3], ["--library-path", &at("usr/lib/t")]);
            assert_eq!(lines[5], at("usr/bin/qemu-x"));
            assert_eq!(lines[6..8], ["-L", &at("usr/share/qemu")]);
            assert_eq!(lines[lines.len() - 2..], ["-M", "a b"]);
        }
    }
}
