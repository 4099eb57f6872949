//! The ring in shared memory beside an instruction channel's socket. It carries the same messages without a
//! system call while both sides are busy.
//!
//! The client brings the memory and two eventfds. The server waits for one of them by epoll and never reads
//! it, so the client cannot block the server in a read. The socket shows when the client leaves.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use vfio_user_protocol::Refused;
use vfio_user_ring::{End, Mapping, Side, Wait};

use crate::client::error::RingError;
use crate::client::socket::{Received, Socket};
use crate::client::spin::Spin;
use crate::guest::irq;

/// Time that the server polls for the next message before it waits, unless `--poll-us` is longer.
pub const LOOK: Duration = Duration::from_micros(20);

/// The server's side of a ring.
#[derive(Debug)]
pub struct RingLink {
    end: End<Mapping>,
    /// The client writes this eventfd if the server waits.
    woken: AsyncFd<OwnedFd>,
    /// The server writes this eventfd if the client waits.
    wakes: Arc<OwnedFd>,
}

impl RingLink {
    /// Takes the three descriptors of VERSION: the memory, the eventfd that wakes the server, and the eventfd
    /// that wakes the client. The error for any other descriptors is EINVAL.
    pub fn open(fds: Vec<OwnedFd>) -> Result<Self, Refused> {
        let count = fds.len();
        let Ok([memory, woken, wakes]) = <[OwnedFd; 3]>::try_from(fds) else {
            return Err(Refused::invalid(format!(
                "VERSION: {count} descriptors for a ring, expected its memory and two eventfds"
            )));
        };
        for (fd, name) in [(&woken, "second"), (&wakes, "third")] {
            if !irq::is_eventfd(fd) {
                return Err(Refused::invalid(format!(
                    "VERSION: the {name} descriptor for a ring is no eventfd"
                )));
            }
        }
        let memory = Mapping::open(&memory)
            .map_err(|error| Refused::invalid(format!("VERSION: {error}")))?;
        let woken = register(woken)
            .map_err(|error| Refused::invalid(format!("VERSION: the ring's eventfd: {error}")))?;
        Ok(Self {
            end: End::new(memory, Side::Server),
            woken,
            wakes: Arc::new(wakes),
        })
    }

    /// Waits for bytes and receives them into `room`. 0 bytes mean that the client has left.
    pub async fn receive(
        &mut self,
        socket: &Socket,
        room: &mut [u8],
        spin: &mut Spin,
    ) -> Result<Received, RingError> {
        if socket.is_shut() {
            return Ok(Received::default());
        }
        let mut begun = spin.begin();
        let mut looked = begun.as_ref().is_none_or(|begun| !begun.is_worth_it());
        let mut left = false;
        loop {
            let bytes = self.end.receive(room)?;
            // The client may have sent something before it left.
            if bytes > 0 || left {
                if self.end.must_wake_for_room() {
                    self.wake()?;
                }
                match &begun {
                    Some(_) if !looked => spin.hit(),
                    begun => spin.came(begun.as_ref()),
                }
                return Ok(Received {
                    bytes,
                    ..Received::default()
                });
            }
            if let Some(begun) = begun.as_mut().filter(|_| !looked) {
                looked = !begun.goes_on_alone();
            } else {
                left = self.wait(socket, Wait::Bytes).await?;
            }
        }
    }

    /// Sends all of these bytes, unless this side has ended the connection.
    pub async fn send(&mut self, socket: &Socket, mut bytes: &[u8]) -> Result<(), RingError> {
        // The next receive finds out that a side has left.
        while !bytes.is_empty() && !socket.is_shut() {
            let sent = self.end.send(bytes)?;
            if sent > 0 && self.end.must_wake() {
                self.wake()?;
            }
            bytes = bytes.get(sent..).unwrap_or_default();
            if sent == 0 && self.wait(socket, Wait::Room).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Waits for a wake-up, unless there is no need to. Returns true if the client has left.
    async fn wait(&mut self, socket: &Socket, wait: Wait) -> Result<bool, RingError> {
        if !self.end.may_wait(wait)? {
            return Ok(false);
        }
        let mut beside = [0];
        let left = tokio::select! {
            // A wake-up between the last one and this check is not lost: it makes the eventfd ready again.
            ready = self.woken.readable() => {
                ready?.clear_ready();
                false
            }
            received = socket.receive(&mut beside) => match received?.bytes {
                0 => true,
                more => return Err(RingError::Beside(more)),
            },
        };
        self.end.waits_no_more();
        Ok(left)
    }

    fn wake(&self) -> Result<(), RingError> {
        irq::signal(&self.wakes)
            .then_some(())
            .ok_or(RingError::Wake)
    }
}

#[allow(
    deprecated,
    reason = "its successor is unsafe for descriptors that change; an OwnedFd's does not"
)]
fn register(fd: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, Interest::READABLE)
}
