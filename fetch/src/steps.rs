//! Runs compilers and similar programs, step by step, with all output in a log.

use std::cell::Cell;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Error;
use crate::progress;
use crate::workshop::Workshop;

/// Variables of the caller that would change the build.
const CLEARED: [&str; 12] = [
    "CC",
    "CFLAGS",
    "CPPFLAGS",
    "LDFLAGS",
    "ARCH",
    "CROSS_COMPILE",
    "KCFLAGS",
    "KBUILD_OUTPUT",
    "MAKEFLAGS",
    "MFLAGS",
    "MAKELEVEL",
    "GCC_EXEC_PREFIX",
];
/// Number of lines of a log in an error.
const TAIL: usize = 25;

/// A series of build steps.
pub struct Steps<'a> {
    workshop: &'a Workshop,
    /// A folder with programs that come before those on `PATH`.
    programs: Option<PathBuf>,
    log: PathBuf,
    done: Cell<usize>,
    all: usize,
}

impl<'a> Steps<'a> {
    /// `all` steps, with the programs in `programs` and an empty log `NAME.log` in `logs`.
    ///
    /// # Errors
    /// The log cannot be created.
    pub fn new(
        workshop: &'a Workshop,
        programs: Option<PathBuf>,
        logs: &Path,
        name: &str,
        all: usize,
    ) -> Result<Self, Error> {
        fs::create_dir_all(logs).map_err(Error::io("create", logs))?;
        let log = logs.join(format!("{name}.log"));
        File::create(&log).map_err(Error::io("create", &log))?;
        Ok(Self {
            workshop,
            programs,
            log,
            done: Cell::new(0),
            all,
        })
    }

    /// Begins a step and prints its name.
    pub fn begin(&self, what: &str) {
        self.done.set(self.done.get() + 1);
        self.workshop.say(format_args!(
            "step {} of {}: {what}",
            self.done.get(),
            self.all
        ));
    }

    /// Runs `program` as a part of the step `what`.
    ///
    /// # Errors
    /// [`Error::Build`] shows the end of what it said.
    pub fn run<I, S>(&self, what: &str, program: &str, arguments: I) -> Result<(), Error>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<std::ffi::OsStr>,
    {
        self.run_in(Path::new("."), what, program, arguments)
    }

    /// The same, with `folder` as the working folder.
    ///
    /// # Errors
    /// As [`Steps::run`].
    pub fn run_in<I, S>(
        &self,
        folder: &Path,
        what: &str,
        program: &str,
        arguments: I,
    ) -> Result<(), Error>
    where
        I: IntoIterator<Item = S>,
        S: AsRef<std::ffi::OsStr>,
    {
        let mut command = Command::new(self.program(program));
        command.args(arguments).env("LC_ALL", "C");
        command.current_dir(folder);
        if let Some(path) = self.path() {
            command.env("PATH", path);
        }
        for name in CLEARED {
            command.env_remove(name);
        }
        self.follow(what, program, command)
    }

    fn follow(&self, what: &str, program: &str, mut command: Command) -> Result<(), Error> {
        let start = |source| Error::Start {
            step: what.to_owned(),
            program: program.to_owned(),
            source,
        };
        let mut log = OpenOptions::new()
            .append(true)
            .open(&self.log)
            .map_err(Error::io("open", &self.log))?;
        writeln!(log, "# {what}: {command:?}").map_err(Error::io("write", &self.log))?;
        // One pipe for both outputs keeps their order in the log.
        let (output, input) = std::io::pipe().map_err(start)?;
        command.stdin(Stdio::null());
        command.stdout(input.try_clone().map_err(start)?);
        command.stderr(input);
        let mut child = command.spawn().map_err(start)?;
        // This value holds the pipe's other end.
        drop(command);
        let mut compiled = Compiled::new(self.workshop, what);
        for line in BufReader::new(output).split(b'\n') {
            let line = line.map_err(Error::io("read the output for", &self.log))?;
            log.write_all(&[&line, b"\n".as_slice()].concat())
                .map_err(Error::io("write", &self.log))?;
            compiled.line(&line);
        }
        drop(compiled);
        let status = child.wait().map_err(start)?;
        if status.success() {
            return Ok(());
        }
        let text = fs::read(&self.log).map_err(Error::io("read", &self.log))?;
        Err(Error::Build {
            step: what.to_owned(),
            log: self.log.clone(),
            tail: tail(&String::from_utf8_lossy(&text)),
        })
    }

    /// The path of `program`: in the given folder, else on `PATH`.
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

/// Shows the progress of a compilation from the output of make or ninja.
struct Compiled<'a> {
    workshop: &'a Workshop,
    what: &'a str,
    files: u64,
    bar: Option<progress::Steps>,
}

impl<'a> Compiled<'a> {
    fn new(workshop: &'a Workshop, what: &'a str) -> Self {
        Self {
            workshop,
            what,
            files: 0,
            bar: None,
        }
    }

    fn line(&mut self, line: &[u8]) {
        // The kernel's make prints this for each file (source: scripts/Makefile.build).
        if line.starts_with(b"  CC ") {
            self.files += 1;
            // A module has some tens of files, and a kernel has thousands.
            let often = if line.starts_with(b"  CC [M]") {
                10
            } else {
                100
            };
            if self.files.is_multiple_of(often) {
                self.workshop.say(format_args!(
                    "  {}: {} files compiled",
                    self.what, self.files
                ));
            }
        }
        if let Some((done, all)) = of_ninja(line) {
            let progress = self.workshop.progress();
            let bar = self
                .bar
                .get_or_insert_with(|| progress.steps(self.what, all));
            bar.part(done, all);
        }
    }
}

/// The progress in a line of ninja, which begins with `[DONE/ALL] `.
fn of_ninja(line: &[u8]) -> Option<(u64, u64)> {
    let line = std::str::from_utf8(line).ok()?.strip_prefix('[')?;
    let (done, all) = line.split_once("] ")?.0.split_once('/')?;
    Some((done.parse().ok()?, all.parse().ok()?))
}

fn tail(text: &str) -> String {
    let lines: Vec<_> = text.lines().collect();
    let last = lines.iter().skip(lines.len().saturating_sub(TAIL));
    last.map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::Cache;
    use crate::suites::For;

    /// Calls `work` with two steps that use the programs in `programs`. Returns its result.
    fn steps<T>(programs: Option<PathBuf>, work: impl FnOnce(&Steps) -> T) -> T {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        let mut given = None;
        let built = cache.built("toy", "key", For::Lab, |workshop| {
            let logs = dir.path().join("logs");
            let steps = Steps::new(workshop, programs, &logs, "toy", 2)?;
            given = Some(work(&steps));
            Ok::<_, Error>(())
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
    fn ninjas_lines_tell_how_far_it_is() {
        assert_eq!(of_ninja(b"[3/1427] Compiling C object"), Some((3, 1427)));
        for line in ["[3/x] y", "3/4] y", "[34] y", "[1/2]y", "ninja: no work"] {
            assert_eq!(of_ninja(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn given_programs_come_before_those_on_path() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("seq");
        harness::write_script(&program, "#!/bin/sh\necho own \"$@\"\n").unwrap();
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
