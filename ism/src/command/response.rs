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

/// A response: always 8, 16 or 200 bytes, as drivers expect for the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    command: u32,
    code: ResponseCode,
    payload: Vec<u8>,
}

impl Response {
    /// A successful response without payload.
    pub fn ok(command: u32) -> Self {
        Self::error(command, ResponseCode::Success)
    }

    /// A response without payload.
    pub fn error(command: u32, code: ResponseCode) -> Self {
        Self {
            command,
            code,
            payload: Vec::new(),
        }
    }

    pub fn u16(mut self, value: u16) -> Self {
        self.payload.extend(value.to_be_bytes());
        self
    }

    pub fn u32(mut self, value: u32) -> Self {
        self.payload.extend(value.to_be_bytes());
        self
    }

    pub fn u64(mut self, value: u64) -> Self {
        self.payload.extend(value.to_be_bytes());
        self
    }

    pub fn code(&self) -> ResponseCode {
        self.code
    }

    /// Header and payload as the driver loads them.
    pub fn image(&self) -> Vec<u8> {
        // Payloads are built from a fixed number of fields, 192 bytes at most.
        let len = u16::try_from(HEADER_LEN + self.payload.len()).unwrap_or(u16::MAX);
        let mut image = Vec::with_capacity(usize::from(len));
        image.extend(self.command.to_be_bytes());
        image.extend(self.code.value().to_be_bytes());
        image.extend(len.to_be_bytes());
        image.extend(&self.payload);
        image
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_header_and_payload_in_big_endian() {
        assert_eq!(
            Response::error(0x0a, ResponseCode::BadValue).image(),
            [0, 0, 0, 0x0a, 0, 5, 0, 8]
        );
        assert_eq!(
            Response::ok(3).u64(0x1122).image(),
            [0, 0, 0, 3, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0x11, 0x22]
        );
    }
}
