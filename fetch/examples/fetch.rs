//! Fetches QEMU and a guest into the cache, and prints the paths.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args = debian_fetch::FetchArgs::default();
    let fetched = args
        .cache()
        .and_then(|cache| debian_fetch::run(&args, &cache));
    match fetched {
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
