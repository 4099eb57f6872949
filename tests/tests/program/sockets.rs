//! Tests of the origins of clients: a path, a folder, a descriptor, systemd.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use vfio_user_ism_tests::client::{QEMU, command as number, version};
use vfio_user_ism_tests::errno::EPERM;
use vfio_user_ism_tests::patience::eventually;
use vfio_user_ism_tests::program::{command, finish, profile, program, run};
use vfio_user_ism_tests::wire::Wire;
use vfio_user_ism_tests::{Client, Daemon};

/// Starts the server through a shell that moves its standard input to descriptor 3, so that this process
/// needs no inheritable descriptor.
fn with_descriptor_3(fd: OwnedFd, before: &str, arguments: &str) -> Command {
    let script = format!(r#"exec 3<&0 0</dev/null; {before} exec "$0" {arguments} --ready-fd 1"#);
    behind_a_shell(&script, fd)
}

/// Starts a server with descriptors 3 and 4. The second one is passed as standard error.
fn daemon_with_descriptors_3_and_4(fds: [OwnedFd; 2], before: &str, arguments: &str) -> Daemon {
    let script = format!(
        r#"exec 3<&0 4>&2 0</dev/null 2>/dev/null; {before} exec "$0" {arguments} --ready-fd 1"#
    );
    let [third, fourth] = fds;
    let shell = behind_a_shell(&script, third);
    Daemon::wait_ready_with(shell, tempfile::tempdir().unwrap(), fourth.into())
}

fn behind_a_shell(script: &str, stdin: OwnedFd) -> Command {
    let mut shell = Command::new("sh");
    shell.env_remove("LISTEN_FDS").env_remove("LISTEN_PID");
    shell
        .arg("-c")
        .arg(script)
        .arg(program())
        .stdin(Stdio::from(stdin));
    shell
}

const SYSTEMD: &str = "export LISTEN_PID=$$ LISTEN_FDS=1;";

#[test]
fn the_device_argument_is_printed_once_ready() {
    let daemon = Daemon::with_profile("pair");
    let lines: Vec<_> = daemon.announced.lines().collect();
    assert_eq!((lines.len(), lines[4]), (5, "ready"));
    for (line, name) in lines.iter().step_by(2).zip(["ism0", "ism1"]) {
        let quoted = line
            .strip_prefix("-device '")
            .and_then(|line| line.strip_suffix('\''))
            .unwrap();
        let device: Value = serde_json::from_str(quoted).unwrap();
        assert_eq!(device["driver"], "vfio-user-pci");
        assert_eq!(device["socket"]["type"], "unix");
        assert_eq!(
            device["socket"]["path"],
            daemon.socket(name).to_str().unwrap()
        );
    }
}

#[test]
fn sockets_are_private_and_removed_at_the_end() {
    let daemon = Daemon::start();
    let path = daemon.only();
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("x.sock");
    let mut serve = command();
    serve
        .arg("--socket-path")
        .arg(&other)
        .args(["--ready-fd", "1"]);
    let second = Daemon::wait_ready(serve, folder);
    assert!(other.exists());
    second.signal(rustix::process::Signal::TERM);
    eventually("the socket is removed", || (!other.exists()).then_some(()));
}

#[test]
fn a_live_socket_is_left_alone() {
    let daemon = Daemon::start();
    let path = daemon.only();
    let ended = run(["--socket-path", path.to_str().unwrap()]);
    assert_eq!(ended.code, Some(3));
    assert!(ended.stderr.contains("in use"), "{}", ended.stderr);
    Client::open(&path).reset();
}

#[test]
fn a_server_does_not_notice_that_another_one_wanted_its_socket() {
    let daemon = Daemon::start();
    let path = daemon.only();
    for _ in 0..3 {
        let ended = run(["--socket-path", path.to_str().unwrap()]);
        assert_eq!(ended.code, Some(3));
    }
    let stopped = daemon.stop();
    let function = stopped.function("ism0");
    assert_eq!(
        (&function["clients"], &function["clients_refused"]),
        (&0.into(), &0.into())
    );
}

#[test]
fn of_many_servers_that_want_one_dead_socket_one_gets_it() {
    for _ in 0..5 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ism0.sock");
        drop(UnixListener::bind(&path).unwrap());
        let log = |at: usize| folder.path().join(format!("log{at}"));
        let mut servers: Vec<Child> = (0..8)
            .map(|at| {
                let mut server = command();
                server.arg("--socket-path").arg(&path).stdout(Stdio::null());
                server.stderr(fs::File::create(log(at)).unwrap());
                server.spawn().unwrap()
            })
            .collect();
        let ready = |at: usize| fs::read_to_string(log(at)).unwrap().contains("ready");
        let mut ended = [false; 8];
        eventually("all but one have ended", || {
            for (at, server) in servers.iter_mut().enumerate() {
                if !ended[at]
                    && let Some(status) = server.try_wait().unwrap()
                {
                    assert_eq!(
                        status.code(),
                        Some(3),
                        "{}",
                        fs::read_to_string(log(at)).unwrap()
                    );
                    ended[at] = true;
                }
            }
            let left: Vec<usize> = (0..8).filter(|at| !ended[*at]).collect();
            assert!(!left.is_empty(), "nobody got it");
            (left.len() == 1 && ready(left[0])).then_some(())
        });
        // The remaining server listens on the path.
        Client::open(&path).reset();
        for mut server in servers {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

#[test]
fn a_dead_socket_is_replaced_and_a_file_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ism0.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let daemon = Daemon::spawn(command(), folder, &[]);
    daemon.client().reset();
    drop(daemon);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, "precious").unwrap();
    let ended = run(["--socket-path", path.to_str().unwrap()]);
    assert_eq!(ended.code, Some(3));
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
}

#[test]
fn a_socket_that_cannot_be_made_is_exit_code_3() {
    assert_eq!(run(["--socket-path", "/nowhere/x.sock"]).code, Some(3));
    assert_eq!(run(["--fd", "99"]).code, Some(3));
    let null = fs::File::open("/dev/null").unwrap();
    let ended = finish(with_descriptor_3(null.into(), "", "--fd 3"));
    assert_eq!(ended.code, Some(3));
}

#[test]
fn a_listening_descriptor_serves_one_client_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ours.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let _daemon = Daemon::wait_ready(with_descriptor_3(listener.into(), "", "--fd 3"), folder);
    for _ in 0..3 {
        Client::open(&path).reset();
    }
}

#[test]
fn a_connected_descriptor_is_the_only_client() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let daemon = Daemon::wait_ready(
        with_descriptor_3(theirs.into(), "", "--fd 3"),
        tempfile::tempdir().unwrap(),
    );
    let mut client = Client::new(Wire::new(ours));
    client.request(number::VERSION, version(0, 0, QEMU)).ok();
    client.reset();
    drop(client);
    assert_eq!(daemon.wait().ended.code, Some(0));
}

#[test]
fn systemd_may_pass_the_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("systemd.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let daemon = Daemon::wait_ready(with_descriptor_3(listener.into(), SYSTEMD, "serve"), folder);
    Client::open(&path).reset();
    assert_eq!(daemon.announced, "ready\n", "no path is known");
    drop(daemon);
    // A process that another test starts may hold the listener for a moment.
    eventually("nobody listens", || {
        UnixStream::connect(&path).is_err().then_some(())
    });
}

#[test]
fn systemds_variables_of_another_process_are_ignored() {
    let folder = tempfile::tempdir().unwrap();
    let listener = || UnixListener::bind(folder.path().join("x.sock"));
    let fd = OwnedFd::from(listener().unwrap());
    let other_pid = "export LISTEN_PID=1 LISTEN_FDS=1;";
    let ended = finish(with_descriptor_3(fd, other_pid, "serve"));
    assert_eq!(ended.code, Some(2), "no socket at all");
}

#[test]
fn systemds_socket_and_a_path_together_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join("x.sock")).unwrap();
    let ended = finish(with_descriptor_3(
        listener.into(),
        SYSTEMD,
        "--socket-path /nowhere/y",
    ));
    assert_eq!(ended.code, Some(2));

    let listener = UnixListener::bind(folder.path().join("z.sock")).unwrap();
    let pair = profile("pair");
    let serve = format!("--profile {}", pair.display());
    let ended = finish(with_descriptor_3(listener.into(), SYSTEMD, &serve));
    assert_eq!(ended.code, Some(3), "one socket for two functions");
}

#[test]
fn readiness_may_go_to_any_descriptor() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let mut shell = Command::new("sh");
    // The real standard output is discarded; the remaining text came through descriptor 7.
    shell
        .arg("-c")
        .arg(r#"exec "$0" --socket-path "$1" --ready-fd 7 7>&1 >/dev/null"#);
    shell.arg(program()).arg(&path);
    let daemon = Daemon::wait_ready(shell, folder);
    assert_eq!(daemon.announced, "ready\n");
    Client::open(&path).reset();
}

#[test]
fn a_ready_descriptor_that_is_not_open_is_exit_code_3() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sock");
    let ended = run(["--socket-path", path.to_str().unwrap(), "--ready-fd", "99"]);
    assert_eq!(ended.code, Some(3));
    assert!(!path.exists());
}

/// Asks for region 9 of the function, which the client of an instruction channel may do.
#[track_caller]
fn ask_region_9(client: &mut Client) {
    assert_eq!(client.read(9, 8, 2).data(), 4096u16.to_ne_bytes());
    client.read(7, 0, 2).refused(EPERM);
}

#[test]
fn the_plugin_argument_follows_the_device_argument() {
    let daemon = Daemon::with_profile("pair");
    let lines: Vec<_> = daemon.announced.lines().collect();
    for (line, name) in [(lines[1], "ism0"), (lines[3], "ism1")] {
        let (plugin, forward) = line
            .strip_prefix("-plugin file=")
            .and_then(|line| line.split_once(",forward="))
            .unwrap();
        let folder = program().parent().unwrap();
        let beside = folder.join("libvfio_user_ism_plugin.so");
        let expected = if beside.exists() {
            beside.to_str().unwrap()
        } else {
            "libvfio_user_ism_plugin.so"
        };
        assert_eq!(plugin, expected);
        assert_eq!(Path::new(forward), daemon.channel(name));
        ask_region_9(&mut Client::open(&daemon.channel(name)));
    }
}

#[test]
fn a_channel_may_be_given_as_a_descriptor() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let [main, channel] = ["main", "insn"].map(path);
    let fds = [&main, &channel].map(|path| UnixListener::bind(path).unwrap().into());
    let daemon = daemon_with_descriptors_3_and_4(fds, "", "--fd 3 --insn-fd 4");
    for _ in 0..3 {
        ask_region_9(&mut Client::open(&channel));
        Client::open(&main).reset();
    }
    drop(daemon);
}

#[test]
fn a_connected_channel_does_not_keep_the_server_going() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (ours_too, theirs_too) = UnixStream::pair().unwrap();
    let daemon = daemon_with_descriptors_3_and_4(
        [theirs.into(), theirs_too.into()],
        "",
        "--fd 3 --insn-fd 4",
    );
    let [mut main, mut channel] = [ours, ours_too].map(|stream| Client::new(Wire::new(stream)));
    for client in [&mut main, &mut channel] {
        client.request(number::VERSION, version(0, 0, QEMU)).ok();
    }
    ask_region_9(&mut channel);
    main.reset();
    drop(main);
    channel.wire.expect_closed();
    assert_eq!(daemon.wait().ended.code, Some(0));
}

#[test]
fn a_channel_descriptor_needs_the_functions_own() {
    assert_eq!(run(["--insn-fd", "4"]).code, Some(2));
    let arguments = ["--socket-path", "/nowhere/x", "--insn-fd", "4"];
    assert_eq!(run(arguments).code, Some(2));
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let twice = finish(with_descriptor_3(theirs.into(), "", "--fd 3 --insn-fd 3"));
    assert_eq!(twice.code, Some(3), "{}", twice.stderr);
    let (_ours, theirs) = UnixStream::pair().unwrap();
    let closed = finish(with_descriptor_3(theirs.into(), "", "--fd 3 --insn-fd 9"));
    assert_eq!(closed.code, Some(3), "{}", closed.stderr);
}

#[test]
fn systemd_may_pass_the_channels_behind_the_functions() {
    let folder = tempfile::tempdir().unwrap();
    let [main, channel] = ["main", "insn"].map(|name| folder.path().join(name));
    let fds = [&main, &channel].map(|path| UnixListener::bind(path).unwrap().into());
    let two = "export LISTEN_PID=$$ LISTEN_FDS=2;";
    let daemon = daemon_with_descriptors_3_and_4(fds, two, "serve");
    ask_region_9(&mut Client::open(&channel));
    Client::open(&main).reset();
    drop(daemon);

    // Two functions without channels use the same two sockets.
    let [first, second] = ["first", "second"].map(|name| folder.path().join(name));
    let fds = [&first, &second].map(|path| UnixListener::bind(path).unwrap().into());
    let pair = profile("pair");
    let serve = format!("--profile {}", pair.display());
    let daemon = daemon_with_descriptors_3_and_4(fds, two, &serve);
    Client::open(&first).reset();
    Client::open(&second).reset();
    drop(daemon);
}
