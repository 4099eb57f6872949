//! The program: parses the command line, runs it, prints the error chain, exits.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use vfio_user_ism::cli::Cli;
use vfio_user_ism::run;

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
            // The exit code tells as well, should nobody read stderr.
            let _ = std::io::stderr().write_all(text.as_bytes());
            failure.code()
        }
    }
}
