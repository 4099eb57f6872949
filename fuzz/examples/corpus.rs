//! Handles kept inputs for `fuzz/run` and `fuzz/seeds`.
//!
//! ```text
//! corpus unpack TARGET FOLDER    writes each kept input to a file in FOLDER
//! corpus keep TARGET FOLDER      replaces the inputs that a fuzzer found by those in FOLDER
//! corpus add TARGET FOLDER       adds the files in FOLDER
//! ```
//!
//! Prints the number of kept inputs.

use std::path::Path;
use std::process::ExitCode;

use vfio_user_ism_fuzz::corpus::{self, Inputs};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [action, target, folder] = &arguments[..] else {
        eprintln!("corpus: expected unpack, keep or add, then a target and a folder");
        return ExitCode::from(2);
    };
    match run(action, target, Path::new(folder)) {
        Ok(inputs) => {
            println!("{inputs}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("corpus: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(action: &str, target: &str, folder: &Path) -> Result<usize, String> {
    let path = corpus::file(target);
    let kept = if path.exists() {
        corpus::read(&path)?
    } else {
        Inputs::new()
    };
    let inputs = match action {
        "unpack" => {
            corpus::unpack(&kept, folder)?;
            return Ok(kept.len());
        }
        "keep" => {
            // Inputs with a name of their own stay, and are not kept twice.
            let named = kept.into_iter().filter(|(name, _)| !corpus::is_found(name));
            let mut inputs: Inputs = named.collect();
            for (name, bytes) in corpus::pack(folder)? {
                if !inputs.values().any(|other| *other == bytes) {
                    inputs.insert(name, bytes);
                }
            }
            inputs
        }
        "add" => {
            let mut inputs = kept;
            inputs.extend(corpus::pack(folder)?);
            inputs
        }
        other => return Err(format!("{other:?}: expected unpack, keep or add")),
    };
    corpus::write(&path, &inputs)?;
    Ok(inputs.len())
}
