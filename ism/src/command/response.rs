//! Responses of commands, and their codes.

use crate::layout::HEADER_LEN;

/// Response codes of commands.
///
/// 0 is success. 0xffff tells Linux that no response arrived: its driver writes that value before it loads.
/// No public source names any other code, so **the rest is this emulator's choice**. Every known driver
/// treats each of them as a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum ResponseCode {
    /// The command succeeded.
    Success = 0,
    /// No command ran since the reset, so there is no response.
    NoCommand = 0x0001,
    /// The code is none of the fourteen.
    UnknownCommand = 0x0002,
    /// The header has a length other than the command's.
    BadLength = 0x0003,
    /// The guest stored the header before all bytes of the payload.
    MissingPayload = 0x0004,
    /// A field has an invalid value.
    BadValue = 0x0005,
    /// The function has an SBA or an event queue already.
    AlreadyRegistered = 0x0006,
    /// Another DMB has this index in the SBA.
    IndexInUse = 0x0007,
    /// The memory is not mapped for the function, or the function cannot write it.
    MemoryNotReachable = 0x0008,
    /// No function of the fabric has this GID.
    NoSuchFunction = 0x0009,
    /// The function exists but cannot be reached: its VLAN differs, or its guest is gone.
    NotReachable = 0x000a,
    /// The receiver has no event queue, or no SBA to announce the event.
    NoEventQueue = 0x000b,
    /// The function has no room for another DMB or VLAN id.
    NoResources = 0x000c,
    /// The DMB belongs to another function.
    NotOwned = 0x000d,
    /// The function is not a member of this VLAN.
    NoSuchVlan = 0x000e,
}

impl ResponseCode {
    /// The number in the response header (u16, big-endian there).
    pub const fn value(self) -> u16 {
        self as u16
    }
}

/// The bytes after the header of a successful response, or the code of the failure.
pub(crate) type Outcome = Result<Payload, ResponseCode>;

/// The bytes after a response's header: 0, 8 or 192, as drivers expect for the command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Payload(Vec<u8>);

impl Payload {
    pub(crate) fn u16(mut self, value: u16) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(crate) fn u32(mut self, value: u32) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }

    pub(crate) fn u64(mut self, value: u64) -> Self {
        self.0.extend(value.to_be_bytes());
        self
    }
}

/// Header and payload of a response, as the driver loads them.
pub(crate) fn image(command: u32, outcome: Outcome) -> Vec<u8> {
    let (code, payload) = match outcome {
        Ok(payload) => (ResponseCode::Success, payload.0),
        Err(code) => (code, Vec::new()),
    };
    // A payload has a fixed number of fields and at most 192 bytes.
    let len = u16::try_from(HEADER_LEN + payload.len()).unwrap_or(u16::MAX);
    let mut image = Vec::with_capacity(usize::from(len));
    image.extend(command.to_be_bytes());
    image.extend(code.value().to_be_bytes());
    image.extend(len.to_be_bytes());
    image.extend(payload);
    image
}

/// Like [`image`], with any response code. The payload of a successful command stays only if the code is the
/// one of success.
pub(crate) fn image_with_code(command: u32, code: u16, outcome: Outcome) -> Vec<u8> {
    let outcome = outcome
        .ok()
        .filter(|_| code == ResponseCode::Success.value());
    let mut image = image(command, Ok(outcome.unwrap_or_default()));
    if let Some(field) = image.get_mut(4..6) {
        field.copy_from_slice(&code.to_be_bytes());
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_header_and_payload_in_big_endian() {
        assert_eq!(
            image(0x0a, Err(ResponseCode::BadValue)),
            [0, 0, 0, 0x0a, 0, 5, 0, 8]
        );
        assert_eq!(
            image(3, Ok(Payload::default().u64(0x1122))),
            [0, 0, 0, 3, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0x11, 0x22]
        );
    }
}
