//! The steps of a capture, in order.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use records::is_plain_name;
use vfio_user_capture::pcapng::LINK_TYPE;
use vfio_user_capture::{Front, Kind, ReadError, Reader};

use super::error::ReplayError;

/// One packet of a capture.
#[derive(Debug)]
pub struct Step {
    /// Number of the packet, from 1, as Wireshark counts.
    pub packet: usize,
    /// Name of the function.
    pub function: String,
    /// Direction, connection and descriptors of the packet.
    pub front: Front,
    /// The whole message.
    pub message: Vec<u8>,
}

impl Step {
    /// The place of the step, as text for messages.
    pub fn place(&self) -> String {
        let (packet, connection) = (self.packet, self.front.connection);
        format!(
            "packet {packet}, connection {connection} of {}",
            self.function
        )
    }
}

/// Reads all packets. Of a file that ends inside a block, it reads the packets before that block, because the
/// capture of a killed server is the one that people want to play again.
pub(super) fn read(path: &Path) -> Result<Vec<Step>, ReplayError> {
    let file = File::open(path).map_err(|source| ReplayError::Open {
        path: path.to_owned(),
        source,
    })?;
    let mut reader = Reader::new(BufReader::new(file));
    let mut steps = Vec::new();
    let mut packet = 0;
    loop {
        let next = match reader.next() {
            Ok(Some(next)) => next,
            Ok(None) => break,
            Err(ReadError::Cut { at }) if !steps.is_empty() => {
                let file = path.display();
                eprintln!("replay: {file}: cut at byte {at}; plays what is before it");
                break;
            }
            Err(source) => {
                let path = path.to_owned();
                return Err(ReplayError::Read { path, source });
            }
        };
        packet += 1;
        let wrong = |what| ReplayError::Packet {
            path: path.to_owned(),
            packet,
            what,
        };
        let link = reader.link(next.interface);
        if link != LINK_TYPE {
            return Err(wrong(format!("link type {link}, expected {LINK_TYPE}")));
        }
        let (front, message) = Front::decode(&next.data).map_err(wrong)?;
        if front.big_endian != cfg!(target_endian = "big") {
            return Err(wrong(
                "it was captured on a machine of the other byte order".to_owned(),
            ));
        }
        let kept = message.len();
        if kept != front.length as usize && front.kind != Kind::Connected {
            return Err(wrong(format!(
                "{kept} of {} bytes were kept (--capture-bytes): it cannot be replayed",
                front.length
            )));
        }
        let name = reader.name(next.interface);
        let function = name.strip_suffix(".insn").unwrap_or(name);
        if !is_plain_name(function) {
            return Err(wrong(format!(
                "function {function:?}, expected 1 to 64 letters, digits, '-' or '_'"
            )));
        }
        steps.push(Step {
            packet,
            function: function.to_owned(),
            message: message.to_vec(),
            front,
        });
    }
    // Equal answers to nothing would look like a success.
    if !steps.iter().any(|step| step.front.kind == Kind::ToServer) {
        return Err(ReplayError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(steps)
}

#[cfg(test)]
mod tests;
