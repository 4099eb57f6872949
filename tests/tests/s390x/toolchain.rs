//! What a build for s390x needs on this machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What Rust calls the platform.
pub(crate) const TARGET: &str = "s390x-unknown-linux-gnu";
/// Where Debian's packages put the libraries for programs that are built for it.
pub(crate) const SYSROOT: &str = "/usr/s390x-linux-gnu";

fn has(tool: &str) -> bool {
    let mut command = Command::new(tool);
    command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn rustc(arguments: &[&str]) -> PathBuf {
    let output = Command::new("rustc").args(arguments).output();
    let text = output.expect("rustc starts").stdout;
    String::from_utf8_lossy(&text).trim().into()
}

/// Checks that everything is there, and names what is not. Whether cargo must build the standard
/// library from its source, as there is none for s390x.
#[track_caller]
pub(crate) fn must_build_std() -> bool {
    let mut missing = Vec::new();
    for (tool, packages) in [
        ("s390x-linux-gnu-gcc", "gcc-s390x-linux-gnu"),
        ("s390x-linux-gnu-strip", "binutils-s390x-linux-gnu"),
        ("qemu-s390x", "qemu-user"),
    ] {
        if !has(tool) {
            missing.push(format!("{tool} (Debian: {packages})"));
        }
    }
    let libc = Path::new(SYSROOT).join("lib/libc.so.6");
    if !libc.exists() {
        missing.push(format!(
            "{} (Debian: libc6-dev-s390x-cross)",
            libc.display()
        ));
    }
    let has_library = rustc(&["--print", "target-libdir", "--target", TARGET]).is_dir();
    let source = rustc(&["--print", "sysroot"]).join("lib/rustlib/src/rust/library");
    if !has_library && !source.is_dir() {
        missing.push(format!(
            "Rust's standard library for {TARGET} (rustup target add {TARGET}), or its source (Debian: rust-src)"
        ));
    }
    assert!(missing.is_empty(), "missing: {}", missing.join(", "));
    !has_library
}
