//! Guests that check writes: only registered memory may be written, and only by a function that the driver
//! permitted.

use std::ops::Range;

use ism::{CommandRecord, DeviceObserver, EventRecord, FunctionId, Host, MemoryError, MoveRecord};
use zpci_region::{Observer, Violation};

use super::registered::Registered;

/// The running operation, which decides which writes are allowed.
#[derive(Clone, Debug)]
pub(super) enum Cause {
    /// A store into BAR 0 by the function with this GID.
    Move {
        gid: u64,
        offset: u64,
        data: Vec<u8>,
    },
    /// Any other operation, which may only write events.
    Other,
}

/// One action on a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Data(usize),
    Mask(usize),
    BufferBit(usize),
    Entry(usize),
    Index(usize),
    EventBit(usize),
    Summary(usize),
    Interrupt(usize),
}

/// The guests of a fabric.
#[derive(Debug)]
pub(super) struct Guests {
    pub registered: Registered,
    pub cause: Cause,
    pub log: Vec<Op>,
    /// Missing memory, by function and range of addresses.
    pub holes: Vec<(usize, Range<u64>)>,
}

impl Guests {
    pub(super) fn new(functions: usize) -> Self {
        Self {
            registered: Registered::new(functions),
            cause: Cause::Other,
            log: Vec::new(),
            holes: Vec::new(),
        }
    }

    fn sba(&self, id: FunctionId, iova: u64) -> u64 {
        let sba = self.registered.sba[id.0].expect("bits are set, but no SBA is registered");
        let at = iova.checked_sub(sba).filter(|at| *at < 4096);
        at.unwrap_or_else(|| panic!("bits are set at {iova:#x}, but the SBA is at {sba:#x}"))
    }

    /// Returns the SBA index of the buffer that the current store signals.
    fn signalled(&self, id: FunctionId) -> u64 {
        let Cause::Move { gid, offset, .. } = &self.cause else {
            panic!("the bit of a buffer is set without a move");
        };
        assert_ne!(offset & 1 << 23, 0, "a move without the flag signals");
        let token = offset & !0xffff_ffff;
        let buffer = &self.registered.buffers[&token];
        assert_eq!((buffer.owner, buffer.rgid), (id.0, *gid));
        u64::from(buffer.index)
    }

    /// Checks the order of the actions: no guest may see an announcement before the data. Then forgets them.
    pub(super) fn check_order(&mut self) {
        let log = std::mem::take(&mut self.log);
        let mut rest = &log[..];
        while let Some(first) = rest.first() {
            let whole: &[fn(usize) -> Op] = match first {
                Op::Data(_) => &[
                    Op::Data,
                    Op::Mask,
                    Op::BufferBit,
                    Op::Summary,
                    Op::Interrupt,
                ],
                Op::Entry(_) => &[
                    Op::Entry,
                    Op::Index,
                    Op::EventBit,
                    Op::Summary,
                    Op::Interrupt,
                ],
                _ => panic!("{log:?}"),
            };
            let (Op::Data(id) | Op::Entry(id)) = *first else {
                unreachable!()
            };
            let run = whole
                .iter()
                .zip(rest)
                .take_while(|(op, done)| op(id) == **done);
            let len = run.count();
            let complete = match first {
                Op::Data(_) => len == 1 || len == 5,
                _ => len == 4 || len == 5,
            };
            assert!(complete, "{log:?}");
            rest = &rest[len..];
        }
    }
}

impl Host for Guests {
    fn check_writable(&self, id: FunctionId, iova: u64, len: usize) -> Result<(), MemoryError> {
        let end = iova.checked_add(len as u64);
        let missing = end.is_none_or(|end| {
            let touches = |hole: &Range<u64>| iova < hole.end && hole.start < end;
            self.holes
                .iter()
                .any(|(of, hole)| *of == id.0 && touches(hole))
        });
        match missing {
            true => Err(MemoryError {
                iova,
                len,
                why: "not mapped",
            }),
            false => Ok(()),
        }
    }

    fn write(&mut self, id: FunctionId, iova: u64, bytes: &[u8]) -> Result<(), MemoryError> {
        let writable = self.check_writable(id, iova, bytes.len());
        assert!(
            writable.is_ok(),
            "a write without a check before it: {writable:?}"
        );
        if let Cause::Move { gid, offset, data } = &self.cause {
            let (token, at) = (offset & !0xffff_ffff, offset & 0x7f_ffff);
            let buffer = self
                .registered
                .buffers
                .get(&token)
                .expect("a move into no buffer");
            assert_eq!(
                (buffer.owner, buffer.rgid),
                (id.0, *gid),
                "a move by a function that may not write"
            );
            assert_eq!((iova, bytes), (buffer.iova + at, &data[..]));
            assert!(
                at + bytes.len() as u64 <= u64::from(buffer.len),
                "a move past the end of the buffer"
            );
            self.log.push(Op::Data(id.0));
            return Ok(());
        }
        let queue = self.registered.queue[id.0].expect("an event without a queue");
        match (iova.checked_sub(queue), bytes.len()) {
            (Some(0), 8) => {
                assert!(
                    (1..=15).contains(&bytes[7]) && bytes[..7] == [0; 7],
                    "index {bytes:?}"
                );
                self.log.push(Op::Index(id.0));
            }
            (Some(at @ 32..512), 32) if at % 32 == 0 => self.log.push(Op::Entry(id.0)),
            place => panic!("{place:?} of the queue"),
        }
        Ok(())
    }

    fn set_bits(&mut self, id: FunctionId, iova: u64, mask: u8) -> Result<(), MemoryError> {
        self.check_writable(id, iova, 1)?;
        let op = match (self.sba(id, iova), mask) {
            (0, 0x80) => Op::Summary(id.0),
            (0, 0x40) => Op::EventBit(id.0),
            (at, mask) => {
                let index = self.signalled(id);
                assert_eq!((at, mask), (4 + index / 8, 0x80 >> (index % 8)));
                Op::BufferBit(id.0)
            }
        };
        self.log.push(op);
        Ok(())
    }

    fn set_bits_be16(&mut self, id: FunctionId, iova: u64, mask: u16) -> Result<(), MemoryError> {
        self.check_writable(id, iova, 2)?;
        assert_eq!(self.sba(id, iova), 256 + 2 * self.signalled(id));
        assert!(mask.count_ones() <= 1);
        self.log.push(Op::Mask(id.0));
        Ok(())
    }

    fn interrupt(&mut self, id: FunctionId, vector: u16) {
        assert_eq!(vector, 0);
        self.log.push(Op::Interrupt(id.0));
    }
}

/// The commands that got response code 0, and counts of other reports.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Function, request and response of each command.
    pub done: Vec<(usize, Vec<u8>, Vec<u8>)>,
    pub moves: usize,
    pub violations: usize,
}

impl Observer for Told {
    fn violation(&mut self, violation: &Violation) {
        assert!(!violation.detail.is_empty() && violation.pieces > 0);
        self.violations += 1;
    }
}

impl DeviceObserver for Told {
    fn command(&mut self, record: &CommandRecord<'_>) {
        let (code, response) = (record.response_code, record.response);
        // A response of any other length makes the Linux driver overrun its stack; 0xffff is the driver's own
        // mark.
        assert!(
            [8, 16, 200].contains(&response.len()) && code != 0xffff,
            "{record:?}"
        );
        assert_eq!(response[..4], record.code.to_be_bytes());
        assert_eq!(response[4..6], code.to_be_bytes());
        assert_eq!(response[6..8], (response.len() as u16).to_be_bytes());
        if code == 0 {
            let (request, response) = (record.request.to_vec(), response.to_vec());
            self.done.push((record.function.0, request, response));
        }
    }

    fn data_move(&mut self, _: &MoveRecord) {
        self.moves += 1;
    }

    fn event(&mut self, record: &EventRecord) {
        assert!(record.event_type == 1 || record.event_type == 2);
    }

    fn interrupt(&mut self, _: FunctionId, vector: u16) {
        assert_eq!(vector, 0);
    }
}
