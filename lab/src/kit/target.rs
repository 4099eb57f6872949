//! The modules to build, and their build.

use std::path::{Path, PathBuf};

use debian_fetch::Steps;

use super::error::KitError;
use super::folder::{copy, create, files, write};

/// Prefix of the compiler for the guests' architecture.
pub(super) const TRIPLET: &str = "s390x-linux-gnu";

/// A module to build.
pub(super) struct Target {
    /// The folder of the build.
    pub(super) folder: &'static str,
    /// The folder of the source in the kernel's source.
    pub(super) source: &'static str,
    /// The text of our own Makefile, if the kernel's Makefile would also build other modules.
    makefile: Option<&'static str>,
    /// The enabled options, for make and as macros for the compiler.
    options: &'static [&'static str],
    /// Folders of targets that export symbols for this one.
    uses: &'static [&'static str],
    /// The modules to keep.
    pub(super) kept: &'static [&'static str],
}

/// The folder of modules that replace others of the same name.
pub(super) const LOOPBACK: &str = "loopback";

const ISM_ONLY: Option<&str> = Some("obj-m := ism.o\nism-y := ism_drv.o\n");

/// The place of ism in a kernel's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Below smc, without loopback-ism: before Linux 6.10.
    Plain,
    /// Below smc, with loopback-ism.
    Loopback,
    /// Below dibs: from Linux 6.18 on.
    Dibs,
}

/// Folders of the source that show the kind, or that a target needs.
pub(super) const FOLDERS: [&str; 3] = ["drivers/dibs", "drivers/s390/net", "net/smc"];

impl Kind {
    /// The kind of the kernel's `source`, which has [`FOLDERS`].
    pub(super) fn of(source: &Path) -> Self {
        if source.join("drivers/dibs").is_dir() {
            Self::Dibs
        } else if source.join("net/smc/smc_loopback.c").is_file() {
            Self::Loopback
        } else {
            Self::Plain
        }
    }
}

const ISM: Target = Target {
    folder: "ism",
    source: "drivers/s390/net",
    makefile: ISM_ONLY,
    options: &["CONFIG_ISM=m"],
    uses: &[],
    kept: &["ism"],
};

/// Without `CONFIG_ISM=m`, smc would be built without ISM.
const SMC: Target = Target {
    folder: "smc",
    source: "net/smc",
    makefile: None,
    options: &["CONFIG_ISM=m"],
    uses: &["ism"],
    kept: &["smc", "smc_diag"],
};

const OF_PLAIN: [Target; 2] = [ISM, SMC];

const OF_LOOPBACK: [Target; 3] = [
    ISM,
    SMC,
    Target {
        folder: LOOPBACK,
        source: "net/smc",
        makefile: None,
        options: &["CONFIG_ISM=m", "CONFIG_SMC_LO=y"],
        uses: &["ism"],
        kept: &["smc", "smc_diag"],
    },
];

/// These do not contain smc: it needs `tcp_have_smc` of `net/ipv4/tcp_input.c`, which only a kernel with SMC
/// has.
const OF_DIBS: [Target; 2] = [
    Target {
        folder: "dibs",
        source: "drivers/dibs",
        makefile: None,
        options: &["CONFIG_DIBS=m"],
        uses: &[],
        kept: &["dibs"],
    },
    Target {
        folder: "ism",
        source: "drivers/s390/net",
        makefile: ISM_ONLY,
        options: &["CONFIG_DIBS=m", "CONFIG_ISM=m"],
        uses: &["dibs"],
        kept: &["ism"],
    },
];

/// The modules to build for `kind`. Each comes after its dependencies.
pub(super) fn targets(kind: Kind) -> &'static [Target] {
    match kind {
        Kind::Plain => &OF_PLAIN,
        Kind::Loopback => &OF_LOOPBACK,
        Kind::Dibs => &OF_DIBS,
    }
}

/// Copies a target's source into its own folder.
fn prepare(target: &Target, source: &Path, build: &Path) -> Result<PathBuf, KitError> {
    let folder = build.join(target.folder);
    create(&folder)?;
    for file in files(&source.join(target.source))? {
        copy(&file, &folder.join(file.file_name().unwrap_or_default()))?;
    }
    if let Some(text) = target.makefile {
        write(&folder.join("Makefile"), text)?;
    }
    Ok(folder)
}

/// Builds `target` below `build` from the kernel's `source`, against `headers`.
pub(super) fn build(
    steps: &Steps,
    target: &Target,
    source: &Path,
    headers: &Path,
    build: &Path,
) -> Result<(), KitError> {
    let what = format!("building {}", target.folder);
    let folder = prepare(target, source, build)?;
    let uses = target.uses.iter();
    let symbols: Vec<_> = uses
        .map(|other| {
            build
                .join(other)
                .join("Module.symvers")
                .display()
                .to_string()
        })
        .collect();
    let mut arguments = vec![
        "-j2".to_owned(),
        "-C".to_owned(),
        headers.display().to_string(),
        format!("M={}", folder.display()),
        format!("KBUILD_EXTRA_SYMBOLS={}", symbols.join(" ")),
        format!("KCFLAGS={}", macros(target.options)),
    ];
    arguments.extend(target.options.iter().map(|option| (*option).to_owned()));
    arguments.push("modules".to_owned());
    steps.run(&what, "make", arguments)?;
    // Debug information is ten times as large as the module, and the kernel does not load it.
    for name in target.kept {
        let file = folder.join(format!("{name}.ko"));
        let strip = format!("{TRIPLET}-strip");
        let arguments = ["--strip-debug".as_ref(), file.as_os_str()];
        steps.run(&what, &strip, arguments)?;
    }
    Ok(())
}

/// The text of the kernel's `include/generated/autoconf.h` for `options`.
fn macros(options: &[&str]) -> String {
    let defined = options
        .iter()
        .map(|option| match option.strip_suffix("=m") {
            Some(name) => format!("-D{name}_MODULE=1"),
            None => format!("-D{}=1", option.trim_end_matches("=y")),
        });
    defined.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn options_are_told_to_the_compiler_as_the_kernel_would() {
        assert_eq!(
            macros(&["CONFIG_ISM=m", "CONFIG_SMC_LO=y"]),
            "-DCONFIG_ISM_MODULE=1 -DCONFIG_SMC_LO=1"
        );
    }

    #[test]
    fn the_source_tells_its_kind() {
        let dir = tempfile::tempdir().unwrap();
        let smc = dir.path().join("net/smc");
        fs::create_dir_all(&smc).unwrap();
        assert_eq!(Kind::of(dir.path()), Kind::Plain);
        fs::write(smc.join("smc_loopback.c"), "").unwrap();
        assert_eq!(Kind::of(dir.path()), Kind::Loopback);
        fs::create_dir_all(dir.path().join("drivers/dibs")).unwrap();
        assert_eq!(Kind::of(dir.path()), Kind::Dibs);
    }

    #[test]
    fn what_a_target_uses_is_built_before_it() {
        for kind in [Kind::Plain, Kind::Loopback, Kind::Dibs] {
            let mut built = Vec::new();
            for target in targets(kind) {
                assert!(FOLDERS.contains(&target.source));
                assert!(target.uses.iter().all(|other| built.contains(other)));
                built.push(target.folder);
            }
        }
    }
}
