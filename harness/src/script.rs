//! Scripts that tests start in place of a program.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// Writes a script that can be started at once. A shell writes the file: while this process has a file open for
/// writing, a child that another test starts inherits it, and nobody can start the file (ETXTBSY) until that
/// child has replaced itself.
///
/// # Errors
/// There is no shell, or it cannot write the file.
pub fn write_script(path: &Path, text: &str) -> io::Result<()> {
    let mut shell = Command::new("sh");
    let mut shell = shell
        .args(["-c", "cat >\"$0\" && chmod 755 \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()?;
    let mut pipe = shell.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    pipe.write_all(text.as_bytes())?;
    drop(pipe);
    match shell.wait()? {
        status if status.success() => Ok(()),
        status => Err(io::Error::other(format!("{}: {status}", path.display()))),
    }
}
