//! The one thread that still reaches into client processes, for the `process` payload carrier.
//!
//! Landlock keeps whoever is under it away from the memory of every process that is not. This
//! thread is started before, so it is not; seccomp leaves it little but that. A client whose
//! memory does not answer (it may be backed by the client itself, userfaultfd or FUSE) holds up
//! this thread and nobody else for longer than [`PATIENCE`].

use std::io;
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use nix::errno::Errno;

use super::calls;
use crate::peer::{Access, touch};

/// How long an access may take.
const PATIENCE: Duration = Duration::from_millis(200);

static THREAD: OnceLock<SyncSender<Work>> = OnceLock::new();

enum Work {
    Confine {
        done: SyncSender<()>,
    },
    Touch {
        pid: i32,
        address: usize,
        access: Access<Vec<u8>>,
        done: SyncSender<nix::Result<Vec<u8>>>,
    },
}

/// Starts the thread. A second call does nothing.
pub(super) fn start() -> io::Result<()> {
    if THREAD.get().is_some() {
        return Ok(());
    }
    let (sender, receiver) = sync_channel(1);
    std::thread::Builder::new()
        .name("client-memory".to_owned())
        .stack_size(64 << 10)
        .spawn(move || serve(&receiver))?;
    let _ = THREAD.set(sender);
    Ok(())
}

/// Takes from the thread what it does not need, and waits for that.
pub(super) fn confine() {
    if let Some(thread) = THREAD.get() {
        let (done, confined) = sync_channel(1);
        if thread.send(Work::Confine { done }).is_ok() {
            let _ = confined.recv();
        }
    }
}

/// Whether the thread is there, and accesses go through it.
pub fn is_started() -> bool {
    THREAD.get().is_some()
}

/// Reads or writes memory of a process; the bytes that were read, or given to write.
pub fn access(pid: i32, address: usize, access: Access<Vec<u8>>) -> nix::Result<Vec<u8>> {
    let thread = THREAD.get().ok_or(Errno::ENOSYS)?;
    let (done, result) = sync_channel(1);
    let work = Work::Touch {
        pid,
        address,
        access,
        done,
    };
    match thread.try_send(work) {
        Ok(()) => {}
        // Somebody's memory does not answer.
        Err(TrySendError::Full(_)) => return Err(Errno::EAGAIN),
        Err(TrySendError::Disconnected(_)) => return Err(Errno::ENOSYS),
    }
    result
        .recv_timeout(PATIENCE)
        .unwrap_or(Err(Errno::ETIMEDOUT))
}

fn serve(work: &Receiver<Work>) {
    while let Ok(work) = work.recv() {
        match work {
            Work::Confine { done } => {
                if let Err(reason) = calls::restrict_to_process_memory() {
                    tracing::warn!("sandbox: a thread's system calls are not restricted: {reason}");
                }
                let _ = done.send(());
            }
            Work::Touch {
                pid,
                address,
                access,
                done,
            } => {
                let result = match access {
                    Access::Read(mut bytes) => {
                        touch(pid, address, Access::Read(&mut bytes)).map(|()| bytes)
                    }
                    Access::Write(mut bytes) => {
                        touch(pid, address, Access::Write(&mut bytes)).map(|()| bytes)
                    }
                };
                let _ = done.send(result);
            }
        }
    }
}
