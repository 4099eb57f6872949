//! A guest's QEMU: its command line.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use harness::{Accelerator, Line, option};

/// The first function's user-defined id (UID), which gives its name in the guest: `0007:00:00.0`. The others
/// follow.
const UID: u32 = 7;
/// The first function's id (FID) in the guest.
const FID: u32 = 8;

/// One ISM function of a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    /// Number of the function in the guest.
    pub index: usize,
    /// The server's socket.
    pub socket: PathBuf,
}

impl Function {
    /// The guest's function `index`, served at `socket`.
    pub(crate) fn new(index: usize, socket: PathBuf) -> Self {
        Self { index, socket }
    }

    /// The id of QEMU's device.
    pub(crate) fn id(&self) -> String {
        match self.index {
            0 => "ism".to_owned(),
            index => format!("ism{index}"),
        }
    }

    /// The arguments of QEMU's two devices, the zpci device first.
    pub(crate) fn devices(&self) -> [serde_json::Value; 2] {
        let id = self.id();
        [
            serde_json::json!({
                "driver": "zpci",
                "id": format!("{id}-zpci"),
                "uid": uid(self.index),
                "fid": fid(self.index),
                "target": id,
                // Under KVM, the processor must not interpret the instructions. QEMU must get them.
                "interpret": false,
            }),
            serde_json::json!({
                "driver": "vfio-user-pci",
                "id": id,
                "socket": { "type": "unix", "path": self.socket.to_string_lossy() },
            }),
        ]
    }
}

/// The function id of the guest's function `index`.
pub(crate) fn fid(index: usize) -> u32 {
    FID + count(index)
}

/// The user-defined id of the guest's function `index`.
fn uid(index: usize) -> u32 {
    UID + count(index)
}

/// The name of the guest's function `index` in the guest's sysfs.
pub(crate) fn address(index: usize) -> String {
    format!("{:04x}:00:00.0", uid(index))
}

/// Converts a number of a function. A profile has at most 256 functions.
fn count(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX >> 1)
}

/// The parts of one QEMU's command line.
#[derive(Debug, Clone)]
pub(crate) struct CommandLine {
    /// The accelerator that QEMU uses.
    pub accelerator: Accelerator,
    /// Number of the guest.
    pub guest: usize,
    /// Guest memory, MiB.
    pub memory: u32,
    /// Number of processors.
    pub processors: u32,
    /// Path of the kernel.
    pub kernel: PathBuf,
    /// Path of the initial RAM disk.
    pub initramfs: PathBuf,
    /// The kernel's command line.
    pub append: String,
    pub functions: Vec<Function>,
    /// Value of `-plugin`, if QEMU loads one.
    pub plugin: Option<OsString>,
    /// Socket of the console.
    pub console: PathBuf,
    /// Socket of the monitor.
    pub qmp: PathBuf,
    /// Socket of the network.
    pub network: PathBuf,
    /// Names and sockets of the serial ports.
    pub ports: Vec<(String, PathBuf)>,
    /// The user's own arguments, last.
    pub extra: Vec<OsString>,
}

impl CommandLine {
    /// All arguments, without QEMU's name.
    pub(crate) fn arguments(&self) -> Vec<OsString> {
        let mut line = Line::machine(
            u64::from(self.memory) << 20,
            None,
            self.accelerator,
            &self.extra,
        );
        line.flags(&["-no-user-config"]);
        // With room for one processor only, QEMU's software emulation does not execute the guest's interlocked
        // updates as such. They then lose bits that the server or QEMU's own devices set (docs/found.md).
        // QEMU would add this to the user's own -smp.
        if !self.extra.iter().any(|word| word == "-smp") {
            let most = self.processors.max(2);
            line.add("-smp", format!("{},maxcpus={most}", self.processors));
        }
        // A panic of the guest ends its QEMU. A reboot does not.
        line.add("-action", "panic=exit-failure");
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
        line.add("-chardev", socket("qmp", &self.qmp));
        line.add("-qmp", "chardev:qmp");
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
        // QEMU connects again to a switch port that closed the stream.
        network.push(",reconnect-ms=1000");
        line.add("-netdev", network);
        let card = format!("virtio-net-ccw,netdev=net,mac={}", mac(self.guest));
        line.add("-device", card);
        for device in self.functions.iter().flat_map(Function::devices) {
            line.add("-device", device.to_string());
        }
    }
}

/// Whether this QEMU hands over zPCI accesses to vfio-user functions in one piece. Such a QEMU has the
/// changes of `qemu/`: its zpci device has the property `stores`.
pub(crate) fn hands_over_whole(program: &Path) -> bool {
    let mut command = harness::command(program);
    command.args(["-machine", "none", "-device", "zpci,help"]);
    let help = command.stdin(Stdio::null()).output();
    help.is_ok_and(|help| {
        let text = String::from_utf8_lossy(&help.stdout);
        text.lines()
            .any(|line| line.trim_start().starts_with("stores="))
    })
}

/// MAC address of a guest's network card. It is locally administered.
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

    use super::{CommandLine, Function, address, hands_over_whole, mac};

    fn line(extra: &[&str]) -> Vec<String> {
        line_of(2, extra)
    }

    fn line_of(processors: u32, extra: &[&str]) -> Vec<String> {
        let line = CommandLine {
            accelerator: harness::Accelerator::Tcg,
            guest: 0,
            memory: 256,
            processors,
            kernel: "/k".into(),
            initramfs: "/i".into(),
            append: "console=ttysclp0".into(),
            functions: vec![
                Function::new(0, "/tmp/a \"b\".sock".into()),
                Function::new(1, "/tmp/c.sock".into()),
            ],
            plugin: Some("file=/p".into()),
            console: "/c".into(),
            qmp: "/q".into(),
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
    fn every_function_of_a_guest_has_ids_of_its_own() {
        let line = line(&[]).join(" ");
        for part in [
            r#""uid":7}"#,
            r#""uid":8}"#,
            r#""fid":8,"#,
            r#""fid":9,"#,
            r#""target":"ism""#,
            r#""target":"ism1""#,
            "/tmp/c.sock",
        ] {
            assert!(line.contains(part), "{part}: {line}");
        }
        assert_eq!([address(0), address(9)], ["0007:00:00.0", "0010:00:00.0"]);
    }

    #[test]
    fn the_users_arguments_come_last() {
        assert_eq!(line(&["-trace", "x"]).last().unwrap(), "x");
    }

    #[test]
    fn a_guest_has_the_processors_that_were_asked_for_and_room_for_two() {
        for (processors, words) in [(1, "1,maxcpus=2"), (3, "3,maxcpus=3")] {
            let line = line_of(processors, &[]);
            assert!(line.windows(2).any(|pair| pair == ["-smp", words]));
        }
        let line = line(&["-smp", "4"]);
        assert_eq!(line.iter().filter(|word| *word == "-smp").count(), 1);
    }

    #[test]
    fn a_qemu_with_the_changes_is_known_by_its_zpci_device() {
        let folder = tempfile::tempdir().unwrap();
        let qemu = |name: &str, says: &str| {
            let path = folder.path().join(name);
            harness::write_script(&path, &format!("#!/bin/sh\necho '{says}'\n")).unwrap();
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
