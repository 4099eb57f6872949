//! The program: parses the command line, runs it, prints the error chain, exits.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use vfio_user_ism::cli::Cli;
use vfio_user_ism::run;

fn main() -> ExitCode {
    match run::run(Cli::parse()) {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("vfio-user-ism: {failure}");
            let mut source = std::error::Error::source(&failure);
            while let Some(error) = source {
                eprintln!("  because: {error}");
                source = error.source();
            }
            failure.code()
        }
    }
}
