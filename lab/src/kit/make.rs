//! Running the compiler and its like: one step after the other, all output in a log.

use std::cell::Cell;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use debian_fetch::Workshop;

use super::KitError;

/// Variables of the caller that would change what make builds.
const CLEARED: [&str; 8] = [
    "ARCH",
    "CROSS_COMPILE",
    "KCFLAGS",
    "KBUILD_OUTPUT",
    "MAKEFLAGS",
    "MFLAGS",
    "MAKELEVEL",
    "GCC_EXEC_PREFIX",
];
/// How many lines of a log an error shows.
const TAIL: usize = 25;

/// A series of build steps.
pub(super) struct Steps<'a> {
    workshop: &'a Workshop,
    /// The folder with the programs to use, before those on `PATH`; none: those on `PATH`.
    programs: Option<PathBuf>,
    log: PathBuf,
    done: Cell<usize>,
    all: usize,
}

impl<'a> Steps<'a> {
    /// `all` steps, with the programs in `programs` and an empty log `NAME.log` in `logs`.
    pub(super) fn new(
        workshop: &'a Workshop,
        programs: Option<PathBuf>,
        logs: &Path,
        name: &str,
        all: usize,
    ) -> Result<Self, KitError> {
        fs::create_dir_all(logs).map_err(KitError::io("create", logs))?;
        let log = logs.join(format!("{name}.log"));
        File::create(&log).map_err(KitError::io("create", &log))?;
        Ok(Self {
            workshop,
            programs,
            log,
            done: Cell::new(0),
            all,
        })
    }

    /// Begins a step and says so.
    pub(super) fn begin(&self, what: &str) {
        self.done.set(self.done.get() + 1);
        self.workshop.say(format_args!(
            "step {} of {}: {what}",
            self.done.get(),
            self.all
        ));
    }

    /// Runs `program` for `what`; an error shows the end of what it said.
    pub(super) fn run<I, S>(&self, what: &str, program: &str, arguments: I) -> Result<(), KitError>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<std::ffi::OsStr>,
    {
        let mut command = Command::new(self.program(program));
        command.args(arguments).env("LC_ALL", "C");
        if let Some(path) = self.path() {
            command.env("PATH", path);
        }
        for name in CLEARED {
            command.env_remove(name);
        }
        self.follow(what, program, command)
    }

    fn follow(&self, what: &str, program: &str, mut command: Command) -> Result<(), KitError> {
        let start = |source| KitError::Start {
            step: what.to_owned(),
            program: program.to_owned(),
            source,
        };
        let mut log = OpenOptions::new()
            .append(true)
            .open(&self.log)
            .map_err(KitError::io("open", &self.log))?;
        writeln!(log, "# {what}: {command:?}").map_err(KitError::io("write", &self.log))?;
        // One pipe for both, so that the log has them in the order in which they came.
        let (output, input) = std::io::pipe().map_err(start)?;
        command.stdin(Stdio::null());
        command.stdout(input.try_clone().map_err(start)?);
        command.stderr(input);
        let mut child = command.spawn().map_err(start)?;
        // It holds the pipe's other end.
        drop(command);
        let mut compiled = 0;
        for line in BufReader::new(output).split(b'\n') {
            let line = line.map_err(KitError::io("read the output for", &self.log))?;
            log.write_all(&[&line, b"\n".as_slice()].concat())
                .map_err(KitError::io("write", &self.log))?;
            // make tells of each file so (source: scripts/Makefile.build).
            if line.starts_with(b"  CC [M]") {
                compiled += 1;
                if compiled % 10 == 0 {
                    self.workshop
                        .say(format_args!("  {what}: {compiled} files compiled"));
                }
            }
        }
        let status = child.wait().map_err(start)?;
        if status.success() {
            return Ok(());
        }
        let text = fs::read(&self.log).map_err(KitError::io("read", &self.log))?;
        Err(KitError::Build {
            step: what.to_owned(),
            log: self.log.clone(),
            tail: tail(&String::from_utf8_lossy(&text)),
        })
    }

    /// Where `program` is: among the programs to use, else on `PATH`.
    fn program(&self, program: &str) -> PathBuf {
        let own = self.programs.as_ref().map(|folder| folder.join(program));
        own.filter(|path| path.exists())
            .unwrap_or_else(|| program.into())
    }

    fn path(&self) -> Option<OsString> {
        let own = self.programs.clone()?;
        let before = std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into());
        std::env::join_paths(std::iter::once(own).chain(std::env::split_paths(&before))).ok()
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    let last = lines.iter().skip(lines.len().saturating_sub(TAIL));
    last.map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use debian_fetch::{Cache, For};

    /// What `work` gives with two steps whose programs are in `programs`.
    fn steps<T>(programs: Option<PathBuf>, work: impl FnOnce(&Steps) -> T) -> T {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        let mut given = None;
        let built = cache.built("toy", "key", For::Lab, |workshop| {
            let logs = dir.path().join("logs");
            let steps = Steps::new(workshop, programs, &logs, "toy", 2)?;
            given = Some(work(&steps));
            Ok::<_, KitError>(())
        });
        built.unwrap();
        given.unwrap()
    }

    #[test]
    fn an_error_shows_the_end_of_the_log() {
        steps(None, |steps| {
            steps.run("first", "echo", ["said before"]).unwrap();
            let script = "seq 100; echo broken >&2; exit 2";
            let error = steps.run("second", "sh", ["-c", script]).unwrap_err();
            let text = error.to_string();
            assert!(
                text.starts_with("second failed; all of it is in "),
                "{text}"
            );
            assert!(text.contains("  broken\n"), "{text}");
            assert!(!text.contains("said before"), "{text}");
            let log = fs::read_to_string(&steps.log).unwrap();
            assert!(log.contains("said before\n"), "{log}");
        });
    }

    #[test]
    fn given_programs_come_before_those_on_path() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("seq");
        fs::write(&program, "#!/bin/sh\necho own \"$@\"\n").unwrap();
        let rights = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(&program, rights).unwrap();
        steps(Some(dir.path().to_path_buf()), |steps| {
            steps.run("direct", "seq", ["1"]).unwrap();
            steps.run("below", "sh", ["-c", "seq 2"]).unwrap();
            let log = fs::read_to_string(&steps.log).unwrap();
            assert!(log.contains("own 1\n") && log.contains("own 2\n"), "{log}");
        });
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        steps(None, |steps| {
            let error = steps.run("x", "no-such-program", ["1"]).unwrap_err();
            let text = error.to_string();
            assert!(
                text.starts_with("x: cannot start no-such-program: "),
                "{text}"
            );
        });
    }
}
