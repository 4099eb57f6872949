//! Guest memory and interrupts that log the actions of the device, in order.

use ism::{CommandRecord, DeviceObserver, EventRecord, FunctionId, Host, MemoryError, MoveRecord};
use zpci_region::{Observer, Violation};

/// One action of the device on a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Write(usize, u64, Vec<u8>),
    Bits(usize, u64, u8),
    Mask(usize, u64, u16),
    Interrupt(usize),
}

/// Guests whose memory can be written, except in `holes`.
#[derive(Debug, Default)]
pub(crate) struct Guests {
    pub log: Vec<Op>,
    /// Function and iova of bytes that cannot be written.
    pub holes: Vec<(usize, std::ops::Range<u64>)>,
}

impl Guests {
    pub(crate) fn take(&mut self) -> Vec<Op> {
        std::mem::take(&mut self.log)
    }
}

impl Host for Guests {
    fn check_writable(&self, id: FunctionId, iova: u64, len: usize) -> Result<(), MemoryError> {
        let end = iova.checked_add(len as u64);
        let hole = |(function, hole): &(usize, std::ops::Range<u64>)| {
            *function == id.0 && end.is_none_or(|end| iova < hole.end && hole.start < end)
        };
        if end.is_none() || self.holes.iter().any(hole) {
            return Err(MemoryError {
                iova,
                len,
                why: "not mapped",
            });
        }
        Ok(())
    }

    fn write(&mut self, id: FunctionId, iova: u64, bytes: &[u8]) -> Result<(), MemoryError> {
        let checked = self.check_writable(id, iova, bytes.len());
        checked.expect("the device checks before it writes");
        self.log.push(Op::Write(id.0, iova, bytes.to_vec()));
        Ok(())
    }

    fn set_bits(&mut self, id: FunctionId, iova: u64, mask: u8) -> Result<(), MemoryError> {
        self.check_writable(id, iova, 1)?;
        self.log.push(Op::Bits(id.0, iova, mask));
        Ok(())
    }

    fn set_bits_be16(&mut self, id: FunctionId, iova: u64, mask: u16) -> Result<(), MemoryError> {
        assert!(iova.is_multiple_of(2), "a halfword at {iova:#x}");
        self.check_writable(id, iova, 2)?;
        self.log.push(Op::Mask(id.0, iova, mask));
        Ok(())
    }

    fn interrupt(&mut self, id: FunctionId, vector: u16) {
        assert_eq!(vector, 0);
        self.log.push(Op::Interrupt(id.0));
    }
}

/// Everything that the observer received.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub violations: Vec<Violation>,
    /// Name, response code and request length of each command.
    pub commands: Vec<(&'static str, u16, usize)>,
    pub moves: Vec<MoveRecord>,
    pub events: Vec<EventRecord>,
    pub interrupts: usize,
}

impl Seen {
    /// Returns the ids of the rules broken since the last call.
    pub(crate) fn rules(&mut self) -> Vec<&'static str> {
        let taken = std::mem::take(&mut self.violations);
        taken.iter().map(|violation| violation.rule.id()).collect()
    }
}

impl Observer for Seen {
    fn violation(&mut self, violation: &Violation) {
        self.violations.push(violation.clone());
    }
}

impl DeviceObserver for Seen {
    fn command(&mut self, record: &CommandRecord<'_>) {
        let stored = u16::from_be_bytes([record.response[6], record.response[7]]);
        assert_eq!(usize::from(stored), record.response.len());
        self.commands
            .push((record.name, record.response_code, record.request.len()));
    }

    fn data_move(&mut self, record: &MoveRecord) {
        self.moves.push(*record);
    }

    fn event(&mut self, record: &EventRecord) {
        self.events.push(*record);
    }

    fn interrupt(&mut self, _: FunctionId, _: u16) {
        self.interrupts += 1;
    }
}
