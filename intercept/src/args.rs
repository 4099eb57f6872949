//! The command line of `intercept`.

use crate::expect::Model;
use clap::{Args as ClapArgs, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// How to print the report.
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

/// What to measure against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Expect {
    /// A function that takes block stores of any alignment.
    Relaxed,
    /// A function that takes aligned multiples of 8 only.
    Strict,
}

impl From<Expect> for Model {
    fn from(expect: Expect) -> Self {
        match expect {
            Expect::Relaxed => Self::Relaxed,
            Expect::Strict => Self::Strict,
        }
    }
}

/// Flags of `intercept`.
#[derive(Debug, Clone, Default, ClapArgs)]
pub struct Args {
    /// QEMU to test [default: $QEMU, the one on PATH, or Debian's, fetched once].
    #[arg(long, value_name = "PATH")]
    pub qemu: Option<PathBuf>,
    /// One more argument for QEMU; may be given often.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    pub qemu_arg: Vec<OsString>,
    /// Profile of the function (JSON, one function); the server's built-in one without.
    #[arg(long, value_name = "FILE")]
    pub profile: Option<PathBuf>,
    /// What the function should be [default: as the profile says].
    #[arg(long, value_enum)]
    pub expect: Option<Expect>,
    /// Execute this plan (JSON) instead of the built-in one.
    #[arg(long, value_name = "FILE", conflicts_with = "random")]
    pub plan: Option<PathBuf>,
    /// Execute a random plan of N instructions.
    #[arg(long, value_name = "N")]
    pub random: Option<usize>,
    /// Seed of the random plan.
    #[arg(long, value_name = "S", default_value_t = 1, requires = "random")]
    pub seed: u64,
    /// Print the plan as JSON and end.
    #[arg(long)]
    pub dump_plan: bool,
    /// How to print the report.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Write the report as one HTML page as well.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Compare with this earlier JSON report: exit 0 if equal, 1 if anything changed.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Write the report to the --baseline file instead of comparing.
    #[arg(long, requires = "baseline")]
    pub write_baseline: bool,
    /// Write everything needed to classify this run again to a file.
    #[arg(long, value_name = "FILE")]
    pub record: Option<PathBuf>,
    /// Classify a recorded run instead of starting QEMU.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["plan", "random", "qemu", "profile", "keep", "record"])]
    pub replay: Option<PathBuf>,
    /// Boot this kernel instead of the probe, and judge the zPCI instructions it executes.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["plan", "random", "replay"])]
    pub kernel: Option<PathBuf>,
    /// Its initial RAM disk.
    #[arg(long, value_name = "FILE", requires = "kernel")]
    pub initrd: Option<PathBuf>,
    /// Its command line [default: console=ttysclp0].
    #[arg(
        long,
        value_name = "TEXT",
        requires = "kernel",
        allow_hyphen_values = true
    )]
    pub append: Option<OsString>,
    /// Have the plugin carry the function's loads and stores to the device, past QEMU; the value is as that of --plugin.
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        require_equals = true,
        conflicts_with = "replay"
    )]
    pub forward: Option<Option<PathBuf>>,
    /// Give the forwarding plugin a deliberate defect, to see what the report says of it; `list` lists them.
    #[arg(long = "break", value_name = "NAME", requires = "forward")]
    pub defect: Option<String>,
    /// The observing plugin [default: libvfio_user_ism_plugin.so beside this program].
    #[arg(long, value_name = "FILE", requires = "kernel")]
    pub plugin: Option<PathBuf>,
    /// Keep logs, events, probe and memory dump of the run in this folder.
    #[arg(long, value_name = "DIR")]
    pub keep: Option<PathBuf>,
    /// Give up on the guest after so many seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    pub timeout: u64,
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
