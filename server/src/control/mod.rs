//! The control socket: its clients change faults and inspect the server while guests run.
//!
//! Each direction carries one JSON object a line (`docs/faults.md`). The server serves only processes of its
//! own user: the socket's mode (0600) keeps others out, and SO_PEERCRED identifies a process that got a
//! connected descriptor from another one.
//!
//! - `request`: the requests, and their schema;
//! - `answer`: carries out each request.

mod answer;
mod request;

use std::os::unix::net::UnixListener as StdListener;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

pub use request::schema;

use crate::hub::Hub;
use crate::limits::{CONTROL_CLIENTS, CONTROL_LINE, CONTROL_MS};
use answer::{Answer, failure};

/// The pause after a failed accept.
const PAUSE: Duration = Duration::from_millis(100);
/// Longest time that a client may take to accept an answer.
const PATIENCE: Duration = Duration::from_millis(CONTROL_MS);

/// Serves every client that is a process of the user `own`; never ends.
pub(crate) async fn serve(listener: Option<StdListener>, own: u32, hub: &Arc<Hub>) {
    let listener = listener.and_then(|listener| {
        listener.set_nonblocking(true).ok()?;
        UnixListener::from_std(listener).ok()
    });
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    let mut clients = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = clients.join_next() => continue,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!(%error, "control: accept failed");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let user = stream.peer_cred().ok().map(|peer| peer.uid());
        if user != Some(own) {
            tracing::warn!(user, "control: a client of another user is refused");
            refuse(&stream, "only processes of the server's user are served");
        } else if clients.len() >= CONTROL_CLIENTS {
            refuse(
                &stream,
                &format!("there are {CONTROL_CLIENTS} clients, expected fewer"),
            );
        } else {
            let hub = Arc::clone(hub);
            clients.spawn(async move {
                if let Err(error) = client(stream, &hub).await {
                    tracing::debug!(%error, "control");
                }
            });
        }
    }
}

/// Tells a client why its connection is closed, without waiting for it.
fn refuse(stream: &UnixStream, why: &str) {
    let _ = stream.try_write(line(&failure(why)).as_bytes());
}

async fn client(mut stream: UnixStream, hub: &Hub) -> std::io::Result<()> {
    let mut lines = Lines::default();
    loop {
        let text = match lines.next(&mut stream).await? {
            Next::Line(text) => text,
            Next::End => return Ok(()),
            Next::TooLong => {
                let why = format!("a line of more than {CONTROL_LINE} bytes");
                return send(&mut stream, line(&failure(&why)).as_bytes()).await;
            }
        };
        match answer::answer(&text, hub) {
            Answer::Line(value) => send(&mut stream, line(&value).as_bytes()).await?,
            Answer::Events => return follow(stream, hub).await,
        }
    }
}

/// Sends events until the client hangs up or is too slow.
async fn follow(mut stream: UnixStream, hub: &Hub) -> std::io::Result<()> {
    let mut events = hub.follow();
    send(&mut stream, line(&json!({ "ok": true })).as_bytes()).await?;
    let (mut read, mut write) = stream.split();
    let mut byte = [0; 64];
    loop {
        tokio::select! {
            lines = events.next() => match lines {
                Some(lines) => timely(write.write_all(&lines)).await?,
                None => {
                    let why = failure("the client reads events more slowly than they come");
                    return timely(write.write_all(line(&why).as_bytes())).await;
                }
            },
            // The server ignores everything that a follower sends.
            read = read.read(&mut byte) => if read? == 0 {
                return Ok(());
            },
        }
    }
}

async fn send(stream: &mut UnixStream, bytes: &[u8]) -> std::io::Result<()> {
    timely(stream.write_all(bytes)).await
}

async fn timely(written: impl Future<Output = std::io::Result<()>>) -> std::io::Result<()> {
    tokio::time::timeout(PATIENCE, written)
        .await
        .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

/// Splits bytes that come in pieces into lines.
#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
}

enum Next {
    Line(Vec<u8>),
    TooLong,
    End,
}

impl Lines {
    async fn next(&mut self, stream: &mut UnixStream) -> std::io::Result<Next> {
        let mut searched = 0;
        loop {
            let fresh = self.bytes.get(searched..).unwrap_or_default();
            if let Some(at) = fresh.iter().position(|byte| *byte == b'\n') {
                // A long line may come whole in one read.
                if searched + at > CONTROL_LINE {
                    return Ok(Next::TooLong);
                }
                let rest = self.bytes.split_off(searched + at + 1);
                let mut line = std::mem::replace(&mut self.bytes, rest);
                line.pop();
                return Ok(Next::Line(line));
            }
            searched = self.bytes.len();
            if searched > CONTROL_LINE {
                return Ok(Next::TooLong);
            }
            if stream.read_buf(&mut self.bytes).await? == 0 {
                // The last line may lack its line end.
                return Ok(match self.bytes.is_empty() {
                    true => Next::End,
                    false => Next::Line(std::mem::take(&mut self.bytes)),
                });
            }
        }
    }
}
