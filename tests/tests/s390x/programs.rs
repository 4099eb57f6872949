//! Selects the emulation for each test program, and counts the tests.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::build::{Built, Program, built};
use crate::exceptions::Exceptions;
use crate::machine::Content;
use crate::outcome::Outcome;
use crate::toolchain::SYSROOT;

/// Programs that use few system calls. QEMU's user emulation runs them, on this machine's kernel.
const USER: [&str; 15] = [
    "capture/lib",
    "cli/bin/vfio-user-ism",
    "fuzz/corpus",
    "fuzz/lib",
    "intercept/recorded",
    "ism/device",
    "ism/lib",
    "plugin/lib",
    "protocol/lib",
    "protocol/properties",
    "records/lib",
    "s390x-asm/lib",
    "view/lib",
    "zpci-region/contract",
    "zpci-region/lib",
];

/// Programs that serve, map memory, start processes or enter the sandbox. They run on Debian's s390x kernel,
/// in an emulated machine.
const KERNEL: [&str; 8] = [
    "server/lib",
    "server/in_memory",
    "server/sandbox",
    "server/allocation",
    "cli/process",
    "tests/foreign",
    "tests/rules",
    "tests/wire",
];

/// Programs that take long there. They also run with `VFIO_USER_ISM_S390X=all`.
const LONG: [&str; 16] = [
    "doctor/lib",
    "fetch/lib",
    "harness/lib",
    "intercept/lib",
    "lab/lib",
    "qemu/lib",
    "ring/interleavings",
    "ring/lib",
    "ring/memfd",
    "ring/two_sides",
    "tests/fabric",
    "tests/faults",
    "tests/hostile",
    "tests/intercept",
    "tests/program",
    "tests/view",
];

fn on_kernel() -> Vec<&'static str> {
    let all = std::env::var("VFIO_USER_ISM_S390X").is_ok_and(|value| value == "all");
    let long = LONG.into_iter().filter(|_| all);
    KERNEL.into_iter().chain(long).collect()
}

/// Programs whose results do not depend on a host's byte order, and why.
const ELSEWHERE: [(&str, &str); 14] = [
    ("bench/bin/bench", "measures"),
    ("bench/bin/hot-path", "measures"),
    ("bench/runs", "measures"),
    ("lab/kit", "boots guests"),
    ("plugin/in_qemu", "QEMU loads it"),
    ("qemu/apply", "changes C sources with git"),
    ("tests/bin/run_tests", "runs ./test on this machine"),
    ("tests/builds", "builds on this machine"),
    ("tests/contract", "compiles C on this machine"),
    ("tests/fetch", "packs archives with xz and zstd"),
    ("tests/house", "reads the sources"),
    ("tests/lab", "boots guests"),
    ("tests/qemu", "boots guests"),
    ("tests/s390x", "is this one"),
];

/// Time limit of a program on the emulated machine. A program that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(3600);

fn program<'a>(built: &'a Built, name: &str) -> &'a Program {
    let program = built.tests.get(name);
    program.unwrap_or_else(|| panic!("no test program {name}: {:?}", built.tests.keys()))
}

/// The results so far of one of the two emulations.
struct Run {
    place: &'static str,
    exceptions: Exceptions,
    faults: Vec<String>,
    sum: [usize; 4],
}

impl Run {
    fn new(place: &'static str) -> Self {
        Self {
            place,
            exceptions: Exceptions::listed(),
            faults: Vec::new(),
            sum: [0; 4],
        }
    }

    /// Prints and records the outcome of a program.
    fn add(&mut self, name: &str, stdout: &str, stderr: &str) {
        let (faults, counts) = match Outcome::read(stdout) {
            Ok(outcome) => (outcome.faults(name, &self.exceptions), outcome.counts()),
            Err(why) => (vec![format!("{name}: {why}\n{stdout}")], [0, 1, 0]),
        };
        let [passed, failed, elsewhere] = counts;
        let excused = self.exceptions.of(name).count().min(failed);
        let failed = failed - excused;
        let row = [passed, failed, excused, elsewhere];
        let mut text = format!("\nbig-endian, {}: {name}\n{}\n", self.place, result(row));
        if !faults.is_empty() {
            let _ = writeln!(text, "{}\n{stderr}", faults.join("\n"));
        }
        show(&text);
        self.faults.extend(faults);
        self.sum
            .iter_mut()
            .zip(row)
            .for_each(|(sum, one)| *sum += one);
    }

    /// Prints the totals and the tests that the emulator cannot run. Fails if there is any error.
    #[track_caller]
    fn end(self, programs: &[&str]) {
        let [passed, failed, excused, elsewhere] = self.sum;
        let mut text = format!(
            "\n== big-endian, {}: {} programs, {passed} tests passed, {failed} failed, {excused} need a system \
             call that the emulator lacks, {elsewhere} need a QEMU, a guest or another program on every host\n",
            self.place,
            programs.len()
        );
        let here = |program: &str| programs.contains(&program);
        for one in self.exceptions.0.iter().filter(|one| here(&one.program)) {
            let _ = writeln!(text, "   no {}: {} {}", one.call, one.program, one.test);
        }
        show(&text);
        let faults = self.faults.join("\n");
        assert!(self.faults.is_empty(), "{}:\n{faults}", self.place);
        assert!(passed > 0 && failed == 0, "{text}");
    }
}

/// Returns a line in the form of test programs, so that `./test` counts the tests. Tests that the emulator
/// cannot run count as skipped there. Tests that need more than a test program do not count twice.
fn result([passed, failed, excused, elsewhere]: [usize; 4]) -> String {
    let word = if failed == 0 { "ok" } else { "FAILED" };
    format!(
        "test result: {word}. {passed} passed; {failed} failed; {excused} ignored; 0 measured; {elsewhere} filtered out"
    )
}

/// Prints text without the capture of output, because the counts are the purpose of a run.
fn show(text: &str) {
    let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
}

/// Returns a command that runs a program in QEMU's user emulation.
fn emulated(program: &Program) -> Command {
    let mut command = Command::new("qemu-s390x");
    command.args(["-L", SYSROOT]).arg(&program.path);
    command
        .current_dir(&program.folder)
        .env("CARGO_MANIFEST_DIR", &program.folder)
        .stdin(Stdio::null());
    command
}

#[test]
#[ignore = "builds for s390x and runs it in QEMU's user emulation: run ./test"]
fn pure_crates_pass_in_user_emulation() {
    let Some(built) = built("pure_crates_pass_in_user_emulation") else {
        return;
    };
    let mut run = Run::new("in QEMU's user emulation");
    for name in USER {
        let output = emulated(program(built, name)).output();
        let output = output.expect("qemu-s390x starts");
        let [stdout, stderr] =
            [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
        run.add(name, &stdout, &stderr);
    }
    run.end(&USER);
}

/// Returns shell commands that run a program between two lines with its name.
fn between_marks(name: &str, program: &Program) -> String {
    let (folder, path) = (program.folder.display(), program.path.display());
    format!(
        "cd {folder}; echo \"=== $(cut -d ' ' -f 1 /proc/uptime) {name}\"\n\
         CARGO_MANIFEST_DIR={folder} {path} 2> /tmp/stderr; echo '=== stderr of {name}'\n\
         tail -n 200 /tmp/stderr; echo '=== end of {name}'\n"
    )
}

#[test]
#[ignore = "builds for s390x and boots Debian's s390x kernel: run ./test"]
fn everything_that_serves_passes_on_an_s390x_kernel() {
    let Some(built) = built("everything_that_serves_passes_on_an_s390x_kernel") else {
        return;
    };
    let mut content = Content::new(built).with_program(&built.folder.join("busy_guest"));
    let mut commands = String::new();
    let programs = on_kernel();
    for &name in &programs {
        let program = program(built, name);
        content = content.with_program(&program.path);
        commands += &between_marks(name, program);
    }
    let mut linux = content.run(&commands);
    let mut run = Run::new("on an s390x kernel");
    for &name in &programs {
        linux.expect_within(PATIENCE, &format!(" {name}\n"));
        let stdout = linux.expect_within(PATIENCE, &format!("=== stderr of {name}\n"));
        let stderr = linux.expect_within(PATIENCE, &format!("=== end of {name}\n"));
        run.add(name, &stdout, &stderr);
    }
    run.end(&programs);
}

/// Checks that every test program is in one of the lists, and every exception in a program that runs.
#[test]
#[ignore = "builds for s390x: run ./test"]
fn no_test_program_is_forgotten() {
    let Some(built) = built("no_test_program_is_forgotten") else {
        return;
    };
    let there: BTreeSet<&str> = built.tests.keys().map(String::as_str).collect();
    let run: BTreeSet<&str> = USER.into_iter().chain(KERNEL).chain(LONG).collect();
    let elsewhere = ELSEWHERE.iter().map(|(name, _)| *name);
    let known: BTreeSet<&str> = run.iter().copied().chain(elsewhere).collect();
    assert_eq!(there, known);
    for exception in &Exceptions::listed().0 {
        assert!(run.contains(&*exception.program), "{exception:?}");
    }
    let mut text = "\n== no part of the big-endian run:\n".to_owned();
    for (name, why) in ELSEWHERE {
        let mut list = emulated(program(built, name));
        let output = list.arg("--list").output().expect("qemu-s390x starts");
        let output = String::from_utf8_lossy(&output.stdout);
        let count = output.lines().filter(|line| line.ends_with(": test"));
        let _ = writeln!(text, "   {name}, {} tests: {why}", count.count());
    }
    show(&text);
}
