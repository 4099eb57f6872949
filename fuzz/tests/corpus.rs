//! The kept inputs of the fuzz targets, without a fuzzer: what was once found stays found.

use std::fs;
use std::path::Path;

use vfio_user_ism_fuzz::{device, frame, profile};

fn replay(target: &str, run: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(target);
    let mut inputs = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        // Shown when this one fails.
        println!("{}", path.display());
        run(&fs::read(path).unwrap());
        inputs += 1;
    }
    assert!(inputs > 100, "{inputs} inputs are kept");
}

#[test]
fn frames() {
    replay("frame", frame::run);
}

#[test]
fn devices() {
    replay("device", device::run);
}

#[test]
fn profiles() {
    replay("profile", profile::run);
}
