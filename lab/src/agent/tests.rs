//! Tests both sides of the agent together. This machine's shell runs the shell loop of the guest's init, over
//! sockets instead of serial ports.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command};

use rustix::process::{Pid, Signal, kill_process_group};

use tokio::sync::watch;

use super::{Agent, AgentError, Listening, SLOTS};

const LOOP: &str = include_str!("../../guest/agent");

/// Slots of the shell loop, killed when dropped.
struct Guest(Vec<Child>, tempfile::TempDir);

impl Drop for Guest {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // A running command also holds the ports.
            let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
            let _ = child.wait();
        }
    }
}

fn connect(path: &PathBuf) -> OwnedFd {
    let stream = OwnedFd::from(UnixStream::connect(path).unwrap());
    rustix::io::fcntl_setfd(&stream, rustix::io::FdFlags::empty()).unwrap();
    stream
}

async fn agent() -> (Agent, Guest) {
    let (agent, guest, _) = booting_agent().await;
    (agent, guest)
}

/// An agent, its guest, and the counter of the guest's boots.
async fn booting_agent() -> (Agent, Guest, watch::Sender<u64>) {
    let (boots, counted) = watch::channel(0);
    let folder = tempfile::tempdir().unwrap();
    let listening = Listening::new(|name| folder.path().join(name)).unwrap();
    let script = folder.path().join("agent");
    std::fs::write(&script, LOOP).unwrap();
    let mut shells = Vec::new();
    for slot in 0..SLOTS {
        let stdout = connect(&listening.sockets[2 * slot].1);
        let stderr = connect(&listening.sockets[2 * slot + 1].1);
        let line = format!(
            "exec sh {} {} 3<&{out} 3>&{out} 4>&{err}",
            script.display(),
            folder.path().join(format!("command{slot}")).display(),
            out = stdout.as_raw_fd(),
            err = stderr.as_raw_fd()
        );
        // In bash, descriptors above 9 can have names.
        let mut shell = Command::new("bash");
        let shell = shell.args(["-c", &line]).process_group(0).spawn().unwrap();
        shells.push(shell);
    }
    let agent = listening.connected(counted).await.unwrap();
    (agent, Guest(shells, folder), boots)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let bounded = tokio::time::timeout(std::time::Duration::from_secs(60), future);
        bounded.await.expect("an answer")
    })
}

#[test]
fn output_error_and_status_come_back_byte_by_byte() {
    block_on(async {
        let (agent, _guest) = agent().await;
        let command = r#"printf 'a\0b\n\377'; echo "it's" >&2; cat; exit 7"#;
        let output = agent.run(command).await.unwrap();
        assert_eq!(output.status, 7);
        assert_eq!(output.stdout, b"a\0b\n\xff");
        assert_eq!(output.stderr, b"it's\n");
        // The slot is free again, and a killed command has the shell's status.
        for _ in 0..2 * SLOTS {
            assert_eq!(agent.run("kill -9 $$").await.unwrap().status, 128 + 9);
        }
    });
}

#[test]
fn several_commands_run_at_once_and_large_output_is_whole() {
    block_on(async {
        let (agent, guest) = agent().await;
        let fifo = guest.1.path().join("fifo");
        let (make, wait) = (
            format!("mkfifo {0} && echo done > {0}", fifo.display()),
            format!(
                "while ! [ -p {0} ]; do sleep 0.05; done; cat {0}",
                fifo.display()
            ),
        );
        let many = "i=0; while [ $i -lt 20000 ]; do echo $i; i=$((i+1)); done";
        let (waited, made, large) =
            tokio::join!(agent.run(&wait), agent.run(&make), agent.run(many));
        assert_eq!(waited.unwrap().stdout, b"done\n");
        assert_eq!(made.unwrap().status, 0);
        let expected: String = (0..20000).map(|i| format!("{i}\n")).collect();
        assert_eq!(large.unwrap().stdout, expected.as_bytes());
    });
}

#[test]
fn a_guest_that_ends_in_the_middle_is_told() {
    block_on(async {
        let (agent, guest) = agent().await;
        let run = agent.run("exec sleep 1000");
        let end = async {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            drop(guest);
        };
        let (result, ()) = tokio::join!(run, end);
        assert!(matches!(result, Err(AgentError::Gone)), "{result:?}");
    });
}

#[test]
fn a_guest_that_reboots_cuts_its_command_off_and_takes_the_next() {
    block_on(async {
        let (agent, guest, boots) = booting_agent().await;
        let slots = guest.1.path().join("begun");
        let command = format!("echo begun; touch {}; exec sleep 1000", slots.display());
        let reboot = async {
            while !slots.exists() {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
            boots.send_replace(1);
        };
        let (result, ()) = tokio::join!(agent.run(&command), reboot);
        assert!(matches!(result, Err(AgentError::Rebooted)), "{result:?}");
        // The others take commands after the agent has answered again.
        for _ in 0..2 {
            assert_eq!(agent.run("echo hello").await.unwrap().stdout, b"hello\n");
        }
    });
}
