//! QEMU as a child process.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use debian_fetch::{Cache, Guest, Initramfs, Machine, Qemu};
use tempfile::TempDir;

use crate::patience::eventually;
use crate::program::Killed;

/// Time after which booting a guest counts as failed. It takes 5 s on an idle machine.
pub const BOOT: Duration = Duration::from_secs(900);

/// The way in which the server reaches the machine's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// By a descriptor in DMA_MAP.
    Descriptor,
    /// By messages: the server sends DMA_READ and DMA_WRITE.
    Messages,
}

impl Memory {
    fn arguments(self, mib: u32) -> [String; 6] {
        let backend = match self {
            Self::Descriptor => format!("memory-backend-memfd,id=ram,size={mib}M,share=on"),
            Self::Messages => format!("memory-backend-ram,id=ram,size={mib}M"),
        };
        let size = format!("{mib}M");
        let machine = "memory-backend=ram".to_owned();
        [
            "-m".into(),
            size,
            "-object".into(),
            backend,
            "-machine".into(),
            machine,
        ]
    }
}

/// Returns the value of a `-device` argument for the function behind `socket`, with more properties as JSON,
/// e.g. `,"addr":"4"`.
pub fn device(socket: &Path, id: &str, properties: &str) -> String {
    let path = serde_json::Value::from(socket.to_str().unwrap());
    format!(
        r#"{{"driver":"vfio-user-pci","id":"{id}","socket":{{"type":"unix","path":{path}}}{properties}}}"#
    )
}

/// Begins the command line of a QEMU with `mib` MiB of memory and only the requested devices.
#[track_caller]
pub fn command(machine: Machine, memory: Memory, mib: u32) -> Command {
    let cache = Cache::locate().unwrap_or_else(|e| panic!("{e}"));
    let qemu = Qemu::find(machine, None, &cache).unwrap_or_else(|e| panic!("{e}"));
    let mut command = Command::new(qemu.program);
    command.args(["-nodefaults", "-display", "none", "-no-user-config"]);
    command.args(memory.arguments(mib));
    command
}

/// A running QEMU, with access to its standard input and output. Dropping this value kills it.
#[derive(Debug)]
pub struct Process {
    child: Killed,
    input: Option<ChildStdin>,
    output: Receiver<Vec<u8>>,
    stderr: PathBuf,
    /// Files that QEMU uses, which are removed with it.
    _folder: TempDir,
}

impl Process {
    /// Starts QEMU. `folder` holds its files, and receives its messages.
    #[track_caller]
    pub fn start(mut command: Command, folder: TempDir) -> Self {
        let stderr = folder.path().join("stderr");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(File::create(&stderr).unwrap());
        let child = command.spawn();
        let mut child = child.unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let mut pipe = child.stdout.take().unwrap();
        let (sender, output) = channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(got @ 1..) = pipe.read(&mut bytes) {
                if sender.send(bytes[..got].to_vec()).is_err() {
                    break;
                }
            }
        });
        let input = child.stdin.take();
        Self {
            child: Killed(child),
            input,
            output,
            stderr,
            _folder: folder,
        }
    }

    /// The process id of QEMU.
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// Writes text to QEMU's standard input.
    #[track_caller]
    pub fn send(&mut self, text: &str) {
        let mut input = self.input.as_ref().expect("input is open");
        let sent = input
            .write_all(text.as_bytes())
            .and_then(|()| input.flush());
        assert!(
            sent.is_ok(),
            "QEMU takes no input: {sent:?}\n{}",
            self.stderr()
        );
    }

    /// Waits for more of QEMU's standard output, until `deadline` or QEMU's end.
    ///
    /// # Errors
    /// `Timeout` at the deadline, `Disconnected` if QEMU has ended.
    pub fn receive(&mut self, deadline: Instant) -> Result<Vec<u8>, RecvTimeoutError> {
        let left = deadline.saturating_duration_since(Instant::now());
        self.output.recv_timeout(left)
    }

    /// Waits for QEMU's end.
    #[track_caller]
    pub fn ended(&mut self) -> ExitStatus {
        eventually("QEMU ends", || self.child.0.try_wait().unwrap())
    }

    /// Returns QEMU's errors and warnings.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }
}

/// Returns kernel and busybox of a Linux guest for s390x.
#[track_caller]
pub fn guest() -> Guest {
    let cache = Cache::locate().unwrap_or_else(|e| panic!("{e}"));
    Guest::fetch(&cache).unwrap_or_else(|e| panic!("{e}"))
}

/// A Linux guest for s390x, with its console.
#[derive(Debug)]
pub struct Linux {
    process: Process,
    text: String,
    seen: usize,
}

impl Linux {
    /// Boots Debian's kernel on an emulated machine with these `-device` arguments. `init` has the shell
    /// commands of process 1.
    #[track_caller]
    pub fn boot(init: &str, devices: &[String]) -> Self {
        let guest = guest();
        let content = Initramfs::new(&guest.busybox).unwrap().init(init);
        let arguments = devices.iter().flat_map(|device| ["-device", device]);
        Self::boot_into(&content, 512, "", arguments)
    }

    /// Boots Debian's kernel into `content` on an emulated machine with `mib` MiB of memory, with more words
    /// on the kernel's command line and more arguments for QEMU.
    #[track_caller]
    pub fn boot_into<'a>(
        content: &Initramfs,
        mib: u32,
        append: &str,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let initramfs = folder.path().join("initramfs");
        content.write(&initramfs).unwrap();

        let mut qemu = command(Machine::S390x, Memory::Descriptor, mib);
        qemu.args(["-M", "s390-ccw-virtio", "-accel", "tcg", "-cpu", "max"]);
        qemu.args(["-serial", "stdio", "-kernel"])
            .arg(guest().kernel);
        qemu.arg("-initrd").arg(&initramfs);
        let append = format!("console=ttysclp0 panic=-1 {append}");
        qemu.args(["-append", append.trim_end(), "-no-reboot"]);
        qemu.args(arguments);
        let process = Process::start(qemu, folder);
        Self {
            process,
            text: String::new(),
            seen: 0,
        }
    }

    /// Types a line on the console.
    pub fn type_line(&mut self, line: &str) {
        self.process.send(&format!("{line}\n"));
    }

    /// Waits until `marker` is on the console. Returns the text before it since the last call. Fails after
    /// [`BOOT`] and shows the end of the console.
    #[track_caller]
    pub fn expect(&mut self, marker: &str) -> String {
        self.expect_within(BOOT, marker)
    }

    /// Like [`Linux::expect`], with another time limit.
    #[track_caller]
    pub fn expect_within(&mut self, patience: Duration, marker: &str) -> String {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(at) = self.text[self.seen..].find(marker) {
                let before = self.text[self.seen..self.seen + at].to_owned();
                self.seen += at + marker.len();
                return before;
            }
            match self.process.receive(deadline) {
                Ok(bytes) => {
                    self.text
                        .push_str(&String::from_utf8_lossy(&bytes).replace('\r', ""));
                }
                Err(reason) => self.missing(marker, patience, reason),
            }
        }
    }

    #[track_caller]
    fn missing(&self, marker: &str, patience: Duration, reason: RecvTimeoutError) -> ! {
        let why = match reason {
            RecvTimeoutError::Timeout => {
                format!("the guest did not print {marker:?} within {patience:?}")
            }
            RecvTimeoutError::Disconnected => {
                format!("QEMU ended before the guest printed {marker:?}")
            }
        };
        let lines: Vec<_> = self.text.lines().collect();
        let tail = lines[lines.len().saturating_sub(40)..].join("\n");
        let stderr = self.process.stderr();
        panic!("{why}\n-- QEMU's messages --\n{stderr}\n-- end of the console --\n{tail}");
    }
}
