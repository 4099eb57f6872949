//! The one thread that can still access the memory of client processes, for the payload carrier `process`.
//!
//! A thread under Landlock cannot access the memory of a process that is not under it. This thread starts
//! earlier, so it can; seccomp leaves it little else. If a client's memory does not answer (the client may
//! back it by userfaultfd or FUSE), only this thread waits; other threads wait at most `PATIENCE`.

use std::io::{self, IoSlice, IoSliceMut};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv, process_vm_writev};
use nix::unistd::Pid;

use super::calls;
use crate::limits::CLIENT_MEMORY_MS;

/// Longest time that an access may take.
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
    /// Carries out the access. Returns the bytes of a read; none for a write.
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

/// Restricts the thread to its task, and waits until that is done.
pub(super) fn confine() {
    if let Some(thread) = THREAD.get() {
        let (done, confined) = sync_channel(1);
        if thread.send(Work::Confine { done }).is_ok() {
            let _ = confined.recv();
        }
    }
}

/// True if the thread runs, so that accesses go through it.
pub fn is_started() -> bool {
    THREAD.get().is_some()
}

/// Reads `len` bytes of a process's memory.
pub fn read(pid: i32, address: usize, len: usize) -> nix::Result<Vec<u8>> {
    ask(pid, address, Order::Read(len))
}

/// Writes bytes into a process's memory.
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
        // The thread still waits for the memory of another client.
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

/// One access to the memory of a process.
#[derive(Debug)]
pub enum Access<'a> {
    /// Reads memory into these bytes.
    Read(&'a mut [u8]),
    /// Writes these bytes to memory.
    Write(&'a [u8]),
}

/// Reads or writes all bytes of an access, or fails with EFAULT.
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

    /// Memory at this address answers only on request; memory at other addresses answers at once.
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
            // A busy machine may need longer than the limit for each.
            let answered = || {
                (0..1000).any(|_| {
                    thread::sleep(Duration::from_millis(10));
                    ask(8) == Ok(vec![7])
                })
            };
            assert!(answered(), "it does not begin");
            assert_eq!(ask(SLOW), Err(Errno::ETIMEDOUT));
            // The next access waits no longer than the first one did; after that, no access waits.
            assert_eq!(ask(8), Err(Errno::ETIMEDOUT));
            assert_eq!(ask(8), Err(Errno::EAGAIN));
            answer.send(()).unwrap();
            assert!(answered(), "it does not go on when it could");
            drop(sender);
        });
    }
}
