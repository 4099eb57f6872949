//! Starts the servers, each as a separate process.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use harness::Child;
use serde_json::{Value, json};
use tempfile::TempDir;
use vfio_user_ism_tests::daemon::Daemon;
use vfio_user_ism_tests::program;

/// The variable that names the folder in which libvfio-user is installed.
const LIBVFIO_USER: &str = "LIBVFIO_USER";

/// A server that is part of this program: the foreign one or the bare one.
#[derive(Debug)]
pub(crate) struct Stand {
    _child: Child,
    folder: TempDir,
}

impl Stand {
    /// Starts the minimal `vfio_user::Server`.
    pub(crate) fn foreign() -> Self {
        Self::start("foreign", &[])
    }

    /// Starts the bare ping-pong, which polls for so long before it waits.
    pub(crate) fn bare(poll_us: u64) -> Self {
        Self::start("bare", &["--poll-us", &poll_us.to_string()])
    }

    /// Starts the server on libvfio-user, built with the library in the folder that [`LIBVFIO_USER`] names;
    /// `None` if the variable is not set.
    pub(crate) fn libvfio_user() -> Option<Self> {
        let prefix = PathBuf::from(std::env::var_os(LIBVFIO_USER)?);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let program = folder.path().join("server");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/libvfio-user/server.c");
        let library = prefix.join("lib");
        let mut run_path = OsString::from("-Wl,-rpath,");
        run_path.push(&library);
        let built = Command::new("cc")
            .args(["-O2", "-o"])
            .arg(&program)
            .arg(source)
            .arg("-I")
            .arg(prefix.join("include"))
            .arg("-L")
            .arg(&library)
            .args(["-lvfio-user", "-Wl,--allow-shlib-undefined"])
            .arg(run_path)
            .status()
            .expect("cc, the C compiler");
        assert!(
            built.success(),
            "{LIBVFIO_USER}={}: no server can be built with the library there, expected include/libvfio-user.h and lib/libvfio-user.so",
            prefix.display()
        );
        let mut command = Command::new(&program);
        command.arg(folder.path().join("sock")).stdin(Stdio::null());
        let child = Child::start(command, &folder.path().join("log"));
        Some(Self {
            _child: child.expect("the server that was just built"),
            folder,
        })
    }

    fn start(role: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let this = std::env::current_exe().expect("this program's path");
        let mut command = Command::new(this);
        command.arg(role).arg(folder.path().join("sock"));
        command.args(arguments).stdin(Stdio::null());
        let child = Child::start(command, &folder.path().join("log"));
        let child = child.expect("this program can be started again");
        Self {
            _child: child,
            folder,
        }
    }

    /// Path of the socket on which the server listens soon.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("sock")
    }
}

/// Settings of the measured server.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// Number of functions.
    pub functions: usize,
    /// True to write events.
    pub events: bool,
    /// True to check rules.
    pub rules: bool,
    /// Value of `--poll-us`; 0 leaves the option out.
    pub poll_us: u64,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            functions: 1,
            events: false,
            rules: true,
            poll_us: 0,
        }
    }
}

/// Returns the name of function `at`.
pub(crate) fn name(at: usize) -> String {
    format!("ism{at}")
}

/// Returns the GID of function `at`.
pub(crate) fn gid(at: usize) -> u64 {
    0x1500_0000_0000_0001 + at as u64
}

/// Starts the measured server, the real program, and waits until it is ready.
pub(crate) fn ours(setting: &Setting) -> Daemon {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let functions: Vec<Value> = (0..setting.functions)
        .map(|at| json!({ "name": name(at), "gid": format!("{:#x}", gid(at)) }))
        .collect();
    let mut profile = json!({ "schema_version": 1, "name": "bench", "functions": functions });
    // A row stores the same payload repeatedly, as it does to the foreign server.
    profile["rules"] = json!({ "payload-overwritten": "off" });
    if !setting.rules {
        profile["rules"] = json!({ "shape": "off", "command": "off", "data": "off" });
    }
    let path = folder.path().join("profile.json");
    std::fs::write(&path, profile.to_string()).expect("the profile can be written");
    let mut command = program::command();
    command.arg("serve").arg("--socket-dir").arg(folder.path());
    command.arg("--profile").arg(path).args(["--ready-fd", "1"]);
    if setting.events {
        command.arg("--events").arg(folder.path().join("events"));
    }
    if setting.poll_us > 0 {
        command.arg("--poll-us").arg(setting.poll_us.to_string());
    }
    Daemon::wait_ready(command, folder)
}
