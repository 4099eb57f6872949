//! One guest: its QEMU, its console and its agent.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::agent::{Agent, AgentError, Listening, Output, SLOTS, Sink};
use crate::child::Child;
use crate::console::Console;
use crate::error::Error;
use crate::folder::Folder;
use crate::qemu::{CommandLine, Function};
use crate::qmp::{Qmp, QmpError};
use crate::say::say;

/// Longest time for QEMU to end.
const PATIENCE: Duration = Duration::from_secs(10);
/// Seconds after which a guest's kernel reports a stall of RCU. A busy host stops a guest for longer than Linux's
/// 21 s, which is no fault of the guest's kernel. The user's own words on the command line come later and win.
const STALL: u32 = 120;
/// Longest time for a guest to print a mark. A busy machine needs it.
const MARK: Duration = Duration::from_secs(60);
/// Interval between two looks for a mark.
const LOOK: Duration = Duration::from_millis(10);
/// Time between two progress messages about a booting guest.
const PROGRESS: Duration = Duration::from_secs(5);

/// Settings of all guests.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The accelerator that QEMU uses.
    pub accelerator: harness::Accelerator,
    /// Path of QEMU.
    pub qemu: PathBuf,
    /// Path of the kernel.
    pub kernel: PathBuf,
    /// Path of the initial RAM disk.
    pub initramfs: PathBuf,
    /// Memory of each guest, in MiB.
    pub memory: u32,
    /// Processors of each guest.
    pub processors: u32,
    /// The number of guests.
    pub guests: usize,
    /// Text to add to the kernel's command line.
    pub append: Option<String>,
    /// Further arguments for QEMU.
    pub extra: Vec<OsString>,
}

/// The sockets and the plugin of one guest.
#[derive(Debug)]
pub struct Wiring {
    /// Sockets of the guest's functions.
    pub functions: Vec<PathBuf>,
    /// Socket of the guest's switch port.
    pub network: PathBuf,
    /// Value of `-plugin`, if QEMU loads one.
    pub plugin: Option<OsString>,
}

/// A guest with a started QEMU.
#[derive(Debug)]
pub struct Guest {
    /// Number of the guest.
    pub number: usize,
    /// Number of functions at its start.
    pub functions: usize,
    /// Console of the guest.
    pub console: Console,
    /// QEMU's monitor.
    pub qmp: Qmp,
    listening: Mutex<Option<Listening>>,
    agent: OnceLock<Agent>,
    qemu: Child,
}

impl Guest {
    /// Starts the guest's QEMU.
    ///
    /// # Errors
    /// A socket or log cannot be made, or QEMU cannot be started.
    pub fn start(
        number: usize,
        recipe: &Recipe,
        wiring: Wiring,
        folder: &Folder,
    ) -> Result<Self, Error> {
        let name = |what: &str| format!("guest{number}-{what}");
        let socket = |what: &str| {
            folder
                .passing(&name(&what.replace('.', "-")))
                .with_extension("sock")
        };
        let listening = Listening::new(|port| socket(port))?;
        let console_socket = socket("console");
        let console = Console::new(&console_socket, &folder.log(&name("console.log")))?;
        let qmp_socket = socket("qmp");
        let qmp = Qmp::new(&qmp_socket)?;
        let plugged = wiring.functions.len();
        let line = CommandLine {
            accelerator: recipe.accelerator,
            guest: number,
            memory: recipe.memory,
            processors: recipe.processors,
            kernel: recipe.kernel.clone(),
            initramfs: recipe.initramfs.clone(),
            append: append(number, recipe),
            functions: (wiring.functions.into_iter().enumerate())
                .map(|(index, socket)| Function::new(index, socket))
                .collect(),
            plugin: wiring.plugin,
            console: console_socket,
            qmp: qmp_socket,
            network: wiring.network,
            ports: listening.sockets.clone(),
            extra: recipe.extra.clone(),
        };
        let mut command = harness::command(&recipe.qemu);
        command.args(line.arguments()).stdout(Stdio::null());
        let what = format!("the QEMU of guest {number}");
        let log = folder.log(&name("qemu.log"));
        let qemu = Child::start(&what, command, &log, PATIENCE)?;
        Ok(Self {
            number,
            functions: plugged,
            console,
            qmp,
            listening: Mutex::new(Some(listening)),
            agent: OnceLock::new(),
            qemu,
        })
    }

    /// Waits until the guest can run commands.
    ///
    /// # Errors
    /// It ended, or did not come up in time.
    pub async fn ready(&self, patience: Duration) -> Result<(), Error> {
        let Some(listening) = self.listening.lock().await.take() else {
            return Ok(());
        };
        let connected = tokio::select! {
            connected = listening.connected(self.qmp.resets()) => connected,
            never = self.show_progress() => match never {},
            how = self.ended() => return Err(self.failure(&format!("{how} before it was ready"))),
            () = tokio::time::sleep(patience) => {
                let how = format!("it was not ready after {} s", patience.as_secs());
                return Err(self.failure(&how));
            }
        };
        match connected {
            Ok(agent) => {
                // The agent is set only here, so this cannot fail.
                let _ = self.agent.set(agent);
                Ok(())
            }
            Err(error) => Err(self.agent_failure(&error, " before it was ready").await),
        }
    }

    /// Prints a progress message every few seconds while the guest boots.
    async fn show_progress(&self) -> std::convert::Infallible {
        let start = Instant::now();
        loop {
            tokio::time::sleep(PROGRESS).await;
            let words = self.console.last_words();
            let last = words.lines().last().unwrap_or("nothing on its console yet");
            say(format_args!(
                "guest {}: booting for {} s: {last}",
                self.number,
                start.elapsed().as_secs()
            ));
        }
    }

    /// The faults that the guest's kernel reported, one line each.
    pub fn splats(&self) -> Vec<String> {
        self.console.splats()
    }

    /// Runs a shell command and returns its exit status.
    ///
    /// # Errors
    /// The guest ended before the command did.
    pub async fn run_to(
        &self,
        command: &str,
        stdout: impl Sink,
        stderr: impl Sink,
    ) -> Result<u8, Error> {
        match self.agent()?.run_to(command, stdout, stderr).await {
            Ok(status) => Ok(status),
            Err(error) => Err(self.agent_failure(&error, "").await),
        }
    }

    /// Runs a shell command and collects its output.
    ///
    /// # Errors
    /// The guest ended before the command did.
    pub async fn run(&self, command: &str) -> Result<Output, Error> {
        match self.agent()?.run(command).await {
            Ok(output) => Ok(output),
            Err(error) => Err(self.agent_failure(&error, "").await),
        }
    }

    /// Reboots the guest, and waits until it takes commands again.
    ///
    /// # Errors
    /// It ended, or QEMU did not reset it.
    pub async fn reboot(&self) -> Result<(), Error> {
        let mut resets = self.qmp.resets();
        let before = *resets.borrow_and_update();
        // The reboot ends the command early.
        let _ = self.run("reboot -f").await;
        if resets.wait_for(|count| *count > before).await.is_err() {
            return Err(self
                .agent_failure(&AgentError::Gone, " instead of rebooting")
                .await);
        }
        self.run(":").await.map(drop)
    }

    /// Kills the guest's QEMU (SIGKILL).
    ///
    /// # Errors
    /// It has ended before.
    pub async fn kill(&self) -> Result<(), Error> {
        self.qemu.signal(Signal::KILL)?;
        self.ended().await;
        Ok(())
    }

    /// Carries out a command of QEMU's monitor.
    ///
    /// # Errors
    /// QEMU refuses it, or ended.
    pub async fn monitor(&self, command: &str, arguments: Value) -> Result<Value, Error> {
        match self.qmp.execute(command, arguments).await {
            Ok(result) => Ok(result),
            Err(error @ QmpError::Refused { .. }) => Err(self.failure(&error.to_string())),
            Err(QmpError::Gone(_)) => Err(self.agent_failure(&AgentError::Gone, "").await),
        }
    }

    fn agent(&self) -> Result<&Agent, Error> {
        self.agent
            .get()
            .ok_or_else(|| self.failure("it is not ready"))
    }

    /// Process id of the guest's QEMU.
    pub fn qemu_id(&self) -> u32 {
        self.qemu.id()
    }

    /// Waits for the end of the guest's QEMU and of its console. Returns a text that says how QEMU ended.
    pub async fn ended(&self) -> String {
        let how = self.qemu.ended().await;
        self.console.finished().await;
        format!("QEMU {how}")
    }

    /// Whether the guest's QEMU is running.
    pub fn is_running(&self) -> bool {
        self.qemu.is_running()
    }

    /// An error about this guest, with the end of its logs.
    pub fn failure(&self, how: &str) -> Error {
        // While QEMU is running, its output does not explain an end.
        let qemu = if self.is_running() {
            String::new()
        } else {
            self.qemu.last_words()
        };
        let parts = [
            ("QEMU says", qemu),
            ("the end of its console", self.console.last_words()),
        ];
        let words = parts
            .iter()
            .filter(|(_, words)| !words.is_empty())
            .map(|(heading, words)| format!("\n-- {heading} --\n{words}"))
            .collect();
        Error::Guest {
            guest: self.number,
            how: how.to_owned(),
            words,
        }
    }

    async fn agent_failure(&self, error: &AgentError, when: &str) -> Error {
        if !matches!(error, AgentError::Gone) {
            return self.failure(&error.to_string());
        }
        // The ports close a moment before QEMU's process ends.
        let how = tokio::time::timeout(PATIENCE, self.ended()).await;
        let how = how.unwrap_or_else(|_| error.to_string());
        self.failure(&format!("{how}{when}"))
    }

    /// Ends the guest's QEMU.
    pub async fn stop(&self) {
        self.qemu.stop().await;
        self.console.finished().await;
    }

    /// Waits until everything that the guest's kernel has reported is in the console's log. The driver of the
    /// console holds output back for 50 ms (Linux `drivers/s390/char/sclp_vt220.c`, `BUFFER_MAX_DELAY`).
    pub async fn hear_out(&self) {
        let from = self.console.length();
        let mark = format!("lab: all was said before byte {from} of this console");
        let marked = async {
            // This level is printed whatever the kernel's command line says.
            let command = format!("echo '<0>{mark}' >/dev/kmsg");
            if self.run(&command).await.is_err() {
                // The guest has ended, and with it the console.
                return;
            }
            let marked = || {
                let printed = self.console.printed(from);
                String::from_utf8_lossy(&printed).contains(&mark)
            };
            while !marked() && self.is_running() {
                tokio::time::sleep(LOOK).await;
            }
        };
        // A guest that answers no more is reported elsewhere.
        let _ = tokio::time::timeout(MARK, marked).await;
    }
}

fn append(number: usize, recipe: &Recipe) -> String {
    let mut text = format!(
        "console=ttysclp0 panic=0 rcupdate.rcu_cpu_stall_timeout={STALL} lab.guest={number} lab.guests={} \
         lab.slots={SLOTS}",
        recipe.guests
    );
    if let Some(more) = &recipe.append {
        text.push(' ');
        text.push_str(more);
    }
    text
}
