//! A guest's console. It is always read, so that the guest never waits, and written to a log.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixListener;
use tokio::net::unix::OwnedWriteHalf;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::splat;

/// Most pieces of output that wait for one viewer.
const BACKLOG: usize = 1024;

/// Longest time for the output of an ended QEMU to be in the log.
const LAST: Duration = Duration::from_secs(10);

/// Lines of the console in an error message.
const LAST_WORDS: usize = 15;

/// A guest's console.
#[derive(Debug)]
pub struct Console {
    log: PathBuf,
    output: broadcast::Sender<Vec<u8>>,
    input: mpsc::UnboundedSender<Vec<u8>>,
    /// Whether QEMU has connected. The channel closes with QEMU's connection.
    connected: watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Console {
    /// Makes the socket that QEMU connects to, and the log.
    ///
    /// # Errors
    /// Either cannot be made.
    pub fn new(socket: &Path, log: &Path) -> Result<Self, Error> {
        let listener = UnixListener::bind(socket).map_err(Error::file("listen on", socket))?;
        let file = File::create(log).map_err(Error::file("create", log))?;
        let (output, _) = broadcast::channel(BACKLOG);
        let (input, typed) = mpsc::unbounded_channel();
        let (connect, connected) = watch::channel(false);
        let task = tokio::spawn(serve(listener, connect, file, output.clone(), typed));
        Ok(Self {
            log: log.to_owned(),
            output,
            input,
            connected,
            task,
        })
    }

    /// A receiver of later output.
    pub fn output(&self) -> broadcast::Receiver<Vec<u8>> {
        self.output.subscribe()
    }

    /// Types these bytes.
    pub fn type_in(&self, bytes: Vec<u8>) {
        // If QEMU has ended, nothing receives the bytes.
        let _ = self.input.send(bytes);
    }

    /// The faults that the kernel reported on the console, one line each.
    pub fn splats(&self) -> Vec<String> {
        splat::in_log(&self.log)
    }

    /// The console's output from byte `from` of its log on.
    pub fn printed(&self, from: u64) -> Vec<u8> {
        let mut bytes = std::fs::read(&self.log).unwrap_or_default();
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
        bytes.split_off(from)
    }

    /// Number of bytes that the guest printed so far.
    pub fn length(&self) -> u64 {
        std::fs::metadata(&self.log).map_or(0, |data| data.len())
    }

    /// Waits until all output of a QEMU that has ended is in the log.
    pub async fn finished(&self) {
        let mut connected = self.connected.clone();
        if *connected.borrow_and_update() {
            // Without an end, the log has less. That is no reason to wait for ever.
            let _ = tokio::time::timeout(LAST, connected.changed()).await;
        }
    }

    /// The last lines of the console.
    pub fn last_words(&self) -> String {
        harness::tail(&self.log, LAST_WORDS)
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: UnixListener,
    connected: watch::Sender<bool>,
    mut log: File,
    output: broadcast::Sender<Vec<u8>>,
    mut typed: mpsc::UnboundedReceiver<Vec<u8>>,
) {
    let Ok((stream, _)) = listener.accept().await else {
        return;
    };
    connected.send_replace(true);
    let (mut reader, writer) = stream.into_split();
    let typing = tokio::spawn(async move { pass_on(writer, &mut typed).await });
    let mut bytes = vec![0; 4096];
    while let Ok(got @ 1..) = reader.read(&mut bytes).await {
        let piece = bytes.get(..got).unwrap_or_default();
        // A full disk must not stop the guest.
        let _ = log.write_all(piece);
        // There may be no viewer.
        let _ = output.send(piece.to_vec());
    }
    typing.abort();
}

async fn pass_on(mut writer: OwnedWriteHalf, typed: &mut mpsc::UnboundedReceiver<Vec<u8>>) {
    while let Some(bytes) = typed.recv().await {
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Console;
    use std::io::Write;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    #[tokio::test]
    async fn the_last_words_of_an_ended_qemu_are_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let (socket, log) = (folder.path().join("socket"), folder.path().join("log"));
        let console = Console::new(&socket, &log).unwrap();
        // A QEMU that never connected printed nothing.
        console.finished().await;
        let mut output = console.output();
        let mut qemu = UnixStream::connect(&socket).unwrap();
        qemu.write_all(b"up\n").unwrap();
        output.recv().await.unwrap();
        let waited = tokio::time::timeout(Duration::from_millis(1), console.finished());
        assert!(waited.await.is_err(), "QEMU is connected");
        qemu.write_all(b"the last words\n").unwrap();
        drop(qemu);
        console.finished().await;
        assert_eq!(console.last_words(), "up\nthe last words");
    }
}
