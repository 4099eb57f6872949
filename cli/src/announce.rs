//! Tells the user that clients can connect: prints QEMU's arguments and writes to `--ready-fd`.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use vfio_user_ism_server::client::channel;
use vfio_user_ism_server::hub::Hub;
use vfio_user_ism_server::listen::descriptor;

use crate::failure::{Failure, system};

/// The file that holds the QEMU plugin.
pub(crate) const PLUGIN: &str = "libvfio_user_ism_plugin.so";

/// The descriptor of `--ready-fd`.
pub(crate) enum Ready {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Another descriptor, which is closed after the write.
    Descriptor(OwnedFd),
}

impl Ready {
    /// Takes over descriptor `number`.
    pub(crate) fn new(number: i32) -> Result<Self, Failure> {
        match number {
            1 => Ok(Ready::Stdout),
            2 => Ok(Ready::Stderr),
            number => descriptor::take(number)
                .map(Ready::Descriptor)
                .ok_or_else(|| Failure::System {
                    what: format!("--ready-fd {number} is not open"),
                    source: std::io::ErrorKind::NotFound.into(),
                }),
        }
    }

    fn tell(self) -> std::io::Result<()> {
        const READY: &[u8] = b"ready\n";
        match self {
            Ready::Stdout => std::io::stdout()
                .write_all(READY)
                .and_then(|()| std::io::stdout().flush()),
            Ready::Stderr => std::io::stderr().write_all(READY),
            Ready::Descriptor(fd) => Ok(rustix::io::write(&fd, READY).map(|_| ())?),
        }
    }
}

/// Prints the arguments, then writes to `--ready-fd`.
pub(crate) fn announce(arguments: &str, ready: Option<Ready>) -> Result<(), Failure> {
    crate::output::print(arguments)?;
    let _ = std::io::stdout().flush();
    tracing::info!("ready");
    if let Some(ready) = ready {
        ready.tell().map_err(system("cannot write to --ready-fd"))?;
    }
    Ok(())
}

/// QEMU's arguments for every function whose socket has a path: the device, and the plugin that forwards to
/// the function's instruction channel.
pub(crate) fn arguments(hub: &Arc<Hub>, paths: &[Option<PathBuf>]) -> String {
    let program = std::env::current_exe().ok();
    let folder = program.as_deref().and_then(Path::parent);
    let mut text = String::new();
    for (function, path) in hub.functions().zip(paths) {
        let Some(path) = path else { continue };
        let device = serde_json::json!({
            "driver": "vfio-user-pci",
            "id": function.plan().config.name,
            "socket": { "type": "unix", "path": path.display().to_string() },
        });
        // Single quotes protect the JSON in a shell. A quote inside the path ends the string, so it is escaped.
        let quoted = device.to_string().replace('\'', r"'\''");
        text.push_str(&format!("-device '{quoted}'\n"));
        let plugin = plugin_argument(&channel::socket_path(path), folder);
        text.push_str(&format!("{plugin}\n"));
    }
    text
}

/// QEMU's argument that loads the plugin and forwards instructions to the channel at `socket`, quoted for a
/// shell. It names the plugin with its folder if the plugin lies in `folder`.
fn plugin_argument(socket: &Path, folder: Option<&Path>) -> String {
    let beside = folder.map(|folder| folder.join(PLUGIN));
    let plugin = beside.filter(|path| path.is_file());
    let plugin = plugin.unwrap_or_else(|| PLUGIN.into());
    // In QEMU's options, a doubled comma is one comma of the value.
    let escaped = |path: &Path| path.display().to_string().replace(',', ",,");
    let value = format!("file={},forward={}", escaped(&plugin), escaped(socket));
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+,=:@%".contains(&byte);
    if value.bytes().all(plain) {
        format!("-plugin {value}")
    } else {
        format!("-plugin '{}'", value.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugin_is_named_with_its_folder_if_it_is_there() {
        let socket = Path::new("/run/a.sock.insn");
        let folder = tempfile::tempdir().unwrap();
        let without = "-plugin file=libvfio_user_ism_plugin.so,forward=/run/a.sock.insn";
        assert_eq!(plugin_argument(socket, None), without);
        assert_eq!(plugin_argument(socket, Some(folder.path())), without);
        let plugin = folder.path().join(PLUGIN);
        std::fs::write(&plugin, "").unwrap();
        assert_eq!(
            plugin_argument(socket, Some(folder.path())),
            format!("-plugin file={},forward=/run/a.sock.insn", plugin.display())
        );
    }

    #[test]
    fn commas_are_doubled_and_what_a_shell_reads_is_quoted() {
        assert_eq!(
            plugin_argument(Path::new("/run/a,b/it's $x"), None),
            r"-plugin 'file=libvfio_user_ism_plugin.so,forward=/run/a,,b/it'\''s $x'"
        );
    }
}
