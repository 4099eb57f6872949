//! Standard output.

use std::io::{self, ErrorKind, Write};

/// Prints `text`. A reader that went away is no failure.
///
/// # Errors
/// Standard output takes nothing.
pub fn print(text: &str) -> io::Result<()> {
    let mut output = io::stdout().lock();
    let written = output.write_all(text.as_bytes());
    match written.and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
