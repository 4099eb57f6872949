//! Opens the sockets of every function according to the settings.

use std::path::{Path, PathBuf};

use super::{ListenError, SocketFile, Sources};
use crate::client::channel;
use crate::config::SocketChoice;
use crate::profile::Plan;

/// An error in the opening of the sockets.
#[derive(Debug, thiserror::Error)]
pub enum SocketsError {
    /// A socket cannot be bound.
    #[error("cannot start")]
    Listen(#[from] ListenError),
    /// The profile has several functions, but only one socket is given.
    #[error(
        "the profile has {functions} functions: expected --socket-dir, which gives each its own socket"
    )]
    OneForSeveral {
        /// Number of functions in the profile.
        functions: usize,
    },
}

/// Sockets to serve, with the files to remove at the end and the paths to announce.
pub struct Sockets {
    /// The sockets of all functions.
    pub sources: Sources,
    /// The socket files. They are removed when this is dropped.
    pub files: Vec<SocketFile>,
    /// For every function, the path of its socket, if it has one.
    pub paths: Vec<Option<PathBuf>>,
}

impl Sockets {
    /// Binds the sockets that are not open yet.
    pub fn open(choice: SocketChoice, plan: &Plan) -> Result<Self, SocketsError> {
        let functions = plan.functions.len();
        let one = match &choice {
            SocketChoice::Path(_) => true,
            SocketChoice::Folder(_) => false,
            SocketChoice::Open(sources) => sources.clients.len() != functions,
        };
        if functions > 1 && one {
            return Err(SocketsError::OneForSeveral { functions });
        }
        let mut opened = Self::without_paths(Sources::default(), 0);
        match choice {
            SocketChoice::Open(sources) => return Ok(Self::without_paths(sources, functions)),
            SocketChoice::Path(path) => opened.bind(&path)?,
            SocketChoice::Folder(folder) => {
                for function in &plan.functions {
                    opened.bind(&folder.join(&function.socket))?;
                }
            }
        }
        Ok(opened)
    }

    fn without_paths(sources: Sources, functions: usize) -> Self {
        Self {
            sources,
            files: Vec::new(),
            paths: vec![None; functions],
        }
    }

    /// Binds a function's socket and that of its instruction channel.
    fn bind(&mut self, path: &Path) -> Result<(), ListenError> {
        let (source, file) = super::bind(path)?;
        self.files.push(file);
        let (channel, file) = super::bind(&channel::socket_path(path))?;
        self.files.push(file);
        self.sources.clients.push(source);
        self.sources.channels.push(channel);
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.paths.push(Some(path));
        Ok(())
    }
}
