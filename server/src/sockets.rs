//! Which sockets the command line, or systemd, gives to serve.

use std::path::{Path, PathBuf};

use crate::channel;
use crate::cli::ServeArgs;
use crate::listen::{self, SocketFile, Source, Sources};
use crate::profile::Plan;
use crate::run::Failure;

/// Sockets to serve, with the files to remove at the end and the paths to announce.
pub struct Sockets {
    /// The sockets.
    pub sources: Sources,
    /// Removed when dropped.
    pub files: Vec<SocketFile>,
    /// For every function, where its socket is, if it has a path.
    pub paths: Vec<Option<PathBuf>>,
}

impl Sockets {
    /// Opens or takes over what `args` say, or what systemd passed.
    pub fn open(args: &ServeArgs, plan: &Plan) -> Result<Self, Failure> {
        let functions = plan.functions.len();
        let activated = listen::from_systemd(functions).map_err(Failure::Listen)?;
        let chosen = args.socket_path.is_some() || args.socket_dir.is_some() || args.fd.is_some();
        match (activated, chosen) {
            (Some(_), true) => {
                return Err(Failure::Usage(
                    "systemd passed sockets, and --socket-path, --socket-dir or --fd is given: \
                     expected one of them"
                        .to_owned(),
                ));
            }
            (Some(sources), false) => return Ok(Self::without_paths(sources, functions)),
            (None, false) => {
                return Err(Failure::Usage(
                    "no socket: expected one of --socket-path, --socket-dir, --fd, or sockets \
                     passed by systemd"
                        .to_owned(),
                ));
            }
            (None, true) => {}
        }
        if functions > 1 && args.socket_dir.is_none() {
            return Err(Failure::Usage(format!(
                "the profile has {functions} functions: expected --socket-dir, which gives each its own socket"
            )));
        }
        if let Some(number) = args.fd {
            let adopt = |number| listen::adopt(number).map_err(Failure::Listen);
            let clients = vec![adopt(number)?];
            let channels = args.insn_fd.into_iter().map(adopt);
            let channels = channels.collect::<Result<Vec<Source>, _>>()?;
            return Ok(Self::without_paths(
                Sources { clients, channels },
                functions,
            ));
        }
        let mut opened = Self::without_paths(Sources::default(), 0);
        for function in &plan.functions {
            let path = match (&args.socket_path, &args.socket_dir) {
                (Some(path), _) => path.clone(),
                (None, Some(folder)) => folder.join(&function.socket),
                (None, None) => continue,
            };
            opened.bind(&path)?;
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

    /// Binds a function's socket and its channel.
    fn bind(&mut self, path: &Path) -> Result<(), Failure> {
        let (source, file) = listen::bind(path).map_err(Failure::Listen)?;
        self.files.push(file);
        let (channel, file) = listen::bind(&channel::socket_path(path)).map_err(Failure::Listen)?;
        self.files.push(file);
        self.sources.clients.push(source);
        self.sources.channels.push(channel);
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.paths.push(Some(path));
        Ok(())
    }
}
