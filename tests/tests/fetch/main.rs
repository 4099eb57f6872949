//! Tests of `vfio-user-ism fetch` with a small Debian archive of dummy packages on loopback, correct and with
//! many errors. Each run uses the next candidate, or prints one message that shows all attempts.

mod cache;
mod choice;
mod files;
mod hosts;
mod lab;
mod lists;
mod network;
mod qemu;
mod zpci;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use vfio_user_ism_tests::debian_archive::{DebianArchive, Dummy, Suite};
use vfio_user_ism_tests::program::program;

/// Bytes of a dummy kernel: more than a block of the client, so that a transfer can break off.
pub(crate) const KERNEL_BYTES: usize = 300_000;

/// Seconds after which a download stalls, for tests of that. A busy machine may stop a correct one for some
/// seconds.
pub(crate) const SHORT: &str = "5";

/// An archive, and runs of the program with it.
pub(crate) struct Bench {
    pub(crate) archive: DebianArchive,
    variables: Vec<(&'static str, String)>,
}

/// The outcome of a run.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// Parses the standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, Some(0), "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}", self.stdout))
    }

    /// Returns the suite of a part, and the part's title.
    #[track_caller]
    pub(crate) fn part(&self) -> (String, String) {
        let json = self.json();
        let part = &json["parts"][0];
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (
            text(&part["source"]["debian"]["suite"]),
            text(&part["title"]),
        )
    }

    /// Checks that the run has one message, which contains every part.
    #[track_caller]
    pub(crate) fn failed(&self, parts: &[&str]) {
        assert_eq!(self.code, Some(3), "{}", self.stderr);
        assert_eq!(self.stdout, "");
        let (_, message) = self.stderr.split_once("Failed attempts:").unwrap();
        for part in parts {
            assert!(message.contains(part), "{part} is not in {message}");
        }
    }
}

impl Bench {
    /// Creates an archive with `suites`.
    pub(crate) fn of(suites: &[Suite]) -> Self {
        Self::at(DebianArchive::start(), suites)
    }

    /// Adds `suites` to an archive that is already running.
    pub(crate) fn at(archive: DebianArchive, suites: &[Suite]) -> Self {
        for suite in suites {
            archive.publish(suite);
        }
        let variables = vec![
            ("VFIO_USER_ISM_MIRROR", archive.url()),
            (
                "VFIO_USER_ISM_KEYRING",
                archive.keyring().display().to_string(),
            ),
            ("VFIO_USER_ISM_CACHE", archive.cache().display().to_string()),
            // This machine's apt may be configured not to check dates.
            ("VFIO_USER_ISM_CHECK_DATES", "yes".to_owned()),
        ];
        Self { archive, variables }
    }

    /// Sets a variable, and replaces an earlier value.
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.variables.retain(|(each, _)| *each != name);
        self.variables.push((name, value.into()));
        self
    }

    /// Builds the command line `program fetch ARGUMENTS`.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.arg("fetch").args(arguments);
        self.prepare(&mut command);
        command
    }

    /// Gives a command only the variables of this bench.
    pub(crate) fn prepare(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("VFIO_USER_ISM_") || text.to_lowercase().ends_with("_proxy") {
                command.env_remove(name);
            }
        }
        command.env_remove("QEMU").env_remove("QEMU_X86_64");
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
    }

    /// Runs `fetch`. Returns the outcome.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments).spawn().unwrap())
    }

    /// Fetches a guest, with the result as JSON.
    pub(crate) fn guest(&self) -> Ended {
        self.run(&["guest", "--format", "json"])
    }

    /// Returns the folder of a cache entry.
    pub(crate) fn entry(&self, name: &str) -> PathBuf {
        self.archive.cache().join("entries").join(name)
    }
}

pub(crate) fn ended(child: Child) -> Ended {
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// Returns bytes that cannot be compressed.
pub(crate) fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let bytes = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    });
    bytes.take(length).collect()
}

/// Creates a kernel like stable releases.
pub(crate) fn kernel(release: &str, version: &str) -> Dummy {
    let release = format!("{release}-s390x");
    let seed = version.bytes().fold(7, |sum: u64, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(byte))
    });
    Dummy::new(&format!("linux-image-{release}"), version, "s390x")
        .depends("kmod, linux-base (>= 4.3~)")
        .file_at(
            &format!("boot/vmlinuz-{release}"),
            noise(seed, KERNEL_BYTES),
        )
        .file_at(&format!("lib/modules/{release}/kernel/x.ko"), "module")
}

pub(crate) fn busybox(version: &str) -> Dummy {
    Dummy::new("busybox-static", version, "s390x").program_at("bin/busybox", "busybox")
}

pub(crate) fn trixie() -> Suite {
    Suite::new(
        "trixie",
        vec![
            kernel("6.12.9+deb13", "6.12.9-1"),
            kernel("6.12.10+deb13", "6.12.10-1"),
            busybox("1:1.37.0-6"),
        ],
    )
}

pub(crate) fn backports() -> Suite {
    Suite::new(
        "bookworm-backports",
        vec![kernel("6.12.5+deb12", "6.12.5-1~bpo12+1")],
    )
}

pub(crate) fn bookworm() -> Suite {
    Suite::new(
        "bookworm",
        vec![kernel("6.1.0-50", "6.1.176-1"), busybox("1:1.35.0-4")],
    )
}

/// Creates correct suites: trixie, bookworm-backports and bookworm.
pub(crate) fn whole() -> Bench {
    Bench::of(&[trixie(), backports(), bookworm()])
}

/// Checks that the part comes from trixie, as it should if trixie is correct.
#[track_caller]
pub(crate) fn is_best(ended: &Ended) {
    let (suite, title) = ended.part();
    assert_eq!(suite, "trixie", "{}", ended.stderr);
    assert!(title.contains("6.12.10+deb13-s390x"), "{title}");
}

/// Checks that the part is the next one, because trixie is unusable. One line contains the reason, `words`.
#[track_caller]
pub(crate) fn is_next(ended: &Ended, words: &str) {
    let (suite, title) = ended.part();
    assert_eq!(suite, "bookworm-backports", "{}", ended.stderr);
    assert!(title.contains("6.12.5+deb12-s390x"), "{title}");
    let mut lines = ended.stderr.lines();
    let found = lines.any(|line| line.contains(words) && line.ends_with("trying the next"));
    assert!(found, "{words} is not in {}", ended.stderr);
}
