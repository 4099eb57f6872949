//! The kept inputs of the session target, without a fuzzer. Alone in its process, because it counts
//! the process's descriptors.

use std::fs;
use std::path::Path;

use vfio_user_ism_fuzz::session;

#[test]
fn sessions() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/session");
    let mut inputs = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        // Shown when this one fails.
        println!("{}", path.display());
        session::run(&fs::read(path).unwrap());
        inputs += 1;
    }
    assert!(inputs > 100, "{inputs} inputs are kept");
}
