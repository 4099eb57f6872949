//! The command line of `doctor`.

use std::path::PathBuf;

use clap::ValueEnum;

/// Flags of `doctor`.
#[derive(Debug, Clone, clap::Args)]
#[command(after_long_help = "\
Exit status:
  0  the server, the interception test and the lab can start on this machine
  1  one of them cannot; the lines that begin with `fix:` say what to do
  2  the command line is wrong

Examples:
  vfio-user-ism doctor
  vfio-user-ism doctor --qemu ./build/qemu-system-s390x
  vfio-user-ism doctor --format json | jq .uses")]
pub struct Args {
    /// Examine this qemu-system-s390x only [default: those of $QEMU, PATH and the cache].
    #[arg(long, value_name = "PATH")]
    pub qemu: Option<PathBuf>,
    /// Examine this plugin [default: libvfio_user_ism_plugin.so beside this program].
    #[arg(long, value_name = "PATH")]
    pub plugin: Option<PathBuf>,
    /// Longest time for a QEMU to answer a question, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub patience: u64,
    /// Form of the report.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

/// Form of the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}
