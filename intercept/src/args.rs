//! The command line of `intercept`.

use crate::expect::Model;
use crate::plan::MAX_CASES;
use clap::{Args as ClapArgs, ValueEnum};
use harness::Accel;
use std::ffi::OsString;
use std::path::PathBuf;

/// Form of the report.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A table for people.
    #[default]
    Table,
    /// JSON, the form that --baseline reads.
    Json,
    /// Test Anything Protocol 14.
    Tap,
    /// JUnit XML.
    Junit,
}

impl Args {
    /// The flag that loads a plugin into QEMU, if there is one.
    pub fn plugin_flag(&self) -> Option<&'static str> {
        match (&self.forward, &self.kernel) {
            (Some(_), _) => Some("--forward"),
            (None, Some(_)) => Some("--kernel"),
            (None, None) => None,
        }
    }
}

/// Results that make the exit code 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FailOn {
    /// A case that differs from the baseline in any way.
    Changed,
    /// A case that is worse than in the baseline.
    Worse,
    /// A case that is not as it should be, even if the baseline has it.
    Any,
}

const EXAMPLES: &str = "\
Examples:
  Test a build of QEMU:
    vfio-user-ism intercept --qemu build/qemu-system-s390x --html report.html
  Compare two QEMUs:
    vfio-user-ism intercept --qemu 11.1 --qemu build/qemu-system-s390x --html both.html
  Run some cases only; list them first:
    vfio-user-ism intercept --only 'pcistb-*' --skip pcistb-source --list
  Fail only if something gets worse, with a JUnit file for the CI:
    vfio-user-ism intercept --baseline known.json --fail-on worse --junit report.xml
  Find the commit that broke a case:
    git bisect run sh -c 'make -C build || exit 125;
      vfio-user-ism intercept --qemu build/qemu-system-s390x --cannot-run-status 125'

Exit codes:
  0  everything is as it should be (with --baseline: as the baseline says)
  1  something is not, or QEMU crashed or hung
  2  a plan, profile, recording or baseline cannot be used
  3  the test could not take place; --cannot-run-status chooses another number";

// clap does not insist on an argument's requirement where a third argument rules the requirement out. So
// an argument is ruled out by whatever rules out what it needs.

/// Arguments that neither `--random` nor one that needs it goes with.
const NOT_WITH_RANDOM: [&str; 6] = ["plan", "replay", "kernel", "initrd", "append", "plugin"];
/// The same of `--kernel`.
const NOT_WITH_KERNEL: [&str; 3] = ["plan", "random", "replay"];

/// Flags of `intercept`.
#[derive(Debug, Clone, Default, ClapArgs)]
#[command(after_long_help = EXAMPLES)]
pub struct Args {
    /// QEMU to test: a path, a version that Debian has, such as 11.1, or zpci [default: $QEMU, the one on PATH,
    /// or Debian's].
    ///
    /// Debian's QEMU is fetched once. zpci is a QEMU with this project's changes. It is built once. zpci-11.1
    /// names a version of it. Give the flag several times to compare several QEMUs.
    #[arg(long, value_name = "PATH|VERSION", help_heading = "What to test")]
    pub qemu: Vec<OsString>,
    /// Pass one more argument to QEMU. May be given several times.
    #[arg(
        long,
        value_name = "ARG",
        allow_hyphen_values = true,
        help_heading = "What to test"
    )]
    pub qemu_arg: Vec<OsString>,
    /// Run the cases in access-register mode, too. Under KVM they always run.
    ///
    /// Under software emulation, QEMU up to 11.1 aborts when a guest enters that mode.
    #[arg(long, conflicts_with = "replay", help_heading = "What to test")]
    pub access_registers: bool,
    /// Execute the guest with KVM (on an s390x host) or with QEMU's software emulation.
    #[arg(
        long,
        value_enum,
        value_name = "WHAT",
        default_value_t,
        conflicts_with = "replay",
        help_heading = "What to test"
    )]
    pub accel: Accel,
    /// Profile of the function (JSON, one function) [default: the server's built-in one].
    #[arg(long, value_name = "FILE", help_heading = "What to test")]
    pub profile: Option<PathBuf>,
    /// Kind of function that the report assumes [default: the kind in the profile].
    #[arg(long, value_enum, help_heading = "What to test")]
    pub expect: Option<Model>,
    /// Let the plugin carry the function's loads and stores past QEMU to the device.
    ///
    /// The value is the plugin's file [default: libvfio_user_ism_plugin.so beside this program].
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        conflicts_with = "replay",
        help_heading = "What to test"
    )]
    pub forward: Option<Option<PathBuf>>,
    /// The moves that end before the device answers, if their outcome is known [default: none].
    #[arg(
        long,
        value_enum,
        value_name = "WHICH",
        requires = "forward",
        conflicts_with_all = ["defect", "replay"],
        help_heading = "What to test"
    )]
    pub moves: Option<harness::Moves>,
    /// Have plugin and servers share a ring in memory beside the sockets of the instruction channels.
    #[arg(
        long,
        requires = "forward",
        conflicts_with = "replay",
        help_heading = "What to test"
    )]
    pub ring: bool,
    /// Give the forwarding plugin a deliberate defect, to see how the report shows it. The value `list` lists
    /// all defects.
    #[arg(
        long = "break",
        value_name = "NAME",
        requires = "forward",
        conflicts_with = "replay",
        help_heading = "What to test"
    )]
    pub defect: Option<String>,

    /// Execute this plan (JSON) instead of the built-in one.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with = "random",
        help_heading = "What to execute"
    )]
    pub plan: Option<PathBuf>,
    /// Execute a random plan of N instructions.
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u64).range(1..=MAX_CASES as u64),
        conflicts_with_all = NOT_WITH_RANDOM,
        help_heading = "What to execute"
    )]
    pub random: Option<u64>,
    /// Seed of the random plan.
    #[arg(
        long,
        value_name = "S",
        default_value_t = 1,
        requires = "random",
        conflicts_with_all = NOT_WITH_RANDOM,
        help_heading = "What to execute"
    )]
    pub seed: u64,
    /// Keep only these cases: a name or a group, with * and ? as wildcards, or a verdict. May be given several
    /// times.
    ///
    /// Names and groups select the cases to execute. A verdict selects the cases to report after the run.
    #[arg(long, value_name = "SELECTOR", help_heading = "What to execute")]
    pub only: Vec<String>,
    /// Leave out these cases; the value is as for --only.
    #[arg(long, value_name = "SELECTOR", help_heading = "What to execute")]
    pub skip: Vec<String>,
    /// List the cases that would run, and end.
    #[arg(long, help_heading = "What to execute")]
    pub list: bool,
    /// Print the plan as JSON, and end.
    #[arg(long, help_heading = "What to execute")]
    pub dump_plan: bool,
    /// Judge a recorded run instead of starting QEMU. May be given several times.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = ["plan", "random", "qemu", "profile", "keep", "record"],
        help_heading = "What to execute"
    )]
    pub replay: Vec<PathBuf>,

    /// Boot this kernel instead of the probe, and judge the zPCI instructions that it executes.
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = NOT_WITH_KERNEL,
        help_heading = "A guest of your own"
    )]
    pub kernel: Option<PathBuf>,
    /// Initial RAM disk of the kernel.
    #[arg(
        long,
        value_name = "FILE",
        requires = "kernel",
        conflicts_with_all = NOT_WITH_KERNEL,
        help_heading = "A guest of your own"
    )]
    pub initrd: Option<PathBuf>,
    /// Command line of the kernel [default: console=ttysclp0].
    #[arg(
        long,
        value_name = "TEXT",
        requires = "kernel",
        conflicts_with_all = NOT_WITH_KERNEL,
        allow_hyphen_values = true,
        help_heading = "A guest of your own"
    )]
    pub append: Option<OsString>,
    /// Plugin that observes the guest [default: libvfio_user_ism_plugin.so beside this program].
    #[arg(
        long,
        value_name = "FILE",
        requires = "kernel",
        conflicts_with_all = NOT_WITH_KERNEL,
        help_heading = "A guest of your own"
    )]
    pub plugin: Option<PathBuf>,

    /// Form of the report on standard output.
    #[arg(long, value_enum, default_value_t, help_heading = "Reports")]
    pub format: Format,
    /// Write the report as one HTML page as well.
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub html: Option<PathBuf>,
    /// Write the report as JUnit XML as well.
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub junit: Option<PathBuf>,
    /// Write the report as JSON as well.
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub json: Option<PathBuf>,
    /// Write the report in the Test Anything Protocol as well.
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    pub tap: Option<PathBuf>,

    /// Compare with this earlier JSON report or baseline, or with one from this folder.
    ///
    /// From a folder, the run takes a baseline of its own byte order, and of its own QEMU version if there is
    /// one.
    #[arg(long, value_name = "FILE|FOLDER", help_heading = "Comparing")]
    pub baseline: Option<PathBuf>,
    /// Write the --baseline file instead of comparing with it.
    #[arg(long, requires = "baseline", help_heading = "Comparing")]
    pub write_baseline: bool,
    /// Results that make the exit code 1 [default: changed with --baseline, else any].
    #[arg(long, value_enum, value_name = "WHAT", help_heading = "Comparing")]
    pub fail_on: Option<FailOn>,

    /// Write this run to a file, for --replay.
    #[arg(long, value_name = "FILE", help_heading = "Files of the run")]
    pub record: Option<PathBuf>,
    /// Keep logs, events, the probe and the memory dump in this folder. A run that fails always keeps its logs
    /// and events.
    #[arg(long, value_name = "DIR", help_heading = "Files of the run")]
    pub keep: Option<PathBuf>,

    /// Give up on an instruction of the guest after this many seconds.
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 20,
        help_heading = "Limits and exit code"
    )]
    pub timeout: u64,
    /// Skip the second run, which tries block stores of every length when some fail.
    #[arg(long, help_heading = "Limits and exit code")]
    pub quick: bool,
    /// Exit code if the test cannot take place: no QEMU, no device, no firmware. 125 makes `git bisect run` skip
    /// the commit.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 3,
        value_parser = clap::value_parser!(u8).range(1..),
        help_heading = "Limits and exit code"
    )]
    pub cannot_run_status: u8,
}

#[cfg(test)]
mod tests {
    use super::Args;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn parse(arguments: &[&str]) -> Result<Args, clap::Error> {
        Cli::try_parse_from(std::iter::once("intercept").chain(arguments.iter().copied()))
            .map(|cli| cli.args)
    }

    #[test]
    fn flags_that_contradict_each_other_are_refused() {
        for arguments in [
            ["--plan", "x", "--random", "5"].as_slice(),
            &["--write-baseline"],
            &["--replay", "x", "--qemu", "y"],
            &["--seed", "4"],
            &["--random", "8193"],
            &["--random", "0"],
            &["--cannot-run-status", "0"],
            // Each last one needs an argument that the one before it rules out.
            &["--replay", "x", "--moves", "data"],
            &["--replay", "x", "--ring"],
            &["--replay", "x", "--break", "y"],
            &["--plan", "x", "--seed", "4"],
            &["--kernel", "x", "--seed", "4"],
            &["--plan", "x", "--initrd", "y"],
            &["--random", "5", "--append", "y"],
            &["--replay", "x", "--plugin", "y"],
        ] {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
    }

    #[test]
    fn the_forwarding_plugin_may_be_named() {
        let forward = |arguments: &[&str]| parse(arguments).expect("valid").forward;
        assert_eq!(forward(&[]), None);
        assert_eq!(forward(&["--forward"]), Some(None));
        assert_eq!(forward(&["--forward=x.so"]), Some(Some("x.so".into())));
        assert!(parse(&["--forward", "--replay", "x"]).is_err());
    }

    #[test]
    fn qemus_own_flags_can_be_passed_on() {
        let args = parse(&["--qemu-arg", "-trace", "--qemu-arg", "pci*"]).expect("valid");
        assert_eq!(args.qemu_arg, ["-trace", "pci*"]);
    }
}
