//! Runs tests of other crates again with the address sanitizer, which detects undefined behaviour. This is a
//! separate build in the cache folder. The number of tests is checked, so that an empty run does not pass.
//!
//! Cargo compiles a dependency again for each set of features, and the packages on the command line decide on
//! the features. So all commands here that build with the sanitizer name the same packages, and the tests
//! that are built without it come from the whole workspace, as `./test` built them.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

use vfio_user_ism_tests::kept_build::KeptBuild;
use vfio_user_ism_tests::program::repository;

/// Opens the build with the address sanitizer.
fn kept() -> &'static KeptBuild {
    static KEPT: OnceLock<KeptBuild> = OnceLock::new();
    KEPT.get_or_init(|| KeptBuild::open("address").expect("a copy of the checkout"))
}

/// Returns the platform in the notation of compilers.
fn host() -> String {
    let output = Command::new("rustc").arg("-vV").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    line.unwrap().to_owned()
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

/// Begins a `cargo` command with the address sanitizer. The standard library that Rust ships is not instrumented.
fn sanitized() -> Command {
    let mut command = kept().cargo();
    // No other build makes the program without its other commands and checks its warnings.
    let flags = "-Zsanitizer=address -Cunsafe-allow-abi-mismatch=sanitizer -Dwarnings";
    command
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", flags)
        // The leak checker needs ptrace, which containers refuse.
        .env("ASAN_OPTIONS", "detect_leaks=0");
    command
}

#[test]
#[ignore = "a build of its own with the address sanitizer: run ./test"]
fn in_memory_tests_pass_with_the_address_sanitizer() {
    let mut command = sanitized();
    command.arg("test").args(INSTRUMENTED).args(["--lib"]);
    command.args(["--test", "in_memory", "--target", &host()]);
    passes(&mut command, 60);
}

/// Hostile and forgetful clients attack the program itself.
#[test]
#[ignore = "a build of its own with the address sanitizer: run ./test"]
fn black_box_tests_pass_with_the_address_sanitizer_in_the_server() {
    let host = host();
    let mut build = sanitized();
    // If a test is named, cargo also counts the features of the tests' dependencies.
    build.arg("build").args(INSTRUMENTED);
    build.args(["--bin", "vfio-user-ism", "--test", "in_memory"]);
    build.args(["--target", &host]);
    assert!(build.status().unwrap().success());
    let program = kept().target.join(host).join("debug/vfio-user-ism");

    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // The target folder of this test: TARGET/debug/deps/test.
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    command.current_dir(repository()).stdin(Stdio::null());
    command.env("CARGO_TARGET_DIR", target);
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
