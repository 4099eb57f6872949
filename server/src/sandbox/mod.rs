//! Limits this process once its sockets and files are open.
//!
//! Two layers, both of the kernel, both for every thread that serves clients:
//!
//! - [`files`]: Landlock. No file can be opened any more, no address bound or connected to, no
//!   process outside traced or signalled. What is left is to remove the socket files at the end.
//! - [`calls`]: seccomp. The system calls of serving are allowed; a few that nothing here ever
//!   makes (to run a program, to make a socket) end the process; every other one is EPERM.
//!
//! Landlock is put on the main thread before the runtime starts its own, which inherit it; seccomp
//! on all threads at once, after that. A layer that the kernel does not have is told and left out.

pub mod calls;
pub mod files;
#[allow(unsafe_code, reason = "hands filters to the kernel")]
pub mod filter;
pub mod process_memory;

use std::path::Path;

/// Whether to give up what is not needed for serving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// As much as the kernel can.
    #[default]
    On,
    /// All of it, or the server does not start.
    Required,
    /// Nothing: for debuggers, sanitizers, valgrind.
    Off,
}

/// The things that serving still needs.
#[derive(Clone, Debug, Default)]
pub struct Needs<'a> {
    /// Folders of the socket files that are removed at the end.
    pub socket_folders: Vec<&'a Path>,
    /// A profile's payload carrier reaches into client processes.
    pub client_memory: bool,
}

/// A sandbox that cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A layer is missing, and all are required.
    #[error("--sandbox required: {0}")]
    Missing(String),
    /// The thread that reaches into client processes.
    #[error("--sandbox: cannot start a thread")]
    Thread(#[source] std::io::Error),
}

/// The first half is in force: files. [`Sandbox::restrict_calls`] is the other.
#[derive(Debug)]
#[must_use = "system calls are not restricted yet"]
pub struct Sandbox {
    mode: Mode,
    files: String,
    client_memory: bool,
}

impl Sandbox {
    /// Restricts files for the calling thread and those it starts from now on.
    pub fn restrict_files(mode: Mode, needs: &Needs<'_>) -> Result<Self, SandboxError> {
        let mut sandbox = Self {
            mode,
            files: String::new(),
            client_memory: needs.client_memory,
        };
        if mode == Mode::Off {
            return Ok(sandbox);
        }
        if needs.client_memory {
            // Landlock cuts off the memory of other processes: one thread stays outside for it.
            process_memory::start().map_err(SandboxError::Thread)?;
        }
        match files::restrict(&needs.socket_folders) {
            Ok(text) => sandbox.files = text,
            Err(reason) => sandbox.missing(&format!("files are not restricted: {reason}"))?,
        }
        Ok(sandbox)
    }

    /// Restricts system calls, for every thread there is.
    pub fn restrict_calls(self) -> Result<(), SandboxError> {
        if self.mode == Mode::Off {
            tracing::warn!("no sandbox (--sandbox off)");
            return Ok(());
        }
        if let Err(reason) = filter::forbid_new_code() {
            self.missing(&format!("memory can be made executable: {reason}"))?;
        }
        match calls::restrict(self.client_memory) {
            Ok(()) => {
                process_memory::confine();
                tracing::info!(files = self.files, "sandboxed");
            }
            Err(reason) => self.missing(&format!("system calls are not restricted: {reason}"))?,
        }
        Ok(())
    }

    fn missing(&self, what: &str) -> Result<(), SandboxError> {
        if self.mode == Mode::Required {
            return Err(SandboxError::Missing(what.to_owned()));
        }
        tracing::warn!("sandbox: {what}");
        Ok(())
    }
}
