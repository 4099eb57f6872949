//! Modules that are built, and how.

use std::fs;
use std::path::{Path, PathBuf};

use super::KitError;
use super::choice::Series;
use super::folder::files;
use super::make::Steps;
use super::packages::TRIPLET;

/// A module to build.
pub(super) struct Target {
    /// The folder it is built in.
    pub(super) folder: &'static str,
    /// Where its source lies in the kernel's.
    pub(super) source: &'static str,
    /// What a Makefile of our own says, where the kernel's would build other modules too.
    makefile: Option<&'static str>,
    /// What is switched on, for make and as macros for the compiler.
    options: &'static [&'static str],
    /// Folders of targets whose symbols it uses.
    uses: &'static [&'static str],
    /// The modules to keep.
    pub(super) kept: &'static [&'static str],
}

/// The folder of the modules that come in place of others of the same name.
pub(super) const LOOPBACK: &str = "loopback";

const ISM_ONLY: Option<&str> = Some("obj-m := ism.o\nism-y := ism_drv.o\n");

/// Without `CONFIG_ISM=m`, smc would be built without ISM.
const OF_612: [Target; 3] = [
    Target {
        folder: "ism",
        source: "drivers/s390/net",
        makefile: ISM_ONLY,
        options: &["CONFIG_ISM=m"],
        uses: &[],
        kept: &["ism"],
    },
    Target {
        folder: "smc",
        source: "net/smc",
        makefile: None,
        options: &["CONFIG_ISM=m"],
        uses: &["ism"],
        kept: &["smc", "smc_diag"],
    },
    Target {
        folder: LOOPBACK,
        source: "net/smc",
        makefile: None,
        options: &["CONFIG_ISM=m", "CONFIG_SMC_LO=y"],
        uses: &["ism"],
        kept: &["smc", "smc_diag"],
    },
];

/// smc is left out: it needs `tcp_have_smc` of `net/ipv4/tcp_input.c`, which only a kernel that is
/// configured with SMC has.
const OF_72: [Target; 2] = [
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

/// What is built for `series`, each after what it uses.
pub(super) fn targets(series: Series) -> &'static [Target] {
    match series {
        Series::Linux612 => &OF_612,
        Series::Linux72 => &OF_72,
    }
}

/// Copies a target's source into a folder of its own.
fn prepare(target: &Target, source: &Path, build: &Path) -> Result<PathBuf, KitError> {
    let folder = build.join(target.folder);
    fs::create_dir_all(&folder).map_err(KitError::io("create", &folder))?;
    for file in files(&source.join(target.source))? {
        let copy = folder.join(file.file_name().unwrap_or_default());
        fs::copy(&file, &copy).map_err(KitError::io("copy", &file))?;
    }
    if let Some(text) = target.makefile {
        let path = folder.join("Makefile");
        fs::write(&path, text).map_err(KitError::io("write", &path))?;
    }
    Ok(folder)
}

/// Builds `target` below `build` out of the kernel's `source`, against `headers`.
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
    // Debug information is ten times the module, and is not loaded.
    for name in target.kept {
        let file = folder.join(format!("{name}.ko"));
        let strip = format!("{TRIPLET}-strip");
        let arguments = ["--strip-debug".as_ref(), file.as_os_str()];
        steps.run(&what, &strip, arguments)?;
    }
    Ok(())
}

/// What the kernel's `include/generated/autoconf.h` would define for `options`.
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

    #[test]
    fn options_are_told_to_the_compiler_as_the_kernel_would() {
        assert_eq!(
            macros(&["CONFIG_ISM=m", "CONFIG_SMC_LO=y"]),
            "-DCONFIG_ISM_MODULE=1 -DCONFIG_SMC_LO=1"
        );
    }

    #[test]
    fn what_a_target_uses_is_built_before_it() {
        for series in [Series::Linux612, Series::Linux72] {
            let mut built = Vec::new();
            for target in targets(series) {
                assert!(target.uses.iter().all(|other| built.contains(other)));
                built.push(target.folder);
            }
        }
    }
}
