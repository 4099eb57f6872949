//! Starting apt and dpkg-deb, and passing on their words.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::error::Error;

const ADVICE: &str = "it comes with the Debian packages apt and dpkg; without them, give a QEMU \
                      that has vfio-user-pci";

/// Runs `command` and returns its standard output.
pub(crate) fn output(command: &mut Command, action: &str) -> Result<String, Error> {
    let mut text = String::new();
    lines(command, action, |line| {
        text.push_str(line);
        text.push('\n');
    })?;
    Ok(text)
}

/// Runs `command`, giving each line of its standard output to `each` as it comes.
pub(crate) fn lines(
    command: &mut Command,
    action: &str,
    mut each: impl FnMut(&str),
) -> Result<(), Error> {
    let tool = command.get_program().to_string_lossy().into_owned();
    // The words of apt are matched and shown, so they must not depend on the user's language.
    let started = command
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = started.map_err(|source| Error::Tool {
        tool: tool.clone(),
        advice: ADVICE,
        source,
    })?;
    let (ok, words) = follow(&mut child, &mut each).map_err(|source| Error::Tool {
        tool: tool.clone(),
        advice: ADVICE,
        source,
    })?;
    if ok {
        return Ok(());
    }
    Err(Error::Failed {
        action: action.to_owned(),
        tool,
        words: indented(&words),
    })
}

fn follow(child: &mut Child, each: &mut impl FnMut(&str)) -> io::Result<(bool, String)> {
    // Read both pipes at once: a full one would stop the child.
    let errors = child.stderr.take().map(|mut pipe| {
        thread::spawn(move || {
            let mut words = Vec::new();
            let result = pipe.read_to_end(&mut words);
            result.map(|_| String::from_utf8_lossy(&words).into_owned())
        })
    });
    if let Some(pipe) = child.stdout.take() {
        for line in BufReader::new(pipe).split(b'\n') {
            each(&String::from_utf8_lossy(&line?));
        }
    }
    let words = match errors.map(thread::JoinHandle::join) {
        Some(Ok(words)) => words?,
        _ => String::new(),
    };
    Ok((child.wait()?.success(), words))
}

fn indented(words: &str) -> String {
    let words = words.trim_end();
    if words.is_empty() {
        return "  (nothing)".to_owned();
    }
    let lines: Vec<_> = words.lines().map(|line| format!("  {line}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_lines_on_and_keeps_the_programs_own_words() {
        let mut seen = Vec::new();
        let mut shell = Command::new("sh");
        shell.args(["-c", "echo one; echo two; echo E: no room >&2; exit 3"]);
        let error = lines(&mut shell, "filling the cup", |l| seen.push(l.to_owned())).unwrap_err();
        assert_eq!(seen, ["one", "two"]);
        assert_eq!(
            error.to_string(),
            "filling the cup failed; sh says:\n  E: no room"
        );
    }

    #[test]
    fn names_a_program_that_is_not_there() {
        let error = output(&mut Command::new("apt-get-not-here"), "x").unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("cannot start apt-get-not-here: "),
            "{text}"
        );
        assert!(text.contains("packages apt and dpkg"), "{text}");
    }

    #[test]
    fn much_text_on_both_pipes_does_not_block() {
        let mut shell = Command::new("sh");
        shell.args(["-c", "seq 1 50000 >&2; seq 1 50000"]);
        assert_eq!(output(&mut shell, "x").unwrap().lines().count(), 50_000);
    }
}
