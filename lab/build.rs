//! Has the crate compiled again when a scenario comes or goes.

fn main() {
    println!("cargo::rerun-if-changed=scenarios");
}
