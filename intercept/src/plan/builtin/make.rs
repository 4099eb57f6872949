//! Builds cases step by step: first the instruction and the name, then the special features.

use crate::plan::case::{Base, Case, Handle, Only, Patch, Variable};
use crate::plan::instruction::Instruction;
use crate::plan::payload::Payload;

/// A case without a group. [`grouped`] adds the group.
pub(super) fn case(instruction: Instruction, id: impl Into<String>) -> Case {
    Case::new(id, "", instruction)
}

/// A PCISTB into the registered DMB (BAR 0).
pub(super) fn into_dmb(id: impl Into<String>, offset: u64, length: u64) -> Case {
    Case {
        base: Base::Dmb,
        ..case(Instruction::Pcistb, id).at(0, offset, length)
    }
}

/// Puts cases into a group.
pub(super) fn grouped(group: &str, cases: impl IntoIterator<Item = Case>) -> Vec<Case> {
    let member = |case| Case {
        group: group.to_owned(),
        ..case
    };
    cases.into_iter().map(member).collect()
}

/// Handles that name no enabled function.
pub(super) const HANDLES: [(Handle, &str); 4] = [
    (Handle::Disabled, "disabled"),
    (Handle::Unknown, "unknown"),
    (Handle::Stale, "stale"),
    (Handle::Zero, "zero"),
];

/// The instructions that move data, each with a usual length.
pub(super) const MOVERS: [(Instruction, u64); 3] = [
    (Instruction::Pcistb, 16),
    (Instruction::Pcistg, 8),
    (Instruction::Pcilg, 8),
];

impl Case {
    /// Sets the place in an address space.
    pub(super) fn at(self, space: u8, offset: u64, length: u64) -> Self {
        Self {
            space,
            offset,
            length,
            ..self
        }
    }

    /// Sets bytes in place of the pattern.
    pub(super) fn with_bytes(self, bytes: impl Into<Vec<u8>>) -> Self {
        let payload = Payload::Bytes(bytes.into());
        Self { payload, ..self }
    }

    /// Sets a value that the guest puts into the payload.
    pub(super) fn patched(self, value: Variable, at: usize) -> Self {
        let patch = Some(Patch { value, at });
        Self { patch, ..self }
    }

    pub(super) fn with_source(self, source: u16) -> Self {
        Self { source, ..self }
    }

    pub(super) fn with_handle(self, handle: Handle) -> Self {
        Self { handle, ..self }
    }

    pub(super) fn with_operation(self, operation: u8) -> Self {
        Self { operation, ..self }
    }

    /// Says whether the case has no fence before it.
    pub(super) fn joined(self, joined: bool) -> Self {
        Self { joined, ..self }
    }

    pub(super) fn of_function(self, function: u8) -> Self {
        Self { function, ..self }
    }

    /// Sets the condition for the case to run.
    pub(super) fn limited(self, only: Only) -> Self {
        let only = Some(only);
        Self { only, ..self }
    }
}
