//! The plan: the instructions that the probe executes, in order.
//!
//! - `case`: one instruction with operands and payload;
//! - `fact`: what CLP tells of a function;
//! - `load`: plans from JSON, checked;
//! - `builtin`: the default plan, group by group;
//! - `random`: plans from a seed;
//! - `instruction`, `payload`: its parts; `hex`: bytes in JSON.

mod builtin;
mod case;
mod fact;
pub(crate) mod hex;
mod instruction;
pub mod load;
mod payload;
mod random;

pub(crate) use case::is_default;
pub use case::{
    Base, CHSC_BLOCK, Carrier, Case, Handle, Only, Operand, Patch, Translation, Variable,
};
pub use fact::{Announced, Fact, Field, fid, uid};
pub use instruction::Instruction;
pub use payload::Payload;

use serde::{Deserialize, Serialize};

/// The version of the plan format that this crate reads and writes.
pub const SCHEMA_VERSION: u32 = 1;

/// Offset of the probe's fences in config space. No case may load there.
pub const FENCE_OFFSET: u64 = 0x2c;

/// Most cases of a plan. The probe's tables have room for this number.
pub const MAX_CASES: usize = 8192;

/// Cases in their order of execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Plan {
    /// Version of the format, 1.
    pub schema_version: u32,
    /// The plan's name in reports.
    pub name: String,
    /// The seed of a random plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// The cases.
    pub cases: Vec<Case>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            name: "default".into(),
            seed: None,
            cases: builtin::cases(),
        }
    }
}

impl Plan {
    /// `count` cases drawn from `seed`. The same arguments give the same plan on every machine.
    pub fn random(count: usize, seed: u64) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            name: "random".into(),
            seed: Some(seed),
            cases: random::cases(count.clamp(1, MAX_CASES), seed),
        }
    }

    /// The plan as JSON text, which [`Plan::read`] reads back.
    ///
    /// # Errors
    /// Those of `serde_json`.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        let mut text = serde_json::to_string_pretty(self)?;
        text.push('\n');
        Ok(text)
    }

    /// Number of functions that the guest needs.
    pub fn functions(&self) -> usize {
        let last = self.cases.iter().map(|case| case.function).max();
        usize::from(last.unwrap_or(0)) + 1
    }

    /// Runs of cases without a fence between them, as index ranges in order.
    pub fn batches(&self) -> Vec<std::ops::Range<usize>> {
        let mut batches: Vec<std::ops::Range<usize>> = Vec::new();
        for (index, case) in self.cases.iter().enumerate() {
            match batches.last_mut() {
                Some(batch) if case.joined => batch.end = index + 1,
                _ => batches.push(index..index + 1),
            }
        }
        batches
    }
}
