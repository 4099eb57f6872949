//! A backtrace of a QEMU that crashes, if gdb is installed: QEMU runs again under gdb, up to the crash.

use super::check::Qemu;
use super::command::CommandLine;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// Most functions of a backtrace.
const FRAMES: usize = 6;

/// The functions of QEMU's translator start here. They are the same for every instruction.
const TRANSLATED_CODE: &str = "code_gen_buffer";

/// The debugger on `PATH`.
pub(crate) fn debugger() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join("gdb"))
        .find(|file| file.is_file())
}

/// The functions on the stack at the crash, innermost first. Empty if QEMU does not crash this time or gdb
/// fails.
pub(crate) fn backtrace(
    gdb: &Path,
    qemu: &Qemu,
    line: &CommandLine,
    folder: &Path,
    patience: Duration,
) -> Vec<String> {
    let output = folder.join("gdb.log");
    let Ok(file) = std::fs::File::create(&output) else {
        return Vec::new();
    };
    let mut command = harness::command(gdb);
    command.args(["-nx", "-q", "-batch"]);
    for step in [
        "set debuginfod enabled off",
        "set print frame-arguments none",
        // QEMU uses these signals itself.
        "handle SIGUSR1 SIGUSR2 SIGPIPE SIGCONT nostop noprint pass",
        "run",
        "bt 40",
        "kill",
    ] {
        command.arg("-ex").arg(step);
    }
    // QEMU may be a script that starts another program. gdb follows it.
    command.arg("--args").arg("env").arg(&qemu.path);
    command.args(line.arguments());
    command
        .env("DEBUGINFOD_URLS", OsString::new())
        .stdin(Stdio::null())
        .stdout(Stdio::from(file));
    let Ok(process) = harness::Child::start(command, &folder.join("gdb-errors.log")) else {
        return Vec::new();
    };
    process.wait(patience);
    drop(process);
    let text = std::fs::read(&output).unwrap_or_default();
    frames(&String::from_utf8_lossy(&text))
}

/// The frames in gdb's output, without addresses and arguments, which differ from run to run.
fn frames(output: &str) -> Vec<String> {
    output
        .lines()
        .filter_map(frame)
        .take_while(|frame| frame != TRANSLATED_CODE)
        .take(FRAMES)
        .collect()
}

/// One frame: `#1  0x... in function (...) at file:line` becomes `function at file:line`.
fn frame(line: &str) -> Option<String> {
    let rest = line.strip_prefix('#')?;
    let (number, rest) = rest.split_once(' ')?;
    number.parse::<u32>().ok()?;
    let rest = rest.trim_start();
    let rest = match rest.split_once(" in ") {
        Some((address, rest)) if address.starts_with("0x") => rest,
        _ => rest,
    };
    let (function, place) = rest.split_once(" (").unwrap_or((rest, ""));
    let place = [") at ", ") from "]
        .iter()
        .find_map(|word| place.split_once(word).map(|(_, place)| place));
    Some(match place {
        Some(place) => format!("{function} at {}", place.trim_start_matches("../")),
        None => function.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::frames;

    #[test]
    fn frames_lose_addresses_and_arguments() {
        let output = "Thread 3 received signal SIGSEGV\n\
            #0  memory_region_access_valid (...) at ../system/memory.c:1400\n\
            #1  0x0000555555a1b2c3 in pcistb_service_call (...) at ../hw/s390x/s390-pci-inst.c:880\n\
            #2  0x00007ffff7a12345 in ?? () from /lib/libc.so.6\n\
            #3  0x0000000000000000 in ?? ()\n\
            #4  0x00007fffa8000123 in code_gen_buffer ()\n\
            #5  0x0000555555a1b2c3 in cpu_tb_exec (...) at ../accel/tcg/cpu-exec.c:439\n";
        assert_eq!(
            frames(output),
            [
                "memory_region_access_valid at system/memory.c:1400",
                "pcistb_service_call at hw/s390x/s390-pci-inst.c:880",
                "?? at /lib/libc.so.6",
                "??"
            ]
        );
    }
}
