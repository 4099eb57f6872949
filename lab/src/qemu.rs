//! A guest's QEMU: its command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use harness::{Line, option};

/// The function's user-defined id, which names it in the guest: `0007:00:00.0`.
pub const UID: u32 = 7;
/// The function's id in the guest.
pub const FID: u32 = 8;

/// What one QEMU is started with.
#[derive(Debug, Clone)]
pub struct CommandLine {
    /// Number of the guest.
    pub guest: usize,
    /// Guest memory, MiB.
    pub memory: u32,
    /// Processors.
    pub processors: u32,
    /// Kernel.
    pub kernel: PathBuf,
    /// Initial RAM disk.
    pub initramfs: PathBuf,
    /// The kernel's command line.
    pub append: String,
    /// Socket of the function.
    pub function: PathBuf,
    /// Value of `-plugin`, if QEMU loads one.
    pub plugin: Option<OsString>,
    /// Socket of the console.
    pub console: PathBuf,
    /// Socket of the network.
    pub network: PathBuf,
    /// Names and sockets of the serial ports.
    pub ports: Vec<(String, PathBuf)>,
    /// The user's own arguments, last.
    pub extra: Vec<OsString>,
}

impl CommandLine {
    /// All arguments. QEMU's name is not one of them.
    #[must_use]
    pub fn arguments(&self) -> Vec<OsString> {
        let mut line = Line::machine(u64::from(self.memory) << 20, None, &self.extra);
        line.flags(&["-no-user-config", "-no-reboot"]);
        line.add("-smp", self.processors.to_string());
        line.add("-kernel", &self.kernel);
        line.add("-initrd", &self.initramfs);
        line.add("-append", &self.append);
        self.devices(&mut line);
        if let Some(plugin) = &self.plugin {
            line.add("-plugin", plugin);
        }
        line.finish(&self.extra)
    }

    fn devices(&self, line: &mut Line) {
        line.add("-chardev", socket("console", &self.console));
        line.add("-serial", "chardev:console");
        line.add("-device", "virtio-serial-ccw,max_ports=31");
        for (name, path) in &self.ports {
            line.add("-chardev", socket(name, path));
            let port = format!("virtserialport,chardev={name},name={name}");
            line.add("-device", port);
        }
        let mut network = option(
            "stream,id=net,server=off,addr.type=unix,addr.path=",
            &self.network,
        );
        // A switch port that closed the stream is tried again.
        network.push(",reconnect-ms=1000");
        line.add("-netdev", network);
        let card = format!("virtio-net-ccw,netdev=net,mac={}", mac(self.guest));
        line.add("-device", card);
        line.function("ism", UID, FID, &self.function);
    }
}

/// Whether this QEMU hands zPCI accesses to vfio-user functions whole: it has the changes of `qemu/`,
/// which give the zpci device the property `stores`.
pub fn hands_over_whole(program: &Path) -> bool {
    let mut command = harness::command(program);
    command.args(["-machine", "none", "-device", "zpci,help"]);
    let help = command.stdin(Stdio::null()).output();
    help.is_ok_and(|help| {
        let text = String::from_utf8_lossy(&help.stdout);
        text.lines()
            .any(|line| line.trim_start().starts_with("stores="))
    })
}

/// Hardware address of a guest's network card: locally administered.
fn mac(guest: usize) -> String {
    let [.., high, low] = guest.to_be_bytes();
    format!("52:54:00:15:{high:02x}:{low:02x}")
}

fn socket(id: &str, path: &Path) -> OsString {
    option(&format!("socket,id={id},path="), path)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{CommandLine, hands_over_whole, mac};

    fn line(extra: &[&str]) -> Vec<String> {
        let line = CommandLine {
            guest: 0,
            memory: 256,
            processors: 2,
            kernel: "/k".into(),
            initramfs: "/i".into(),
            append: "console=ttysclp0".into(),
            function: "/tmp/a \"b\".sock".into(),
            plugin: Some("file=/p".into()),
            console: "/c".into(),
            network: "/n,1".into(),
            ports: vec![("port0".into(), "/p0".into())],
            extra: extra.iter().map(Into::into).collect(),
        };
        let arguments = line.arguments().into_iter();
        arguments.map(|a| a.into_string().unwrap()).collect()
    }

    #[test]
    fn a_comma_in_a_path_starts_no_new_option() {
        assert!(line(&[]).iter().any(|a| a.contains("addr.path=/n,,1,")));
    }

    #[test]
    fn the_users_arguments_come_last() {
        assert_eq!(line(&["-trace", "x"]).last().unwrap(), "x");
    }

    #[test]
    fn a_guest_has_the_processors_that_were_asked_for() {
        assert!(line(&[]).windows(2).any(|pair| pair == ["-smp", "2"]));
    }

    #[test]
    fn a_qemu_with_the_changes_is_known_by_its_zpci_device() {
        let folder = tempfile::tempdir().unwrap();
        let qemu = |name: &str, says: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, format!("#!/bin/sh\necho '{says}'\n")).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
            std::fs::set_permissions(&path, mode).unwrap();
            path
        };
        assert!(hands_over_whole(&qemu(
            "changed",
            "zpci options:\n  stores=<str>"
        )));
        assert!(!hands_over_whole(&qemu(
            "stock",
            "zpci options:\n  fid=<uint32>"
        )));
        assert!(!hands_over_whole(Path::new("/no/such/qemu")));
    }

    #[test]
    fn every_guest_has_its_own_address() {
        assert_eq!(mac(0), "52:54:00:15:00:00");
        assert_eq!(mac(300), "52:54:00:15:01:2c");
    }
}
