//! Runs tests of other crates again with the address sanitizer, which detects undefined behaviour. This is a
//! separate build below the target folder. The number of tests is checked, so that an empty run does not
//! pass.
//!
//! Cargo compiles a dependency again for each set of features, and the packages on the command line decide on
//! the features. So all commands here that build with the sanitizer name the same packages, and the tests
//! that are built without it come from the whole workspace, as `./test` built them.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use vfio_user_ism_tests::program::repository;

/// Returns the target folder of this build.
fn target() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    // The path is TARGET/debug/deps/test.
    test.ancestors().nth(3).unwrap().to_owned()
}

/// Returns the platform in the notation of compilers.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.unwrap().to_owned()
}

/// Begins a `cargo` command with its own target folder.
fn cargo(folder: &str) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(repository()).stdin(Stdio::null());
    // The variables of the cargo that runs this test describe this package, not the other one, and select a
    // toolchain for it.
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("CARGO_PKG_") || name_text == "RUSTUP_TOOLCHAIN" {
            command.env_remove(&name);
        }
    }
    command.env("CARGO_TARGET_DIR", target().join(folder));
    command
}

/// Runs the command. It must succeed, with at least `least` passed tests.
#[track_caller]
fn passes(command: &mut Command, least: usize) {
    let output = command.stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    assert!(output.status.success(), "{command:?}: {}", output.status);
    let passed = |line: &str| {
        let count = line
            .strip_prefix("test result: ok. ")?
            .split_once(" passed")?
            .0;
        count.parse::<usize>().ok()
    };
    let passed: usize = text.lines().filter_map(passed).sum();
    assert!(passed >= least, "{passed} tests passed, expected {least}");
}

/// The packages that are built with a sanitizer: the server, and the program without its other commands.
const INSTRUMENTED: [&str; 6] = [
    "--locked",
    "--no-default-features",
    "--package",
    "vfio-user-ism-server",
    "--package",
    "vfio-user-ism",
];

/// Sets the flags of a sanitizer. The standard library that Rust ships is not instrumented.
fn sanitized(command: &mut Command, sanitizer: &str) {
    // No other build makes the program without its other commands and checks its warnings.
    let flags = format!("-Zsanitizer={sanitizer} -Cunsafe-allow-abi-mismatch=sanitizer -Dwarnings");
    command
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", flags)
        // The leak checker needs ptrace, which containers refuse.
        .env("ASAN_OPTIONS", "detect_leaks=0");
}

#[test]
#[ignore = "a build of its own with the address sanitizer: run ./test"]
fn in_memory_tests_pass_with_the_address_sanitizer() {
    let mut command = cargo("address");
    sanitized(&mut command, "address");
    command.arg("test").args(INSTRUMENTED).args(["--lib"]);
    command.args(["--test", "in_memory", "--target", &host()]);
    passes(&mut command, 60);
}

/// Hostile and forgetful clients attack the program itself.
#[test]
#[ignore = "a build of its own with the address sanitizer: run ./test"]
fn black_box_tests_pass_with_the_address_sanitizer_in_the_server() {
    let host = host();
    let mut build = cargo("address");
    sanitized(&mut build, "address");
    // If a test is named, cargo also counts the features of the tests' dependencies.
    build.arg("build").args(INSTRUMENTED);
    build.args(["--bin", "vfio-user-ism", "--test", "in_memory"]);
    build.args(["--target", &host]);
    assert!(build.status().unwrap().success());
    let program = target()
        .join("address")
        .join(host)
        .join("debug/vfio-user-ism");

    let mut command = cargo("");
    command.env("CARGO_TARGET_DIR", target());
    command.args(["test", "--locked", "--workspace"]);
    command.args([
        "--test", "wire", "--test", "fabric", "--test", "hostile", "--",
    ]);
    command.args([
        "peer::",
        "disconnect::",
        "dma_map::",
        "dma_truncate::",
        "dma_without_fd::",
    ]);
    command.args(["data_moves::", "region_io::", "set_irqs::", "pipelining::"]);
    command.env("VFIO_USER_ISM_BIN", program);
    command.env("ASAN_OPTIONS", "detect_leaks=0");
    passes(&mut command, 40);
}
