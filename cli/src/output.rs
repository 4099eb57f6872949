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
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(system("cannot write to stdout")(error))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
