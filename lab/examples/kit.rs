//! Prepares the kit of Linux 6.12, or of 7.2 with the argument `7.2`, and prints what is in it.

use std::process::ExitCode;

use debian_fetch::Cache;
use lab::{KernelChoice, Kit, KitError, Smc};

fn main() -> ExitCode {
    let choice = match std::env::args().nth(1).as_deref() {
        Some("7.2") => KernelChoice::Linux72,
        _ => KernelChoice::Linux612,
    };
    match show(&choice) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}

fn show(choice: &KernelChoice) -> Result<(), KitError> {
    let kit = Kit::prepare(&Cache::locate()?, choice)?;
    println!("{} {}", kit.release(), kit.kernel().display());
    for smc in [Smc::Plain, Smc::Loopback] {
        for module in kit.modules(smc) {
            println!("{smc:?} {} {}", module.name(), module.file().display());
        }
    }
    println!("{}", kit.tool().display());
    Ok(())
}
