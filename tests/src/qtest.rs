//! An x86 machine without a guest: QEMU's qtest protocol replaces the processor.
//!
//! Source: the comment at the head of QEMU's `system/qtest.c`. Each line is a command; a line that begins
//! with `OK` is its answer.

use std::process::{Command, ExitStatus};
use std::time::Instant;

use debian_fetch::Machine;
use tempfile::TempDir;

use crate::patience::PATIENCE;
use crate::qemu::{self, Memory, Process};

/// Bytes of the machine's memory, from address 0.
pub const RAM_LEN: u64 = 64 << 20;
/// Address of BAR 0: the first address that is a multiple of its size.
pub const DATA_BAR: u64 = 1 << 48;
/// Address of BAR 2.
pub const COMMAND_BAR: u64 = 0xe000_0000;
/// Address of BAR 4, the MSI-X table.
pub const MSIX_BAR: u64 = 0xe010_0000;

/// Slot of the function on bus 0.
pub(crate) const SLOT: u32 = 4;
const CONFIG_ADDRESS: u16 = 0xcf8;
const CONFIG_DATA: u16 = 0xcfc;

/// Begins the command line of a machine that qtest drives.
pub(crate) fn machine(kind: &str, memory: Memory) -> Command {
    let mut command = qemu::command(Machine::X86_64, memory, (RAM_LEN >> 20) as u32);
    command.args(["-M", kind, "-accel", "qtest"]);
    command.args(["-qtest", "stdio", "-qtest-log", "none"]);
    command
}

/// A running machine.
#[derive(Debug)]
pub struct Qtest {
    process: Process,
    received: String,
}

impl Qtest {
    /// Starts a machine with the function behind `socket`; `properties` are more properties of the device as
    /// JSON, e.g. `,"x-no-posted-writes":true`.
    pub fn start(socket: &std::path::Path, memory: Memory, properties: &str) -> Self {
        let mut command = machine("q35", memory);
        let properties = format!(r#","addr":"{SLOT}"{properties}"#);
        command.args(["-device", &qemu::device(socket, "ism0", &properties)]);
        Self::running(command, tempfile::tempdir().unwrap())
    }

    pub(crate) fn running(command: Command, folder: TempDir) -> Self {
        let process = Process::start(command, folder);
        let mut machine = Self {
            process,
            received: String::new(),
        };
        // The answer comes once the machine and its device exist.
        machine.command("readb 0");
        machine
    }

    /// Sends a command that may be QEMU's last, without waiting for the answer.
    pub fn last_command(&mut self, line: &str) {
        self.process.send(&format!("{line}\n"));
    }

    /// Waits for QEMU's end. Returns the status and QEMU's errors.
    #[track_caller]
    pub fn ended(&mut self) -> (ExitStatus, String) {
        (self.process.ended(), self.process.stderr())
    }

    /// Runs one command. Returns the answer without `OK`.
    #[track_caller]
    pub fn command(&mut self, line: &str) -> String {
        self.last_command(line);
        self.answer(line)
    }

    /// Returns the answer, without `OK`, to a command that was sent before.
    #[track_caller]
    pub fn answer(&mut self, line: &str) -> String {
        let answer = self.line(line);
        let Some(rest) = answer.strip_prefix("OK") else {
            panic!("qtest answered {line:?} with {answer:?}");
        };
        rest.trim().to_owned()
    }

    #[track_caller]
    fn line(&mut self, command: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some((line, rest)) = self.received.split_once('\n') {
                let line = line.trim_end().to_owned();
                self.received = rest.to_owned();
                return line;
            }
            let Ok(bytes) = self.process.receive(deadline) else {
                let words = self.process.stderr();
                panic!(
                    "QEMU did not answer {command:?} within {PATIENCE:?}; its messages:\n{words}"
                );
            };
            self.received.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    #[track_caller]
    fn number(&mut self, line: &str) -> u64 {
        let answer = self.command(line);
        u64::from_str_radix(answer.trim_start_matches("0x"), 16).unwrap()
    }

    /// Reads 4 bytes of the function's configuration space.
    pub fn config(&mut self, offset: u32) -> u32 {
        self.select(offset);
        self.number(&format!("inl {CONFIG_DATA:#x}")) as u32
    }

    /// Writes 4 bytes of the function's configuration space.
    pub fn set_config(&mut self, offset: u32, value: u32) {
        self.select(offset);
        self.command(&format!("outl {CONFIG_DATA:#x} {value:#x}"));
    }

    fn select(&mut self, offset: u32) {
        let address = 0x8000_0000 | SLOT << 11 | offset;
        self.command(&format!("outl {CONFIG_ADDRESS:#x} {address:#x}"));
    }

    /// Returns the offset of a capability in configuration space.
    #[track_caller]
    pub fn capability(&mut self, id: u8) -> u32 {
        let mut at = self.config(0x34) & 0xff;
        while at != 0 {
            let header = self.config(at);
            if header & 0xff == u32::from(id) {
                return at;
            }
            at = header >> 8 & 0xff;
        }
        panic!("no capability {id:#x}");
    }

    /// Places the BARs and enables memory accesses by and to the function, like firmware.
    pub fn enable(&mut self) {
        for (bar, address) in [(0x10, DATA_BAR), (0x18, COMMAND_BAR), (0x20, MSIX_BAR)] {
            self.set_config(bar, address as u32);
            self.set_config(bar + 4, (address >> 32) as u32);
        }
        self.set_config(4, 0x6);
    }

    /// Stores 8 bytes, which arrive in this order.
    pub fn store(&mut self, address: u64, bytes: [u8; 8]) {
        let value = u64::from_le_bytes(bytes);
        self.command(&format!("writeq {address:#x} {value:#x}"));
    }

    /// Loads 8 bytes.
    pub fn load(&mut self, address: u64) -> [u8; 8] {
        self.number(&format!("readq {address:#x}")).to_le_bytes()
    }

    /// Writes a block, which QEMU splits as it likes.
    pub fn write(&mut self, address: u64, bytes: &[u8]) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.command(&format!("write {address:#x} {:#x} 0x{hex}", bytes.len()));
    }

    /// Reads `len` bytes of memory.
    pub fn read(&mut self, address: u64, len: usize) -> Vec<u8> {
        let answer = self.command(&format!("read {address:#x} {len:#x}"));
        let digits = answer.strip_prefix("0x").unwrap();
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        (0..digits.len()).step_by(2).map(byte).collect()
    }

    /// Runs an ISM command with stores of 8 bytes. Returns code and payload of its response.
    pub fn run(&mut self, code: u32, payload: &[u8]) -> (u16, Vec<u8>) {
        for (index, piece) in payload.chunks_exact(8).enumerate() {
            let offset = 8 + 8 * index as u64;
            self.store(COMMAND_BAR + offset, piece.try_into().unwrap());
        }
        let length = 8 + payload.len() as u64;
        let header = u64::from(code) << 32 | length;
        self.store(COMMAND_BAR, header.to_be_bytes());
        let head = self.load(COMMAND_BAR);
        let [result, length] = [4, 6].map(|at| u16::from_be_bytes([head[at], head[at + 1]]));
        let rest = if result == 0 { u64::from(length) } else { 8 };
        let payload = (8..rest)
            .step_by(8)
            .flat_map(|at| self.load(COMMAND_BAR + at))
            .collect();
        (result, payload)
    }

    /// Like [`Qtest::run`], for a command that must succeed.
    #[track_caller]
    pub fn ok(&mut self, code: u32, payload: &[u8]) -> Vec<u8> {
        let (result, payload) = self.run(code, payload);
        assert_eq!(result, 0, "command {code:#x}");
        payload
    }
}
