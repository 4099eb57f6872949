//! Builds the images of the Dockerfile, checks their content, and talks to the server of one. In the images,
//! `tests/container/build.sh` tests the image's QEMU and a mounted one, fetches into a volume, and boots the
//! lab's guest.

use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::socket_peercred;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use serde_json::Value;
use vfio_user_ism_tests::Client;
use vfio_user_ism_tests::client::{CONFIG, QEMU, command, version};
use vfio_user_ism_tests::program::repository;
use vfio_user_ism_tests::wire::Wire;

/// Time limit for building both images from nothing on a slow machine. A build that takes longer hangs.
const BUILD: Duration = Duration::from_secs(3 * 60 * 60);
/// Time limit from SIGTERM until the script has removed the images, which are gigabytes of small files.
const END: Duration = Duration::from_secs(60 * 60);
/// User id of the server, as the Dockerfile sets it.
const UID: u32 = 65532;

/// A running `tests/container/build.sh --serve`. It logs on stderr. Dropping this value ends it and its
/// children.
struct Build {
    script: Child,
    lines: Receiver<String>,
}

impl Build {
    fn start(folder: &std::path::Path) -> Self {
        let mut command = Command::new(repository().join("tests/container/build.sh"));
        command
            .arg("--serve")
            .arg(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        // The script gets its own process group, because buildah starts more processes.
        let mut script = command.process_group(0).spawn().unwrap();
        let stdout = BufReader::new(script.stdout.take().unwrap());
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { script, lines }
    }

    /// Returns the script's next line on stdout.
    #[track_caller]
    fn line(&mut self) -> String {
        self.lines.recv_timeout(BUILD).unwrap_or_else(|error| {
            panic!("the container build says nothing ({error}); see its messages above")
        })
    }

    fn end(&mut self) -> Option<ExitStatus> {
        let end = Instant::now() + END;
        while Instant::now() < end {
            if let Some(status) = self.script.try_wait().unwrap() {
                return Some(status);
            }
            thread::sleep(Duration::from_millis(50));
        }
        None
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        if matches!(self.script.try_wait(), Ok(Some(_))) {
            return;
        }
        let group = Pid::from_child(&self.script);
        let _ = kill_process_group(group, Signal::TERM);
        if self.end().is_none() {
            let _ = kill_process_group(group, Signal::KILL);
            let _ = self.script.wait();
        }
    }
}

#[test]
#[ignore = "needs buildah and root: run by ./test"]
fn the_images_build_and_the_server_image_serves() {
    let folder = tempfile::tempdir().unwrap();
    let mut build = Build::start(folder.path());
    let line = build.line();
    let socket = folder.path().canonicalize().unwrap().join("ism.sock");
    assert_eq!(line, format!("ready {}", socket.display()));

    let stream = UnixStream::connect(&socket).unwrap();
    // This is the process that called listen(2): the server itself, because a chroot has no process ids of
    // its own.
    let server = socket_peercred(&stream).unwrap();
    assert_eq!(
        server.uid.as_raw(),
        UID,
        "the server runs as another user than the image says"
    );

    let mut client = Client::new(Wire::new(stream));
    let reply = client.request(command::VERSION, version(0, 0, QEMU)).ok();
    assert_eq!(reply[..4], [0; 4], "version 0.0");
    let text = reply[4..]
        .strip_suffix(&[0])
        .expect("the text does not end with NUL");
    let text: Value = serde_json::from_slice(text).unwrap();
    assert!(text["capabilities"].is_object(), "{text}");
    let ids = client.read(CONFIG, 0, 4).data();
    assert_eq!(
        ids,
        [0x14, 0x10, 0xed, 0x04],
        "vendor and device, little endian"
    );
    drop(client);

    kill_process(server.pid, Signal::TERM).unwrap();
    let status = build
        .end()
        .expect("the server did not end, or the script did not tidy up");
    assert!(status.success(), "{status}");
}
