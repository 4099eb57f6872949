// SPDX-License-Identifier: GPL-2.0-or-later
//! Plugin arguments: the text after `-plugin file=...,` on QEMU's command line.

use std::path::PathBuf;

use thiserror::Error;

use crate::defects::{self, Break};
use crate::forward::settings::{Clp, Forward, Moves, Selector};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Args {
    /// File that receives the records. An existing file is replaced.
    pub out: Option<PathBuf>,
    /// Functions whose instructions go to a server.
    pub forwards: Vec<Forward>,
    /// The facts about the functions that the guest's CLP calls report.
    pub clp: Clp,
    /// The moves that end before their server has answered.
    pub moves: Moves,
    /// True if messages go through shared memory; `None` if the user does not say.
    pub ring: Option<bool>,
    /// The deliberate defect, if there is one.
    pub broken: Option<Break>,
}

/// Default of the ring argument: messages go through the socket.
pub(crate) const RING: bool = false;

/// An error in the plugin's arguments.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum ArgsError {
    /// The argument is not of the form `name=value`, or its value is empty.
    #[error("argument {0:?} is not of the form name=value")]
    Malformed(String),
    /// The argument has an unknown name.
    #[error(
        "unknown argument {0:?}; known: out=PATH, forward=SOCKET, fid=N, uid=N, clp=on|full|off, moves=waited|data|posted, ring=on|off, break=NAME"
    )]
    Unknown(String),
    /// A name occurs twice.
    #[error("argument {0:?} is given twice")]
    Repeated(&'static str),
    /// The arguments give the plugin nothing to do.
    #[error(
        "an argument is missing: out=PATH, the file that receives the records, or forward=SOCKET, the instruction channel of a server"
    )]
    NothingToDo,
    /// The id is no number.
    #[error("argument {0:?}: expected a number from 0 to 4294967295, decimal or 0x...")]
    NoNumber(String),
    /// The value of a switch is invalid.
    #[error("argument {0:?}: expected on, full or off")]
    NoSwitch(String),
    /// The value of `moves=` is invalid.
    #[error("argument {0:?}: expected waited, data or posted")]
    NoMoves(String),
    /// The value of `ring=` is invalid.
    #[error("argument {0:?}: expected on or off")]
    NoRing(String),
    /// `ring=` is given without a function.
    #[error("ring= changes how forward=SOCKET works, but no forward=SOCKET is given")]
    RingAlone,
    /// `moves=` is given without a function.
    #[error("moves= changes how forward=SOCKET works, but no forward=SOCKET is given")]
    MovesAlone,
    /// A defect is given with posted moves, but it changes instructions that wait for their server.
    #[error(
        "break=NAME needs moves=waited: a deliberate defect changes moves that wait for the server's answer"
    )]
    PostedBreak,
    /// Two values of `clp=` differ.
    #[error(
        "argument {0:?} differs from the clp= before it; the functions share one group, so one clp= holds for all"
    )]
    TwoClps(String),
    /// `clp=` is given without a function.
    #[error(
        "clp=on answers CLP for the function of forward=SOCKET, but no forward=SOCKET is given"
    )]
    ClpAlone,
    /// The defect does not exist.
    #[error("argument {argument:?}: {problem}")]
    NoDefect { argument: String, problem: String },
    /// The user asked for the list of defects, as JSON in this file or as text.
    #[error("{}", defects::list())]
    List(Option<PathBuf>),
    /// A defect is given without a function.
    #[error("break=NAME changes how forward=SOCKET works, but no forward=SOCKET is given")]
    BreakAlone,
    /// An id comes before its function.
    #[error("argument {0:?} comes before its forward=SOCKET, expected it after")]
    NoForward(String),
    /// One function has two ids.
    #[error("forward={socket} has two ids; one of fid=N and uid=N is enough")]
    TwoIds { socket: String },
    /// There are several functions, and one of them has no id.
    #[error(
        "forward={socket} needs fid=N or uid=N after it: with several forward=SOCKET the plugin cannot tell the functions apart"
    )]
    NoId { socket: String },
    /// Two functions share a setting.
    #[error("{what} is given for two functions")]
    Twice { what: String },
}

impl Args {
    /// Parses arguments of the form `name=value`.
    ///
    /// # Errors
    /// Names the first argument that is wrong or missing.
    pub(crate) fn parse<'a>(
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, ArgsError> {
        let mut args = Self::default();
        let (mut clp, mut moves) = (None, None);
        let mut list = false;
        for argument in arguments {
            let (name, value) = argument
                .split_once('=')
                .filter(|(_, value)| !value.is_empty())
                .ok_or_else(|| ArgsError::Malformed(argument.to_owned()))?;
            match name {
                "out" if args.out.is_some() => return Err(ArgsError::Repeated("out")),
                "out" => args.out = Some(PathBuf::from(value)),
                "forward" => args.forwards.push(Forward {
                    socket: PathBuf::from(value),
                    selector: Selector::OnlyIsm,
                }),
                "fid" => args.select(argument, Selector::Fid(number(argument, value)?))?,
                "uid" => args.select(argument, Selector::Uid(number(argument, value)?))?,
                "clp" => {
                    // Each function may have the argument, but the functions share their group, so the values
                    // must agree.
                    let wanted = switch(argument, value)?;
                    if clp.is_some_and(|before| before != wanted) {
                        return Err(ArgsError::TwoClps(argument.to_owned()));
                    }
                    clp = Some(wanted);
                }
                "moves" if moves.is_some() => return Err(ArgsError::Repeated("moves")),
                "moves" => {
                    moves = Some(match value {
                        "waited" => Moves::Waited,
                        "data" => Moves::Data,
                        "posted" => Moves::Posted,
                        _ => return Err(ArgsError::NoMoves(argument.to_owned())),
                    });
                }
                "ring" if args.ring.is_some() => return Err(ArgsError::Repeated("ring")),
                "ring" => {
                    args.ring = Some(match value {
                        "on" => true,
                        "off" => false,
                        _ => return Err(ArgsError::NoRing(argument.to_owned())),
                    });
                }
                "break" if value == "list" => list = true,
                "break" if args.broken.is_some() => return Err(ArgsError::Repeated("break")),
                "break" => {
                    let defect = Break::parse(value).map_err(|problem| ArgsError::NoDefect {
                        argument: argument.to_owned(),
                        problem,
                    })?;
                    args.broken = Some(defect);
                }
                _ => return Err(ArgsError::Unknown(name.to_owned())),
            }
        }
        if list {
            return Err(ArgsError::List(args.out));
        }
        args.clp = clp.unwrap_or_default();
        if moves.is_some() && args.forwards.is_empty() {
            return Err(ArgsError::MovesAlone);
        }
        if args.ring.is_some() && args.forwards.is_empty() {
            return Err(ArgsError::RingAlone);
        }
        args.moves = moves.unwrap_or_default();
        args.check()?;
        Ok(args)
    }

    fn select(&mut self, argument: &str, selector: Selector) -> Result<(), ArgsError> {
        let forward = self
            .forwards
            .last_mut()
            .ok_or_else(|| ArgsError::NoForward(argument.to_owned()))?;
        if forward.selector != Selector::OnlyIsm {
            let socket = forward.socket.display().to_string();
            return Err(ArgsError::TwoIds { socket });
        }
        forward.selector = selector;
        Ok(())
    }

    fn check(&self) -> Result<(), ArgsError> {
        if self.out.is_none() && self.forwards.is_empty() {
            return Err(ArgsError::NothingToDo);
        }
        if self.clp != Clp::Qemu && self.forwards.is_empty() {
            return Err(ArgsError::ClpAlone);
        }
        if self.broken.is_some() && self.forwards.is_empty() {
            return Err(ArgsError::BreakAlone);
        }
        if self.broken.is_some() && self.moves != Moves::Waited {
            return Err(ArgsError::PostedBreak);
        }
        let several = self.forwards.len() > 1;
        for (index, forward) in self.forwards.iter().enumerate() {
            let socket = forward.socket.display().to_string();
            let mut earlier = self.forwards.iter().take(index);
            if several && forward.selector == Selector::OnlyIsm {
                return Err(ArgsError::NoId { socket });
            }
            if earlier.any(|other| other.socket == forward.socket) {
                let what = format!("forward={socket}");
                return Err(ArgsError::Twice { what });
            }
            let mut earlier = self.forwards.iter().take(index);
            if earlier.any(|other| other.selector == forward.selector) {
                let what = forward.selector.to_string();
                return Err(ArgsError::Twice { what });
            }
        }
        Ok(())
    }
}

fn switch(argument: &str, value: &str) -> Result<Clp, ArgsError> {
    match value {
        "on" => Ok(Clp::Linux),
        "full" => Ok(Clp::Full),
        "off" => Ok(Clp::Qemu),
        _ => Err(ArgsError::NoSwitch(argument.to_owned())),
    }
}

fn number(argument: &str, value: &str) -> Result<u32, ArgsError> {
    let parsed = match value.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => value.parse(),
    };
    parsed.map_err(|_| ArgsError::NoNumber(argument.to_owned()))
}

#[cfg(test)]
mod tests;
