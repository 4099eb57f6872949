//! A stand-in for a QEMU that behaves well: issues a plan to a function as the reference model says a guest's instructions
//! should reach it. It shows that the suite can pass.

use crate::expect::{Expectation, Model, Reference, Refusal, Seen};
use crate::plan::{Carrier, Plan};
use crate::probe::{FunctionFacts, Outcome, layout};

/// The function, by whatever way a well-behaved client reaches it.
pub trait Function {
    /// Why the function cannot be reached any more.
    type Error;

    /// Stores `seen.bytes` in one access; false if the function refused it.
    ///
    /// # Errors
    /// The function cannot be reached.
    fn store(&mut self, seen: &Seen) -> Result<bool, Self::Error>;

    /// Loads `seen.length` bytes in one access; `None` if the function refused it.
    ///
    /// # Errors
    /// The function cannot be reached.
    fn load(&mut self, seen: &Seen) -> Result<Option<Vec<u8>>, Self::Error>;

    /// Loads four bytes of config space at [`crate::plan::FENCE_OFFSET`].
    ///
    /// # Errors
    /// The function cannot be reached.
    fn fence(&mut self) -> Result<(), Self::Error>;

    /// Forgets interrupts that came before.
    ///
    /// # Errors
    /// The function cannot be reached.
    fn clear_interrupts(&mut self) -> Result<(), Self::Error>;

    /// Waits for an interrupt, not for ever; whether one came.
    ///
    /// # Errors
    /// The function cannot be reached.
    fn take_interrupt(&mut self) -> Result<bool, Self::Error>;
}

/// Executes a plan against a model whose function takes block stores of `maximum` bytes; the outcomes are what a guest would have got.
///
/// # Errors
/// The function cannot be reached.
pub fn execute<F: Function>(
    plan: &Plan,
    facts: &FunctionFacts,
    (model, maximum): (Model, u16),
    function: &mut F,
) -> Result<Vec<Outcome>, F::Error> {
    let mut reference = Reference::new(model, maximum, facts);
    let mut outcomes = Vec::new();
    for (tag, case) in (0..).zip(&plan.cases) {
        let executed = case.only != Some(Carrier::Plain);
        let expectation = reference.expect(case, tag, executed);
        let mut outcome = Outcome {
            executed,
            ..Outcome::default()
        };
        if executed {
            if !case.joined {
                function.fence()?;
            }
            if case.clear_interrupts {
                function.clear_interrupts()?;
            }
            carry_out(&expectation, function, &mut outcome)?;
            if case.await_interrupt && function.take_interrupt()? {
                outcome.interrupts = 1;
                outcome.interrupt_word = 0x8000_0000 | (layout::ISC << 27) as u32;
            }
            if case.save {
                reference.save(outcome.loaded);
            }
        }
        outcomes.push(outcome);
    }
    function.fence()?;
    Ok(outcomes)
}

fn carry_out<F: Function>(
    expectation: &Expectation,
    function: &mut F,
    outcome: &mut Outcome,
) -> Result<(), F::Error> {
    match (expectation.refusals.first(), &expectation.seen) {
        (Some(Refusal::Exception(code)), _) => outcome.exception = Some(*code),
        (Some(Refusal::Condition(condition, status)), _) => {
            outcome.condition = *condition;
            outcome.status = status.unwrap_or(0);
        }
        (None, Some(seen)) if seen.access.is_store() => {
            if !function.store(seen)? {
                outcome.exception = Some(crate::expect::exception::OPERAND);
            }
        }
        (None, Some(seen)) => match function.load(seen)? {
            Some(bytes) => {
                outcome.loaded = bytes
                    .iter()
                    .fold(0, |value, byte| (value << 8) | u64::from(*byte));
            }
            None => outcome.exception = Some(crate::expect::exception::OPERAND),
        },
        (None, None) => {}
    }
    Ok(())
}
