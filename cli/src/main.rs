//! The program: parses the command line, runs it, prints the error chain, exits.
#![forbid(unsafe_code)]

mod announce;
mod args;
mod capabilities;
mod chosen;
mod ctl;
mod failure;
mod logging;
mod output;
#[cfg(feature = "tools")]
mod replay;
mod rules_list;
mod run;
mod serve;
mod shell;
#[cfg(feature = "tools")]
mod tools;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::args::Cli;

fn main() -> ExitCode {
    match run::run(Cli::parse()) {
        Ok(code) => code,
        Err(failure) => {
            let mut text = format!("vfio-user-ism: {failure}");
            let mut source = std::error::Error::source(&failure);
            while let Some(error) = source {
                text.push_str(&format!(": {error}"));
                source = error.source();
            }
            text.push('\n');
            if let Some(hint) = failure.hint() {
                text.push_str(&format!("vfio-user-ism: {hint}\n"));
            }
            // If stderr is closed, the exit code still tells.
            let _ = std::io::stderr().write_all(text.as_bytes());
            failure.code()
        }
    }
}
