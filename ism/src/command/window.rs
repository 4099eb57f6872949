//! The command window in BAR 2: request bytes come in, response bytes go out.
//!
//! Requests and responses share offsets but not memory: stores fill the request, loads read the last
//! response. A request may come in any pieces. It starts when the last of its 8 header bytes arrives. The
//! next request starts empty.
//!
//! The phases of a command, if one driver at a time uses the window (Linux 6.12 `ism_cmd`):
//!
//! ```text
//!             store of payload                 store that completes the header
//!   Idle ---------------------> Gathering ----------------------> Answered
//!    ^  \______________________________________________________/     |
//!    |        store that completes a header without payload         | load of the response's
//!    |                                                               | header
//!    |   load of the last byte of the response                      v
//!    +-------------------------------------------------------- HalfRead
//!    (a response that is only a header is read whole at once)
//! ```
//!
//! Any other access breaks a rule ([`order`](super::order)), but the window carries it out: a store leads to
//! Gathering or Answered from every phase, and a load never loses anything.

use super::request::Request;
use super::response::{ResponseCode, image};

/// The phase of the current command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The driver read the whole last response, or no command ran since the reset.
    Idle,
    /// The driver has stored bytes of a request, but not its whole header.
    Gathering,
    /// The command ran, and the driver has not loaded the header of its response.
    Answered {
        /// True if the command ran without all of its payload.
        starved: bool,
    },
    /// The driver loaded the header of the response and the bytes after it without a gap, but not all.
    HalfRead {
        /// Number of bytes loaded, from the start of the response.
        loaded: usize,
    },
    /// The command ran, and a fault hides its response.
    Hidden {
        /// Number of loads of the header until the response appears; `None` hides it for ever.
        loads: Option<u32>,
    },
}

/// The request and the response in the window, and the phase of the command.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    request: Request,
    response: Vec<u8>,
    /// The real response, while a fault hides it.
    hidden: Vec<u8>,
    /// True if a command ran since the reset.
    ran: bool,
    phase: Phase,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            request: Request::default(),
            response: image(0, Err(ResponseCode::NoCommand)),
            hidden: Vec::new(),
            ran: false,
            phase: Phase::Idle,
        }
    }
}

impl Window {
    /// Returns a copy of the request with these bytes stored.
    pub(crate) fn with(&self, offset: u64, data: &[u8]) -> Request {
        let mut request = self.request.clone();
        request.put(offset, data);
        request
    }

    /// The request in its present state.
    pub(crate) fn request(&self) -> &Request {
        &self.request
    }

    /// Keeps a request after a store. A complete request is not kept: it runs now, and [`Self::answer`]
    /// follows.
    pub(crate) fn keep(&mut self, request: &Request) {
        self.phase = Phase::Gathering;
        self.request = match request.is_complete() {
            true => Request::default(),
            false => request.clone(),
        };
    }

    /// Stores bytes without any check. Returns the request if it is complete now.
    #[cfg(test)]
    pub(crate) fn store(&mut self, offset: u64, data: &[u8]) -> Option<Request> {
        let request = self.with(offset, data);
        self.keep(&request);
        request.is_complete().then_some(request)
    }

    /// Sets the response of the request that ran last.
    pub(crate) fn answer(&mut self, response: Vec<u8>, starved: bool) {
        self.response = response;
        self.ran = true;
        self.phase = Phase::Answered { starved };
    }

    /// Handles a request that ran without an answer: the previous response stays in place of a new one.
    pub(crate) fn keep_answer(&mut self) {
        self.ran = true;
        self.phase = Phase::Answered { starved: false };
    }

    /// Hides the response behind other bytes until its header has been loaded `loads` times.
    pub(crate) fn hide(&mut self, blank: Vec<u8>, loads: Option<u32>) {
        self.hidden = std::mem::replace(&mut self.response, blank);
        self.phase = Phase::Hidden { loads };
    }

    /// Reads the response; the bytes after its end are zero.
    pub(crate) fn read(&self, offset: u64, out: &mut [u8]) {
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|at| self.response.get(at..))
            .unwrap_or(&[]);
        let there = rest.len().min(out.len());
        let (bytes, behind) = out.split_at_mut(there);
        bytes.copy_from_slice(&rest[..there]);
        behind.fill(0);
    }

    /// Records a load that was carried out.
    pub(crate) fn loaded(&mut self, offset: u64, len: usize) {
        let before = match self.phase {
            Phase::Answered { .. } => 0,
            Phase::HalfRead { loaded } => loaded,
            Phase::Idle | Phase::Gathering => return,
            Phase::Hidden { loads } => {
                if offset == 0 {
                    self.unhide(loads);
                }
                return;
            }
        };
        let Some(start) = usize::try_from(offset).ok().filter(|at| *at <= before) else {
            return;
        };
        let loaded = before.max(start.saturating_add(len));
        if loaded >= self.response.len() {
            self.phase = Phase::Idle;
        } else if loaded > 0 {
            self.phase = Phase::HalfRead { loaded };
        }
    }

    fn unhide(&mut self, loads: Option<u32>) {
        match loads {
            Some(0 | 1) => {
                self.response = std::mem::take(&mut self.hidden);
                self.phase = Phase::Answered { starved: false };
            }
            Some(more) => {
                self.phase = Phase::Hidden {
                    loads: Some(more - 1),
                }
            }
            None => {}
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    pub(crate) fn response_len(&self) -> usize {
        self.response.len()
    }

    /// True if a command ran since the reset.
    pub(crate) fn ran(&self) -> bool {
        self.ran
    }

    /// True if the header of the last response was not loaded yet.
    pub(crate) fn unread(&self) -> bool {
        matches!(self.phase, Phase::Answered { .. } | Phase::Hidden { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::super::response::Payload;
    use super::*;

    const READ_GID: [u8; 8] = [0, 0, 0, 3, 0, 0, 0, 8];
    const REG_SBA: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 16];

    #[test]
    fn before_any_command_the_response_is_a_valid_error() {
        let window = Window::default();
        let mut image = [0xff; 16];
        window.read(0, &mut image);
        let code = ResponseCode::NoCommand.value().to_be_bytes();
        assert_eq!(image[4..8], [code[0], code[1], 0, 8]);
        assert_eq!(image[8..], [0; 8]);
    }

    #[test]
    fn the_header_starts_the_command_in_whatever_pieces_it_comes() {
        let bytes = (0..8).map(|at| (at, 1)).collect();
        for pieces in [
            vec![(0, 8)],
            vec![(0, 4), (4, 4)],
            vec![(4, 4), (0, 4)],
            bytes,
        ] {
            let mut window = Window::default();
            let count = pieces.len();
            for (n, (at, len)) in pieces.into_iter().enumerate() {
                let request = window.store(at as u64, &READ_GID[at..at + len]);
                assert_eq!(request.is_some(), n + 1 == count);
            }
            assert!(window.request().is_empty());
        }
    }

    #[test]
    fn nothing_of_a_request_is_left_for_the_next() {
        let mut window = Window::default();
        window.store(8, &[0xaa; 8]);
        let first = window.store(0, &REG_SBA).unwrap();
        assert!(first.parse().is_ok());
        let second = window.store(0, &REG_SBA).unwrap();
        assert!(second.parse().is_err());
        assert_eq!(second.announced()[8..], [0; 8]);
    }

    #[test]
    fn loading_the_header_is_reading_the_response() {
        let mut window = Window::default();
        window.store(0, &READ_GID);
        window.answer(image(3, Err(ResponseCode::BadValue)), false);
        window.loaded(8, 8);
        assert!(window.unread());
        window.loaded(0, 8);
        assert!(!window.unread());
    }

    #[test]
    fn a_response_is_read_when_its_last_byte_is_loaded_and_none_is_missing() {
        let whole = |loads: &[(u64, usize)]| {
            let mut window = Window::default();
            window.answer(image(8, Ok(Payload::default().u64(1).u64(2))), false);
            for (offset, len) in loads {
                window.loaded(*offset, *len);
            }
            window.phase()
        };
        let half = |loaded| Phase::HalfRead { loaded };
        assert_eq!(whole(&[(0, 8)]), half(8));
        assert_eq!(whole(&[(0, 8), (8, 8), (16, 8)]), Phase::Idle);
        assert_eq!(whole(&[(0, 24)]), Phase::Idle);
        assert_eq!(whole(&[(0, 8), (8, 100)]), Phase::Idle);
        assert_eq!(whole(&[(0, 8), (16, 8)]), half(8));
        assert_eq!(whole(&[(0, 8), (0, 8), (8, 8)]), half(16));
        assert_eq!(whole(&[(8, 16)]), Phase::Answered { starved: false });
    }

    #[test]
    fn a_load_anywhere_reads_response_or_zeros() {
        let mut window = Window::default();
        let payload = Payload::default().u64(0x0102_0304_0506_0708);
        window.answer(image(3, Ok(payload)), false);
        let mut out = [0xff; 12];
        window.read(10, &mut out);
        assert_eq!(out, [3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0]);
        window.read(u64::MAX, &mut out);
        assert_eq!(out, [0; 12]);
    }
}
