//! The program under test, and runs of it that end by themselves.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use crate::patience::within;

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// One of the profiles in `configs`.
pub fn profile(name: &str) -> PathBuf {
    repository()
        .join("configs")
        .join(name)
        .with_extension("json")
}

/// The program: `$VFIO_USER_ISM_BIN`, or the one beside this test or benchmark, built if it is
/// missing or older than its sources.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(path) = std::env::var_os("VFIO_USER_ISM_BIN") {
            return path.into();
        }
        let others = ["tests", "bench", "fuzz", "plugin"];
        built("vfio-user-ism", "vfio-user-ism", &others)
    })
}

/// The plugin for QEMU beside this test, built if it is missing or older than its sources.
pub fn plugin() -> &'static Path {
    static PLUGIN: OnceLock<PathBuf> = OnceLock::new();
    PLUGIN.get_or_init(|| {
        let others = ["tests", "bench", "fuzz", "cli", "lab", "intercept", "fetch"];
        built(
            "libvfio_user_ism_plugin.so",
            "vfio-user-ism-plugin",
            &others,
        )
    })
}

/// The file called `name` of the crate `package`, in the folder of this test's build. The folders
/// `others` are no part of it.
#[track_caller]
fn built(name: &str, package: &str, others: &[&str]) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // Tests are in the folder `deps` beside it.
    let folder = test.parent().unwrap();
    let folder = match folder.parent() {
        Some(above) if folder.ends_with("deps") => above,
        _ => folder,
    };
    let file = folder.join(name);
    let made = fs::metadata(&file).and_then(|file| file.modified()).ok();
    let newest = sources(others).filter_map(|folder| newest(&folder)).max();
    if made < newest {
        build(folder, package);
    }
    file
}

/// The folders that things are built from: those of crates, and the profiles built in.
fn sources<'a>(others: &'a [&'a str]) -> impl Iterator<Item = PathBuf> + 'a {
    let folders = fs::read_dir(repository()).unwrap();
    let folders = folders.map(|entry| entry.unwrap());
    folders
        .filter(move |entry| others.iter().all(|other| entry.file_name() != *other))
        .map(|entry| entry.path())
        .filter(|path| path.join("Cargo.toml").exists() || path.ends_with("configs"))
}

fn newest(path: &Path) -> Option<SystemTime> {
    let metadata = fs::metadata(path).ok()?;
    if metadata.is_dir() {
        let entries = fs::read_dir(path).ok()?;
        return entries
            .filter_map(|entry| newest(&entry.ok()?.path()))
            .max();
    }
    metadata.modified().ok()
}

#[track_caller]
fn build(folder: &Path, package: &str) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--package", package, "--target-dir"]);
    command
        .arg(folder.parent().unwrap())
        .current_dir(repository());
    if folder.ends_with("release") {
        command.arg("--release");
    }
    assert!(
        command.status().unwrap().success(),
        "{package} cannot be built"
    );
}

/// A command line of the program.
pub fn command() -> Command {
    let mut command = Command::new(program());
    command
        .env_remove("RUST_LOG")
        .env_remove("LISTEN_FDS")
        .env_remove("LISTEN_PID");
    command
}

/// Runs the program to its end.
pub fn run<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ended {
    let mut command = command();
    command.args(arguments).stdin(Stdio::null());
    finish(command)
}

/// A run that is not at its end by then hangs. Some boot a guest hundreds of times on a machine that
/// may be busy, so this says nothing about how long a run should take.
pub const RUN: Duration = Duration::from_secs(1800);

/// Runs a command to its end, or ends it when it does not come.
#[track_caller]
pub fn finish(mut command: Command) -> Ended {
    let (mut stdout, mut stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    command
        .stdout(stdout.try_clone().unwrap())
        .stderr(stderr.try_clone().unwrap());
    let mut child = Killed(command.spawn().unwrap());
    let status = within(RUN, "the program ends", || child.0.try_wait().unwrap());
    Ended::new(status, whole(&mut stdout), whole(&mut stderr))
}

fn whole(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind()
        .and_then(|()| file.read_to_end(&mut bytes))
        .unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A child process that does not outlive its test.
#[derive(Debug)]
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a run left behind.
#[derive(Debug)]
pub struct Ended {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Signal that ended it.
    pub signal: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ended {
    pub(crate) fn new(status: ExitStatus, stdout: String, stderr: String) -> Self {
        Self {
            code: status.code(),
            signal: status.signal(),
            stdout,
            stderr,
        }
    }
}

/// Says that `test` is skipped, and why. The line goes past the capture of output: `run_tests` counts such
/// lines and shows them again.
pub fn skipped(test: &str, reason: &str) {
    use std::io::Write;
    drop(writeln!(std::io::stderr(), "\nskipped: {test}: {reason}"));
}
