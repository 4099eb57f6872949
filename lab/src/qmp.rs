//! QEMU's monitor: commands to a guest's QEMU, and events from it.
//!
//! The protocol is a JSON object on each line (QEMU `docs/interop/qmp-spec.rst`). QEMU connects to the
//! lab's socket, as its other devices do.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::error::Error;

/// Most events that wait for a listener.
const BACKLOG: usize = 256;

/// A reason why a command of the monitor has no result.
#[derive(Debug, thiserror::Error)]
pub enum QmpError {
    /// QEMU ended.
    #[error("QEMU ended before it answered {0:?}")]
    Gone(String),
    /// QEMU answered with an error.
    #[error("QEMU refuses {command:?}: {why}")]
    Refused {
        command: String,
        /// QEMU's error message.
        why: String,
    },
}

/// The monitor of one QEMU.
#[derive(Debug)]
pub struct Qmp {
    requests: mpsc::UnboundedSender<Request>,
    events: broadcast::Sender<Value>,
    resets: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Request {
    message: Value,
    answer: oneshot::Sender<Value>,
}

impl Qmp {
    /// Makes the socket that QEMU connects to.
    ///
    /// # Errors
    /// The socket cannot be made.
    pub fn new(socket: &Path) -> Result<Self, Error> {
        let listener = UnixListener::bind(socket).map_err(Error::file("listen on", socket))?;
        let (requests, asked) = mpsc::unbounded_channel();
        let (events, _) = broadcast::channel(BACKLOG);
        let (counted, resets) = watch::channel(0);
        let task = tokio::spawn(serve(listener, asked, events.clone(), counted));
        Ok(Self {
            requests,
            events,
            resets,
            task,
        })
    }

    /// Carries out a command and returns its result.
    ///
    /// # Errors
    /// QEMU refuses it, or ends.
    pub async fn execute(&self, command: &str, arguments: Value) -> Result<Value, QmpError> {
        let gone = || QmpError::Gone(command.to_owned());
        let (answer, answered) = oneshot::channel();
        let message = json!({ "execute": command, "arguments": arguments });
        let request = Request { message, answer };
        self.requests.send(request).map_err(|_| gone())?;
        let mut answer = answered.await.map_err(|_| gone())?;
        match answer.get("error") {
            Some(error) => Err(QmpError::Refused {
                command: command.to_owned(),
                why: error["desc"].as_str().unwrap_or("no reason").to_owned(),
            }),
            None => Ok(answer["return"].take()),
        }
    }

    /// A receiver of later events.
    pub fn events(&self) -> broadcast::Receiver<Value> {
        self.events.subscribe()
    }

    /// The number of resets of the machine. A reboot of the guest also resets it.
    pub fn resets(&self) -> watch::Receiver<u64> {
        self.resets.clone()
    }
}

impl Drop for Qmp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: UnixListener,
    mut requests: mpsc::UnboundedReceiver<Request>,
    events: broadcast::Sender<Value>,
    resets: watch::Sender<u64>,
) {
    let Ok((stream, _)) = listener.accept().await else {
        return;
    };
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    // QEMU accepts other commands only after this one.
    let begin = b"{\"execute\":\"qmp_capabilities\"}\n";
    if writer.write_all(begin).await.is_err() {
        return;
    }
    let mut waiting = HashMap::new();
    let mut number = 0_u64;
    loop {
        tokio::select! {
            line = lines.next_line() => {
                let Ok(Some(line)) = line else { return };
                let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
                if let Some(event) = message["event"].as_str() {
                    if event == "RESET" {
                        resets.send_modify(|count| *count += 1);
                    }
                    // There may be no listener.
                    let _ = events.send(message);
                } else if let Some(answer) =
                    message["id"].as_u64().and_then(|id| waiting.remove(&id))
                {
                    let answer: oneshot::Sender<Value> = answer;
                    // The caller may have stopped waiting.
                    let _ = answer.send(message);
                }
            }
            request = requests.recv() => {
                let Some(Request { mut message, answer }) = request else { return };
                number += 1;
                message["id"] = number.into();
                waiting.insert(number, answer);
                if writer.write_all(format!("{message}\n").as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Qmp, QmpError};
    use serde_json::{Value, json};
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;

    #[tokio::test]
    async fn answers_find_their_commands_and_resets_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("qmp.sock");
        let qmp = Qmp::new(&path).unwrap();
        let mut events = qmp.events();
        let qemu = std::thread::spawn(move || {
            let stream = UnixStream::connect(path).unwrap();
            let mut writer = stream.try_clone().unwrap();
            let mut lines = BufReader::new(stream).lines();
            let mut next =
                || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
            writer.write_all(b"{\"QMP\":{}}\n").unwrap();
            assert_eq!(next()["execute"], "qmp_capabilities");
            writer.write_all(b"{\"return\":{}}\n").unwrap();
            let asked = [next(), next()];
            // The answers come in the other order, with an event between them.
            writeln!(
                writer,
                "{}",
                json!({"id": asked[1]["id"], "error": {"desc": "no such thing"}})
            )
            .unwrap();
            writeln!(
                writer,
                "{}",
                json!({"event": "RESET", "data": {"guest": true}})
            )
            .unwrap();
            writeln!(
                writer,
                "{}",
                json!({"id": asked[0]["id"], "return": asked[0]["arguments"]})
            )
            .unwrap();
            // The third command gets no answer.
            next();
        });
        let (first, second) = tokio::join!(
            qmp.execute("echo", json!({"x": 1})),
            qmp.execute("refuse", json!({}))
        );
        assert_eq!(first.unwrap(), json!({"x": 1}));
        let text = second.unwrap_err().to_string();
        assert_eq!(text, "QEMU refuses \"refuse\": no such thing");
        assert_eq!(events.recv().await.unwrap()["event"], "RESET");
        assert_eq!(*qmp.resets().borrow(), 1);
        let gone = qmp.execute("late", json!({})).await;
        assert!(matches!(gone, Err(QmpError::Gone(_))), "{gone:?}");
        qemu.join().unwrap();
    }
}
