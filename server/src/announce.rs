//! What is told once clients can connect: the arguments to paste, and readiness.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use crate::hub::Hub;
use crate::run::Failure;
use crate::{channel, descriptor};

/// Where readiness is told.
pub enum Ready {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A descriptor that is closed after that.
    Descriptor(OwnedFd),
}

impl Ready {
    /// Takes over descriptor `number`.
    pub fn new(number: i32) -> Result<Self, Failure> {
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

/// Prints the arguments and tells readiness.
pub fn announce(arguments: &str, ready: Option<Ready>) -> Result<(), Failure> {
    crate::run::print(arguments)?;
    let _ = std::io::stdout().flush();
    tracing::info!("ready");
    if let Some(ready) = ready {
        ready.tell().map_err(|source| Failure::System {
            what: "cannot write to --ready-fd".to_owned(),
            source,
        })?;
    }
    Ok(())
}

/// The arguments for QEMU, for every function whose socket has a path: the device, and the plugin
/// that forwards to the function's instruction channel.
pub fn arguments(hub: &Arc<Hub>, paths: &[Option<PathBuf>]) -> String {
    let program = std::env::current_exe().ok();
    let folder = program.as_deref().and_then(std::path::Path::parent);
    let mut text = String::new();
    for (function, path) in hub.functions().zip(paths) {
        let Some(path) = path else { continue };
        let device = serde_json::json!({
            "driver": "vfio-user-pci",
            "id": function.plan().name,
            "socket": { "type": "unix", "path": path.display().to_string() },
        });
        // Single quotes protect the JSON in a shell; one inside the path is closed and escaped.
        let quoted = device.to_string().replace('\'', r"'\''");
        text.push_str(&format!("-device '{quoted}'\n"));
        let plugin = channel::plugin_argument(&channel::socket_path(path), folder);
        text.push_str(&format!("{plugin}\n"));
    }
    text
}
