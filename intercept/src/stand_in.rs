//! A stand-in for a correct QEMU. It executes a plan on a function as the reference model expects it, and
//! shows that the suite can pass.

use crate::expect::{Expectation, Model, Reference, Refusal, Seen, nullifies};
use crate::plan::{Announced, Case, Fact, Instruction, Only, Plan};
use crate::probe::{Change, Fault, FunctionFacts, Outcome, clp, layout};
use std::collections::BTreeMap;

/// A function. The implementation decides how to reach it.
pub trait Function {
    /// The reason why the function can no longer be reached.
    type Error;

    /// Stores `seen.bytes` in one access. Returns false if the function refuses it.
    ///
    /// # Errors
    /// The function cannot be reached.
    fn store(&mut self, seen: &Seen) -> Result<bool, Self::Error>;

    /// Loads `seen.length` bytes in one access. Returns `None` if the function refuses it.
    ///
    /// # Errors
    /// The function cannot be reached.
    fn load(&mut self, seen: &Seen) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Loads four bytes of config space at [`crate::plan::FENCE_OFFSET`] of the function with this number.
    ///
    /// # Errors
    /// The function cannot be reached.
    fn fence(&mut self, function: u8) -> Result<(), Self::Error>;

    /// Forgets earlier interrupts.
    ///
    /// # Errors
    /// The function cannot be reached.
    fn clear_interrupts(&mut self) -> Result<(), Self::Error>;

    /// Waits for an interrupt of the function with this number, for a limited time. Returns whether one came.
    ///
    /// # Errors
    /// The function cannot be reached.
    fn take_interrupt(&mut self, function: u8) -> Result<bool, Self::Error>;
}

/// The function that a stand-in presents to the guest.
#[derive(Debug, Clone, Copy)]
pub struct Machine<'a> {
    /// The model of the function.
    pub model: Model,
    /// Longest block store.
    pub maximum: u16,
    /// The facts from CLP and the set-up.
    pub facts: &'a FunctionFacts,
    /// The facts that the function announces.
    pub announced: &'a Announced,
}

/// Executes a plan. Returns the outcomes that a guest would get.
///
/// # Errors
/// The function cannot be reached.
pub fn execute<F: Function>(
    plan: &Plan,
    machine: Machine<'_>,
    function: &mut F,
) -> Result<Vec<Outcome>, F::Error> {
    let mut reference = Reference::new(
        machine.model,
        machine.maximum,
        machine.facts,
        machine.announced,
    );
    let mut outcomes = Vec::new();
    let mut vectors = BTreeMap::new();
    let mut indicators = [0; 3];
    for (tag, case) in (0..).zip(&plan.cases) {
        let expectation = reference.expect(case, tag);
        let mut outcome = Outcome {
            executed: case.only != Some(Only::Plain),
            ..Outcome::default()
        };
        if outcome.executed {
            if !case.joined {
                outcome.fences_failed = reference.unreachable();
                fences(plan, outcome.fences_failed, function)?;
            }
            if case.clear_interrupts {
                function.clear_interrupts()?;
                indicators = [0; 3];
            }
            carry_out(case, &expectation, function, &mut vectors, &mut outcome)?;
            if outcome.exception.is_none() {
                write_block(case, &expectation, machine, &mut outcome);
            }
            if case.await_interrupt && function.take_interrupt(case.function)? {
                outcome.interrupts = 1;
                outcome.interrupt_word = 0x8000_0000 | (layout::ISC << 27) as u32;
                indicators[0] = 0x80;
                if let Some(vector) = indicators.get_mut(1 + usize::from(case.function)) {
                    *vector = 0x80;
                }
            }
            outcome.indicators = indicators;
            outcome.counted = expectation.counted;
        }
        reference.settle(case, tag, &outcome);
        outcomes.push(outcome);
    }
    fences(plan, reference.unreachable(), function)?;
    Ok(outcomes)
}

fn fences<F: Function>(plan: &Plan, failed: u8, function: &mut F) -> Result<(), F::Error> {
    for number in (0..).take(plan.functions()) {
        if failed & (1 << number) == 0 {
            function.fence(number)?;
        }
    }
    Ok(())
}

fn carry_out<F: Function>(
    case: &Case,
    expectation: &Expectation,
    function: &mut F,
    vectors: &mut BTreeMap<(u8, u64), u8>,
    outcome: &mut Outcome,
) -> Result<(), F::Error> {
    let exception = |outcome: &mut Outcome, code| {
        outcome.exception = Some(code);
        outcome.resume = Some(if nullifies(code) {
            0
        } else {
            case.instruction.size()
        });
    };
    // If success is also right, the stand-in does not refuse.
    let refusal = expectation.refusals.first().filter(|_| {
        !expectation.accept || expectation.seen.as_ref().is_none_or(|seen| !seen.optional)
    });
    match (refusal, &expectation.seen) {
        (Some(Refusal::Exception(code)), _) => exception(outcome, *code),
        (Some(Refusal::Access(code, place)), _) => {
            exception(outcome, *code);
            outcome.fault = Some(Fault {
                page: place.page,
                space: place.space,
                access: if place.store { 1 } else { 2 },
            });
        }
        (Some(Refusal::Condition(condition, status)), _) => {
            outcome.condition = *condition;
            outcome.status = status.unwrap_or(0);
            if outcome.status != 0 {
                outcome.changed.push(Change {
                    register: 2,
                    before: 0,
                    after: u64::from(outcome.status) << 24,
                });
            }
        }
        // The machine itself has the MSI-X table.
        (None, Some(seen)) if seen.optional && !seen.access.is_config() => {
            let places = (seen.offset..seen.end()).map(|at| (seen.function, at));
            if seen.access.is_store() {
                vectors.extend(places.zip(seen.bytes.iter().copied()));
            } else {
                outcome.loaded = places.fold(0, |value, place| {
                    (value << 8) | u64::from(vectors.get(&place).copied().unwrap_or(0))
                });
            }
        }
        (None, Some(seen)) if seen.access.is_store() => {
            if !function.store(seen)? {
                exception(outcome, crate::expect::exception::OPERAND);
            }
        }
        (None, Some(seen)) => match function.load(seen)? {
            Some(bytes) => {
                outcome.loaded = bytes
                    .iter()
                    .fold(0, |value, byte| (value << 8) | u64::from(*byte));
            }
            None => exception(outcome, crate::expect::exception::OPERAND),
        },
        (None, None) => {}
    }
    Ok(())
}

/// Writes the instruction's result into its block.
fn write_block(
    case: &Case,
    expectation: &Expectation,
    machine: Machine<'_>,
    outcome: &mut Outcome,
) {
    if !case.instruction.writes_block() || !outcome.succeeded() {
        return;
    }
    let mut block = case.payload_bytes(0);
    let mut put = |at: usize, bytes: &[u8]| {
        for (slot, byte) in block.iter_mut().skip(at).zip(bytes) {
            *slot = *byte;
        }
    };
    for field in &expectation.fields {
        put(field.at, &field.bytes);
    }
    if case.fact == Some(Fact::Listed) && case.instruction == Instruction::Clp {
        let handle = machine.facts.of(case.function).handle;
        for field in Fact::Listed.fields(machine.announced, case.function, handle) {
            put(clp::REQUEST + 32 + field.at, &field.bytes);
        }
    }
    outcome.block = block;
}
