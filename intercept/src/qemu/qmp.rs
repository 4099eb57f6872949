//! A client of QEMU's machine protocol (QEMU `docs/interop/qmp-spec.rst`). All waits have a limit.

use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};
use thiserror::Error;

/// A reason why a command or a wait failed.
#[derive(Debug, Error)]
pub enum QmpError {
    /// QEMU ended and closed the monitor.
    #[error("QEMU closed its monitor")]
    Closed,
    /// No message came in time.
    #[error("QEMU's monitor did not answer {waiting_for} within {seconds} s")]
    Timeout {
        /// The awaited message.
        waiting_for: String,
        /// The time limit in seconds.
        seconds: u64,
    },
    /// QEMU refused a command.
    #[error("QEMU refused {command}: {reason}")]
    Refused {
        command: String,
        /// QEMU's error message.
        reason: String,
    },
}

/// A connected monitor.
pub(super) struct Qmp<W> {
    writer: W,
    lines: Receiver<Value>,
    events: VecDeque<Value>,
}

impl<W: Write> Qmp<W> {
    /// Reads the greeting and leaves negotiation mode.
    ///
    /// # Errors
    /// See [`QmpError`].
    pub(super) fn connect(
        reader: impl Read + Send + 'static,
        writer: W,
        patience: Duration,
    ) -> Result<Self, QmpError> {
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                let Ok(value) = serde_json::from_str(&line) else {
                    continue;
                };
                if sender.send(value).is_err() {
                    break;
                }
            }
        });
        let mut qmp = Self {
            writer,
            lines,
            events: VecDeque::new(),
        };
        let end = Instant::now() + patience;
        while qmp
            .receive(end, "with a greeting", patience)?
            .get("QMP")
            .is_none()
        {}
        qmp.command("qmp_capabilities", &json!({}), patience)?;
        Ok(qmp)
    }

    fn receive(
        &mut self,
        end: Instant,
        waiting_for: &str,
        patience: Duration,
    ) -> Result<Value, QmpError> {
        let left = end.saturating_duration_since(Instant::now());
        self.lines.recv_timeout(left).map_err(|error| match error {
            RecvTimeoutError::Disconnected => QmpError::Closed,
            RecvTimeoutError::Timeout => QmpError::Timeout {
                waiting_for: waiting_for.to_owned(),
                seconds: patience.as_secs(),
            },
        })
    }

    /// Runs a command and returns its result. Keeps events that come in the meantime.
    ///
    /// # Errors
    /// See [`QmpError`].
    pub(super) fn command(
        &mut self,
        name: &str,
        arguments: &Value,
        patience: Duration,
    ) -> Result<Value, QmpError> {
        let line = format!("{}\n", json!({ "execute": name, "arguments": arguments }));
        self.writer
            .write_all(line.as_bytes())
            .and_then(|()| self.writer.flush())
            .map_err(|_| QmpError::Closed)?;
        let end = Instant::now() + patience;
        loop {
            let value = self.receive(end, name, patience)?;
            if let Some(result) = value.get("return") {
                return Ok(result.clone());
            }
            if let Some(error) = value.get("error") {
                let reason = error
                    .get("desc")
                    .and_then(Value::as_str)
                    .unwrap_or("no reason given");
                return Err(QmpError::Refused {
                    command: name.to_owned(),
                    reason: reason.to_owned(),
                });
            }
            if value.get("event").is_some() {
                self.events.push_back(value);
            }
        }
    }

    /// Waits for one of the events `names`. Returns false if none comes in time.
    ///
    /// # Errors
    /// QEMU ended.
    pub(super) fn wait_for(
        &mut self,
        names: &[&str],
        patience: Duration,
    ) -> Result<bool, QmpError> {
        let end = Instant::now() + patience;
        loop {
            let value = match self.events.pop_front() {
                Some(event) => event,
                None => match self.receive(end, "with an event", patience) {
                    Ok(value) => value,
                    Err(QmpError::Timeout { .. }) => return Ok(false),
                    Err(other) => return Err(other),
                },
            };
            let name = value.get("event").and_then(Value::as_str);
            if name.is_some_and(|name| names.contains(&name)) {
                return Ok(true);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Qmp, QmpError};
    use serde_json::json;
    use std::io::{Cursor, sink};
    use std::time::Duration;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn connect(lines: &str) -> Result<Qmp<std::io::Sink>, QmpError> {
        Qmp::connect(Cursor::new(lines.to_owned()), sink(), PATIENCE)
    }

    #[test]
    fn events_between_command_and_answer_are_kept() {
        let mut qmp = connect(
            "{\"QMP\":{}}\n{\"return\":{}}\n{\"event\":\"STOP\"}\nnoise\n{\"return\":{\"a\":1}}\n",
        )
        .expect("greets");
        assert_eq!(
            qmp.command("x", &json!({}), PATIENCE).expect("answers"),
            json!({"a": 1})
        );
        assert!(qmp.wait_for(&["STOP"], PATIENCE).expect("kept"));
    }

    #[test]
    fn a_refusal_carries_qemus_words() {
        let mut qmp =
            connect("{\"QMP\":{}}\n{\"return\":{}}\n{\"error\":{\"desc\":\"no such file\"}}\n")
                .expect("greets");
        let message = qmp
            .command("pmemsave", &json!({}), PATIENCE)
            .expect_err("refused")
            .to_string();
        assert_eq!(message, "QEMU refused pmemsave: no such file");
    }

    #[test]
    fn the_end_of_qemu_is_told_apart_from_silence() {
        assert!(matches!(connect(""), Err(QmpError::Closed)));
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let silent = Qmp::connect(reader, sink(), Duration::from_millis(1));
        assert!(matches!(silent, Err(QmpError::Timeout { .. })));
        drop(writer);
    }
}
