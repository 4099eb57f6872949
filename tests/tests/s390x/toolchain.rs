//! The tools that an s390x build needs on this machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Rust's name of the platform.
pub(crate) const TARGET: &str = "s390x-unknown-linux-gnu";
/// Folder of Debian's libraries for programs that are built for the platform.
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

/// Checks that all tools are installed, and names missing ones. Returns true if cargo must build the standard
/// library from its source, because there is none for s390x.
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
