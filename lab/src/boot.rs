//! What a guest boots: the kit with the lab's own scripts.

use std::path::Path;

use crate::error::Error;
use crate::kit::Kit;

const INIT: &str = include_str!("../guest/init");
const AGENT: &str = include_str!("../guest/agent");
const BUFFERS: &str = include_str!("../guest/smc-buffers");

/// Writes the initramfs of every guest to `path`.
///
/// # Errors
/// A part cannot be read, or the file cannot be written.
pub fn write_initramfs(kit: &Kit, path: &Path) -> Result<(), Error> {
    kit.initramfs(path, |made| {
        made.file("lab/agent", 0o644, AGENT)
            .file("lab/smc-buffers", 0o644, BUFFERS)
            .init(INIT)
    })
    .map_err(Error::Kit)
}

#[cfg(test)]
mod tests {
    use super::{AGENT, BUFFERS, INIT};
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[test]
    fn the_scripts_are_ones_a_shell_accepts() {
        for script in [INIT, AGENT, BUFFERS] {
            let mut shell = Command::new("sh");
            let mut child = shell.arg("-n").stdin(Stdio::piped()).spawn().unwrap();
            let mut pipe = child.stdin.take().unwrap();
            pipe.write_all(script.as_bytes()).unwrap();
            drop(pipe);
            assert!(child.wait().unwrap().success());
        }
    }
}
