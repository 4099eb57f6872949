//! The server as a child process.

use std::fs::{self, File};
use std::io::{Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::SystemTime;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::client::Client;
use crate::wire::{PATIENCE, eventually};

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

/// The program: `$VFIO_USER_ISM_BIN`, or the one beside this test, built if it is missing or
/// older than its sources.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(path) = std::env::var_os("VFIO_USER_ISM_BIN") {
            return path.into();
        }
        let test = std::env::current_exe().unwrap();
        let folder = test.parent().and_then(Path::parent).unwrap();
        let program = folder.join("vfio-user-ism");
        let built = fs::metadata(&program).and_then(|file| file.modified()).ok();
        let crates = [
            "server",
            "ism",
            "zpci-region",
            "protocol",
            "fetch",
            "intercept",
            "configs",
        ];
        let newest = crates
            .iter()
            .filter_map(|name| newest(&repository().join(name)))
            .max();
        if built < newest {
            build(folder);
        }
        program
    })
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

fn build(folder: &Path) {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--package", "vfio-user-ism", "--target-dir"]);
    command
        .arg(folder.parent().unwrap())
        .current_dir(repository());
    if folder.ends_with("release") {
        command.arg("--release");
    }
    assert!(
        command.status().unwrap().success(),
        "the server cannot be built"
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

/// Runs a command to its end, or ends it when it does not come.
pub fn finish(mut command: Command) -> Ended {
    let (mut stdout, mut stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
    command
        .stdout(stdout.try_clone().unwrap())
        .stderr(stderr.try_clone().unwrap());
    let mut child = Killed(command.spawn().unwrap());
    let status = eventually("the program ends", || child.0.try_wait().unwrap());
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
struct Killed(Child);

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
    fn new(status: ExitStatus, stdout: String, stderr: String) -> Self {
        Self {
            code: status.code(),
            signal: status.signal(),
            stdout,
            stderr,
        }
    }
}

/// A running server with a folder of its own; killed when dropped.
#[derive(Debug)]
pub struct Daemon {
    child: Killed,
    /// The folder that `--events`, `--report` and the sockets are in.
    pub folder: TempDir,
    /// What it printed until it was ready.
    pub announced: String,
}

impl Daemon {
    /// Serves the built-in profile.
    pub fn start() -> Self {
        Self::with_arguments(&[])
    }

    /// Serves one of the profiles in `configs`.
    pub fn with_profile(name: &str) -> Self {
        let path = profile(name);
        Self::with_arguments(&["--profile", path.to_str().unwrap()])
    }

    /// Serves one function with these device settings.
    pub fn with_device(device: &Value) -> Self {
        let profile = serde_json::json!({
            "schema_version": 1, "name": "test", "device": device,
            "functions": [{ "name": "ism0", "gid": "0x1500000000000001" }],
        });
        Self::with_text(&profile.to_string())
    }

    /// Serves the profile with this text.
    pub fn with_text(profile: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile.json");
        fs::write(&path, profile).unwrap();
        Self::spawn(command(), folder, &["--profile", path.to_str().unwrap()])
    }

    /// Serves with more arguments.
    pub fn with_arguments(arguments: &[&str]) -> Self {
        Self::spawn(command(), tempfile::tempdir().unwrap(), arguments)
    }

    /// Starts `command` with sockets, events and report in `folder`, and waits until it is ready.
    pub fn spawn(mut command: Command, folder: TempDir, arguments: &[&str]) -> Self {
        let at = |name| folder.path().join(name);
        command.arg("serve").arg("--socket-dir").arg(folder.path());
        command
            .arg("--events")
            .arg(at("events"))
            .arg("--report")
            .arg(at("report"));
        command.args(["--ready-fd", "1"]).args(arguments);
        Self::wait_ready(command, folder)
    }

    /// Starts `command`, which prints `ready` to its standard output, and waits for that. Its
    /// standard error goes to the folder.
    pub fn wait_ready(mut command: Command, folder: TempDir) -> Self {
        let stderr = File::create(folder.path().join("stderr")).unwrap();
        let child = Killed(
            command
                .stdout(Stdio::piped())
                .stderr(stderr)
                .spawn()
                .unwrap(),
        );
        let mut daemon = Self {
            child,
            folder,
            announced: String::new(),
        };
        let mut stdout = daemon.child.0.stdout.take().unwrap();
        while !daemon.announced.ends_with("ready\n") {
            let timeout = Timespec {
                tv_sec: PATIENCE.as_secs() as i64,
                tv_nsec: 0,
            };
            let ready = poll(&mut [PollFd::new(&stdout, PollFlags::IN)], Some(&timeout));
            let mut bytes = [0; 4096];
            let got = if ready == Ok(1) {
                stdout.read(&mut bytes).unwrap()
            } else {
                0
            };
            assert!(got > 0, "the server is not ready:\n{}", daemon.stderr());
            daemon
                .announced
                .push_str(std::str::from_utf8(&bytes[..got]).unwrap());
        }
        daemon.child.0.stdout = Some(stdout);
        daemon
    }

    /// The socket of a function.
    pub fn socket(&self, function: &str) -> PathBuf {
        self.folder.path().join(function).with_extension("sock")
    }

    /// The socket of the only function.
    pub fn only(&self) -> PathBuf {
        self.socket("ism0")
    }

    /// A client of the only function, past VERSION.
    pub fn client(&self) -> Client {
        Client::open(&self.only())
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Its log so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.0.try_wait().unwrap().is_none()
    }

    /// Waits until `ism0` is free: the client before has been forgotten.
    pub fn wait_until_free(&self) {
        eventually("the client is forgotten", || {
            let events = self.events();
            let count = |name: &str| events.iter().filter(|event| event["event"] == name).count();
            (count("connected") == count("disconnected")).then_some(())
        });
    }

    /// The events written so far.
    pub fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("events")).unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child.0), signal).unwrap();
    }

    /// Ends it with SIGTERM and waits.
    pub fn stop(self) -> Stopped {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits for its end.
    pub fn wait(mut self) -> Stopped {
        let status = eventually("the server ends", || self.child.0.try_wait().unwrap());
        let mut stdout = self.announced.clone();
        if let Some(mut pipe) = self.child.0.stdout.take() {
            pipe.read_to_string(&mut stdout).unwrap();
        }
        let report = fs::read_to_string(self.folder.path().join("report")).ok();
        let events = self
            .folder
            .path()
            .join("events")
            .exists()
            .then(|| self.events());
        Stopped {
            ended: Ended::new(status, stdout, self.stderr()),
            report: report.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap()),
            events: events.unwrap_or_default(),
        }
    }
}

/// What a server left behind.
#[derive(Debug)]
pub struct Stopped {
    /// Exit and output.
    pub ended: Ended,
    /// The report.
    pub report: Value,
    /// The events.
    pub events: Vec<Value>,
}

impl Stopped {
    /// The report of one function.
    pub fn function(&self, name: &str) -> &Value {
        let functions = self.report["functions"].as_array().expect("a report");
        functions
            .iter()
            .find(|function| function["name"] == name)
            .expect("the function")
    }

    /// Ids of the rules that the report says were broken, by any function.
    pub fn rules(&self) -> Vec<&str> {
        let functions = self.report["functions"].as_array().expect("a report");
        let rules = functions
            .iter()
            .flat_map(|function| function["rules"].as_array().unwrap());
        rules.map(|rule| rule["rule"].as_str().unwrap()).collect()
    }

    /// Events of one kind.
    pub fn events_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events
            .iter()
            .filter(move |event| event["event"] == name)
    }
}
