//! What the guest left in memory.

use super::layout::{CLP_FUNCTION, CLP_GROUP, DUMP_ADDRESS, RESULT_SIZE, RESULTS, state, variable};
use super::record::READ_GID_WORKED;
use crate::plan::Carrier;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What happened to one instruction in the guest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Outcome {
    /// Whether it ran at all; cases for the other carrier do not.
    pub executed: bool,
    /// Condition code; meaningless after an exception.
    pub condition: u8,
    /// Program interruption code, if it ended in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exception: Option<u16>,
    /// Status code from the register the instruction leaves it in.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub status: u8,
    /// The register a load fills.
    #[serde(default)]
    pub loaded: u64,
    /// Adapter interrupts taken, where the case waits for them.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub interrupts: u8,
    /// Interruption identification word of the last one.
    #[serde(default)]
    pub interrupt_word: u32,
}

fn is_zero(value: &u8) -> bool {
    *value == 0
}

impl Outcome {
    /// Condition code 0 and no exception.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.executed && self.exception.is_none() && self.condition == 0
    }
}

/// What CLP and the set-up told of the function.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct FunctionFacts {
    /// Enabled handle.
    pub handle: u32,
    /// BAR sizes as powers of two; 0 for none.
    pub bar_sizes: [u8; 6],
    /// Group.
    pub group: u8,
    /// Function type.
    pub function_type: u8,
    /// Physical channel.
    pub pchid: u16,
    /// Most bytes of a PCISTB, as the group says.
    pub max_store_block: u16,
    /// Start of the DMA window.
    pub start_dma: u64,
    /// End of the DMA window.
    pub end_dma: u64,
    /// GID, as READ_GID told.
    pub gid: u64,
    /// Token of the registered DMB.
    pub token: u64,
    /// How commands went.
    pub carrier: Option<Carrier>,
}

/// How the probe ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProbeState {
    /// The program did not start.
    NotStarted,
    /// It is before its records.
    Started,
    /// CLP lists no such function.
    NoFunction,
    /// CLP could not enable it.
    NotEnabled,
    /// It runs its records.
    Running,
    /// It came to its end.
    Done,
    /// A program interruption of this code at this address, where none can be.
    Crashed {
        /// Program interruption code.
        code: u16,
        /// Instruction address of the old PSW.
        address: u64,
    },
}

/// All the guest left.
#[derive(Debug, Clone)]
pub struct ProbeResults {
    /// How it ended.
    pub state: ProbeState,
    /// Records that were begun.
    pub progress: u64,
    /// What CLP and the set-up told.
    pub facts: FunctionFacts,
    /// Fences that worked.
    pub fences: u64,
    /// One outcome per set-up step.
    pub setup: Vec<Outcome>,
    /// One outcome per case.
    pub cases: Vec<Outcome>,
}

/// Why the dump cannot be read.
#[derive(Debug, Error)]
pub enum ResultsError {
    /// Fewer bytes than the results need.
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

    fn facts(&self) -> Result<FunctionFacts, ResultsError> {
        let function = CLP_FUNCTION + 32;
        let group = CLP_GROUP + 32;
        let block_response = self.variable(variable::BLOCK_RESPONSE)?;
        Ok(FunctionFacts {
            handle: self.variable(variable::HANDLE)? as u32,
            bar_sizes: self.bytes(function + 24)?,
            group: self.bytes::<1>(function + 19)?[0],
            function_type: self.bytes::<1>(function + 63)?[0],
            pchid: u16::from_be_bytes(self.bytes(function + 30)?),
            max_store_block: u16::from_be_bytes(self.bytes(group + 20)?) & 0x1fff,
            start_dma: self.word(function + 64)?,
            end_dma: self.word(function + 72)?,
            gid: self.variable(variable::GID)?,
            token: self.variable(variable::TOKEN)?,
            carrier: Some(if block_response == READ_GID_WORKED {
                Carrier::Block
            } else {
                Carrier::Plain
            }),
        })
    }

    /// `status_after` tells which register holds the status of this record's instruction: 2 or 3.
    fn outcome(&self, index: usize) -> Result<Outcome, ResultsError> {
        let at = RESULTS + RESULT_SIZE * index as u64;
        let executed = self.word(at)? == 2;
        let condition = (self.word(at + 8)? & 3) as u8;
        let code = (self.word(at + 16)? & 0x7fff) as u16;
        let request = self.word(at + 24)?;
        if !executed {
            return Ok(Outcome::default());
        }
        let exception = (code != 0).then_some(code);
        Ok(Outcome {
            executed,
            condition: if exception.is_some() { 0 } else { condition },
            exception,
            status: if exception.is_none() && condition != 0 {
                (request >> 24) as u8
            } else {
                0
            },
            loaded: self.word(at + 40)?,
            interrupts: self.word(at + 48)?.min(255) as u8,
            interrupt_word: self.word(at + 56)? as u32,
        })
    }
}

impl ProbeResults {
    /// Reads the dump of [`super::DUMP_LENGTH`] bytes from [`super::DUMP_ADDRESS`].
    ///
    /// # Errors
    /// A dump that is too short.
    pub fn read(dump: &[u8], setup: usize, cases: usize) -> Result<Self, ResultsError> {
        let dump = Dump(dump);
        Ok(Self {
            state: dump.state()?,
            progress: dump.variable(variable::PROGRESS)?,
            facts: dump.facts()?,
            fences: dump.variable(variable::FENCES)?,
            setup: (0..setup)
                .map(|index| dump.outcome(index))
                .collect::<Result<_, _>>()?,
            cases: (setup..setup + cases)
                .map(|index| dump.outcome(index))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// How far a running probe came: state, and records begun. `mailbox` is the start of the dump, of at least
/// [`super::MAILBOX_LENGTH`] bytes.
///
/// # Errors
/// A dump that is too short.
pub fn progress(mailbox: &[u8]) -> Result<(ProbeState, u64), ResultsError> {
    let dump = Dump(mailbox);
    Ok((dump.state()?, dump.variable(variable::PROGRESS)?))
}
