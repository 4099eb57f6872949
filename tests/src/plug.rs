//! An x86 machine in which functions are plugged in and unplugged while it runs.
//!
//! The machine is a `pc`. To unplug a function, the guest makes one store to the eject register of ACPI
//! hotplug (QEMU `docs/specs/acpi_pci_hotplug.rst`).

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};

use crate::patience::PATIENCE;
use crate::qemu::Memory;
use crate::qtest::{Qtest, SLOT, machine};

const EJECT: u16 = 0xae08;

/// A running machine without a function.
#[derive(Debug)]
pub struct Plug {
    /// The machine, driven by qtest.
    pub machine: Qtest,
    monitor: BufReader<UnixStream>,
}

impl Plug {
    /// Starts the machine.
    #[track_caller]
    pub fn start(memory: Memory) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("monitor");
        let mut command = machine("pc", memory);
        command.args([
            "-qmp",
            &format!("unix:{},server=on,wait=off", path.display()),
        ]);
        let machine = Qtest::running(command, folder);
        let monitor = UnixStream::connect(path).unwrap();
        monitor.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut plug = Self {
            machine,
            monitor: BufReader::new(monitor),
        };
        assert!(plug.hear()["QMP"].is_object(), "no greeting");
        plug.execute("qmp_capabilities", &json!({}));
        plug
    }

    #[track_caller]
    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.monitor.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("the monitor said {line:?}: {e}"))
    }

    #[track_caller]
    fn execute(&mut self, command: &str, arguments: &Value) {
        let line = json!({ "execute": command, "arguments": arguments });
        writeln!(self.monitor.get_mut(), "{line}").unwrap();
        let answer = loop {
            let answer = self.hear();
            if answer["event"].is_null() {
                break answer;
            }
        };
        assert!(answer["return"].is_object(), "{command}: {answer}");
    }

    /// Plugs in the function behind `socket`, and places its BARs.
    #[track_caller]
    pub fn plug(&mut self, socket: &Path) {
        let device = json!({
            "driver": "vfio-user-pci", "id": "ism0", "bus": "pci.0", "addr": SLOT.to_string(),
            "socket": { "type": "unix", "path": socket },
        });
        self.execute("device_add", &device);
        self.machine.enable();
    }

    /// Asks the guest to release the function, which it does. QEMU may abort.
    pub fn request(&mut self) {
        self.execute("device_del", &json!({ "id": "ism0" }));
        let slot = 1 << SLOT;
        self.machine
            .last_command(&format!("outl {EJECT:#x} {slot:#x}"));
    }

    /// Unplugs the function, and waits until QEMU reports that it is gone.
    #[track_caller]
    pub fn unplug(&mut self) {
        self.request();
        self.machine.answer("the store to the eject register");
        while self.hear()["event"] != "DEVICE_DELETED" {}
    }

    /// True if QEMU answers an earlier request instead of ending.
    pub fn survives(&mut self) -> bool {
        let mut line = String::new();
        while !line.contains("DEVICE_DELETED") {
            line.clear();
            if matches!(self.monitor.read_line(&mut line), Ok(0) | Err(_)) {
                return false;
            }
        }
        true
    }
}
