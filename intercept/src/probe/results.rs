//! Reads the results that the guest left in memory.

use super::image::Image;
use super::layout::{
    DUMP_ADDRESS, RESULT_SIZE, RESULTS, area, function_area, result, state, variable,
};
use super::memory::{GUARD, Span};
use super::outcome::{Change, Fault, Outcome};
use super::record::READ_GID_WORKED;
use crate::plan::{Carrier, Case, Instruction, Plan, Translation};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The facts about the function, from CLP and the set-up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FunctionFacts {
    /// Enabled handle.
    pub handle: u32,
    /// BAR sizes as powers of two; 0 for none.
    pub bar_sizes: [u8; 6],
    /// Number of the group.
    pub group: u8,
    /// Function type.
    pub function_type: u8,
    /// Physical channel id.
    pub pchid: u16,
    /// The group's longest PCISTB in bytes.
    #[serde(rename = "max-store-block")]
    pub maxstbl: u16,
    /// Start of the DMA window.
    pub start_dma: u64,
    /// End of the DMA window.
    pub end_dma: u64,
    /// GID, from READ_GID.
    pub gid: u64,
    /// Token of the registered DMB.
    pub token: u64,
    /// The way of issuing commands.
    pub carrier: Option<Carrier>,
    /// The guest's other functions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<OtherFunction>,
}

/// The facts about another function of the guest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OtherFunction {
    /// Enabled handle.
    pub handle: u32,
    /// GID, from READ_GID.
    pub gid: u64,
    /// Token of the function's registered DMB.
    pub token: u64,
}

impl FunctionFacts {
    /// Handle, GID and token of the function with this number.
    pub fn of(&self, function: u8) -> OtherFunction {
        match usize::from(function).checked_sub(1) {
            None => OtherFunction {
                handle: self.handle,
                gid: self.gid,
                token: self.token,
            },
            Some(other) => self.others.get(other).copied().unwrap_or_default(),
        }
    }
}

/// The state in which the probe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeState {
    /// The program has not started.
    NotStarted,
    /// The program has not reached its records.
    Started,
    /// CLP does not list a needed function.
    NoFunction,
    /// CLP could not enable the function.
    NotEnabled,
    /// The program executes its records.
    Running,
    /// The program has executed all records.
    Done,
    /// A program interruption of this code at this address, outside an instruction under test.
    Crashed {
        /// Program interruption code.
        code: u16,
        /// Instruction address of the old PSW.
        address: u64,
    },
}

/// All results that the guest left in memory.
#[derive(Debug, Clone)]
pub struct ProbeResults {
    /// The state at the end.
    pub state: ProbeState,
    /// Number of started records.
    pub progress: u64,
    /// The facts from CLP and the set-up.
    pub facts: FunctionFacts,
    /// Failed fences after the last case, one bit for each function.
    pub last_fences_failed: u8,
    /// One outcome for each step of the set-up.
    pub setup: Vec<Outcome>,
    /// One outcome for each case.
    pub cases: Vec<Outcome>,
}

/// A reason why the dump cannot be read.
#[derive(Debug, Error)]
pub enum ResultsError {
    /// The dump is too short.
    #[error("the dump of guest memory has {0} bytes, which does not reach {1:#x}")]
    Short(usize, u64),
}

struct Dump<'a>(&'a [u8]);

impl Dump<'_> {
    fn bytes<const N: usize>(&self, address: u64) -> Result<[u8; N], ResultsError> {
        let short = || ResultsError::Short(self.0.len(), address);
        let start = usize::try_from(address - DUMP_ADDRESS).map_err(|_| short())?;
        self.0
            .get(start..start + N)
            .and_then(|bytes| bytes.try_into().ok())
            .ok_or_else(short)
    }

    fn word(&self, address: u64) -> Result<u64, ResultsError> {
        self.bytes(address).map(u64::from_be_bytes)
    }

    fn variable(&self, offset: u64) -> Result<u64, ResultsError> {
        self.word(DUMP_ADDRESS + offset)
    }

    fn state(&self) -> Result<ProbeState, ResultsError> {
        Ok(match self.variable(variable::STATE)? {
            state::STARTED => ProbeState::Started,
            state::NO_FUNCTION => ProbeState::NoFunction,
            state::NOT_ENABLED => ProbeState::NotEnabled,
            state::RUNNING => ProbeState::Running,
            state::DONE => ProbeState::Done,
            state::CRASHED => ProbeState::Crashed {
                code: self.variable(variable::CRASH_CODE)? as u16,
                address: self.variable(variable::CRASH_ADDRESS)?,
            },
            _ => ProbeState::NotStarted,
        })
    }

    fn facts(&self, functions: usize) -> Result<FunctionFacts, ResultsError> {
        let area = function_area(0);
        let function = area + area::CLP_FUNCTION + 32;
        let group = area + area::CLP_GROUP + 32;
        let block_response = self.word(area + area::BLOCK_RESPONSE)?;
        let own = self.function(0)?;
        Ok(FunctionFacts {
            handle: own.handle,
            bar_sizes: self.bytes(function + 24)?,
            group: self.bytes::<1>(function + 19)?[0],
            function_type: self.bytes::<1>(function + 63)?[0],
            pchid: u16::from_be_bytes(self.bytes(function + 30)?),
            maxstbl: u16::from_be_bytes(self.bytes(group + 20)?) & 0x1fff,
            start_dma: self.word(function + 64)?,
            end_dma: self.word(function + 72)?,
            gid: own.gid,
            token: own.token,
            carrier: Some(if block_response == READ_GID_WORKED {
                Carrier::Block
            } else {
                Carrier::Plain
            }),
            others: (1..functions)
                .map(|function| self.function(function))
                .collect::<Result<_, _>>()?,
        })
    }

    fn function(&self, function: usize) -> Result<OtherFunction, ResultsError> {
        let area = function_area(function);
        Ok(OtherFunction {
            // The set-up enabled the function, and the plan may have disabled it.
            handle: (self.word(area + area::CLP_SET + 32 + 16)? >> 32) as u32,
            gid: self.word(area + area::GID)?,
            token: self.word(area + area::TOKEN)?,
        })
    }

    fn registers(&self, address: u64) -> Result<[u64; 16], ResultsError> {
        let mut registers = [0; 16];
        for (number, register) in (0..).zip(&mut registers) {
            *register = self.word(address + 8 * number)?;
        }
        Ok(registers)
    }

    /// The outcome of the record with this number. `case` is the plan's case, if it is one, and `output` the
    /// memory of its block.
    fn outcome(
        &self,
        index: usize,
        case: Option<&Case>,
        output: &[Span],
    ) -> Result<Outcome, ResultsError> {
        let at = RESULTS + RESULT_SIZE * index as u64;
        let word = |field: u64| self.word(at + field);
        if word(result::STATE)? != 2 {
            return Ok(Outcome::default());
        }
        let before = self.registers(at + result::BEFORE)?;
        let after = self.registers(at + result::AFTER)?;
        let code = (word(result::PROGRAM_CODE)? & 0x7fff) as u16;
        let exception = (code != 0).then_some(code);
        let condition = (word(result::CONDITION)? & 3) as u8;
        let status = exception.is_none() && condition != 0;
        let changed = (0..)
            .zip(before.iter().zip(&after))
            .filter(|(_, (before, after))| before != after)
            .map(|(register, (before, after))| Change {
                register,
                before: *before,
                after: *after,
            })
            .collect();
        let displacement = case.map_or(0, Case::block_displacement);
        let operand = before[4].wrapping_add_signed(i64::from(displacement));
        let resume = word(result::OLD_ADDRESS)?.wrapping_sub(word(result::ADDRESS)?);
        let mut block = Vec::new();
        for (address, length) in output {
            block.extend(self.slice(*address, *length)?);
        }
        let behind = match (case, output) {
            (Some(case), [(address, length)]) if case.translation == Translation::Off => {
                self.bytes::<{ GUARD.len() }>(address + *length as u64)?
            }
            _ => GUARD,
        };
        let load = case.is_none_or(|case| case.instruction == Instruction::Pcilg);
        let mut counters = [0; 4];
        for (number, counter) in (0..).zip(&mut counters) {
            *counter = word(result::COUNTERS + 8 * number)?;
        }
        let awaited = case.is_some_and(|case| case.await_measurement);
        // Only a case that waits for an interrupt has a defined time for this: others may see a bit or not.
        let indicators = match case.is_some_and(|case| case.await_interrupt) {
            true => self.bytes(at + result::INDICATORS)?,
            false => [0_u8; 24],
        };
        Ok(Outcome {
            executed: true,
            condition: if exception.is_some() { 0 } else { condition },
            exception,
            status: if status { (after[2] >> 24) as u8 } else { 0 },
            loaded: if load && exception.is_none() && condition == 0 {
                after[6]
            } else {
                0
            },
            interrupts: word(result::INTERRUPTS)?.min(255) as u8,
            interrupt_word: word(result::INTERRUPT_WORD)? as u32,
            instruction_length: exception
                .is_some()
                .then_some((word(result::PROGRAM_CODE)? >> 16) as u8),
            resume: exception.map(|_| u8::try_from(resume).unwrap_or(u8::MAX)),
            fault: Fault::read(code, word(result::TRANSLATION_EXCEPTION)?, operand),
            changed,
            block,
            behind: if behind == GUARD {
                Vec::new()
            } else {
                behind.to_vec()
            },
            indicators: [indicators[0], indicators[8], indicators[16]],
            counted: (awaited && counters != [u64::MAX; 4]).then_some(counters),
            fences_failed: word(result::FENCES_FAILED)? as u8,
        })
    }

    fn slice(&self, address: u64, length: usize) -> Result<&[u8], ResultsError> {
        let short = || ResultsError::Short(self.0.len(), address);
        let start = address.checked_sub(DUMP_ADDRESS).ok_or_else(short)?;
        let start = usize::try_from(start).map_err(|_| short())?;
        self.0.get(start..start + length).ok_or_else(short)
    }
}

impl ProbeResults {
    /// Reads the results of the probe of `plan` from a dump: [`super::DUMP_LENGTH`] bytes from
    /// [`super::DUMP_ADDRESS`].
    ///
    /// # Errors
    /// Memory that is too short.
    pub fn read(dump: &[u8], image: &Image, plan: &Plan) -> Result<Self, ResultsError> {
        let dump = Dump(dump);
        let setup = image.setup.len();
        let cases = plan.cases.iter().zip(&image.outputs).enumerate();
        Ok(Self {
            state: dump.state()?,
            progress: dump.variable(variable::PROGRESS)?,
            facts: dump.facts(plan.functions())?,
            last_fences_failed: dump.variable(variable::LAST_FENCES_FAILED)? as u8,
            setup: (0..setup)
                .map(|index| dump.outcome(index, None, &[]))
                .collect::<Result<_, _>>()?,
            cases: cases
                .map(|(index, (case, output))| dump.outcome(setup + index, Some(case), output))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// The progress of a running probe: its state, and the number of started records. `mailbox` is the start of
/// the dump, at least [`super::MAILBOX_LENGTH`] bytes.
///
/// # Errors
/// A dump that is too short.
pub fn progress(mailbox: &[u8]) -> Result<(ProbeState, u64), ResultsError> {
    let dump = Dump(mailbox);
    Ok((dump.state()?, dump.variable(variable::PROGRESS)?))
}
