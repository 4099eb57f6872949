//! The command line of `lab`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use debian_fetch::Series;

use crate::variant::Variant;

/// How to print figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people.
    #[default]
    Table,
    /// JSON.
    Json,
}

/// A command for one guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// The guest.
    pub guest: usize,
    /// A shell command.
    pub command: String,
}

/// Flags of `lab`.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// Number of guests [default: 1, with --bench 2].
    #[arg(long, value_name = "N", value_parser = guests)]
    pub guests: Option<usize>,
    /// Series of the guests' kernel, from Debian: 6.12, 7.2, another, or newest [default: 6.12, with
    /// `--kernel debug` the first of 7.2 and 6.12 that can be had]. The lab builds its ism and smc modules
    /// once. From 6.18 on, ism sits below the dibs layer, and only the debug kernel has smc.
    #[arg(long, value_name = "SERIES")]
    pub kernel_version: Option<Series>,
    /// Boot this s390x kernel instead: a file, or the word debug. That is a kernel with lockdep, KASAN and
    /// kmemleak, which has ism and smc built in; `fetch lab-debug` builds it once, in ten minutes and more.
    #[arg(long, value_name = "FILE|debug")]
    pub kernel: Option<PathBuf>,
    /// Initial RAM disk of that kernel. The lab adds its own files.
    #[arg(long, value_name = "FILE", requires = "kernel")]
    pub initrd: Option<PathBuf>,
    /// Folder with the modules of that kernel: ism, smc, virtio_net and their dependencies. A missing
    /// module must be built into the kernel.
    #[arg(long, value_name = "DIR", requires = "kernel")]
    pub modules: Option<PathBuf>,
    /// Text to add to the kernel's command line.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    pub append: Option<String>,
    /// Run this shell command in a guest instead of opening a console. The lab passes on its output and
    /// exit status.
    #[arg(long, value_name = "CMD", conflicts_with_all = ["bench", "console"])]
    pub run: Option<String>,
    /// The guest for --run.
    #[arg(long, value_name = "N", requires = "run", conflicts_with_all = ["bench", "scenario", "shake"], default_value_t = 0)]
    pub on: usize,
    /// Give every guest an interface in this VLAN: eth0.ID, with the address 10.1.X.N+1 in guest N, where X
    /// is the remainder of ID by 256.
    #[arg(long, value_name = "ID", conflicts_with_all = ["scenario", "shake"], value_parser = clap::value_parser!(u16).range(1..=4094))]
    pub vlan: Option<u16>,
    /// Run CMD in guest N until the lab ends, with output on stderr. May be given several times.
    #[arg(long, value_name = "N:CMD", value_parser = beside)]
    pub beside: Vec<Beside>,
    /// The guest whose console opens first.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub console: usize,
    /// Play this scenario: a file, a name that --list-scenarios shows, `default` or `all`; may be given
    /// often. Exit status 4 if something does not hold.
    #[arg(long, value_name = "FILE|NAME", conflicts_with_all = ["run", "bench", "console", "beside", "observe", "profile", "events", "capture", "report", "guests", "smp", "functions_per_guest", "spare", "sockets", "control"])]
    pub scenario: Vec<String>,
    /// Play the scenarios so often. A scenario fails if its results differ in more than times and
    /// counts.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    pub repeat: u64,
    /// Draw random scenarios from this seed, the next one and so on. The first that fails is drawn again
    /// by its own seed, shortened and written to shake-SEED.json in --keep's folder or here.
    #[arg(long, value_name = "SEED", conflicts_with_all = ["scenario", "run", "bench", "console", "beside", "observe", "profile", "events", "capture", "report", "guests", "smp", "functions_per_guest", "spare", "sockets", "control"])]
    pub shake: Option<u64>,
    /// How long --shake begins new scenarios; one is played in any case.
    #[arg(long, value_name = "N", requires = "shake", conflicts_with_all = ["run", "bench", "scenario"], default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100_000))]
    pub minutes: u64,
    /// Write what came of the scenarios to this file, as JUnit XML.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// List the scenarios that are built in.
    #[arg(long, conflicts_with_all = ["run", "bench", "scenario"])]
    pub list_scenarios: bool,
    /// Print the JSON schema of scenarios.
    #[arg(long, conflicts_with_all = ["run", "bench", "scenario", "list_scenarios"])]
    pub scenario_schema: bool,
    /// Measure SMC-D, TCP and the single steps, in one guest or between two.
    #[arg(long, conflicts_with = "observe")]
    pub bench: bool,
    /// How --bench prints its figures, and --scenario, --shake and --list-scenarios theirs.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Size of each transfer of --bench, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 64, requires = "bench", conflicts_with_all = ["run", "scenario", "shake"], value_parser = clap::value_parser!(u64).range(1..=65536))]
    pub transfer: u64,
    /// With --bench: measure SMC-D under this QEMU as well, named as for --qemu and with a plugin only if
    /// it needs one, and tell the ratio. Settings may follow it behind commas: moves=WHICH, or
    /// DRIVER.PROPERTY=VALUE for QEMU's -global. Without a QEMU before the first comma it is the same one.
    /// May be given several times; all are measured in turns.
    #[arg(long, value_name = "QEMU[,SETTING]...", requires = "bench")]
    pub compare: Vec<Variant>,
    /// Record the instructions and leave them to QEMU, instead of forwarding them.
    #[arg(long)]
    pub observe: bool,
    /// The plugin [default: libvfio_user_ism_plugin.so beside this program].
    #[arg(long, value_name = "PATH")]
    pub plugin: Option<PathBuf>,
    /// Moves that end before the server has answered, if their outcome is known. A late refusal puts
    /// the function into its error state.
    #[arg(
        long,
        value_enum,
        value_name = "WHICH",
        default_value_t,
        conflicts_with = "observe"
    )]
    pub moves: harness::Moves,
    /// Have plugin and server share a ring in memory: a move takes no system call while both are busy.
    #[arg(long, conflicts_with = "observe")]
    pub ring: bool,
    /// QEMU: a path, a version that Debian has, such as 11.1, or zpci, which hands block stores over whole and needs no plugin;
    /// zpci-11.1 is that of a version
    /// [default: $QEMU, the one on PATH, or Debian's, fetched once].
    #[arg(long, value_name = "PATH")]
    pub qemu: Option<OsString>,
    /// What executes the guests: kvm, on an s390x host, or tcg, QEMU's software emulation. KVM loads no
    /// plugin: it takes a QEMU that hands zPCI accesses over whole [default: kvm where that QEMU and KVM
    /// are there, else tcg].
    #[arg(
        long,
        value_enum,
        value_name = "WHAT",
        hide_default_value = true,
        default_value_t
    )]
    pub accel: harness::Accel,
    /// One more argument for every QEMU; may be given often.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub qemu_arg: Vec<OsString>,
    /// Memory of each guest, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u32).range(128..=65536))]
    pub memory: u32,
    /// Processors of each guest.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub smp: u32,
    /// Fail with exit status 4 if a guest's kernel reports a fault in itself: oops, BUG, WARNING,
    /// lockdep, KASAN, leak, hung task, stall.
    #[arg(long)]
    pub fail_on_splat: bool,
    /// Fail with exit status 4 if a guest moved no byte through its ISM function. The kernel may have
    /// chosen its loopback device or TCP.
    #[arg(long, conflicts_with = "observe")]
    pub require_ism: bool,
    /// ISM functions of each guest; the first is 0007:00:00.0 there, the second 0008:00:00.0.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = functions)]
    pub functions_per_guest: usize,
    /// Functions for no guest. The lab prints their sockets, for --qemu-arg or another client.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = spare, conflicts_with = "profile")]
    pub spare: usize,
    /// Make the functions' sockets in this folder, as NAME.sock and NAME.sock.insn [default: a
    /// temporary folder].
    #[arg(long, value_name = "DIR")]
    pub sockets: Option<PathBuf>,
    /// The server's control socket, for `vfio-user-ism ctl`: faults while the guests run.
    #[arg(long, value_name = "SOCKET")]
    pub control: Option<PathBuf>,
    /// Profile of the fabric, with enough functions for the guests; the others are spare [default: one that also checks
    /// SMC-D's rules].
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// Write every access that the functions saw to this file, as JSON Lines. This slows them down.
    #[arg(long, value_name = "FILE")]
    pub events: Option<PathBuf>,
    /// Write every vfio-user message to this file, as pcapng. This slows the functions down.
    #[arg(long, value_name = "FILE")]
    pub capture: Option<PathBuf>,
    /// Write the server's totals to this file at the end, as JSON.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Keep consoles and logs in this folder.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Plants a defect into the lab's switch, so that tests see it found: frames behind this number are
    /// lost.
    #[arg(long, value_name = "N", hide = true)]
    pub lose_frames_after: Option<u64>,
    /// Put a module with planted faults into the guests, as /lib/lab/plant.ko, so that tests see them found.
    #[arg(long, hide = true)]
    pub plant: bool,
    /// The other side of --bench's bare round trip: answer at this socket, and do nothing else.
    #[arg(long, value_name = "PATH", hide = true)]
    pub echo: Option<PathBuf>,
    /// Longest time for a guest to boot, in seconds.
    #[arg(long, value_name = "S", default_value_t = 180)]
    pub timeout: u64,
}

fn guests(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=64) => Ok(number),
        _ => Err("expected a number from 1 to 64".to_owned()),
    }
}

fn functions(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=16) => Ok(number),
        _ => Err("expected a number from 1 to 16".to_owned()),
    }
}

fn spare(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 0..=64) => Ok(number),
        _ => Err("expected a number from 0 to 64".to_owned()),
    }
}

fn beside(text: &str) -> Result<Beside, String> {
    text.split_once(':')
        .and_then(|(guest, command)| {
            Some(Beside {
                guest: guest.parse().ok()?,
                command: command.to_owned(),
            })
        })
        .ok_or_else(|| "expected a guest's number, a colon and a shell command".to_owned())
}

impl Args {
    /// How many guests there are to be.
    pub(crate) fn guest_count(&self) -> usize {
        self.guests.unwrap_or(if self.bench { 2 } else { 1 })
    }

    /// The flags whose guest does not exist, if there is one.
    pub(crate) fn missing_guest(&self) -> Option<String> {
        let named = [("--on", self.on), ("--console", self.console)];
        let beside = self.beside.iter().map(|beside| ("--beside", beside.guest));
        named
            .into_iter()
            .chain(beside)
            .find(|(_, guest)| *guest >= self.guest_count())
            .map(|(flag, guest)| {
                format!(
                    "{flag} {guest}: there is no such guest, the last one is guest {}",
                    self.guest_count() - 1
                )
            })
    }
}
