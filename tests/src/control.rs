//! A client of the control socket, with lines of JSON.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};

use crate::patience::PATIENCE;

/// A connection to the control socket.
#[derive(Debug)]
pub struct Control {
    stream: BufReader<UnixStream>,
}

impl Control {
    /// Connects to the control socket.
    #[track_caller]
    pub fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream: BufReader::new(stream),
        }
    }

    /// Sends bytes unchanged.
    pub fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Reads the next line; `None` at the end.
    #[track_caller]
    pub fn line(&mut self) -> Option<Value> {
        let mut line = String::new();
        // If the server closes the connection before it has read the whole request, the connection is reset.
        match self.stream.read_line(&mut line) {
            Ok(0) => None,
            Ok(_) => Some(serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line}"))),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("the control socket: {error}"),
        }
    }

    /// Sends a request. Returns its answer.
    #[track_caller]
    pub fn ask(&mut self, request: &Value) -> Value {
        self.send(format!("{request}\n").as_bytes()).unwrap();
        self.line().expect("an answer")
    }

    /// Sends a request that must succeed. Returns its answer.
    #[track_caller]
    pub fn ok(&mut self, request: &Value) -> Value {
        let answer = self.ask(request);
        assert_eq!(answer["ok"], true, "{request}: {answer}");
        answer
    }

    /// Sends a request that must be refused. Returns the reason.
    #[track_caller]
    pub fn refused(&mut self, request: &Value) -> String {
        let answer = self.ask(request);
        assert_eq!(answer["ok"], false, "{request}: {answer}");
        answer["error"].as_str().expect("a reason").to_owned()
    }

    /// Sets a fault, which must succeed.
    #[track_caller]
    pub fn set(&mut self, fault: &Value) {
        self.ok(&json!({ "request": "set", "fault": fault }));
    }

    /// Removes every fault.
    #[track_caller]
    pub fn clear(&mut self) {
        self.ok(&json!({ "request": "clear" }));
    }

    /// Carries out an action at a function at once.
    #[track_caller]
    pub fn inject(&mut self, function: &str, action: &Value) {
        self.ok(&json!({ "request": "inject", "function": function, "do": action }));
    }
}
