//! The server as a child process.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags};
use rustix::io::{read, retry_on_intr};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::client::Client;
use crate::patience::{eventually, wait};
use crate::program::{Ended, Killed, command, profile};

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
        Self::with_text_and(profile, &[])
    }

    /// Serves the profile with this text, with more arguments.
    pub fn with_text_and(profile: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile.json");
        fs::write(&path, profile).unwrap();
        let profile = ["--profile", path.to_str().unwrap()];
        Self::spawn(command(), folder, &[&profile, arguments].concat())
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
    pub fn wait_ready(command: Command, folder: TempDir) -> Self {
        let stderr = File::create(folder.path().join("stderr")).unwrap();
        Self::wait_ready_with(command, folder, stderr.into())
    }

    /// The same with its standard error going to `stderr`.
    #[track_caller]
    pub fn wait_ready_with(mut command: Command, folder: TempDir, stderr: Stdio) -> Self {
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
        let stdout = daemon.child.0.stdout.take().unwrap();
        while !daemon.announced.ends_with("ready\n") {
            let ready = wait(&mut [PollFd::new(&stdout, PollFlags::IN)]);
            let mut bytes = [0; 4096];
            let got = if ready == 1 {
                retry_on_intr(|| read(&stdout, &mut bytes)).unwrap()
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

    /// The socket of a function's instruction channel.
    pub fn channel(&self, function: &str) -> PathBuf {
        self.folder
            .path()
            .join(function)
            .with_extension("sock.insn")
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
    #[track_caller]
    pub fn wait_until_free(&self) {
        eventually("the client is forgotten", || {
            let events = self.events();
            let count = |name: &str| {
                let device = events.iter().filter(|event| event["channel"] == false);
                device.filter(|event| event["event"] == name).count()
            };
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
    #[track_caller]
    pub fn wait(mut self) -> Stopped {
        let status = eventually("the server ends", || self.child.0.try_wait().unwrap());
        let mut stdout = self.announced.clone();
        if let Some(mut pipe) = self.child.0.stdout.take() {
            pipe.read_to_string(&mut stdout).unwrap();
        }
        let text = |name| fs::read_to_string(self.folder.path().join(name)).ok();
        let report = text("report");
        let events_text = text("events");
        let events = self
            .folder
            .path()
            .join("events")
            .exists()
            .then(|| self.events());
        Stopped {
            ended: Ended::new(status, stdout, self.stderr()),
            report: report
                .as_ref()
                .map_or(Value::Null, |text| serde_json::from_str(text).unwrap()),
            report_text: report.unwrap_or_default(),
            events_text: events_text.unwrap_or_default(),
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
    /// The report as it was written.
    pub report_text: String,
    /// The events as they were written.
    pub events_text: String,
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
