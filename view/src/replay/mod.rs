//! Sends a captured client's messages to a server again, and compares the answers: the `replay` subcommand.
//!
//! - `steps`: what the capture holds, in order;
//! - `connection`: one client's socket, with descriptors like those that were recorded;
//! - this file: the order of it all, and what differs.

mod connection;
mod error;
mod steps;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use vfio_user_capture::{Kind, Role};
use vfio_user_protocol::{HEADER_LEN, Header};

use connection::{Connection, Files};
pub use error::ReplayError;
pub use steps::Step;

/// Most differences. After that, the comparison ends.
const MOST: usize = 20;

const EXAMPLES: &str = "\
Examples:
  Replay against functions of a profile, in this process:
    vfio-user-ism replay session.pcapng --profile configs/pair.json
  Replay against a running server:
    vfio-user-ism replay session.pcapng --to /tmp/ism.sock

Exit status:
  0  all answers are equal
  1  an answer differs
  2  the command line is wrong
  3  the capture cannot be read, or the server cannot be reached";

/// Flags of `replay`.
#[derive(Clone, Debug, ClapArgs)]
#[command(after_long_help = EXAMPLES)]
pub struct ReplayArgs {
    /// Capture file of a server (`serve --capture`).
    pub file: PathBuf,
    /// Replay against the server at this socket, or at the sockets NAME.sock in this folder.
    #[arg(long, value_name = "SOCKET|DIR")]
    pub to: Option<PathBuf>,
    /// Replay against functions of this profile, in this process [default: the built-in profile, unless --to
    /// is given].
    #[arg(long, value_name = "FILE", conflicts_with = "to")]
    pub profile: Option<PathBuf>,
}

/// The result of a replay.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Messages that were sent.
    pub sent: usize,
    /// Number of compared answers and commands of the server.
    pub compared: usize,
    /// The differences, one text for each message.
    pub differences: Vec<String>,
    /// Whether the replay stopped early: too many differences, or a lost connection.
    pub given_up: bool,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for difference in &self.differences {
            writeln!(f, "{difference}")?;
        }
        let (sent, compared, differ) = (self.sent, self.compared, self.differences.len());
        write!(
            f,
            "{sent} messages sent, {compared} compared, {differ} differ"
        )?;
        if self.given_up {
            write!(f, "; the rest was not played")?;
        }
        writeln!(f)
    }
}

/// Replays a capture against the server at `to`: a socket, or a folder of sockets.
///
/// # Errors
/// See [`ReplayError`].
pub fn replay(file: &Path, to: &Path) -> Result<Outcome, ReplayError> {
    let steps = steps::read(file)?;
    let mut player = Player {
        to: to.to_owned(),
        folder: to.is_dir(),
        connections: HashMap::new(),
        files: Files::default(),
        last: None,
        outcome: Outcome::default(),
    };
    for step in &steps {
        if !player.play(step)? {
            player.outcome.given_up = true;
            break;
        }
    }
    Ok(player.outcome)
}

struct Player {
    to: PathBuf,
    folder: bool,
    connections: HashMap<u32, Connection>,
    files: Files,
    /// The connection of the last step.
    last: Option<u32>,
    outcome: Outcome,
}

impl Player {
    /// Replays one step. Returns `false` if no further step is possible.
    fn play(&mut self, step: &Step) -> Result<bool, ReplayError> {
        let number = step.front.connection;
        // The server must carry out messages without an answer before another client continues.
        if let Some(last) = self.last.filter(|last| *last != number)
            && let Some(connection) = self.connections.get_mut(&last)
            && let Err(error) = connection.settle()
        {
            return Ok(self.lost(step, &error));
        }
        self.last = Some(number);
        match step.front.kind {
            Kind::Connected => self.connect(step)?,
            Kind::Left => {
                if let Some(connection) = self.connections.remove(&number) {
                    connection.leave();
                }
            }
            Kind::ToServer => {
                if !self.connections.contains_key(&number) {
                    self.connect(step)?;
                }
                let Some(connection) = self.connections.get_mut(&number) else {
                    return Ok(false);
                };
                self.outcome.sent += 1;
                if let Err(error) =
                    connection.send(&step.message, &step.front.descriptors, &mut self.files)
                {
                    return Ok(self.lost(step, &error));
                }
            }
            Kind::ToClient => return Ok(self.compare(step)),
        }
        Ok(true)
    }

    fn connect(&mut self, step: &Step) -> Result<(), ReplayError> {
        let channel = step.front.role == Role::Channel;
        let path = socket(&self.to, self.folder, &step.function, channel);
        let connection = Connection::open(&path).map_err(|source| ReplayError::Connect {
            function: step.function.clone(),
            path: path.clone(),
            source,
        })?;
        self.connections.insert(step.front.connection, connection);
        Ok(())
    }

    fn lost(&mut self, step: &Step, error: &std::io::Error) -> bool {
        let text = format!("{}: {error}", step.place());
        self.outcome.differences.push(text);
        false
    }

    /// Receives the server's message that corresponds to a recorded one, and compares both.
    fn compare(&mut self, step: &Step) -> bool {
        let Some(connection) = self.connections.get_mut(&step.front.connection) else {
            return true;
        };
        let now = match connection.receive(&step.message) {
            Ok(now) => now,
            Err(error) => return self.lost(step, &error),
        };
        self.outcome.compared += 1;
        if let Some(difference) = difference(&step.message, &now) {
            let text = format!("{}: {difference}", step.place());
            self.outcome.differences.push(text);
        }
        self.outcome.differences.len() < MOST
    }
}

fn socket(to: &Path, folder: bool, function: &str, channel: bool) -> PathBuf {
    let mut path = match folder {
        true => to.join(format!("{function}.sock")).into_os_string(),
        false => OsString::from(to),
    };
    if channel {
        path.push(".insn");
    }
    path.into()
}

/// The difference of two messages. A server numbers its own commands, so these numbers may differ.
fn difference(recorded: &[u8], now: &[u8]) -> Option<String> {
    let header = |message: &[u8]| message.first_chunk::<HEADER_LEN>().map(Header::decode);
    let (Some(before), Some(after)) = (header(recorded), header(now)) else {
        return Some("not a whole message".to_owned());
    };
    let told = |header: &Header| {
        let kind = if header.flags & 1 == 1 {
            "reply to "
        } else {
            ""
        };
        let mut text = format!("{kind}{}", header.name());
        if header.is_error() {
            let _ = write!(text, ", errno {}", header.error);
        }
        text
    };
    if told(&before) != told(&after) {
        return Some(format!("recorded {}, now {}", told(&before), told(&after)));
    }
    if recorded.len() != now.len() {
        let (was, is) = (recorded.len(), now.len());
        return Some(format!("{}: recorded {was} bytes, now {is}", told(&before)));
    }
    let id = if before.flags & 1 == 1 { 0 } else { 2 };
    let at = (id..now.len()).find(|at| recorded[*at] != now[*at])?;
    let differ = (id..now.len())
        .filter(|at| recorded[*at] != now[*at])
        .count();
    Some(format!(
        "{}: byte {at} was {:#04x}, now {:#04x} ({differ} bytes differ)",
        told(&before),
        recorded[at],
        now[at]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(flags: u32, error: u32, body: &[u8]) -> Vec<u8> {
        let header = Header {
            message_id: 7,
            command: 9,
            message_size: (HEADER_LEN + body.len()) as u32,
            flags,
            error,
        };
        [&header.encode()[..], body].concat()
    }

    #[test]
    fn equal_messages_do_not_differ() {
        let reply = message(1, 0, b"data");
        assert_eq!(difference(&reply, &reply), None);
        let (command, mut other) = (message(0, 0, b"data"), message(0, 0, b"data"));
        other[0] = 9;
        assert_eq!(difference(&command, &other), None);
    }

    #[test]
    fn what_differs_is_named() {
        let reply = message(1, 0, b"data");
        let told = |now: &[u8]| difference(&reply, now).unwrap();
        assert_eq!(
            told(&message(1, 0, b"dbta")),
            "reply to REGION_READ: byte 17 was 0x61, now 0x62 (1 bytes differ)"
        );
        assert_eq!(
            told(&message(0x21, 5, b"")),
            "recorded reply to REGION_READ, now reply to REGION_READ, errno 5"
        );
        assert_eq!(
            told(&message(1, 0, b"")),
            "reply to REGION_READ: recorded 20 bytes, now 16"
        );
        let mut id = message(1, 0, b"data");
        id[0] = 9;
        assert!(told(&id).contains("byte 0"));
        assert_eq!(told(b""), "not a whole message");
    }

    #[test]
    fn sockets_are_named_as_the_server_names_them() {
        let path = |folder, channel| socket(Path::new("/run/x"), folder, "ism1", channel);
        assert_eq!(path(true, false), Path::new("/run/x/ism1.sock"));
        assert_eq!(path(true, true), Path::new("/run/x/ism1.sock.insn"));
        assert_eq!(path(false, true), Path::new("/run/x.insn"));
    }
}
