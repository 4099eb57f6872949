//! Builds all crates and tests for s390x.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use vfio_user_ism_tests::kept_build::KeptBuild;

use crate::toolchain::{TARGET, must_build_std};

/// A test program for s390x.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// Folder of its crate.
    pub(crate) folder: PathBuf,
    /// Path of the program.
    pub(crate) path: PathBuf,
}

/// The results of the build.
#[derive(Debug)]
pub(crate) struct Built {
    /// Test programs by `CRATE/NAME`. Unit tests of a library are `CRATE/lib`, of a program `CRATE/bin/NAME`.
    pub(crate) tests: BTreeMap<String, Program>,
    /// Folder of the other programs.
    pub(crate) folder: PathBuf,
    /// The copy of the repository from which the programs were built, with its target folder.
    pub(crate) kept: KeptBuild,
}

/// The variable that says why there is no standard library of Rust for s390x. The tests are then skipped.
const WITHOUT: &str = "VFIO_USER_ISM_NO_S390X";

/// Builds everything once for all tests, or returns `None`: `test` counts as skipped if [`WITHOUT`] gives a
/// reason, and fails otherwise.
#[track_caller]
pub(crate) fn built(test: &str) -> Option<&'static Built> {
    static BUILT: OnceLock<Built> = OnceLock::new();
    if let Some(reason) = std::env::var(WITHOUT)
        .ok()
        .filter(|reason| !reason.is_empty())
    {
        // This bypasses the capture of output, because run_tests counts such lines and shows them again.
        drop(writeln!(std::io::stderr(), "\nskipped: {test}: {reason}"));
        return None;
    }
    let built = BUILT.get_or_init(|| {
        let build_std = must_build_std();
        let kept = KeptBuild::open("s390x").expect("a copy of the checkout");
        let output = cargo(&kept, build_std).output().expect("cargo starts");
        assert!(
            output.status.success(),
            "the tests do not build for {TARGET}"
        );
        let text = String::from_utf8_lossy(&output.stdout);
        let messages = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let tests = messages.filter_map(|message| test_program(&message));
        Built {
            tests: tests.collect(),
            folder: kept.target.join(TARGET).join("debug"),
            kept,
        }
    });
    Some(built)
}

fn cargo(kept: &KeptBuild, build_std: bool) -> Command {
    let mut command = kept.cargo();
    command.args(["test", "--no-run", "--workspace", "--locked"]);
    command.args(["--message-format", "json-render-diagnostics"]);
    command.args(["--target", TARGET]);
    if build_std {
        command.arg("-Zbuild-std").env("RUSTC_BOOTSTRAP", "1");
    }
    let linker = "CARGO_TARGET_S390X_UNKNOWN_LINUX_GNU_LINKER";
    command
        .env(linker, "s390x-linux-gnu-gcc")
        // Emulated code is slow, and debug information fills the disk.
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_DEV_DEBUG", "0")
        .stderr(Stdio::inherit());
    command
}

/// Returns the test program in one of cargo's messages, if there is one.
fn test_program(message: &Value) -> Option<(String, Program)> {
    if message["profile"]["test"] != true {
        return None;
    }
    let path = message["executable"].as_str()?.into();
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let folder = manifest.parent()?.to_owned();
    let package = folder.file_name()?.to_str()?;
    let target = &message["target"];
    let name = target["name"].as_str()?;
    let name = match target["kind"][0].as_str()? {
        "test" => format!("{package}/{name}"),
        "bin" => format!("{package}/bin/{name}"),
        _ => format!("{package}/lib"),
    };
    Some((name, Program { folder, path }))
}

/// Returns a copy of a program without symbols.
#[track_caller]
pub(crate) fn stripped(program: &Path) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("program");
    let mut strip = Command::new("s390x-linux-gnu-strip");
    let status = strip.arg("-o").arg(&copy).arg(program).status();
    let status = status.expect("strip starts");
    assert!(status.success(), "{}: {status}", program.display());
    fs::read(copy).expect("the copy")
}
