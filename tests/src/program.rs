//! The program under test, and runs of it that end by themselves.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use crate::patience::within;

/// Returns the root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

/// Returns the path of one of the profiles in `configs`.
pub fn profile(name: &str) -> PathBuf {
    repository()
        .join("configs")
        .join(name)
        .with_extension("json")
}

/// Returns the path of the program: `$VFIO_USER_ISM_BIN`, or the one beside this test or benchmark. Builds it
/// if it is missing or older than its sources.
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

/// Returns the path of the plugin for QEMU beside this test. Builds it if it is missing or older than its
/// sources.
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

/// Returns the file `name` of the crate `package` in the folder of this test's build. The folders `others` do
/// not count as its sources.
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

/// The source folders of a build: those of the crates, and the built-in profiles.
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

/// Begins a command line of the program.
pub fn command() -> Command {
    let mut command = Command::new(program());
    command
        .env_remove("RUST_LOG")
        .env_remove("LISTEN_FDS")
        .env_remove("LISTEN_PID");
    command
}

/// Runs the program until it ends.
pub fn run<S: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = S>) -> Ended {
    let mut command = command();
    command.args(arguments).stdin(Stdio::null());
    finish(command)
}

/// Time after which a run counts as hanging. Some runs boot a guest hundreds of times on a machine that may
/// be busy, so this is no measure of a run.
pub const RUN: Duration = Duration::from_secs(1800);

/// Runs a command until it ends, and kills it after the time limit.
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

/// A child process that is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The results of a run.
#[derive(Debug)]
pub struct Ended {
    /// The exit code; `None` if a signal ended the run.
    pub code: Option<i32>,
    /// The signal that ended the run, if one did.
    pub signal: Option<i32>,
    /// The standard output.
    pub stdout: String,
    /// The standard error.
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

/// Writes a script that can be started at once.
#[track_caller]
pub fn script(path: &Path, text: &str) {
    harness::write_script(path, text).unwrap();
}

/// Prints that `test` is skipped, and the reason. The line bypasses the capture of output, because
/// `run_tests` counts such lines and shows them again.
pub fn skipped(test: &str, reason: &str) {
    use std::io::Write;
    drop(writeln!(std::io::stderr(), "\nskipped: {test}: {reason}"));
}
