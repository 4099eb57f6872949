//! Fetches QEMU and a guest into the cache and prints what is there.

use std::process::ExitCode;

fn main() -> ExitCode {
    match debian_fetch::run(debian_fetch::What::Both) {
        Ok(summary) => {
            print!("{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(3)
        }
    }
}
