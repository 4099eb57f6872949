//! Fetches everything into the cache and prints what is there.

fn main() -> Result<(), debian_fetch::Error> {
    print!("{}", debian_fetch::run(debian_fetch::What::All)?);
    Ok(())
}
