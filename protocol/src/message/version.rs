//! The message VERSION: u16 major, u16 minor, and capabilities as NUL-terminated JSON text.

use serde_json::{Map, Value};

use super::capabilities::Proposal;
use crate::error::Refused;
use crate::limits::{Limits, MAX_VERSION_TEXT};
use crate::wire::{Put, Reader};

/// The only major version of the protocol.
pub const MAJOR: u16 = 0;
/// The minor version of this side. QEMU refuses an answer above its own, which is also 0.
pub const MINOR: u16 = 0;

/// Bytes by which the announcement of a twin socket may exceed the proposal.
const TWIN_ROOM: usize = 64;

/// A VERSION message, from either side.
#[derive(Clone, Debug, PartialEq)]
pub struct Version<'a> {
    /// The major version.
    pub major: u16,
    /// The minor version.
    pub minor: u16,
    /// The JSON text without its NUL; empty if there was none.
    pub text: &'a str,
}

impl<'a> Version<'a> {
    /// Reads the body. The text must be UTF-8 and end with its only NUL.
    ///
    /// # Errors
    /// EINVAL: the body is shorter than 4 bytes, or the text is too long, not UTF-8 or not ended by one NUL.
    pub fn decode(body: &'a [u8]) -> Result<Self, Refused> {
        let mut reader = Reader::new("VERSION", body);
        let (major, minor) = (reader.u16()?, reader.u16()?);
        let text = match reader.rest() {
            [] => "",
            text if text.len() > MAX_VERSION_TEXT => {
                let len = text.len();
                return Err(Refused::invalid(format!(
                    "VERSION: {len} bytes of capabilities, expected at most {MAX_VERSION_TEXT}"
                )));
            }
            [text @ .., 0] if !text.contains(&0) => std::str::from_utf8(text)
                .map_err(|_| Refused::invalid("VERSION: the capabilities are not UTF-8"))?,
            _ => {
                return Err(Refused::invalid(
                    "VERSION: the capabilities do not end with one NUL",
                ));
            }
        };
        Ok(Self { major, minor, text })
    }

    /// Appends the body of the message.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.put_u16(self.major);
        out.put_u16(self.minor);
        if !self.text.is_empty() {
            out.extend_from_slice(self.text.as_bytes());
            out.push(0);
        }
    }

    /// Negotiates the limits: the smaller of the server's and the client's. Absent, empty and partial
    /// capabilities mean the defaults.
    ///
    /// # Errors
    /// EINVAL: the major version is another, the text is no JSON object, or a known capability has a wrong type or
    /// value.
    pub fn negotiate(&self) -> Result<Negotiated, Refused> {
        if self.major != MAJOR {
            let (major, minor) = (self.major, self.minor);
            return Err(Refused::invalid(format!(
                "VERSION: the client speaks {major}.{minor}, expected {MAJOR}.{MINOR}"
            )));
        }
        let proposal = Proposal::parse(self.text)?;
        let answer = proposal.answer();
        Ok(Negotiated {
            limits: proposal.limits,
            minor: MINOR,
            write_multiple: proposal.write_multiple,
            can_twin: proposal.twin_socket && proposal.limits.max_msg_fds > 0,
            twin_socket: false,
            posted_moves: proposal.posted_moves,
            ring_layout: proposal.ring_layout,
            ring: false,
            unknown: proposal.unknown,
            answer,
        })
    }
}

/// The values on which both sides agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Limits of the connection. Each side announces how many descriptors it can receive in one message; this
    /// is the client's number. The client may send [`crate::limits::MAX_MSG_FDS`].
    pub limits: Limits,
    /// The minor version.
    pub minor: u16,
    /// True if the client knows REGION_WRITE_MULTI.
    pub write_multiple: bool,
    /// True if the client can receive the server's commands on a separate socket.
    pub can_twin: bool,
    /// True if the answer comes with such a socket as its first descriptor. The server decides.
    pub twin_socket: bool,
    /// True if the client goes on before the answer to a move arrives. The server then answers a move that
    /// comes too late with ENXIO: the DMB or its memory is gone. Other errors mean that the move is wrong.
    pub posted_moves: bool,
    /// The layout of the ring in shared memory that the client proposes beside the socket, if any.
    pub ring_layout: Option<u64>,
    /// True if all messages after the answer go through that ring. The server decides.
    pub ring: bool,
    /// Capability keys of the client that the server does not know.
    pub unknown: Vec<String>,
    /// The capabilities of the answer, most useful first.
    answer: Vec<(&'static str, Value)>,
}

impl Negotiated {
    /// Appends the body of the answer, at most `room` bytes (but always the 4 bytes of the version numbers),
    /// because QEMU receives the answer into the buffer of its own request. The answer contains only
    /// capabilities that the client proposed, as the protocol demands. The least useful ones are left out
    /// until the text fits, and finally the whole text. A twin socket is always announced, which may take
    /// more room than the client's own words for it; QEMU does not ask for one. A ring is also always
    /// announced, in the client's own words.
    pub fn encode(&self, room: usize, out: &mut Vec<u8>) {
        out.put_u16(MAJOR);
        out.put_u16(self.minor);
        let twin = self.twin_socket.then(|| {
            (
                "twin_socket",
                serde_json::json!({ "supported": true, "fd_index": 0 }),
            )
        });
        let ring = self
            .ring_layout
            .filter(|_| self.ring)
            .map(|layout| ("ring", serde_json::json!({ "layout": layout })));
        // The instruction channel uses a ring, the device client a twin socket.
        let announced = twin.or(ring);
        let least = usize::from(announced.is_some());
        let answer: Vec<_> = announced.iter().chain(&self.answer).collect();
        let texts = (least..=answer.len()).rev().map(|keys| {
            let object: Map<String, Value> = answer
                .iter()
                .take(keys)
                .map(|(key, value)| ((*key).to_owned(), value.clone()))
                .collect();
            serde_json::json!({ "capabilities": object }).to_string()
        });
        let room = if self.twin_socket {
            room.saturating_add(TWIN_ROOM)
        } else {
            room
        };
        // The version takes 4 bytes, the NUL one.
        let fits = |text: &String| text.len().saturating_add(5) <= room;
        if let Some(text) = texts.chain(["{}".to_owned()]).find(fits) {
            out.extend_from_slice(text.as_bytes());
            out.push(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Errno;

    /// The capabilities that QEMU 11.1.3 proposes.
    const QEMU: &str = r#"{"capabilities":{"pgsizes":4096,"max_msg_fds":16,"max_dma_maps":65535,"max_data_xfer_size":1048576,"migration":{"max_bitmap_size":268435456,"pgsize":4096},"write_multiple":true}}"#;

    fn negotiate(text: &str) -> Result<Negotiated, Refused> {
        Version {
            major: 0,
            minor: 0,
            text,
        }
        .negotiate()
    }

    fn answer(text: &str, room: usize) -> (usize, String) {
        let mut out = Vec::new();
        negotiate(text).unwrap().encode(room, &mut out);
        let version = Version::decode(&out).unwrap();
        (out.len(), version.text.to_owned())
    }

    #[test]
    fn qemu_gets_everything_in_the_size_of_its_own_message() {
        let room = 4 + QEMU.len() + 1;
        let (len, text) = answer(QEMU, room);
        assert!(len <= room);
        for key in [
            "max_msg_fds",
            "max_data_xfer_size",
            "max_dma_maps",
            "pgsizes",
            "write_multiple",
        ] {
            assert!(text.contains(key), "{text}");
        }
    }

    #[test]
    fn the_answer_never_outgrows_the_request() {
        // Miri takes a second for each.
        for room in (4..260).step_by(if cfg!(miri) { 50 } else { 1 }) {
            let mut out = Vec::new();
            negotiate(QEMU).unwrap().encode(room, &mut out);
            assert!(out.len() <= room, "{room}");
            Version::decode(&out).unwrap().negotiate().unwrap();
        }
    }

    #[test]
    fn only_what_was_proposed_is_answered_and_in_the_clients_shape() {
        for (text, answered) in [
            ("", ""),
            ("{}", "{}"),
            (r#"{"capabilities":{}}"#, r#"{"capabilities":{}}"#),
            (r#"{"capabilities":{"colour":1}}"#, r#"{"capabilities":{}}"#),
            // The server announces what it receives, not the smaller of both limits.
            (
                r#"{"capabilities":{"max_msg_fds":100}}"#,
                r#"{"capabilities":{"max_msg_fds":16}}"#,
            ),
            (
                r#"{"capabilities":{"max_msg_fds": 1 }}"#,
                r#"{"capabilities":{"max_msg_fds":16}}"#,
            ),
            (
                r#"{"capabilities":{"pgsizes":69632}}"#,
                r#"{"capabilities":{"pgsizes":69632}}"#,
            ),
            (
                r#"{"capabilities":{"write_multiple":false}}"#,
                r#"{"capabilities":{}}"#,
            ),
            (
                r#"{"capabilities":{"twin_socket":{"supported":true}}}"#,
                r#"{"capabilities":{}}"#,
            ),
        ] {
            let mut request = Vec::new();
            let version = Version {
                major: 0,
                minor: 0,
                text,
            };
            version.encode(&mut request);
            assert_eq!(answer(text, request.len()).1, answered, "{text}");
        }
    }

    #[test]
    fn absent_empty_and_partial_capabilities_mean_the_defaults() {
        for text in ["", "{}", r#"{"capabilities":{}}"#, r#"{"other":1}"#] {
            assert_eq!(negotiate(text).unwrap().limits, Limits::default(), "{text}");
        }
        let partial = negotiate(r#"{"capabilities":{"max_msg_fds":3,"colour":"blue"}}"#).unwrap();
        assert_eq!(
            partial.limits,
            Limits {
                max_msg_fds: 3,
                ..Limits::default()
            }
        );
        assert_eq!(partial.unknown, ["colour"]);
        let larger = negotiate(r#"{"capabilities":{"max_dma_maps":99999999999}}"#).unwrap();
        assert_eq!(larger.limits, Limits::default());
    }

    #[test]
    fn malformed_text_and_values_are_refused() {
        for text in [
            "x",
            "[]",
            "3",
            r#"{"capabilities":3}"#,
            r#"{"capabilities":{"max_msg_fds":"16"}}"#,
            r#"{"capabilities":{"max_msg_fds":-1}}"#,
            r#"{"capabilities":{"max_data_xfer_size":0}}"#,
            r#"{"capabilities":{"max_dma_maps":0}}"#,
            r#"{"capabilities":{"pgsizes":1024}}"#,
            r#"{"capabilities":{"pgsizes":0}}"#,
            r#"{"capabilities":{"write_multiple":1}}"#,
            r#"{"capabilities":{"migration":true}}"#,
            r#"{"capabilities":{"migration":{"pgsize":7}}}"#,
            r#"{"capabilities":{"migration":{"max_bitmap_size":-1}}}"#,
            r#"{"capabilities":{"twin_socket":true}}"#,
            r#"{"capabilities":{"twin_socket":{"supported":1}}}"#,
            r#"{"capabilities":{"max_msg_fds":1.5}}"#,
            r#"{"capabilities""#,
        ] {
            assert_eq!(negotiate(text).unwrap_err().errno, Errno::EINVAL, "{text}");
        }
    }

    #[test]
    fn text_must_end_with_its_only_nul() {
        for body in [
            &[0, 0, 0, 0, b'{', b'}'][..],
            &[0, 0, 0, 0, b'{', 0, b'}', 0],
            &[0, 0, 0, 0, 0xff, 0],
            &[0, 0, 0],
        ] {
            assert!(Version::decode(body).is_err(), "{body:?}");
        }
        assert_eq!(Version::decode(&[0, 0, 0, 0]).unwrap().text, "");
        assert_eq!(Version::decode(&[0, 0, 0, 0, 0]).unwrap().text, "");
        let mut long = vec![b' '; MAX_VERSION_TEXT + 4];
        long.push(0);
        assert!(Version::decode(&long).is_err());
    }

    #[test]
    fn another_major_version_is_refused_and_a_higher_minor_answered_with_ours() {
        let version = |major, minor| {
            Version {
                major,
                minor,
                text: "",
            }
            .negotiate()
        };
        assert_eq!(version(1, 0).unwrap_err().errno, Errno::EINVAL);
        assert_eq!(version(0, 7).unwrap().minor, 0);
    }
}
