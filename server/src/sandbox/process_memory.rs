//! The one thread that still reaches into client processes, for the `process` payload carrier.
//!
//! Landlock keeps whoever is under it away from the memory of every process that is not. This
//! thread is started before, so it is not; seccomp leaves it little but that. A client whose
//! memory does not answer (it may be backed by the client itself, userfaultfd or FUSE) holds up
//! this thread and nobody else for longer than `PATIENCE`.

use std::io::{self, IoSlice, IoSliceMut};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::unistd::Pid;

use super::calls;
use crate::limits::CLIENT_MEMORY_MS;

/// The time that an access may take.
const PATIENCE: Duration = Duration::from_millis(CLIENT_MEMORY_MS);

static THREAD: OnceLock<SyncSender<Work>> = OnceLock::new();

enum Work {
    Confine {
        done: SyncSender<()>,
    },
    Touch {
        pid: i32,
        address: usize,
        order: Order,
        done: SyncSender<nix::Result<Vec<u8>>>,
    },
}

enum Order {
    Read(usize),
    Write(Vec<u8>),
}

impl Order {
    /// The bytes that were read; none for a write.
    fn carry_out(self, pid: i32, address: usize) -> nix::Result<Vec<u8>> {
        match self {
            Order::Read(len) => {
                let mut bytes = vec![0; len];
                touch(pid, address, Access::Read(&mut bytes)).map(|()| bytes)
            }
            Order::Write(bytes) => touch(pid, address, Access::Write(&bytes)).map(|()| Vec::new()),
        }
    }
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
        .spawn(move || serve(&receiver, Order::carry_out))?;
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

/// Reads memory of a process.
pub fn read(pid: i32, address: usize, len: usize) -> nix::Result<Vec<u8>> {
    ask(pid, address, Order::Read(len))
}

/// Writes memory of a process.
pub fn write(pid: i32, address: usize, bytes: &[u8]) -> nix::Result<()> {
    ask(pid, address, Order::Write(bytes.to_vec())).map(drop)
}

fn ask(pid: i32, address: usize, order: Order) -> nix::Result<Vec<u8>> {
    ask_thread(THREAD.get().ok_or(Errno::ENOSYS)?, pid, address, order)
}

fn ask_thread(
    thread: &SyncSender<Work>,
    pid: i32,
    address: usize,
    order: Order,
) -> nix::Result<Vec<u8>> {
    let (done, result) = sync_channel(1);
    let work = Work::Touch {
        pid,
        address,
        order,
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

fn serve(work: &Receiver<Work>, carry_out: impl Fn(Order, i32, usize) -> nix::Result<Vec<u8>>) {
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
                order,
                done,
            } => {
                let _ = done.send(carry_out(order, pid, address));
            }
        }
    }
}

/// An access to the memory of a process, with its bytes.
#[derive(Debug)]
pub enum Access<'a> {
    /// Read into them.
    Read(&'a mut [u8]),
    /// Write them.
    Write(&'a [u8]),
}

/// Reads or writes memory of a process, all of it or EFAULT.
pub fn touch(pid: i32, base: usize, access: Access<'_>) -> nix::Result<()> {
    let pid = Pid::from_raw(pid);
    let remote = |bytes: &[u8]| {
        [RemoteIoVec {
            base,
            len: bytes.len(),
        }]
    };
    let (done, len) = match access {
        Access::Read(out) => {
            let (len, remote) = (out.len(), remote(out));
            let done = process_vm_readv(pid, &mut [IoSliceMut::new(out)], &remote);
            (done, len)
        }
        Access::Write(bytes) => {
            let done = process_vm_writev(pid, &[IoSlice::new(bytes)], &remote(bytes));
            (done, bytes.len())
        }
    };
    match done? {
        whole if whole == len => Ok(()),
        _ => Err(nix::Error::EFAULT),
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// Memory at address 1 answers when told to, any other at once.
    const SLOW: usize = 1;

    #[test]
    fn memory_that_does_not_answer_is_not_waited_for() {
        let (sender, receiver) = sync_channel(1);
        let (answer, told) = sync_channel::<()>(0);
        thread::scope(|threads| {
            threads.spawn(move || {
                serve(&receiver, |_, _, address| {
                    if address == SLOW {
                        let _ = told.recv();
                    }
                    Ok(vec![7])
                });
            });
            let ask = |address| ask_thread(&sender, 1, address, Order::Read(1));
            assert_eq!(ask(8), Ok(vec![7]));
            assert_eq!(ask(SLOW), Err(Errno::ETIMEDOUT));
            // The one behind it waits no longer than it did, and then nobody waits at all.
            assert_eq!(ask(8), Err(Errno::ETIMEDOUT));
            assert_eq!(ask(8), Err(Errno::EAGAIN));
            answer.send(()).unwrap();
            let answered = (0..1000).any(|_| {
                thread::sleep(Duration::from_millis(10));
                ask(8) == Ok(vec![7])
            });
            assert!(answered, "it does not go on when it could");
            drop(sender);
        });
    }
}
