//! Reads and writes numbers in host byte order.

use crate::error::Refused;

/// Reads a body from its front.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    /// Begins to read `body`; `what` names it in refusals.
    pub(crate) fn new(what: &'static str, body: &'a [u8]) -> Self {
        Self { rest: body, what }
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        let short = || Refused::invalid(format!("{}: the body is too short", self.what));
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or_else(short)?;
        self.rest = rest;
        Ok(*head)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, Refused> {
        self.array().map(u16::from_ne_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Refused> {
        self.array().map(u32::from_ne_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Refused> {
        self.array().map(u64::from_ne_bytes)
    }

    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], Refused> {
        let short = || Refused::invalid(format!("{}: the body is too short", self.what));
        let (head, rest) = self.rest.split_at_checked(len).ok_or_else(short)?;
        self.rest = rest;
        Ok(head)
    }

    /// Returns all remaining bytes.
    pub(crate) fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Checks that only padding remains: zeros, up to the `room` bytes that the sender has for the answer.
    /// `fixed` is the number of bytes read so far.
    pub(crate) fn end_padded(self, fixed: u32, room: u32) -> Result<(), Refused> {
        let padding = room.saturating_sub(fixed) as usize;
        if self.rest.len() <= padding && self.rest.iter().all(|byte| *byte == 0) {
            return Ok(());
        }
        let extra = self.rest.len();
        Err(Refused::invalid(format!(
            "{}: {extra} bytes after the {fixed} of the request, expected at most {padding} zeros",
            self.what
        )))
    }

    /// Checks that nothing remains.
    pub(crate) fn end(self) -> Result<(), Refused> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            let extra = self.rest.len();
            Err(Refused::invalid(format!(
                "{}: {extra} bytes too many in the body",
                self.what
            )))
        }
    }
}

/// Appends numbers in host byte order.
pub(crate) trait Put {
    fn put_u16(&mut self, value: u16);
    fn put_u32(&mut self, value: u32);
    fn put_u64(&mut self, value: u64);
}

impl Put for Vec<u8> {
    fn put_u16(&mut self, value: u16) {
        self.extend_from_slice(&value.to_ne_bytes());
    }

    fn put_u32(&mut self, value: u32) {
        self.extend_from_slice(&value.to_ne_bytes());
    }

    fn put_u64(&mut self, value: u64) {
        self.extend_from_slice(&value.to_ne_bytes());
    }
}
