//! Reference models: the access that a strict or a relaxed ISM function should see for an instruction, and
//! its permitted refusals.
//!
//! Source of the checks: QEMU `hw/s390x/s390-pci-inst.c` for what z/Architecture asks of every function, and the patches
//! that taught Linux relaxed alignment for what a relaxed function lets pass (see `docs/`).

mod called;
mod controls;
mod expectation;
pub(crate) mod model;
mod moves;
mod refusal;
mod state;

pub use expectation::{Expectation, Seen};
pub use model::Model;
pub use refusal::{Refusal, Where, exception, exception_name, nullifies};

use crate::plan::{Announced, Base, Case, Handle, Instruction, Variable};
use crate::probe::layout::FUNCTIONS;
use crate::probe::{FunctionFacts, Outcome};
use crate::recording::{Access, Recording, Source};
use state::{Controls, ErrorState, Event};
use std::collections::VecDeque;

/// Condition code for a handle that names no enabled function.
const BAD_HANDLE: Refusal = Refusal::Condition(3, None);
/// Status 20: invalid address space.
const BAD_SPACE: Refusal = Refusal::Condition(1, Some(20));
const SPECIFICATION: Refusal = Refusal::Exception(exception::SPECIFICATION);
const OPERAND: Refusal = Refusal::Exception(exception::OPERAND);
/// Refusals of loads and stores while the function is in error: they are blocked, or the function is in
/// error.
const IN_ERROR: [Refusal; 2] = [
    Refusal::Condition(1, Some(12)),
    Refusal::Condition(1, Some(8)),
];
/// Vendor and device of an ISM function.
pub(crate) const ISM: (u16, u16) = (0x1014, 0x04ed);
/// The BAR with the MSI-X table, which QEMU emulates.
const VECTOR_BAR: u8 = 4;

/// Walks through a plan in order. The right outcome of an instruction depends on earlier ones.
#[derive(Debug)]
pub struct Reference<'a> {
    model: Model,
    maximum: u16,
    facts: &'a FunctionFacts,
    announced: &'a Announced,
    saved: u64,
    controls: [Controls; FUNCTIONS],
    events: VecDeque<Event>,
    /// Whether the model saw the registration of interrupts and translation.
    known: bool,
}

impl<'a> Reference<'a> {
    /// The expectations of all cases of a recording, in order.
    pub fn expectations(model: Model, recording: &'a Recording) -> Vec<Expectation> {
        let (announced, facts) = (&recording.announced, &recording.facts);
        let (plan, outcomes) = (&recording.plan, &recording.outcomes);
        let mut reference = match recording.source {
            Source::Probe => Self::new(model, recording.maxstbl, facts, announced),
            Source::Guest => Self::of_any_guest(model, recording.maxstbl, facts, announced),
        };
        let mut expectations = Vec::new();
        for (index, ((tag, case), outcome)) in (0..).zip(&plan.cases).zip(outcomes).enumerate() {
            if index > 0 && recording.starts.iter().any(|start| start.begin == index) {
                reference.restart();
            }
            expectations.push(reference.expect(case, tag));
            reference.settle(case, tag, outcome);
        }
        expectations
    }

    /// The state after the set-up, which has registered interrupts and translation. `maximum` is the
    /// function's own longest block store.
    pub fn new(
        model: Model,
        maximum: u16,
        facts: &'a FunctionFacts,
        announced: &'a Announced,
    ) -> Self {
        Self {
            model,
            maximum,
            facts,
            announced,
            saved: 0,
            controls: std::array::from_fn(Controls::new),
            events: VecDeque::new(),
            known: true,
        }
    }

    /// A model for a guest whose registrations and translation tables are unknown. RPCIT and MPCIFC may
    /// succeed or fail.
    pub fn of_any_guest(
        model: Model,
        maximum: u16,
        facts: &'a FunctionFacts,
        announced: &'a Announced,
    ) -> Self {
        Self {
            known: false,
            ..Self::new(model, maximum, facts, announced)
        }
    }

    /// Resets the state for a new guest after its set-up.
    fn restart(&mut self) {
        *self = Self {
            known: self.known,
            ..Self::new(self.model, self.maximum, self.facts, self.announced)
        };
    }

    fn controls(&self, function: u8) -> &Controls {
        let [first, ..] = &self.controls;
        self.controls.get(usize::from(function)).unwrap_or(first)
    }

    /// Notes the outcome of a case, if later cases depend on it.
    pub fn settle(&mut self, case: &Case, tag: u32, outcome: &Outcome) {
        if !outcome.executed {
            return;
        }
        if case.save && case.instruction == Instruction::Pcilg {
            self.saved = outcome.loaded;
        }
        let stored = case.space == VECTOR_BAR
            && outcome.succeeded()
            && matches!(case.instruction, Instruction::Pcistb | Instruction::Pcistg);
        let bytes = if stored {
            self.payload(case, tag)
        } else {
            Vec::new()
        };
        let offset = self.offset(case);
        let entered = self.controls(case.function).error;
        for (function, controls) in (0..).zip(&mut self.controls) {
            let fence = !case.joined && outcome.fences_failed & (1 << function) == 0;
            let done = function == case.function && outcome.succeeded();
            controls.counted = controls.counted.map(|counted| {
                let executed = done.then_some(case.instruction);
                count(counted, u64::from(fence), executed)
            });
        }
        if let Some(controls) = self.controls.get_mut(usize::from(case.function)) {
            controls.settle(case, outcome);
            controls.vectors.extend((offset..).zip(bytes));
        }
        let now = self.controls(case.function).error;
        if entered != ErrorState::Blocked && now == ErrorState::Blocked {
            self.events.push_back(Event {
                function: case.function,
                range: (case.offset, case.length),
            });
        }
        if case.instruction == Instruction::Chsc && outcome.succeeded() {
            self.events.pop_front();
        }
    }

    /// One bit for each function whose config space cannot be loaded, because it is disabled or in error.
    pub fn unreachable(&self) -> u8 {
        (0..)
            .zip(&self.controls)
            .filter(|(_, controls)| !controls.enabled || controls.error == ErrorState::Blocked)
            .fold(0, |bits, (function, _)| bits | 1 << function)
    }

    /// The expectation of the next case. `tag` is its index in the plan.
    pub fn expect(&self, case: &Case, tag: u32) -> Expectation {
        let mut refusals = Vec::new();
        let mut fields = Vec::new();
        if case.problem_state {
            refusals.push(Refusal::Exception(exception::PRIVILEGED));
            if case.instruction.is_mio() {
                refusals.push(Refusal::Exception(exception::OPERATION));
            }
            return Expectation {
                accept: false,
                refusals,
                seen: case.instruction.moves().then(|| self.seen(case, tag)),
                fields,
                counted: None,
            };
        }
        let controls = self.controls(case.function);
        self.handle(case, &mut refusals);
        if case.instruction.moves() && controls.error == ErrorState::Blocked && self.known {
            refusals.extend(IN_ERROR);
        }
        let unreachable = self.unreachable_block(case, &mut refusals);
        let mut either = false;
        match case.instruction {
            Instruction::Pcistb => either = self.block(case, &mut refusals),
            Instruction::Pcistg | Instruction::Pcilg => either = self.register(case, &mut refusals),
            Instruction::Rpcit if self.known => either = self.refresh(case, &mut refusals),
            Instruction::Rpcit | Instruction::Mpcifc if !self.known => {
                either = refusals.is_empty();
                refusals.push(Refusal::Condition(1, None));
            }
            Instruction::Rpcit => {}
            // An unreadable block has no meaning.
            Instruction::Mpcifc if unreachable => {}
            Instruction::Mpcifc => either = self.control(case, &mut refusals),
            Instruction::Stpcifc if !self.known => {}
            Instruction::Stpcifc => {
                either = self.store_controls(case, &mut refusals, &mut fields);
            }
            Instruction::Clp => self.call(case, &mut refusals, &mut fields),
            Instruction::Chsc => self.event(&mut fields),
            Instruction::Sic => {}
            Instruction::Pcistbi
            | Instruction::Pcistgi
            | Instruction::Pcilgi
            | Instruction::Pciwb => {
                refusals.push(Refusal::Exception(exception::OPERATION));
            }
        }
        Expectation {
            accept: refusals.is_empty() || either,
            refusals,
            seen: case.instruction.moves().then(|| self.seen(case, tag)),
            fields,
            counted: controls
                .counted
                .filter(|_| case.await_measurement)
                .map(|counted| count(counted, u64::from(!case.joined), None)),
        }
    }

    /// Refuses handles that name no function, or a function in another state.
    fn handle(&self, case: &Case, refusals: &mut Vec<Refusal>) {
        let enabled = self.controls(case.function).enabled;
        let bad = match case.instruction {
            Instruction::Pcistb
            | Instruction::Pcistg
            | Instruction::Pcilg
            | Instruction::Rpcit
            | Instruction::Mpcifc => case.handle != Handle::Enabled || !enabled,
            // It also accepts handles of disabled functions. It may accept or refuse one with other instance bits.
            Instruction::Stpcifc => case.handle == Handle::Unknown,
            _ => false,
        };
        let unclear = case.instruction == Instruction::Stpcifc && other_instance(case.handle);
        if bad || unclear {
            refusals.push(BAD_HANDLE);
        }
    }

    fn offset(&self, case: &Case) -> u64 {
        match case.base {
            Base::Space => case.offset,
            Base::Dmb => case.offset.wrapping_add(self.facts.of(case.function).token),
        }
    }

    fn seen(&self, case: &Case, tag: u32) -> Seen {
        let store = case.instruction != Instruction::Pcilg;
        let config = case.space == 15;
        let access = match (store, config) {
            (true, false) => Access::Store,
            (true, true) => Access::ConfigWrite,
            (false, false) => Access::Load,
            (false, true) => Access::ConfigRead,
        };
        let bytes = if store {
            self.payload(case, tag)
        } else {
            Vec::new()
        };
        let vectors = case.space == VECTOR_BAR && self.known;
        let known = &self.controls(case.function).vectors;
        let answer = (vectors && !store).then(|| {
            let offset = self.offset(case);
            (offset..offset.saturating_add(case.length))
                .map(|at| known.get(&at).copied())
                .collect::<Option<Vec<u8>>>()
        });
        let identity = || {
            // Config space begins with both, little-endian.
            let bytes = [ISM.0.to_le_bytes(), ISM.1.to_le_bytes()].concat();
            let start = usize::try_from(self.offset(case)).ok()?;
            let length = usize::try_from(case.length).ok()?;
            bytes
                .get(start..start.checked_add(length)?)
                .map(<[u8]>::to_vec)
        };
        let answer = if config && !store && self.known {
            Some(identity())
        } else {
            answer
        };
        Seen {
            function: case.function,
            access,
            space: case.space,
            offset: self.offset(case),
            length: case.length,
            bytes,
            block: case.instruction == Instruction::Pcistb,
            optional: config || vectors,
            answer: answer.flatten(),
        }
    }

    fn payload(&self, case: &Case, tag: u32) -> Vec<u8> {
        let mut bytes = case.payload_bytes(tag);
        if let Some(patch) = case.patch {
            let value = match patch.value {
                Variable::Gid => self.facts.of(case.function).gid,
                Variable::Token => self.facts.of(case.function).token,
                Variable::Saved => self.saved,
                // Only CLP has these in its block.
                Variable::Handle | Variable::Group => return bytes,
            };
            for (slot, byte) in bytes.iter_mut().skip(patch.at).zip(value.to_be_bytes()) {
                *slot = byte;
            }
        }
        bytes.truncate(usize::try_from(case.length).unwrap_or(usize::MAX));
        bytes
    }
}

/// The counters after this number of fences, which are loads, and a successful instruction.
fn count(mut counted: [u64; 4], fences: u64, instruction: Option<Instruction>) -> [u64; 4] {
    let [loads, stores, blocks, refreshes] = &mut counted;
    *loads += fences;
    match instruction {
        Some(Instruction::Pcilg) => *loads += 1,
        Some(Instruction::Pcistg) => *stores += 1,
        Some(Instruction::Pcistb) => *blocks += 1,
        Some(Instruction::Rpcit) => *refreshes += 1,
        _ => {}
    }
    counted
}

/// Whether the handle has the right function but other bits. STPCIFC may accept or refuse such a handle.
const fn other_instance(handle: Handle) -> bool {
    matches!(handle, Handle::Stale | Handle::Zero)
}

#[cfg(test)]
mod tests;
