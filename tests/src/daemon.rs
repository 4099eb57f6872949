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

/// A running server with its own folder. Dropping this value kills the server.
#[derive(Debug)]
pub struct Daemon {
    child: Killed,
    /// The folder of the sockets, the event file and the report.
    pub folder: TempDir,
    /// The output of the server until it was ready.
    pub announced: String,
}

impl Daemon {
    /// Starts a server with the built-in profile.
    pub fn start() -> Self {
        Self::with_arguments(&[])
    }

    /// Starts a server with one of the profiles in `configs`.
    pub fn with_profile(name: &str) -> Self {
        let path = profile(name);
        Self::with_arguments(&["--profile", path.to_str().unwrap()])
    }

    /// Starts a server with one function that has these device settings.
    pub fn with_device(device: &Value) -> Self {
        let profile = serde_json::json!({
            "schema_version": 1, "name": "test", "device": device,
            "functions": [{ "name": "ism0", "gid": "0x1500000000000001" }],
        });
        Self::with_text(&profile.to_string())
    }

    /// Starts a server with the profile in this text.
    pub fn with_text(profile: &str) -> Self {
        Self::with_text_and(profile, &[])
    }

    /// Starts a server with the profile in this text and with more arguments.
    pub fn with_text_and(profile: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("profile.json");
        fs::write(&path, profile).unwrap();
        let profile = ["--profile", path.to_str().unwrap()];
        Self::spawn(command(), folder, &[&profile, arguments].concat())
    }

    /// Starts a server with more arguments.
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

    /// Starts `command`, which prints `ready` on its standard output, and waits for that. Its standard error
    /// goes to the folder.
    pub fn wait_ready(command: Command, folder: TempDir) -> Self {
        let stderr = File::create(folder.path().join("stderr")).unwrap();
        Self::wait_ready_with(command, folder, stderr.into())
    }

    /// Does the same, with standard error going to `stderr`.
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

    /// Returns the socket path of a function.
    pub fn socket(&self, function: &str) -> PathBuf {
        self.folder.path().join(function).with_extension("sock")
    }

    /// Returns the socket path of a function's instruction channel.
    pub fn channel(&self, function: &str) -> PathBuf {
        self.folder
            .path()
            .join(function)
            .with_extension("sock.insn")
    }

    /// Returns the socket path of the only function.
    pub fn only(&self) -> PathBuf {
        self.socket("ism0")
    }

    /// Connects a client to the only function and exchanges VERSION.
    pub fn client(&self) -> Client {
        Client::open(&self.only())
    }

    /// The process id of the server.
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Returns the server's log so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
    }

    /// True if the server still runs.
    pub fn is_alive(&mut self) -> bool {
        self.child.0.try_wait().unwrap().is_none()
    }

    /// Waits until `ism0` is free, because the server has forgotten the previous client.
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

    /// Reads the events written so far.
    pub fn events(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.folder.path().join("events")).unwrap();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Sends a signal to the server.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child.0), signal).unwrap();
    }

    /// Ends the server with SIGTERM and waits for its end.
    pub fn stop(self) -> Stopped {
        self.signal(Signal::TERM);
        self.wait()
    }

    /// Waits until the server ends.
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

/// The results of a server that has ended.
#[derive(Debug)]
pub struct Stopped {
    /// Exit status and output.
    pub ended: Ended,
    /// The content of the report file.
    pub report: Value,
    /// The content of the event file.
    pub events: Vec<Value>,
    /// The text of the report file.
    pub report_text: String,
    /// The text of the event file.
    pub events_text: String,
}

impl Stopped {
    /// Returns the report of one function.
    pub fn function(&self, name: &str) -> &Value {
        let functions = self.report["functions"].as_array().expect("a report");
        functions
            .iter()
            .find(|function| function["name"] == name)
            .expect("the function")
    }

    /// Returns the ids of the rules that any function broke, by the report.
    pub fn rules(&self) -> Vec<&str> {
        let functions = self.report["functions"].as_array().expect("a report");
        let rules = functions
            .iter()
            .flat_map(|function| function["rules"].as_array().unwrap());
        rules.map(|rule| rule["rule"].as_str().unwrap()).collect()
    }

    /// Returns the events of one kind.
    pub fn events_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events
            .iter()
            .filter(move |event| event["event"] == name)
    }
}
