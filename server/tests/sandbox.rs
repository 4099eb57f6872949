//! Tests of the actions that the sandbox forbids. A child process makes each attempt: this test program,
//! started again with the name of the attempt in its environment.

use std::fs::{self, File};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Output};

use vfio_user_ism_server::sandbox::filter::{Action, Filter};
use vfio_user_ism_server::sandbox::process_memory::{Access, touch};
use vfio_user_ism_server::sandbox::{Mode, Needs, Sandbox, process_memory};

const ATTEMPT: &str = "SANDBOX_ATTEMPT";
const FOLDER: &str = "SANDBOX_FOLDER";
/// Signal of a forbidden system call.
const SIGSYS: i32 = 31;

/// The active layers of the sandbox.
#[derive(Clone, Copy, PartialEq)]
enum Layers {
    Files,
    All,
}

/// In the child: enters the sandbox, makes the attempt, and prints the outcome.
fn child(attempt: &str) -> ! {
    let folder = std::env::var_os(FOLDER).expect("started by the test");
    let folder = Path::new(&folder);
    let (layers, attempt) = attempt.split_once(':').expect("layers:attempt");
    let (what, process) = attempt.split_once('@').unwrap_or((attempt, "0"));
    let mine = folder.join("mine");
    let needs = Needs {
        socket_folders: vec![&mine],
        client_memory: attempt.starts_with("reach"),
    };
    let sandbox = Sandbox::restrict_files(Mode::Required, &needs).unwrap();
    if layers == "all" {
        sandbox.restrict_calls().unwrap();
    } else {
        let _files_only = sandbox;
    }
    let parent: i32 = process.parse().unwrap();
    // This process can read the address. In the other process, EPERM comes before any look-up.
    let address = folder as *const Path as *const u8 as usize;
    let system = |error: nix::Error| std::io::Error::from(error);
    let result: std::io::Result<()> = match what {
        "read" => fs::read("/etc/passwd").map(drop),
        "write" => File::create(mine.join("new")).map(drop),
        "remove-mine" => fs::remove_file(mine.join("socket")),
        "remove-other" => fs::remove_file(folder.join("other")),
        "tcp" => std::net::TcpStream::connect(("127.0.0.1", 9)).map(drop),
        "abstract" => SocketAddr::from_abstract_name(folder.to_str().unwrap())
            .and_then(|address| UnixStream::connect_addr(&address))
            .map(drop),
        "path" => UnixStream::connect(mine.join("socket")).map(drop),
        "exec" => Err(Command::new("true").exec()),
        "spawn" => Command::new("true").status().map(drop),
        "thread" => std::thread::Builder::new().spawn(|| ()).map(drop),
        "code" => memmap2::MmapMut::map_anon(4096)
            .and_then(memmap2::MmapMut::make_exec)
            .map(drop),
        "trace" => nix::sys::ptrace::traceme().map_err(system),
        "own-memory" => touch(
            std::process::id() as i32,
            address,
            Access::Read(&mut [0; 1]),
        )
        .map_err(system),
        "memory" => touch(parent, address, Access::Read(&mut [0; 1])).map_err(system),
        "reach" => loop {
            match process_memory::read(parent, 8, 1) {
                // The thread that reads got no processor in its time.
                Err(nix::Error::ETIMEDOUT | nix::Error::EAGAIN) => {}
                other => break other.map(drop).map_err(system),
            }
        },
        "signal" => rustix::process::test_kill_process(
            rustix::process::Pid::from_raw(parent).expect("not 0"),
        )
        .map_err(std::io::Error::from),
        other => panic!("no attempt {other:?}"),
    };
    match result {
        Ok(()) => println!("\nattempt: done"),
        Err(error) => println!("\nattempt: errno {}", error.raw_os_error().unwrap_or(0)),
    }
    std::process::exit(0)
}

/// Makes an attempt in a child. Returns its output, or the signal that ended it.
fn attempt(layers: Layers, what: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mine = folder.path().join("mine");
    fs::create_dir(&mine).unwrap();
    let _listens = UnixListener::bind(mine.join("socket")).unwrap();
    let name = SocketAddr::from_abstract_name(folder.path().to_str().unwrap()).unwrap();
    let _listens_too = UnixListener::bind_addr(&name).unwrap();
    fs::write(folder.path().join("other"), "").unwrap();
    let prefix = if layers == Layers::All {
        "all"
    } else {
        "files"
    };
    let this = "forbidden_is_what_serving_does_not_take";
    start(this, &format!("{prefix}:{what}"), folder.path())
}

/// Starts a test of this program as a child. Returns its output, or the signal that ended it.
fn start(test: &str, attempt: &str, folder: &Path) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(ATTEMPT, attempt)
        .env(FOLDER, folder)
        .output()
        .unwrap();
    if let Some(signal) = status.signal() {
        return format!("signal {signal}");
    }
    let stdout = String::from_utf8_lossy(&stdout);
    let line = stdout
        .lines()
        .find_map(|line| line.strip_prefix("attempt: "));
    line.unwrap_or_else(|| panic!("{attempt}: {stdout}\n{}", String::from_utf8_lossy(&stderr)))
        .to_owned()
}

/// In the child: simulates a kernel without a layer, and enters the sandbox.
fn child_without(layer: &str, mode: Mode) -> ! {
    let call = match layer {
        "landlock" => nix::libc::SYS_landlock_create_ruleset,
        _ => nix::libc::SYS_seccomp,
    };
    let rules = [(call, Vec::new())].into();
    let missing = Action::Errno(nix::libc::ENOSYS);
    let filter = Filter::new(&rules, missing, Action::Allow).unwrap();
    filter.restrict_thread().unwrap();
    let sandbox = Sandbox::restrict_files(mode, &Needs::default());
    match sandbox.and_then(Sandbox::restrict_calls) {
        Ok(()) => println!("\nattempt: tolerated"),
        Err(error) => println!("\nattempt: {error}"),
    }
    std::process::exit(0)
}

#[test]
fn a_kernel_that_lacks_a_layer_is_tolerated_unless_all_are_required() {
    if let Ok(attempt) = std::env::var(ATTEMPT) {
        let (layer, mode) = attempt.split_once(':').unwrap();
        let required = mode == "required";
        child_without(layer, if required { Mode::Required } else { Mode::On });
    }
    let this = "a_kernel_that_lacks_a_layer_is_tolerated_unless_all_are_required";
    for (layer, told) in [
        ("landlock", "files are not restricted"),
        ("seccomp", "system calls are not restricted"),
    ] {
        assert_eq!(
            start(this, &format!("{layer}:on"), Path::new("/")),
            "tolerated"
        );
        let refused = start(this, &format!("{layer}:required"), Path::new("/"));
        assert!(
            refused.contains("required") && refused.contains(told),
            "{refused}"
        );
    }
}

#[test]
fn forbidden_is_what_serving_does_not_take() {
    if let Ok(attempt) = std::env::var(ATTEMPT) {
        child(&attempt);
    }
    let parent = std::process::id();
    let killed = format!("signal {SIGSYS}");
    let memory = format!("memory@{parent}");
    let reach = format!("reach@{parent}");
    let signal = format!("signal@{parent}");
    let (eperm, eacces) = ("errno 1", "errno 13");
    for (layers, what, expected) in [
        // With Landlock alone.
        (Layers::Files, "read", eacces),
        (Layers::Files, "write", eacces),
        (Layers::Files, "remove-other", eacces),
        (Layers::Files, "remove-mine", "done"),
        (Layers::Files, "tcp", eacces),
        (Layers::Files, "abstract", eperm),
        (Layers::Files, memory.as_str(), eperm),
        (Layers::Files, signal.as_str(), eperm),
        (Layers::Files, "own-memory", "done"),
        // With seccomp too.
        (Layers::All, "read", eperm),
        (Layers::All, "write", eperm),
        (Layers::All, "remove-other", eacces),
        (Layers::All, "remove-mine", "done"),
        (Layers::All, "tcp", killed.as_str()),
        (Layers::All, "path", killed.as_str()),
        (Layers::All, "exec", killed.as_str()),
        (Layers::All, "spawn", eperm),
        (Layers::All, "thread", eperm),
        (Layers::All, "code", eperm),
        (Layers::All, "trace", killed.as_str()),
        (Layers::All, memory.as_str(), eperm),
        (Layers::All, signal.as_str(), eperm),
        (Layers::All, "own-memory", "done"),
        // The one thread with that right, if a profile needs it. Nothing is mapped at address 8.
        (Layers::All, reach.as_str(), "errno 14"),
    ] {
        assert_eq!(attempt(layers, what), expected, "{what}");
    }
}
