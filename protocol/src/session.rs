//! Decides which messages are allowed on one connection, and when.
//!
//! ```text
//!            VERSION accepted
//!   Greeting ----------------> Open     anything else first: the connection ends
//!      ^  |  VERSION refused
//!      +--+  (errno; the client may try again)
//! ```
//!
//! - If the first message is not VERSION, the connection ends, as in libvfio-user. A refused VERSION does not
//!   end it, so that the client can propose less.
//! - In `Open`, a second VERSION is refused.
//! - Requests are answered in order. The sender chooses message ids and may repeat them, so the server only
//!   copies them and looks nothing up by them.
//! - Any command may carry the no-reply flag: it is carried out and not answered, not even with an error.
//! - A reply must have the id and the command of the one server message that waits for it; any other reply is
//!   stray and is ignored. The server sends one message at a time ([`crate::limits::MAX_OUTSTANDING`]), so
//!   its ids cannot be confused.

use crate::error::{Errno, Malformed, Refused};
use crate::frame::Frame;
use crate::header::{Command, Header, Kind};
use crate::limits::Limits;
use crate::message::version::Negotiated;

/// The state of a connection.
#[derive(Debug)]
pub struct Session {
    negotiated: Option<Negotiated>,
    outstanding: Option<Outstanding>,
    next_id: u16,
    limits: Limits,
}

/// A message of this side that waits for the client's reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Outstanding {
    id: u16,
    command: Command,
}

/// The meaning of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A request of the client.
    Request,
    /// The awaited reply; an error reply carries its errno.
    Reply(Result<(), Errno>),
    /// A reply that answers nothing (too late, or repeated): ignored.
    StrayReply,
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    /// Creates the state of a new connection.
    pub fn new() -> Self {
        Self {
            negotiated: None,
            outstanding: None,
            next_id: 1,
            limits: Limits::default(),
        }
    }

    /// The limits of the connection.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// True if VERSION has been accepted.
    pub fn is_open(&self) -> bool {
        self.negotiated.is_some()
    }

    /// Determines the meaning of a frame.
    ///
    /// # Errors
    /// [`Malformed`] if a command comes before VERSION. The connection ends.
    pub fn classify(&mut self, frame: &Frame<'_>) -> Result<Role, Malformed> {
        let header = &frame.header;
        if header.kind() == Some(Kind::Reply) {
            return Ok(self.reply(header));
        }
        if !self.is_open() && header.command != Command::Version as u16 {
            return Err(Malformed::NotVersion(header.name().to_string()));
        }
        Ok(Role::Request)
    }

    fn reply(&mut self, header: &Header) -> Role {
        let answers = |waiting: &Outstanding| {
            waiting.id == header.message_id && waiting.command as u16 == header.command
        };
        if self
            .outstanding
            .as_ref()
            .is_none_or(|waiting| !answers(waiting))
        {
            return Role::StrayReply;
        }
        self.outstanding = None;
        // An error reply with errno 0 is legal but does not name the error.
        Role::Reply(match (header.is_error(), header.error) {
            (false, _) => Ok(()),
            (true, 0) => Err(Errno::EIO),
            (true, errno) => Err(Errno(errno)),
        })
    }

    /// Determines the meaning of a frame on the twin socket.
    ///
    /// # Errors
    /// [`Malformed`] if a command comes on the twin socket. The connection ends.
    pub fn classify_twin(&mut self, frame: &Frame<'_>) -> Result<Role, Malformed> {
        match frame.header.kind() {
            Some(Kind::Reply) => Ok(self.reply(&frame.header)),
            _ => Err(Malformed::CommandOnTwin(frame.header.name().to_string())),
        }
    }

    /// Opens the session with the agreed values of VERSION.
    ///
    /// # Errors
    /// EINVAL: the session is open already.
    pub fn open(&mut self, negotiated: Negotiated) -> Result<&Negotiated, Refused> {
        if self.is_open() {
            return Err(Refused::invalid("VERSION: the session is open already"));
        }
        self.limits = negotiated.limits;
        Ok(self.negotiated.insert(negotiated))
    }

    /// Returns the id for a new message of this side, if none waits for its reply.
    pub fn begin(&mut self, command: Command) -> Option<u16> {
        if self.outstanding.is_some() {
            return None;
        }
        let id = self.next_id;
        self.next_id = id.wrapping_add(1);
        self.outstanding = Some(Outstanding { id, command });
        Some(id)
    }

    /// True if a message of this side waits for its reply.
    pub fn is_waiting(&self) -> bool {
        self.outstanding.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header;
    use crate::message::Version;

    fn frame(command: Command, flags: u32, id: u16, error: u32) -> Frame<'static> {
        let header = Header {
            flags,
            error,
            ..Header::command(id, command, 16)
        };
        Frame {
            header,
            body: &[],
            total: 16,
        }
    }

    fn open() -> Session {
        let mut session = Session::new();
        let version = Version {
            major: 0,
            minor: 0,
            text: "",
        };
        session.open(version.negotiate().unwrap()).unwrap();
        session
    }

    #[test]
    fn version_comes_first_and_once() {
        let mut session = Session::new();
        let early = session.classify(&frame(Command::DeviceReset, 0, 1, 0));
        assert_eq!(early, Err(Malformed::NotVersion("DEVICE_RESET".to_owned())));
        assert_eq!(
            session.classify(&frame(Command::Version, 0, 1, 0)),
            Ok(Role::Request)
        );
        let mut session = open();
        assert_eq!(
            session.classify(&frame(Command::DeviceReset, 0, 1, 0)),
            Ok(Role::Request)
        );
        let again = Version {
            major: 0,
            minor: 0,
            text: "",
        }
        .negotiate()
        .unwrap();
        assert_eq!(session.open(again).unwrap_err().errno, Errno::EINVAL);
    }

    #[test]
    fn a_reply_answers_the_one_message_that_waits() {
        let mut session = open();
        assert_eq!(
            session.classify(&frame(Command::DmaRead, 1, 0, 0)),
            Ok(Role::StrayReply)
        );
        let id = session.begin(Command::DmaRead).unwrap();
        assert_eq!(session.begin(Command::DmaRead), None);
        let other = session.classify(&frame(Command::DmaRead, 1, id.wrapping_add(1), 0));
        assert_eq!(other, Ok(Role::StrayReply));
        let wrong = session.classify(&frame(Command::DmaWrite, 1, id, 0));
        assert_eq!(wrong, Ok(Role::StrayReply));
        assert_eq!(
            session.classify(&frame(Command::DmaRead, 1, id, 0)),
            Ok(Role::Reply(Ok(())))
        );
        assert_eq!(
            session.classify(&frame(Command::DmaRead, 1, id, 0)),
            Ok(Role::StrayReply)
        );
        let id = session.begin(Command::DmaWrite).unwrap();
        let failed = session.classify(&frame(Command::DmaWrite, 1 | header::ERROR, id, 14));
        assert_eq!(failed, Ok(Role::Reply(Err(Errno::EFAULT))));
        let id = session.begin(Command::DmaWrite).unwrap();
        let silent = session.classify(&frame(Command::DmaWrite, 1 | header::ERROR, id, 0));
        assert_eq!(silent, Ok(Role::Reply(Err(Errno::EIO))));
    }
}
