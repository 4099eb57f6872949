//! Output on stdout.

use std::io::Write;
use std::process::ExitCode;

use crate::failure::{Failure, system};

/// A JSON value for people: indented, with a newline at its end.
pub(crate) fn pretty(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

/// Prints to stdout. A closed pipe is no failure.
pub(crate) fn print(text: &str) -> Result<ExitCode, Failure> {
    say(text.as_bytes()).map(|_| ExitCode::SUCCESS)
}

/// Prints to stdout at once. Returns false if nobody reads it any more.
pub(crate) fn say(text: &[u8]) -> Result<bool, Failure> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(system("cannot write to stdout")(error)),
    }
}
