//! The server's control socket. Each request and each answer is a JSON object on one line.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

/// Longest time for an answer. The server answers at once, but a process that was stopped never does.
const PATIENCE: Duration = Duration::from_secs(120);

/// Sends one request and returns the answer.
///
/// # Errors
/// The server cannot be reached, does not answer in time, or answers with something else.
pub(crate) async fn ask(socket: &Path, request: &Value) -> io::Result<Value> {
    ask_within(PATIENCE, socket, request).await
}

async fn ask_within(patience: Duration, socket: &Path, request: &Value) -> io::Result<Value> {
    let answer = tokio::time::timeout(patience, exchange(socket, request)).await;
    answer.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn exchange(socket: &Path, request: &Value) -> io::Result<Value> {
    let mut stream = UnixStream::connect(socket).await?;
    stream.write_all(format!("{request}\n").as_bytes()).await?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).await?;
    serde_json::from_str(&line).map_err(io::Error::from)
}

#[cfg(test)]
mod tests {
    use super::ask_within;
    use serde_json::json;
    use std::io;
    use std::time::Duration;
    use tokio::io::AsyncWriteExt;
    use tokio::net::UnixListener;

    #[tokio::test]
    async fn a_server_that_does_not_answer_is_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control.sock");
        // The system takes the connection, as it does for a stopped server. Nobody reads the request.
        let _listener = UnixListener::bind(&socket).unwrap();
        let asked = ask_within(Duration::from_millis(50), &socket, &json!({})).await;
        assert_eq!(asked.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn an_answer_is_one_line_of_json() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let answering = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.write_all(b"{\"ok\":true}\n").await.unwrap();
            stream
        };
        let request = json!({});
        let asking = ask_within(Duration::from_secs(60), &socket, &request);
        let (_stream, answer) = tokio::join!(answering, asking);
        assert_eq!(answer.unwrap(), json!({ "ok": true }));
    }
}
