// SPDX-License-Identifier: GPL-2.0-or-later
//! Plugin arguments: what follows `-plugin file=...,` on QEMU's command line.

use std::path::PathBuf;

use thiserror::Error;

/// What the plugin is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Args {
    /// File that receives the records; made anew.
    pub out: PathBuf,
}

/// A wrong argument.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ArgsError {
    /// Not of the form `name=value`, or an empty value.
    #[error("argument {0:?} is not of the form name=value")]
    Malformed(String),
    /// A name nobody knows.
    #[error("unknown argument {0:?}; known: out=PATH")]
    Unknown(String),
    /// The same name twice.
    #[error("argument {0:?} is given twice")]
    Repeated(&'static str),
    /// No output file.
    #[error("argument out=PATH is missing: the file that receives the records")]
    OutMissing,
}

impl Args {
    /// Parses arguments of the form `name=value`.
    ///
    /// # Errors
    /// Names the first argument that is wrong or missing.
    pub fn parse<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Result<Self, ArgsError> {
        let mut out = None;
        for argument in arguments {
            let (name, value) = argument
                .split_once('=')
                .filter(|(_, value)| !value.is_empty())
                .ok_or_else(|| ArgsError::Malformed(argument.to_owned()))?;
            match name {
                "out" if out.is_some() => return Err(ArgsError::Repeated("out")),
                "out" => out = Some(PathBuf::from(value)),
                _ => return Err(ArgsError::Unknown(name.to_owned())),
            }
        }
        Ok(Self {
            out: out.ok_or(ArgsError::OutMissing)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_path_may_hold_equal_signs() {
        assert_eq!(
            Args::parse(["out=/a=b"]),
            Ok(Args {
                out: PathBuf::from("/a=b")
            })
        );
    }

    #[test]
    fn wrong_arguments_are_named() {
        assert_eq!(Args::parse([]), Err(ArgsError::OutMissing));
        assert_eq!(
            Args::parse(["out="]),
            Err(ArgsError::Malformed("out=".into()))
        );
        assert_eq!(
            Args::parse(["quiet"]),
            Err(ArgsError::Malformed("quiet".into()))
        );
        assert_eq!(
            Args::parse(["out=a", "out=b"]),
            Err(ArgsError::Repeated("out"))
        );
        assert_eq!(
            Args::parse(["out=a", "frob=1"]).unwrap_err().to_string(),
            "unknown argument \"frob\"; known: out=PATH"
        );
    }
}
