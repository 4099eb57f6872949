//! The command line of `fetch`.

use std::fmt::Display;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::cache::Cache;
use crate::error::Error;
use crate::series::Series;
use crate::suites::Suites;
use crate::version::Version;

/// The parts to fetch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum FetchWhat {
    /// `qemu-system-s390x` and `qemu-system-x86_64`. One that is on PATH and new enough is used instead.
    Qemu,
    /// A `qemu-system-s390x` that hands zPCI accesses over in one piece, built from Debian's source.
    QemuZpci,
    /// An s390x kernel and busybox.
    Guest,
    /// The lab's kernel. This machine builds its ism and smc modules.
    Lab,
    /// The same as `lab --kernel 7.2`.
    #[value(name = "lab-7.2", hide = true)]
    Lab72,
    /// A kernel for the lab with lockdep, KASAN and kmemleak, and with ism and smc built in. This machine
    /// builds it from Debian's source.
    LabDebug,
    /// QEMU, a guest, and the lab's Linux 6.12 and 7.2, but not qemu-zpci and lab-debug.
    #[default]
    All,
    /// Fetch nothing. Show the entries of the cache, and the parts that can be fetched, with source and
    /// size.
    List,
}

/// Form of the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Lines for people.
    #[default]
    Table,
    /// JSON.
    Json,
}

impl Format {
    /// The text to print.
    ///
    /// # Errors
    /// When it cannot be written as JSON: a path that is no text.
    pub fn text<T: Display + Serialize>(self, shown: &T) -> Result<String, serde_json::Error> {
        match self {
            Self::Table => Ok(shown.to_string()),
            Self::Json => Ok(serde_json::to_string_pretty(shown)? + "\n"),
        }
    }
}

const EXAMPLES: &str = "\
Examples:
  Fetch everything that the tests need (about 700 MB):
    vfio-user-ism fetch
  Fetch QEMU only:
    vfio-user-ism fetch qemu
  Fetch the newest kernel for the lab:
    vfio-user-ism fetch lab --kernel newest
  Build a QEMU with this project's changes from your own source:
    vfio-user-ism fetch qemu-zpci --source ~/qemu
  Show the cache, without the network:
    vfio-user-ism fetch list --offline

The cache folder is $VFIO_USER_ISM_CACHE, or vfio-user-ism in $XDG_CACHE_HOME or ~/.cache.";

/// Flags of `fetch`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_long_help = EXAMPLES)]
pub struct FetchArgs {
    /// The parts to fetch.
    #[arg(value_enum, default_value_t)]
    pub what: FetchWhat,
    /// Series of the kernel for the guest or the lab: 6.12, 7.2, another, or newest. May be given several
    /// times.
    #[arg(long, value_name = "SERIES")]
    pub kernel: Vec<Series>,
    /// Debian suites to fetch from, the best one first, for example trixie-backports,sid [default:
    /// $VFIO_USER_ISM_SUITES, or for each part the suites that are known to have it].
    #[arg(long, value_name = "SUITES")]
    pub suites: Option<String>,
    /// With qemu-zpci: build this QEMU source, an unpacked tree or a tarball, instead of Debian's. The source
    /// stays unchanged.
    #[arg(long, value_name = "TREE")]
    pub source: Option<PathBuf>,
    /// With qemu-zpci: build this version of QEMU, such as 11.1 or 10.2.2. May be given several times.
    #[arg(long, value_name = "VERSION", value_parser = version, conflicts_with = "source")]
    pub qemu_version: Vec<String>,
    /// With qemu: fetch the programs for hosts of this architecture instead of this machine's.
    #[arg(long, value_name = "ARCH", value_parser = ["amd64", "arm64", "s390x"])]
    pub arch: Option<String>,
    /// Fetch the parts again, even if the cache holds them.
    #[arg(long)]
    pub renew: bool,
    /// With list: show only the cache. Do not use the network.
    #[arg(long)]
    pub offline: bool,
    /// Form of the result.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
}

fn version(text: &str) -> Result<String, String> {
    if Version::is_named_by(text) {
        return Ok(text.to_owned());
    }
    Err("expected two or three numbers, such as 11.1 or 10.2.2".to_owned())
}

impl FetchArgs {
    /// The cache with the suites and the renewal that the flags ask for.
    ///
    /// # Errors
    /// As [`Cache::locate`].
    pub fn cache(&self) -> Result<Cache, Error> {
        let suites = Suites::named(self.suites.as_deref().unwrap_or_default());
        let cache = Cache::locate()?.with_suites(suites);
        Ok(if self.renew { cache.renewed() } else { cache })
    }

    /// The series of the lab's kernels to fetch.
    pub fn lab_kernels(&self) -> Vec<Series> {
        let known: &[Series] = match self.what {
            FetchWhat::Lab => &[Series::LINUX_6_12],
            FetchWhat::Lab72 => return vec![Series::LINUX_7_2],
            FetchWhat::All => &[Series::LINUX_6_12, Series::LINUX_7_2],
            FetchWhat::Qemu
            | FetchWhat::QemuZpci
            | FetchWhat::Guest
            | FetchWhat::LabDebug
            | FetchWhat::List => return Vec::new(),
        };
        if self.kernel.is_empty() {
            return known.to_vec();
        }
        self.kernel.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_series_come_in_place_of_the_known_ones() {
        let args = |what, kernel: &[Series]| FetchArgs {
            what,
            kernel: kernel.to_vec(),
            ..FetchArgs::default()
        };
        let [old, new] = [Series::LINUX_6_12, Series::LINUX_7_2];
        assert_eq!(args(FetchWhat::All, &[]).lab_kernels(), [old, new]);
        assert_eq!(args(FetchWhat::Lab, &[]).lab_kernels(), [old]);
        assert_eq!(
            args(FetchWhat::Lab, &[Series::Newest]).lab_kernels(),
            [Series::Newest]
        );
        assert_eq!(args(FetchWhat::Lab72, &[]).lab_kernels(), [new]);
        assert!(args(FetchWhat::Guest, &[new]).lab_kernels().is_empty());
    }
}
