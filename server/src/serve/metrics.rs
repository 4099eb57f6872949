//! Answers every request on a UNIX socket with the totals, for Prometheus and curl.

use std::os::unix::net::UnixListener as StdListener;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::hub::Hub;
use crate::record::metrics;

/// Longest time that a client may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Largest request in bytes. The server ignores its content.
const REQUEST: usize = 4096;
/// The pause after a failed accept.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers clients one after the other; never ends.
pub(crate) async fn answer(listener: Option<StdListener>, hub: &Hub) {
    let listener = listener.and_then(|listener| {
        listener.set_nonblocking(true).ok()?;
        UnixListener::from_std(listener).ok()
    });
    let Some(listener) = listener else {
        return std::future::pending().await;
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Ok(Err(error)) = tokio::time::timeout(PATIENCE, one(stream, hub)).await {
                    tracing::debug!(%error, "metrics");
                }
            }
            Err(error) => {
                tracing::debug!(%error, "metrics: accept failed");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn one(mut stream: UnixStream, hub: &Hub) -> std::io::Result<()> {
    let mut request = [0; REQUEST];
    let mut got = 0;
    // An empty line ends the request.
    while !request[..got].windows(4).any(|end| end == b"\r\n\r\n") && got < REQUEST {
        match stream.read(&mut request[got..]).await? {
            0 => break,
            more => got += more,
        }
    }
    let text = metrics::text(&hub.report());
    let (kind, len) = (metrics::CONTENT_TYPE, text.len());
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}
