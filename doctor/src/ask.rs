//! Questions to programs that may hang, may crash, or may not be programs at all.

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

/// Most bytes of output to keep.
const MOST: u64 = 1 << 20;

/// Longest time for the rest of the output after a program's end. A descendant in a process group of its own may
/// hold the pipes for ever.
const REST: Duration = Duration::from_secs(10);

/// The output of a successful program.
#[derive(Debug)]
pub(crate) struct Answer {
    pub stdout: String,
}

/// Runs `program` for at most `patience`, with `input` on its standard input.
///
/// # Errors
/// One sentence without a full stop: the program cannot be started, does not end, crashes, or ends
/// with another status than 0.
pub(crate) fn ask(
    program: &Path,
    arguments: &[&std::ffi::OsStr],
    input: Option<std::fs::File>,
    patience: Duration,
) -> Result<Answer, String> {
    let question = arguments
        .iter()
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ");
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(input.map_or_else(Stdio::null, Stdio::from))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A separate process group, so that a wrapper script's QEMU ends, too.
        .process_group(0)
        .spawn()
        .map_err(|error| format!("it cannot be started: {error}"))?;
    let stdout = read(child.stdout.take());
    let stderr = read(child.stderr.take());
    let status = wait(&mut child, patience);
    // Descendants may keep the pipes open.
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let Some(status) = status else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(format!(
            "`{question}` does not end within {} s",
            patience.as_secs()
        ));
    };
    let end = Instant::now() + REST;
    let (stdout, stderr) = (told(&stdout, end), told(&stderr, end));
    if status.success() {
        return Ok(Answer { stdout });
    }
    let how = match (status.signal(), status.code()) {
        (Some(signal), _) => format!("crashes (signal {signal})"),
        (_, code) => format!("ends with status {}", code.unwrap_or(-1)),
    };
    let last = stderr.trim().lines().last().unwrap_or_default().trim();
    Err(if last.is_empty() {
        format!("`{question}` {how}")
    } else {
        format!("`{question}` {how}: {last}")
    })
}

/// Reads a pipe in a thread, which ends with the pipe's last writer.
fn read(pipe: Option<impl Read + Send + 'static>) -> mpsc::Receiver<Vec<u8>> {
    let (pieces, receiver) = mpsc::channel();
    thread::spawn(move || {
        let Some(mut pipe) = pipe else { return };
        let mut kept = pipe.by_ref().take(MOST);
        let mut piece = vec![0; 1 << 16];
        while let Ok(got @ 1..) = kept.read(&mut piece) {
            let _ = pieces.send(piece[..got].to_vec());
        }
        // A full pipe would block the program.
        drop(pieces);
        let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    });
    receiver
}

/// Returns what was read until all writers have ended, or until `end`.
fn told(pieces: &mpsc::Receiver<Vec<u8>>, end: Instant) -> String {
    let mut bytes = Vec::new();
    while let Ok(piece) = pieces.recv_timeout(end.saturating_duration_since(Instant::now())) {
        bytes.extend(piece);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn wait(child: &mut Child, patience: Duration) -> Option<std::process::ExitStatus> {
    let end = Instant::now() + patience;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(5)),
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::kill_process;
    use std::ffi::OsStr;

    fn shell(script: &str, patience: Duration) -> Result<Answer, String> {
        let words = ["-c", script].map(OsStr::new);
        ask(Path::new("/bin/sh"), &words, None, patience)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn output_is_kept_and_a_flood_is_cut() {
        assert_eq!(
            shell("echo one; echo two >&2", LONG).unwrap().stdout,
            "one\n"
        );
        let flood = shell("head -c 3000000 /dev/zero", LONG).unwrap();
        assert_eq!(flood.stdout.len() as u64, MOST);
    }

    #[test]
    fn every_bad_end_has_its_words() {
        let text = shell("echo first >&2; echo last >&2; exit 3", LONG).unwrap_err();
        assert!(text.ends_with("ends with status 3: last"), "{text}");
        let text = shell("kill -SEGV $$", LONG).unwrap_err();
        assert!(text.ends_with("crashes (signal 11)"), "{text}");
        let text = ask(Path::new("/nowhere"), &[], None, LONG).unwrap_err();
        assert!(text.starts_with("it cannot be started"), "{text}");
    }

    #[test]
    fn a_program_that_hangs_is_ended_with_its_children() {
        let text = shell("sleep 1000 & sleep 1000", Duration::from_millis(300)).unwrap_err();
        assert!(text.contains("does not end within"), "{text}");
        // A child that outlives its parent keeps the pipes. The group's end ends it, too.
        assert!(shell("sleep 1000 & exit 0", LONG).is_ok());
    }

    #[test]
    fn a_descendant_that_left_the_group_does_not_hold_the_answer() {
        // It tells its number once it has left.
        let script = "p=$(mktemp -u); mkfifo $p; \
            setsid sh -c 'echo $$ >'$p'; exec sleep 1000' & cat $p; rm $p";
        let told = shell(script, LONG).unwrap().stdout;
        let left = Pid::from_raw(told.trim().parse().unwrap()).unwrap();
        kill_process(left, Signal::KILL).expect("it still runs");
    }
}
