//! Checks whether a QEMU can run the probe.

use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;
use thiserror::Error;

/// The machine the probe runs on.
const MACHINE: &str = "s390-ccw-virtio";

/// The device under test.
const DEVICE: &str = "vfio-user-pci";

/// A reason why a QEMU cannot be used.
#[derive(Debug, Error)]
pub enum QemuError {
    /// The program cannot be started.
    #[error("cannot start QEMU {}", path.display())]
    Start {
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The program does not answer like QEMU.
    #[error("{} {argument} ended with {status}: {message}", path.display())]
    Broken {
        path: PathBuf,
        argument: String,
        /// Its exit status.
        status: String,
        /// Its output.
        message: String,
    },
    /// QEMU lacks the machine.
    #[error("{} ({version}) has no machine type {MACHINE}: it is not qemu-system-s390x", path.display())]
    NoMachine {
        path: PathBuf,
        /// QEMU's version.
        version: String,
    },
    /// QEMU lacks the device.
    #[error("{} ({version}) has no device {DEVICE}, which came with QEMU 10.1: {message}", path.display())]
    NoDevice {
        path: PathBuf,
        /// QEMU's version.
        version: String,
        /// Its output.
        message: String,
    },
}

/// A QEMU that can run the probe.
#[derive(Debug, Clone)]
pub(crate) struct Qemu {
    pub path: PathBuf,
    /// First line of `--version`.
    pub version: String,
}

impl Qemu {
    /// Asks the program at `path` for its version, machine and device.
    ///
    /// # Errors
    /// See [`QemuError`].
    pub(crate) fn check(path: &Path) -> Result<Self, QemuError> {
        let version = ask(path, &["--version"])?;
        let version = version.lines().next().unwrap_or_default().trim().to_owned();
        let machines = ask(path, &["-machine", "help"])?;
        let named = |line: &str| line.split_whitespace().next() == Some(MACHINE);
        if !machines.lines().any(named) {
            return Err(QemuError::NoMachine {
                path: path.to_owned(),
                version,
            });
        }
        // QEMU lists a device's properties only if it has the device. Otherwise it prints an error.
        match ask(
            path,
            &["-machine", MACHINE, "-device", "vfio-user-pci,help"],
        ) {
            Ok(_) => Ok(Self {
                path: path.to_owned(),
                version,
            }),
            Err(QemuError::Broken { message, .. }) => Err(QemuError::NoDevice {
                path: path.to_owned(),
                version,
                message,
            }),
            Err(other) => Err(other),
        }
    }
}

/// Longest time for QEMU to answer. A busy machine loads QEMU slowly.
const PATIENCE: Duration = Duration::from_secs(60);

fn ask(path: &Path, arguments: &[&str]) -> Result<String, QemuError> {
    let broken = |status: String, message: String| QemuError::Broken {
        path: path.to_owned(),
        argument: arguments.join(" "),
        status,
        message,
    };
    let child = Command::new(path)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| QemuError::Start {
            path: path.to_owned(),
            source,
        })?;
    let id = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        // If the receiver is gone, it has given up waiting.
        let _ = sender.send(child.wait_with_output());
    });
    let Ok(output) = receiver.recv_timeout(PATIENCE) else {
        if let Some(id) = id {
            // The process may have just ended.
            let _ = kill_process(id, Signal::KILL);
        }
        let seconds = PATIENCE.as_secs();
        return Err(broken(
            "no answer".into(),
            format!("nothing within {seconds} s"),
        ));
    };
    let output = output.map_err(|source| QemuError::Start {
        path: path.to_owned(),
        source,
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(broken(
        output.status.to_string(),
        String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    ))
}

#[cfg(test)]
mod tests {
    use super::Qemu;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    /// The error for a program that answers like a QEMU with these machines, and with or without the device.
    fn refusal(script: &str) -> String {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("qemu");
        // The file is renamed into place: a file that is still open for writing cannot be executed.
        let draft = folder.path().join("draft");
        fs::write(&draft, format!("#!/bin/sh\n{script}\n")).expect("writes");
        fs::set_permissions(&draft, fs::Permissions::from_mode(0o755)).expect("is ours");
        fs::rename(&draft, &path).expect("is ours");
        loop {
            let message = Qemu::check(&path)
                .map(|qemu| qemu.version)
                .unwrap_or_else(|error| {
                    let busy = std::error::Error::source(&error)
                        .map(ToString::to_string)
                        .unwrap_or_default();
                    format!("{error} {busy}")
                });
            if !message.contains("Text file busy") {
                return message.replace(&path.display().to_string(), "QEMU");
            }
        }
    }

    #[test]
    fn a_qemu_that_has_all_gives_its_version() {
        let script = "case $1 in --version) echo QEMU emulator version 99;; -machine) echo s390-ccw-virtio x;; esac";
        assert_eq!(refusal(script), "QEMU emulator version 99");
    }

    #[test]
    fn the_wrong_architecture_is_named() {
        let script = "case $1 in --version) echo version 7;; -machine) echo q35 PC;; esac";
        assert!(
            refusal(script).starts_with("QEMU (version 7) has no machine type s390-ccw-virtio")
        );
    }

    #[test]
    fn a_missing_device_is_told_with_qemus_own_words() {
        let script = "case $*$# in --version1) echo version 7;; *help2) echo s390-ccw-virtio;; *) echo no such device >&2; exit 1;; esac";
        let message = refusal(script);
        assert!(
            message.contains("has no device vfio-user-pci") && message.contains("no such device"),
            "{message}"
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let message = Qemu::check(std::path::Path::new("/nowhere/qemu"))
            .expect_err("is not there")
            .to_string();
        assert_eq!(message, "cannot start QEMU /nowhere/qemu");
    }
}
