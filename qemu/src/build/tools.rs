//! The compiler and other build tools, unpacked from Debian's packages. Nothing is installed.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use debian_fetch::{
    Closure, Error, Wanted, Workshop, host_compiler, loader_of, make_startable, native_arch,
    quoted, script,
};

/// Suites whose programs build QEMU: it needs meson 1.5 and Python 3.9.
const SUITES: [&str; 3] = ["trixie", "forky", "sid"];
/// QEMU 11.0 and later need this package. Debian 13 has it only in its backports.
const QMP: &str = "python3-qemu-qmp";
/// Suites with that package.
const QMP_SUITES: [&str; 3] = ["trixie-backports", "forky", "sid"];
const PACKAGES: [&str; 15] = [
    "gcc",
    "libc6-dev",
    "libglib2.0-dev",
    "libpixman-1-dev",
    "libfdt-dev",
    "pkgconf",
    "python3",
    // If pip and setuptools are beside it, QEMU makes its virtual environment without the network.
    "python3-pip",
    "python3-setuptools",
    "python3-venv",
    "python3-distlib",
    "python3-pycotap",
    "meson",
    "ninja-build",
    // For the firmware, because Debian's source lacks it.
    "qemu-system-data",
];
/// Programs that the build calls by their plain names.
const LINKS: [&str; 7] = ["ar", "ld", "nm", "ninja", "objcopy", "ranlib", "strip"];

/// The programs that build QEMU.
pub(super) struct Tools {
    /// The folder with the unpacked packages.
    pub(super) root: PathBuf,
    /// The folder with the programs.
    pub(super) programs: PathBuf,
}

impl Tools {
    /// Unpacks the build tools for `tree`, from the first suite that has all of them.
    pub(super) fn unpack(workshop: &Workshop, tree: &Path) -> Result<Self, Error> {
        let root = workshop.folder().join("tools");
        let mut wanted = PACKAGES.map(Wanted::any).to_vec();
        let known = if asks_for_qmp(tree) {
            wanted.push(Wanted::any(QMP));
            QMP_SUITES
        } else {
            SUITES
        };
        let known = known.map(str::to_owned).to_vec();
        let mut tries = workshop.tries("the build tools of QEMU");
        for suite in workshop.suites(known) {
            let shelf = workshop.shelf(&suite, native_arch()?);
            let unpacked = shelf.and_then(|shelf| shelf.unpack(&wanted, Closure::Full, &root));
            match unpacked {
                Ok(_) => return Self::ready(workshop, root),
                Err(error) if error.is_local() => return Err(error),
                Err(error) => tries.failed(&suite, &error),
            }
        }
        Err(tries.nothing_left())
    }

    fn ready(workshop: &Workshop, root: PathBuf) -> Result<Self, Error> {
        make_startable(&root)?;
        let programs = workshop.folder().join("programs");
        fs::create_dir_all(&programs).map_err(Error::io("create", &programs))?;
        for name in LINKS {
            let link = programs.join(name);
            symlink(root.join("usr/bin").join(name), &link).map_err(Error::io("link", &link))?;
        }
        host_compiler(&root, &programs)?;
        let tools = Self { root, programs };
        tools.pkg_config()?;
        Ok(tools)
    }

    /// The arguments for QEMU's configure.
    pub(super) fn configure(&self) -> [OsString; 3] {
        let argument = |name: &str, path: &Path| {
            let mut argument = OsString::from(name);
            argument.push(path);
            argument
        };
        let compiler = self.programs.join("cc");
        [
            argument("--cc=", &compiler),
            argument("--host-cc=", &compiler),
            argument("--python=", &self.root.join("usr/bin/python3")),
        ]
    }

    fn pkg_config(&self) -> Result<(), Error> {
        let (_, folders) = loader_of(&self.root)?;
        let mut places: Vec<_> = folders
            .iter()
            .map(|folder| folder.join("pkgconfig").display().to_string())
            .collect();
        places.push(self.root.join("usr/share/pkgconfig").display().to_string());
        let text = format!(
            "export PKG_CONFIG_LIBDIR={} PKG_CONFIG_SYSROOT_DIR={}\nunset PKG_CONFIG_PATH\n\
             exec {} \"$@\"",
            quoted(&places.join(":")),
            quoted(&self.root.display().to_string()),
            quoted(&self.root.join("usr/bin/pkgconf").display().to_string())
        );
        script(&self.programs, "pkg-config", &text).map(drop)
    }
}

/// Whether the configuration of `tree` needs the Python package `qemu.qmp`. Its group is then always
/// installed.
fn asks_for_qmp(tree: &Path) -> bool {
    let groups = fs::read_to_string(tree.join("pythondeps.toml")).unwrap_or_default();
    groups.lines().any(|line| line.trim() == "[tooling]")
}
