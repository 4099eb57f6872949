//! The state of a function's controls, after the instructions that the guest executed.

use crate::plan::{Case, Instruction, Payload};
use crate::probe::{Outcome, clp, fib};
use std::collections::BTreeMap;

/// MPCIFC operations (Linux `arch/s390/include/asm/pci_insn.h`).
pub(super) mod operation {
    pub(crate) const REGISTER_INTERRUPTS: u8 = 2;
    pub(crate) const DEREGISTER_INTERRUPTS: u8 = 3;
    pub(crate) const REGISTER_TRANSLATION: u8 = 4;
    pub(crate) const DEREGISTER_TRANSLATION: u8 = 5;
    pub(crate) const REREGISTER_TRANSLATION: u8 = 6;
    pub(crate) const RESET_ERROR: u8 = 7;
    pub(crate) const RESET_BLOCK: u8 = 9;
    pub(crate) const SET_MEASURE: u8 = 10;
}

/// Status of an instruction that put the function into the error state.
pub(super) const ENTERED_ERROR: u8 = 8;

/// Whether something is registered, with its function information block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Registered {
    No,
    Yes(Vec<u8>),
    /// An instruction failed half-way.
    Unknown,
}

/// The error state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorState {
    No,
    /// Loads and stores are also blocked.
    Blocked,
    /// Loads and stores work again.
    Unblocked,
}

/// An error event that the guest has not read yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    pub function: u8,
    /// Address and length of the range of an RPCIT.
    pub range: (u64, u64),
}

/// The state of a function's controls.
#[derive(Debug, Clone)]
pub(super) struct Controls {
    pub enabled: bool,
    pub error: ErrorState,
    pub interrupts: Registered,
    pub translation: Registered,
    pub measurement: u64,
    /// Loads, stores, block stores and refreshes since the start of the measurement.
    pub counted: Option<[u64; 4]>,
    /// Bytes of the MSI-X table that the guest stored.
    pub vectors: BTreeMap<u64, u8>,
}

impl Controls {
    /// The state after the set-up.
    pub(super) fn new(function: usize) -> Self {
        Self {
            enabled: true,
            error: ErrorState::No,
            interrupts: Registered::Yes(fib::interrupts(function).to_vec()),
            translation: Registered::Yes(fib::translation(function).to_vec()),
            measurement: 0,
            counted: None,
            vectors: BTreeMap::new(),
        }
    }

    /// Notes the outcome of an instruction.
    pub(super) fn settle(&mut self, case: &Case, outcome: &Outcome) {
        let done = outcome.succeeded();
        match case.instruction {
            Instruction::Mpcifc => self.controlled(case, outcome),
            Instruction::Rpcit if outcome.condition == 1 && outcome.status == ENTERED_ERROR => {
                self.error = ErrorState::Blocked;
            }
            Instruction::Clp if done => self.called(case, outcome),
            _ => {}
        }
    }

    fn controlled(&mut self, case: &Case, outcome: &Outcome) {
        let block = || match &case.payload {
            Payload::Bytes(bytes) => bytes.clone(),
            Payload::Pattern => Vec::new(),
        };
        if !outcome.succeeded() {
            // A second registration must first remove the old one.
            let halfway = case.operation == operation::REREGISTER_TRANSLATION
                && matches!(self.translation, Registered::Yes(_));
            if halfway {
                self.translation = Registered::Unknown;
            }
            return;
        }
        match case.operation {
            operation::REGISTER_INTERRUPTS => self.interrupts = Registered::Yes(block()),
            operation::DEREGISTER_INTERRUPTS => self.interrupts = Registered::No,
            operation::REGISTER_TRANSLATION | operation::REREGISTER_TRANSLATION => {
                self.translation = Registered::Yes(block());
            }
            operation::DEREGISTER_TRANSLATION => self.translation = Registered::No,
            operation::RESET_ERROR => self.error = ErrorState::No,
            operation::RESET_BLOCK => self.error = ErrorState::Unblocked,
            operation::SET_MEASURE => {
                self.measurement = fib::word(&block(), fib::MEASUREMENT);
                self.counted = (self.measurement != 0).then_some([0; 4]);
            }
            _ => {}
        }
    }

    /// Notes an enabling or disabling, if the response says that it succeeded.
    fn called(&mut self, case: &Case, outcome: &Outcome) {
        let Payload::Bytes(request) = &case.payload else {
            return;
        };
        let half = |block: &[u8], at| u16::from_be_bytes(clp::bytes(block, at));
        if half(request, 2) != clp::SET_FUNCTION
            || half(&outcome.block, clp::REQUEST + 2) != clp::OK
        {
            return;
        }
        let enable = request.get(22) == Some(&0);
        *self = Self {
            enabled: enable,
            error: ErrorState::No,
            interrupts: Registered::No,
            translation: Registered::No,
            measurement: 0,
            counted: None,
            vectors: BTreeMap::new(),
        };
    }
}
