//! Reference models: what a strict or a relaxed ISM function should see of an instruction, and how it may be refused.
//!
//! Source of the checks: QEMU `hw/s390x/s390-pci-inst.c` for what z/Architecture asks of every function, and the patches
//! that taught Linux relaxed alignment for what a relaxed function lets pass (see `docs/`).

mod refusal;

pub use refusal::{Refusal, exception, exception_name};

use crate::plan::{Base, Case, Handle, Instruction, Payload, Variable};
use crate::probe::FunctionFacts;
use crate::probe::layout::{DMA_ADDRESS, DMA_LENGTH};
use crate::recording::{Access, Recording, Source};
use serde::{Deserialize, Serialize};

/// Condition code for a handle of no enabled function.
const BAD_HANDLE: Refusal = Refusal::Condition(3, None);
/// Status 20: invalid address space.
const BAD_SPACE: Refusal = Refusal::Condition(1, Some(20));
const SPECIFICATION: Refusal = Refusal::Exception(exception::SPECIFICATION);
const OPERAND: Refusal = Refusal::Exception(exception::OPERAND);

/// Which function the instructions are measured against.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// Takes any alignment and any length up to 4,096, as ISM does.
    #[default]
    Relaxed,
    /// Takes multiples of 8 above 8, aligned, up to the group's maximum store block length.
    Strict,
}

impl Model {
    /// Name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Relaxed => "relaxed",
            Self::Strict => "strict",
        }
    }
}

/// What the device must see of an accepted instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Kind.
    pub access: Access,
    /// Address space.
    pub space: u8,
    /// Offset.
    pub offset: u64,
    /// How many bytes.
    pub length: u64,
    /// The bytes of a store; empty for a load.
    pub bytes: Vec<u8>,
    /// Whether it is a block store, which must arrive whole.
    pub block: bool,
    /// Whether QEMU may answer by itself: config space, which it emulates in part.
    pub optional: bool,
}

impl Seen {
    /// The offset behind its last byte.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.length)
    }
}

/// What may become of an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expectation {
    /// Whether it may succeed.
    pub accept: bool,
    /// How it may be refused; empty if it must succeed.
    pub refusals: Vec<Refusal>,
    /// The access of an accepted instruction; also tells where a wrongly accepted one would go.
    pub seen: Option<Seen>,
}

impl Expectation {
    /// In words.
    #[must_use]
    pub fn describe(&self) -> String {
        self.words(true)
    }

    /// In words that are the same for every length.
    #[must_use]
    pub fn kind(&self) -> String {
        self.words(false)
    }

    fn words(&self, with_length: bool) -> String {
        let of = |length: u64| {
            if with_length {
                format!(" of {}", bytes(length))
            } else {
                String::new()
            }
        };
        let refusals = || {
            self.refusals
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" or ")
        };
        let accepted = match &self.seen {
            None => "cc 0".to_owned(),
            Some(seen) if seen.optional => "cc 0, answered by config space".to_owned(),
            Some(seen) if seen.access.is_store() => format!("one store{}", of(seen.length)),
            Some(seen) => format!("one load{}", of(seen.length)),
        };
        match (self.accept, self.refusals.is_empty()) {
            (true, true) => accepted,
            (true, false) => format!("{accepted}, or {}", refusals()),
            (false, _) => refusals(),
        }
    }
}

fn bytes(count: u64) -> String {
    if count == 1 {
        "1 byte".into()
    } else {
        format!("{count} bytes")
    }
}

/// Walks a plan in order, because what MPCIFC, RPCIT and patched payloads should do depends on what came before.
#[derive(Debug)]
pub struct Reference<'a> {
    model: Model,
    maximum: u16,
    facts: &'a FunctionFacts,
    saved: u64,
    interrupts: bool,
    translation: bool,
    /// Whether all that registered them was seen.
    known: bool,
}

impl<'a> Reference<'a> {
    /// The expectations of all cases of a recording, in order.
    #[must_use]
    pub fn expectations(model: Model, recording: &'a Recording) -> Vec<Expectation> {
        let (maximum, facts) = (recording.max_store_block, &recording.facts);
        let (plan, outcomes) = (&recording.plan, &recording.outcomes);
        let mut reference = match recording.source {
            Source::Probe => Self::new(model, maximum, facts),
            Source::Guest => Self::of_any_guest(model, maximum, facts),
        };
        let mut expectations = Vec::new();
        for (index, ((tag, case), outcome)) in (0..).zip(&plan.cases).zip(outcomes).enumerate() {
            if index > 0 && recording.starts.iter().any(|start| start.begin == index) {
                reference.restart();
            }
            expectations.push(reference.expect(case, tag, outcome.executed));
            if case.save && outcome.executed {
                reference.save(outcome.loaded);
            }
        }
        expectations
    }

    /// The state after the set-up: interrupts and translation are registered. `maximum` is the function's own longest
    /// block store.
    #[must_use]
    pub fn new(model: Model, maximum: u16, facts: &'a FunctionFacts) -> Self {
        Self {
            model,
            maximum,
            facts,
            saved: 0,
            interrupts: true,
            translation: true,
            known: true,
        }
    }

    /// For a guest whose registrations and translation tables are not known: RPCIT and MPCIFC may succeed or not.
    #[must_use]
    pub fn of_any_guest(model: Model, maximum: u16, facts: &'a FunctionFacts) -> Self {
        Self {
            known: false,
            ..Self::new(model, maximum, facts)
        }
    }

    /// A new guest begins here, and its set-up has been done.
    fn restart(&mut self) {
        *self = Self {
            known: self.known,
            ..Self::new(self.model, self.maximum, self.facts)
        };
    }

    /// Keeps what a case with `save` loaded.
    pub fn save(&mut self, value: u64) {
        self.saved = value;
    }

    /// The expectation of the next case; `tag` is its place in the plan.
    pub fn expect(&mut self, case: &Case, tag: u32, executed: bool) -> Expectation {
        let mut refusals = Vec::new();
        if case.handle != Handle::Enabled && !case.instruction.is_mio() {
            refusals.push(BAD_HANDLE);
        }
        let mut either = false;
        let mut seen = None;
        match case.instruction {
            Instruction::Pcistb => {
                self.block(case, &mut refusals);
                seen = Some(self.seen(case, tag));
            }
            Instruction::Pcistg | Instruction::Pcilg => {
                either = self.register(case, &mut refusals);
                seen = Some(self.seen(case, tag));
            }
            Instruction::Rpcit if self.known => self.refresh(case, &mut refusals),
            Instruction::Rpcit | Instruction::Mpcifc if !self.known => {
                either = refusals.is_empty();
                refusals.push(Refusal::Condition(1, None));
            }
            Instruction::Rpcit => {}
            Instruction::Mpcifc => either = self.control(case, &mut refusals, executed),
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
            seen,
        }
    }

    fn offset(&self, case: &Case) -> u64 {
        match case.base {
            Base::Space => case.offset,
            Base::Dmb => case.offset.wrapping_add(self.facts.token),
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
        Seen {
            access,
            space: case.space,
            offset: self.offset(case),
            length: case.length,
            bytes,
            block: case.instruction == Instruction::Pcistb,
            optional: config,
        }
    }

    fn payload(&self, case: &Case, tag: u32) -> Vec<u8> {
        let mut bytes = case.payload_bytes(tag);
        if let Some(patch) = case.patch {
            let value = match patch.value {
                Variable::Gid => self.facts.gid,
                Variable::Token => self.facts.token,
                Variable::Saved => self.saved,
            };
            for (slot, byte) in bytes.iter_mut().skip(patch.at).zip(value.to_be_bytes()) {
                *slot = byte;
            }
        }
        bytes.truncate(usize::try_from(case.length).unwrap_or(usize::MAX));
        bytes
    }

    /// Whether a BAR is there and holds the whole access.
    fn reach(&self, case: &Case, refusals: &mut Vec<Refusal>) {
        let size = match self.facts.bar_sizes.get(usize::from(case.space)) {
            Some(0) | None => {
                refusals.extend([BAD_SPACE, OPERAND]);
                return;
            }
            Some(exponent) => 1_u64.checked_shl(u32::from(*exponent)).unwrap_or(u64::MAX),
        };
        if self
            .offset(case)
            .checked_add(case.length)
            .is_none_or(|end| end > size)
        {
            refusals.push(OPERAND);
        }
    }

    fn block(&self, case: &Case, refusals: &mut Vec<Refusal>) {
        if case.space > 5 {
            refusals.push(BAD_SPACE);
            return;
        }
        let offset = self.offset(case);
        let maximum = match self.model {
            Model::Relaxed => u64::from(self.maximum),
            Model::Strict => u64::from(self.maximum.min(self.facts.max_store_block)),
        };
        let strict_form = !case.length.is_multiple_of(8)
            || case.length <= 8
            || !offset.is_multiple_of(8)
            || !case.source.is_multiple_of(8);
        let broken_form = case.length == 0
            || case.length > maximum
            || (offset % 4096) + case.length > 4096
            || (self.model == Model::Strict && strict_form);
        if broken_form {
            refusals.push(SPECIFICATION);
        }
        self.reach(case, refusals);
    }

    /// True if the length is one that may be refused or carried out.
    fn register(&self, case: &Case, refusals: &mut Vec<Refusal>) -> bool {
        if case.odd_register {
            refusals.push(SPECIFICATION);
        }
        let window = match case.space {
            0..=5 => {
                self.reach(case, refusals);
                8
            }
            15 => 4,
            _ => {
                refusals.push(BAD_SPACE);
                return false;
            }
        };
        let crosses = case.length == 0 || (self.offset(case) % window) + case.length > window;
        if crosses || (case.space == 15 && case.length == 3) {
            refusals.push(OPERAND);
        }
        // No source tells what becomes of 3, 5, 6 or 7 bytes, or of an access that is not naturally aligned: Linux makes none.
        // Refusing them and carrying them out whole are both taken.
        let usual = case.length.is_power_of_two() && self.offset(case).is_multiple_of(case.length);
        if refusals.is_empty() && !usual {
            refusals.push(OPERAND);
            return true;
        }
        false
    }

    fn refresh(&self, case: &Case, refusals: &mut Vec<Refusal>) {
        if case.odd_register {
            refusals.push(SPECIFICATION);
        }
        let inside = case.offset >= DMA_ADDRESS
            && case.offset.saturating_add(case.length) <= DMA_ADDRESS + DMA_LENGTH;
        if !self.translation || !inside {
            refusals.push(Refusal::Condition(1, None));
        }
    }

    /// True if the operation is one of which nothing is asked.
    fn control(&mut self, case: &Case, refusals: &mut Vec<Refusal>, executed: bool) -> bool {
        if !case.source.is_multiple_of(8) {
            refusals.push(SPECIFICATION);
        }
        let format = match &case.payload {
            Payload::Bytes(bytes) => bytes.first().copied().unwrap_or(0),
            Payload::Pattern => 0,
        };
        if format != 0 {
            refusals.push(OPERAND);
        }
        let sequence = Refusal::Condition(1, None);
        let changes = refusals.is_empty() && executed;
        match case.operation {
            2 if self.interrupts => refusals.push(sequence),
            3 if !self.interrupts => refusals.push(sequence),
            4 if self.translation => refusals.push(sequence),
            5 | 6 if !self.translation => refusals.push(sequence),
            2 | 3 if changes => self.interrupts = case.operation == 2,
            4 | 5 if changes => self.translation = case.operation == 4,
            2..=6 => {}
            7 | 9 | 10 => {
                refusals.push(sequence);
                return true;
            }
            _ => refusals.push(OPERAND),
        }
        false
    }
}

#[cfg(test)]
mod tests;
