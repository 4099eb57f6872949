//! The command line.

use super::check::{DEVICE, MACHINE};
use crate::plan::{fid, uid};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// How QEMU is controlled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// By a monitor on its standard input and output; it waits when the guest has ended.
    Monitor,
    /// By nothing; it ends with the guest.
    Alone,
}

/// What QEMU is started with.
#[derive(Debug, Clone)]
pub struct CommandLine {
    /// Sockets of the servers, one for each function.
    pub sockets: Vec<PathBuf>,
    /// Guest memory in bytes, a multiple of 1 MiB.
    pub memory: u64,
    /// The file that is the guest's memory; without, QEMU makes one.
    pub memory_file: Option<PathBuf>,
    /// What QEMU is to be controlled by.
    pub control: Control,
    /// What makes the guest: `-kernel` and so on.
    pub guest: Vec<OsString>,
    /// The user's own arguments, last.
    pub extra: Vec<OsString>,
}

impl CommandLine {
    /// All arguments, the program's name not among them.
    #[must_use]
    pub fn arguments(&self) -> Vec<OsString> {
        let memory = self.memory;
        let mut arguments: Vec<OsString> = [
            "-machine",
            &format!("{MACHINE},memory-backend=ram"),
            "-object",
            &self.memory_backend(),
            "-m",
            &format!("{}M", memory >> 20),
            "-cpu",
            "max",
            "-nodefaults",
            "-display",
            "none",
        ]
        .into_iter()
        .map(OsString::from)
        .collect();
        arguments.extend(
            match self.control {
                Control::Monitor => ["-qmp", "stdio", "-action", "shutdown=pause,panic=pause"],
                Control::Alone => ["-monitor", "none", "-action", "panic=shutdown"],
            }
            .map(OsString::from),
        );
        // The first accelerator named wins, so a user's choice replaces this one.
        if !self.extra.iter().any(|argument| argument == "-accel") {
            arguments.extend(["-accel".into(), "tcg".into()]);
        }
        for (function, socket) in self.sockets.iter().enumerate() {
            let (uid, fid) = (uid(function), fid(function));
            let zpci = format!("zpci,uid={uid},fid={fid},target=ism{function}");
            arguments.extend(["-device".into(), zpci.into()]);
            arguments.extend(["-device".into(), device(function, socket)]);
        }
        arguments.extend(self.guest.iter().cloned());
        arguments.extend(self.extra.iter().cloned());
        arguments
    }

    fn memory_backend(&self) -> String {
        let size = self.memory;
        match &self.memory_file {
            None => format!("memory-backend-memfd,id=ram,size={size},share=on"),
            Some(path) => format!(
                "memory-backend-file,id=ram,size={size},share=on,mem-path={}",
                path.display()
            ),
        }
    }
}

fn device(function: usize, socket: &Path) -> OsString {
    let device = serde_json::json!({
        "driver": DEVICE,
        "id": format!("ism{function}"),
        "socket": { "type": "unix", "path": socket.to_string_lossy() },
    });
    device.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::{CommandLine, Control};

    fn arguments(extra: &[&str]) -> Vec<String> {
        let line = CommandLine {
            sockets: vec!["/tmp/a \"b\".sock".into()],
            memory: 128 << 20,
            memory_file: Some("/proc/1/fd/5".into()),
            control: Control::Monitor,
            guest: vec!["-kernel".into(), "/tmp/probe".into()],
            extra: extra.iter().map(Into::into).collect(),
        };
        line.arguments()
            .into_iter()
            .map(|argument| argument.into_string().expect("UTF-8"))
            .collect()
    }

    #[test]
    fn the_socket_is_quoted_for_json() {
        let arguments = arguments(&[]);
        let device = arguments
            .iter()
            .find(|argument| argument.contains("vfio-user-pci"))
            .expect("the device");
        let value: serde_json::Value = serde_json::from_str(device).expect("JSON");
        assert_eq!(value["socket"]["path"], "/tmp/a \"b\".sock");
    }

    #[test]
    fn the_memory_is_the_file_that_is_given() {
        let backend = "memory-backend-file,id=ram,size=134217728,share=on,mem-path=/proc/1/fd/5";
        assert!(arguments(&[]).contains(&backend.to_owned()));
    }

    #[test]
    fn the_users_arguments_come_last_and_choose_the_accelerator() {
        assert_eq!(
            arguments(&["-trace", "x"]).last().map(String::as_str),
            Some("x")
        );
        assert!(arguments(&[]).contains(&"tcg".to_owned()));
        assert!(!arguments(&["-accel", "kvm"]).contains(&"tcg".to_owned()));
    }
}
