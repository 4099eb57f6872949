//! The command line of `lab`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};
use debian_fetch::Series;

use crate::variant::Variant;

/// Form of results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people.
    #[default]
    Table,
    /// JSON.
    Json,
}

/// A command that runs in one guest beside the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Beside {
    /// Number of the guest.
    pub guest: usize,
    /// The shell command.
    pub command: String,
}

const GUESTS: &str = "Guests";
const ACTION: &str = "What the guests do";
const SCENARIOS: &str = "Scenarios";
const MEASURING: &str = "Measuring";
const QEMU: &str = "QEMU and the plugin";
const KERNEL: &str = "The guests' kernel";
const FABRIC: &str = "Functions and their server";
const CHECKS: &str = "Checks";
const FILES: &str = "Results and files";

const EXAMPLES: &str = "\
Examples:
  Open the console of one guest; Ctrl-] q ends the lab:
    vfio-user-ism lab
  Run a command in guest 0 of two; the lab passes on its exit status:
    vfio-user-ism lab --guests 2 --run 'ping -c 3 10.0.0.2'
  Move data from guest 0 to guest 1 over SMC-D:
    vfio-user-ism lab --guests 2 --beside '1:smcd-tool serve --port 5000' \\
      --run 'smcd-tool send --to 10.0.0.2 --port 5000 --bytes 100000000 --require-smcd'
  Play a scenario, and write a JUnit file for the CI:
    vfio-user-ism lab --scenario guest-dies --junit report.xml
  Measure SMC-D and TCP:
    vfio-user-ism lab --bench
  Run the driver without the plugin's help, and keep all logs:
    vfio-user-ism lab --qemu build/qemu-system-s390x --observe --keep logs

Exit status:
  the command's own, with --run
  0    the lab ended without an error
  2    the command line, or a file that it names, is wrong
  3    the lab could not start, or could not go on
  4    a scenario failed, or a check of --fail-on-splat or --require-ism did
  128+N  signal N ended the lab";

// clap does not insist on an argument's requirement where a third argument rules the requirement out. So
// an argument is ruled out by whatever rules out what it needs.

/// Arguments that neither `--run` nor one that needs it goes with.
const NOT_WITH_RUN: [&str; 9] = [
    "bench",
    "transfer",
    "compare",
    "console",
    "scenario",
    "shake",
    "minutes",
    "list_scenarios",
    "scenario_schema",
];
/// The same of `--bench`.
const NOT_WITH_BENCH: [&str; 8] = [
    "console",
    "observe",
    "run",
    "scenario",
    "shake",
    "minutes",
    "list_scenarios",
    "scenario_schema",
];
/// The same of `--scenario` and `--shake`, which choose guests and functions themselves.
const NOT_WITH_SCENARIOS: [&str; 17] = [
    "require_ism",
    "vlan",
    "run",
    "bench",
    "console",
    "beside",
    "observe",
    "profile",
    "events",
    "capture",
    "report",
    "guests",
    "smp",
    "functions_per_guest",
    "spare",
    "sockets",
    "control",
];

/// Flags of `lab`.
#[derive(Debug, Clone, ClapArgs)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// Number of guests [default: 1; with --bench 2].
    #[arg(long, value_name = "N", value_parser = number::<1, 64>, help_heading = GUESTS)]
    pub guests: Option<usize>,
    /// Memory of each guest, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 512, value_parser = clap::value_parser!(u32).range(128..=65536), help_heading = GUESTS)]
    pub memory: u32,
    /// Processors of each guest.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64), help_heading = GUESTS)]
    pub smp: u32,
    /// Give every guest an interface in this VLAN.
    ///
    /// The interface is eth0.ID. Guest N has the address 10.1.X.N+1, where X is the remainder of ID by 256.
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(u16).range(1..=4094), help_heading = GUESTS)]
    pub vlan: Option<u16>,
    /// Longest time for a guest to boot, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 180, help_heading = GUESTS)]
    pub timeout: u64,

    /// Run this shell command in a guest instead of opening a console.
    ///
    /// The lab passes on the command's output and exit status.
    #[arg(long, value_name = "CMD", conflicts_with_all = NOT_WITH_RUN, help_heading = ACTION)]
    pub run: Option<String>,
    /// The guest for --run.
    #[arg(long, value_name = "N", requires = "run", conflicts_with_all = NOT_WITH_RUN, default_value_t = 0, help_heading = ACTION)]
    pub on: usize,
    /// Run CMD in guest N until the lab ends, with output on stderr. May be given several times.
    #[arg(long, value_name = "N:CMD", value_parser = beside, help_heading = ACTION)]
    pub beside: Vec<Beside>,
    /// The guest whose console opens first.
    #[arg(long, value_name = "N", default_value_t = 0, help_heading = ACTION)]
    pub console: usize,

    /// Play this scenario: a file, a name from --list-scenarios, `default` or `all`. May be given several
    /// times.
    #[arg(long, value_name = "FILE|NAME", conflicts_with_all = NOT_WITH_SCENARIOS, help_heading = SCENARIOS)]
    pub scenario: Vec<String>,
    /// Play the scenarios N times. A scenario fails, too, if its results differ between the runs. Times and
    /// counts may differ.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000), help_heading = SCENARIOS)]
    pub repeat: u64,
    /// Draw random scenarios: one from this seed, one from the next seed, and so on.
    ///
    /// The lab shortens each scenario that fails, and writes it to shake-SEED.json, in the folder of --keep or
    /// here. SEED is that scenario's own seed.
    #[arg(long, value_name = "SEED", conflicts_with = "scenario", conflicts_with_all = NOT_WITH_SCENARIOS, help_heading = SCENARIOS)]
    pub shake: Option<u64>,
    /// Let --shake begin new scenarios for this many minutes. It always plays at least one.
    #[arg(long, value_name = "N", requires = "shake", conflicts_with = "scenario", conflicts_with_all = NOT_WITH_SCENARIOS, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=100_000), help_heading = SCENARIOS)]
    pub minutes: u64,
    /// Write the results of the scenarios to this file, as JUnit XML.
    #[arg(long, value_name = "FILE", help_heading = SCENARIOS)]
    pub junit: Option<PathBuf>,
    /// List the built-in scenarios, and end.
    #[arg(long, conflicts_with_all = ["run", "bench", "scenario"], help_heading = SCENARIOS)]
    pub list_scenarios: bool,
    /// Print the JSON schema of scenarios, and end.
    #[arg(long, conflicts_with_all = ["run", "bench", "scenario", "list_scenarios"], help_heading = SCENARIOS)]
    pub scenario_schema: bool,

    /// Measure SMC-D, TCP and the single steps, in one guest or between two.
    #[arg(long, conflicts_with_all = NOT_WITH_BENCH, help_heading = MEASURING)]
    pub bench: bool,
    /// Size of each transfer of --bench, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 64, requires = "bench", conflicts_with_all = NOT_WITH_BENCH, value_parser = clap::value_parser!(u64).range(1..=65536), help_heading = MEASURING)]
    pub transfer: u64,
    /// Have --bench measure SMC-D with this QEMU, too, and print the ratio. May be given several times.
    ///
    /// QEMU is as for --qemu; an empty QEMU is the same one. It runs without the plugin if it can. Settings
    /// may follow, each after a comma: moves=WHICH, or DRIVER.PROPERTY=VALUE for QEMU's -global. The lab
    /// measures all of them in turns.
    #[arg(long, value_name = "QEMU[,SETTING]...", requires = "bench", conflicts_with_all = NOT_WITH_BENCH, help_heading = MEASURING)]
    pub compare: Vec<Variant>,

    /// QEMU: a path, a version that Debian has, such as 11.1, or zpci [default: $QEMU, the one on PATH, or
    /// Debian's].
    ///
    /// Debian's QEMU is fetched once. zpci is a QEMU with this project's changes: it hands block stores over
    /// whole and needs no plugin. It is built once. zpci-11.1 names a version of it.
    #[arg(long, value_name = "PATH|VERSION", help_heading = QEMU)]
    pub qemu: Option<OsString>,
    /// Pass one more argument to every QEMU. May be given several times.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true, help_heading = QEMU)]
    pub qemu_arg: Vec<OsString>,
    /// Execute the guests with KVM (on an s390x host) or with tcg, QEMU's software emulation [default: kvm if
    /// it can, else tcg].
    ///
    /// Under KVM, QEMU loads no plugin. So KVM needs a QEMU that hands zPCI accesses over whole.
    #[arg(
        long,
        value_enum,
        value_name = "WHAT",
        hide_default_value = true,
        default_value_t,
        help_heading = QEMU
    )]
    pub accel: harness::Accel,
    /// The plugin [default: libvfio_user_ism_plugin.so beside this program].
    #[arg(long, value_name = "FILE", help_heading = QEMU)]
    pub plugin: Option<PathBuf>,
    /// Have the plugin record the instructions and leave them to QEMU, instead of forwarding them.
    #[arg(long, help_heading = QEMU)]
    pub observe: bool,
    /// The moves that end before the server answers, if their outcome is known.
    ///
    /// If the server refuses such a move later, the function enters its error state.
    #[arg(
        long,
        value_enum,
        value_name = "WHICH",
        default_value_t,
        conflicts_with = "observe",
        help_heading = QEMU
    )]
    pub moves: harness::Moves,
    /// Have plugin and server share a ring in memory. A move then takes no system call while both are busy.
    #[arg(long, conflicts_with = "observe", help_heading = QEMU)]
    pub ring: bool,

    /// Series of Debian's kernel for the guests: 6.12, 7.2, another, or newest [default: 6.12; with
    /// `--kernel debug` 7.2, or 6.12 if Debian lacks 7.2].
    ///
    /// The lab builds the ism and smc modules of a series once. From 6.18 on, ism sits below the dibs layer,
    /// and only the debug kernel has smc.
    #[arg(long, value_name = "SERIES", help_heading = KERNEL)]
    pub kernel_version: Option<Series>,
    /// Boot this s390x kernel instead: a file, or the word debug.
    ///
    /// The debug kernel has lockdep, KASAN and kmemleak, with ism and smc built in. The lab builds it once,
    /// which takes ten minutes or more; `fetch lab-debug` does the same.
    #[arg(long, value_name = "FILE|debug", help_heading = KERNEL)]
    pub kernel: Option<PathBuf>,
    /// Initial RAM disk of the kernel of --kernel. The lab adds its own files.
    #[arg(long, value_name = "FILE", requires = "kernel", help_heading = KERNEL)]
    pub initrd: Option<PathBuf>,
    /// Folder with the modules of the kernel of --kernel: ism, smc, virtio_net and their dependencies. The
    /// kernel must have the others built in.
    #[arg(long, value_name = "DIR", requires = "kernel", help_heading = KERNEL)]
    pub modules: Option<PathBuf>,
    /// Text to add to the kernel's command line.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true, help_heading = KERNEL)]
    pub append: Option<String>,

    /// ISM functions of each guest. The first has the address 0007:00:00.0 there, the second 0008:00:00.0.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = number::<1, 16>, help_heading = FABRIC)]
    pub functions_per_guest: usize,
    /// Functions that no guest gets. The lab prints their sockets, for --qemu-arg or another client.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = number::<0, 64>, conflicts_with = "profile", help_heading = FABRIC)]
    pub spare: usize,
    /// Profile of the fabric. Functions that no guest gets are spare [default: a profile that also checks
    /// SMC-D's rules].
    #[arg(long, value_name = "FILE", help_heading = FABRIC)]
    pub profile: Option<PathBuf>,
    /// Make the functions' sockets in this folder, as NAME.sock and NAME.sock.insn [default: a temporary
    /// folder].
    #[arg(long, value_name = "DIR", help_heading = FABRIC)]
    pub sockets: Option<PathBuf>,
    /// Make the server's control socket here, for `vfio-user-ism ctl`: faults while the guests run.
    #[arg(long, value_name = "SOCKET", help_heading = FABRIC)]
    pub control: Option<PathBuf>,

    /// Fail with exit status 4 if a guest's kernel reports a fault in itself: oops, BUG, WARNING,
    /// lockdep, KASAN, leak, hung task, stall.
    #[arg(long, help_heading = CHECKS)]
    pub fail_on_splat: bool,
    /// Fail with exit status 4 if a guest moved no byte through its ISM function. The kernel may have
    /// chosen its loopback device or TCP.
    #[arg(long, conflicts_with = "observe", help_heading = CHECKS)]
    pub require_ism: bool,

    /// Form of the results of --bench, --scenario, --shake and --list-scenarios.
    #[arg(long, value_enum, default_value_t, help_heading = FILES)]
    pub format: Format,
    /// Write every access that the functions see to this file, as JSON Lines. This slows them down.
    #[arg(long, value_name = "FILE", help_heading = FILES)]
    pub events: Option<PathBuf>,
    /// Write every vfio-user message to this file, as pcapng. This slows the functions down.
    #[arg(long, value_name = "FILE", help_heading = FILES)]
    pub capture: Option<PathBuf>,
    /// Write the server's totals to this file at the end, as JSON.
    #[arg(long, value_name = "FILE", help_heading = FILES)]
    pub report: Option<PathBuf>,
    /// Keep consoles and logs in this folder.
    #[arg(long, value_name = "DIR", help_heading = FILES)]
    pub keep: Option<PathBuf>,

    /// Lose all frames of the lab's switch after this number. Tests look for the loss.
    #[arg(long, value_name = "N", hide = true)]
    pub lose_frames_after: Option<u64>,
    /// Put a module with planted faults into the guests, as /lib/lab/plant.ko. Tests look for the faults.
    #[arg(long, hide = true)]
    pub plant: bool,
    /// Answer at this socket, and do nothing else: the other side of --bench's bare round trip.
    #[arg(long, value_name = "PATH", hide = true)]
    pub echo: Option<PathBuf>,
}

/// A number in a range, as the index of a guest or a function.
fn number<const LEAST: usize, const MOST: usize>(text: &str) -> Result<usize, String> {
    let number = text.parse().ok();
    let number = number.filter(|number| (LEAST..=MOST).contains(number));
    number.ok_or_else(|| format!("expected a number from {LEAST} to {MOST}"))
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
    /// The number of guests to boot.
    pub(crate) fn guest_count(&self) -> usize {
        self.guests.unwrap_or(if self.bench { 2 } else { 1 })
    }

    /// A message about the first flag that names a guest that does not exist.
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

#[cfg(test)]
mod tests {
    use super::Args;
    use clap::Args as _;

    #[test]
    fn what_would_have_no_effect_is_refused() {
        let command = Args::augment_args(clap::Command::new("lab"));
        let taken = |words: &str| {
            let words = std::iter::once("lab").chain(words.split(' '));
            command.clone().try_get_matches_from(words)
        };
        for words in [
            "--bench --console 1",
            "--console 0 --transfer 5",
            "--scenario all --require-ism",
            "--shake 1 --require-ism",
            "--minutes 5 --require-ism",
        ] {
            let error = taken(words).unwrap_err();
            let kind = error.kind();
            assert_eq!(kind, clap::error::ErrorKind::ArgumentConflict, "{words}");
        }
        for words in [
            "--bench --guests 2",
            "--bench --require-ism",
            "--console 1 --require-ism",
            "--run true --require-ism",
            "--scenario all --fail-on-splat",
        ] {
            assert!(taken(words).is_ok(), "{words}");
        }
    }
}
