//! A small learning Ethernet switch over UNIX sockets.
//!
//! Each port is a socket on which QEMU's `-netdev stream` speaks: frames, each after its length as
//! 4 bytes, big-endian (QEMU `docs/system/devices/net.rst` and `net/stream.c`). No root and no network
//! of the host are involved.
//!
//! A port has a queue of its own. A frame for a port whose queue is full is dropped, as on a wire,
//! so that a guest that takes nothing never holds up another.

mod frame;
mod table;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncWriteExt, BufReader, BufWriter};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinSet;

use crate::error::Error;
use frame::Frame;
use table::{Forward, Table};

/// Most frames that wait for a port. They last some hundred milliseconds for a busy guest.
const QUEUE: usize = 1024;

/// The switch. Dropping it ends its ports.
#[derive(Debug)]
pub(crate) struct Switch {
    tasks: JoinSet<()>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    table: Table,
    ports: Vec<Sender<Frame>>,
    /// Number of frames that still pass before the planted defect.
    left: Option<u64>,
}

impl Shared {
    /// Whether the planted defect loses the next frame.
    fn loses(&mut self) -> bool {
        let left = self.left;
        self.left = left.map(|left| left.saturating_sub(1));
        left == Some(0)
    }
}

impl Switch {
    /// A switch without ports. It loses all frames after number `lose_after`, as a defect for tests.
    pub(crate) fn new(lose_after: Option<u64>) -> Self {
        let shared = Shared {
            left: lose_after,
            ..Shared::default()
        };
        Self {
            tasks: JoinSet::new(),
            shared: Arc::new(Mutex::new(shared)),
        }
    }

    /// Adds a port: a socket at `path`. It serves one QEMU after the other.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub(crate) fn add_port(&mut self, path: &Path) -> Result<(), Error> {
        let listener = UnixListener::bind(path).map_err(Error::file("listen on", path))?;
        let (sender, queue) = channel(QUEUE);
        let port = {
            let mut shared = lock(&self.shared);
            shared.ports.push(sender);
            shared.ports.len() - 1
        };
        let shared = Arc::clone(&self.shared);
        self.tasks.spawn(serve(listener, port, queue, shared));
        Ok(())
    }
}

impl Default for Switch {
    fn default() -> Self {
        Self::new(None)
    }
}

fn lock(shared: &Mutex<Shared>) -> std::sync::MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(
    listener: UnixListener,
    port: usize,
    mut queue: Receiver<Frame>,
    shared: Arc<Mutex<Shared>>,
) {
    loop {
        // The waiting frames are for a guest that is gone.
        while queue.try_recv().is_ok() {}
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        let (reader, writer) = UnixStream::into_split(stream);
        tokio::select! {
            () = take_in(reader, port, &shared) => {}
            () = give_out(writer, &mut queue) => {}
        }
        lock(&shared).table.forget(port);
    }
}

/// Forwards the frames of the guest at `port`, until it leaves or sends something else.
async fn take_in(reader: OwnedReadHalf, port: usize, shared: &Mutex<Shared>) {
    let mut reader = BufReader::with_capacity(frame::LARGEST, reader);
    while let Some(frame) = frame::read(&mut reader).await {
        let mut shared = lock(shared);
        if shared.loses() {
            continue;
        }
        match shared
            .table
            .forward(port, frame.destination(), frame.source())
        {
            Forward::To(other) => send(&shared.ports, other, frame),
            Forward::Everywhere => {
                for other in (0..shared.ports.len()).filter(|other| *other != port) {
                    send(&shared.ports, other, frame.clone());
                }
            }
            Forward::Nowhere => {}
        }
    }
}

fn send(ports: &[Sender<Frame>], port: usize, frame: Frame) {
    if let Some(queue) = ports.get(port) {
        // A full queue loses the frame.
        let _ = queue.try_send(frame);
    }
}

/// Sends the queued frames to the guest, until it leaves.
async fn give_out(writer: OwnedWriteHalf, queue: &mut Receiver<Frame>) {
    let mut writer = BufWriter::with_capacity(frame::LARGEST, writer);
    while let Some(frame) = queue.recv().await {
        if frame.write(&mut writer).await.is_err() {
            return;
        }
        // Sends the frame together with the frames that wait after it.
        if queue.is_empty() && writer.flush().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests;
