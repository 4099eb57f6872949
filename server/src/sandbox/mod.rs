//! Drops the rights of this process once its sockets and files are open.
//!
//! Two layers of the kernel restrict every thread that serves clients:
//!
//! - [`files`]: Landlock. The process can open no file, bind or connect to no address, and trace or signal no
//!   other process. It can only remove the socket files at the end.
//! - [`calls`]: seccomp. The system calls that serving needs are allowed. A few calls that the program never
//!   makes (to run a program, to create a socket) end the process. Every other call fails with EPERM.
//!
//! Landlock restricts the main thread before the runtime starts its own threads, which inherit it. After
//! that, seccomp restricts all threads at once. If the kernel lacks a layer, the log says so and the layer is
//! left out.

pub mod calls;
pub mod files;
#[allow(unsafe_code, reason = "hands filters to the kernel")]
pub mod filter;
pub mod process_memory;

use std::path::Path;

/// Degree to which the process restricts itself before it serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Uses every layer that the kernel supports.
    #[default]
    On,
    /// Uses every layer. The server does not start if one is missing.
    Required,
    /// Uses no layer, for debuggers, sanitizers and valgrind.
    Off,
}

/// The rights that serving still needs.
#[derive(Clone, Debug, Default)]
pub struct Needs<'a> {
    /// Folders of the socket files, which are removed at the end.
    pub socket_folders: Vec<&'a Path>,
    /// True if a profile's payload carrier accesses the memory of client processes.
    pub client_memory: bool,
}

/// An error in the setup of the sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A layer is missing, but all are required.
    #[error("--sandbox required: {0}")]
    Missing(String),
    /// The thread that accesses client memory could not start.
    #[error("--sandbox: cannot start a thread")]
    Thread(#[source] std::io::Error),
}

/// The sandbox after its first half, the files. [`Sandbox::restrict_calls`] completes it.
#[derive(Debug)]
#[must_use = "system calls are not restricted yet"]
pub struct Sandbox {
    mode: Mode,
    files: String,
    client_memory: bool,
}

impl Sandbox {
    /// Restricts the files of the calling thread and of those that it starts from now on.
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
            // Landlock forbids access to the memory of other processes, so one thread starts before it.
            process_memory::start().map_err(SandboxError::Thread)?;
        }
        match files::restrict(&needs.socket_folders) {
            Ok(text) => sandbox.files = text,
            Err(reason) => sandbox.missing(&format!("files are not restricted: {reason}"))?,
        }
        Ok(sandbox)
    }

    /// Restricts the system calls of every existing thread.
    pub fn restrict_calls(self) -> Result<(), SandboxError> {
        if self.mode == Mode::Off {
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
