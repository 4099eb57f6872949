//! How a guest is told no.

use crate::probe::Outcome;

/// Program interruption codes (z/Architecture Principles of Operation, chapter 6).
pub mod exception {
    /// Operation: no such instruction.
    pub const OPERATION: u16 = 0x01;
    /// Specification: operands break a rule of form.
    pub const SPECIFICATION: u16 = 0x06;
    /// Operand: operands that this function does not take.
    pub const OPERAND: u16 = 0x15;
}

/// A way for the guest to be told no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Program interruption with this code.
    Exception(u16),
    /// Condition code, and status where one is laid down.
    Condition(u8, Option<u8>),
}

impl Refusal {
    /// Whether the guest was refused in this way.
    #[must_use]
    pub fn matches(self, outcome: &Outcome) -> bool {
        match self {
            Self::Exception(code) => outcome.exception == Some(code),
            Self::Condition(condition, status) => {
                outcome.exception.is_none()
                    && outcome.condition == condition
                    && status.is_none_or(|status| outcome.status == status)
            }
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Exception(code) => f.write_str(&exception_name(*code)),
            Self::Condition(condition, Some(status)) => write!(f, "cc {condition} status {status}"),
            Self::Condition(condition, None) => write!(f, "cc {condition}"),
        }
    }
}

/// A program interruption by name.
#[must_use]
pub fn exception_name(code: u16) -> String {
    match code {
        exception::OPERATION => "operation exception".into(),
        0x02 => "privileged-operation exception".into(),
        0x04 => "protection exception".into(),
        0x05 => "addressing exception".into(),
        exception::SPECIFICATION => "specification exception".into(),
        exception::OPERAND => "operand exception".into(),
        other => format!("program interruption {other:#06x}"),
    }
}
