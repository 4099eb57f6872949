//! Runs one session, byte by byte in the order of the host, with the sandbox required. Hosts of both byte
//! orders must write the same files.

use std::process::Command;

use serde_json::Value;

use crate::build::built;
use crate::machine::Content;

const ARGUMENTS: [&str; 2] = ["--sandbox", "required"];
/// Keys of event file and report that differ between runs: times, process ids, and a number that includes
/// descriptors that the server's caller left open.
const UNSTEADY: [&str; 3] = ["time_us", "pid", "open_descriptors"];

/// Returns the line that `byte_session` printed.
#[track_caller]
fn session(output: &str) -> Value {
    let line = output.lines().find(|line| line.starts_with("{\"events\""));
    let line = line.unwrap_or_else(|| panic!("no session:\n{output}"));
    serde_json::from_str(line).expect("JSON")
}

/// Replaces the numbers of the unsteady keys in a text. All other bytes stay the same.
fn steady(text: &str) -> String {
    let mut text = text.to_owned();
    for key in UNSTEADY {
        let key = format!("\"{key}\":");
        let mut from = 0;
        while let Some(at) = text[from..].find(&key) {
            let start = from + at + key.len();
            let digits = |c: char| c.is_ascii_digit() || c == '.' || c == ' ';
            let end = start + text[start..].find(|c| !digits(c)).unwrap_or(0);
            text.replace_range(start..end, "_");
            from = start;
        }
    }
    text
}

/// Runs the session on an emulated s390x machine with Debian's kernel and the server for s390x, and on this
/// machine.
#[test]
#[ignore = "builds for s390x and boots Debian's s390x kernel: run ./test"]
fn a_big_endian_host_writes_the_files_that_a_little_endian_one_does() {
    let here = Command::new(env!("CARGO_BIN_EXE_byte_session"))
        .args(ARGUMENTS)
        .output()
        .expect("byte_session starts");
    let stderr = String::from_utf8_lossy(&here.stderr);
    assert!(here.status.success(), "{stderr}");
    let here = session(&String::from_utf8_lossy(&here.stdout));

    let Some(built) = built("a_big_endian_host_writes_the_files_that_a_little_endian_one_does")
    else {
        return;
    };
    let program = built.folder.join("byte_session");
    let command = format!(
        "uname -m; cat /sys/kernel/security/lsm; echo\n{} {}; echo '=== end'",
        program.display(),
        ARGUMENTS.join(" ")
    );
    let mut linux = Content::new(built).with_program(&program).run(&command);
    let output = linux.expect("=== end\n");
    let there = session(&output);
    assert!(
        output.contains("s390x\n") && output.contains("landlock"),
        "{output}"
    );

    assert_eq!(here["facts"], there["facts"]);
    for (file, least) in [("profile", 50), ("events", 100), ("report", 50)] {
        let [here, there] = [&here, &there].map(|run| steady(run[file].as_str().expect("a text")));
        assert!(here.lines().count() >= least, "{file}:\n{here}");
        for (line, (here, there)) in (1..).zip(here.lines().zip(there.lines())) {
            assert_eq!(here, there, "{file}, line {line}");
        }
        assert_eq!(here, there, "{file}");
    }
}
