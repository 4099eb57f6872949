//! Responses and their codes.

use crate::layout::HEADER_LEN;

/// Response codes.
///
/// 0 is success and 0xffff means, to Linux, that no response arrived: its driver plants that value
/// before it loads. No public source names any other code, so **the rest is this emulator's
/// choice**; to every known driver any of them is plainly a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum ResponseCode {
    /// Done.
    Success = 0,
    /// No command ran since reset: there is nothing to respond to.
    NoCommand = 0x0001,
    /// The code is none of the fourteen.
    UnknownCommand = 0x0002,
    /// The header's length is not the command's.
    BadLength = 0x0003,
    /// Bytes of the payload were not stored before the header.
    MissingPayload = 0x0004,
    /// A field has a value that it cannot have.
    BadValue = 0x0005,
    /// There is one already (SBA, event queue).
    AlreadyRegistered = 0x0006,
    /// The index in the SBA belongs to another DMB.
    IndexInUse = 0x0007,
    /// Memory that is not mapped for the function, or that it cannot write.
    MemoryNotReachable = 0x0008,
    /// No function of the fabric has this GID.
    NoSuchFunction = 0x0009,
    /// The function exists and cannot be talked to: wrong VLAN, or its guest is gone.
    NotReachable = 0x000a,
    /// The receiver has no event queue, or no SBA to announce the event in.
    NoEventQueue = 0x000b,
    /// No room for another one (DMBs, VLAN ids).
    NoResources = 0x000c,
    /// The DMB belongs to another function.
    NotOwned = 0x000d,
    /// The function is not a member of this VLAN.
    NoSuchVlan = 0x000e,
}

impl ResponseCode {
    /// The number in the response header.
    pub const fn value(self) -> u16 {
        self as u16
    }
}

/// The bytes behind a successful response's header, or why the command failed.
pub(crate) type Outcome = Result<Payload, ResponseCode>;

/// The bytes behind a response's header: 0, 8 or 192, as drivers expect for the command.
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

/// Header and payload as the driver loads them.
pub(crate) fn image(command: u32, outcome: Outcome) -> Vec<u8> {
    let (code, payload) = match outcome {
        Ok(payload) => (ResponseCode::Success, payload.0),
        Err(code) => (code, Vec::new()),
    };
    // Payloads are built from a fixed number of fields, 192 bytes at most.
    let len = u16::try_from(HEADER_LEN + payload.len()).unwrap_or(u16::MAX);
    let mut image = Vec::with_capacity(usize::from(len));
    image.extend(command.to_be_bytes());
    image.extend(code.value().to_be_bytes());
    image.extend(len.to_be_bytes());
    image.extend(payload);
    image
}

/// As [`image`], with a code of choice. The payload of a command that succeeded stays only behind
/// the code of success.
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
