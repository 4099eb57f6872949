//! The refusals that a guest gets.

use crate::probe::Outcome;

/// Program interruption codes (z/Architecture Principles of Operation, chapter 6).
pub mod exception {
    /// Operation: there is no such instruction.
    pub const OPERATION: u16 = 0x01;
    /// Privileged operation: the program is in problem state.
    pub const PRIVILEGED: u16 = 0x02;
    /// Protection: the operand is write-protected.
    pub const PROTECTION: u16 = 0x04;
    /// Addressing: there is no such memory.
    pub const ADDRESSING: u16 = 0x05;
    /// Specification: operands break a rule of form.
    pub const SPECIFICATION: u16 = 0x06;
    /// Segment translation: the operand's segment is invalid.
    pub const SEGMENT_TRANSLATION: u16 = 0x10;
    /// Page translation: the operand's page is invalid.
    pub const PAGE_TRANSLATION: u16 = 0x11;
    /// Operand: this function does not accept the operands.
    pub const OPERAND: u16 = 0x15;
}

/// The place that an access exception must report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Where {
    /// Number of the page, from the operand's first page.
    pub page: i64,
    /// Address-space control.
    pub space: u8,
    /// Whether the access was a store.
    pub store: bool,
}

/// A way of refusing an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Program interruption with this code.
    Exception(u16),
    /// Access exception with this code and address.
    Access(u16, Where),
    /// Condition code, and the status if one is specified.
    Condition(u8, Option<u8>),
}

impl Refusal {
    /// Whether the guest was refused in this way.
    pub fn matches(self, outcome: &Outcome) -> bool {
        match self {
            Self::Exception(code) => outcome.exception == Some(code),
            Self::Access(code, place) => {
                outcome.exception == Some(code)
                    && outcome.fault.is_none_or(|fault| {
                        fault.page == place.page
                            && fault.space == place.space
                            && matches!(
                                (fault.access, place.store),
                                (0, _) | (1, true) | (2, false)
                            )
                    })
            }
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
            Self::Access(code, place) => {
                write!(f, "{} at page {}", exception_name(*code), place.page)
            }
            Self::Condition(condition, Some(status)) => write!(f, "cc {condition} status {status}"),
            Self::Condition(condition, None) => write!(f, "cc {condition}"),
        }
    }
}

/// Whether the old PSW of this program interruption points to the instruction itself, so that it can be
/// executed again.
pub const fn nullifies(code: u16) -> bool {
    matches!(
        code,
        exception::SEGMENT_TRANSLATION | exception::PAGE_TRANSLATION | 0x38..=0x3b
    )
}

/// The name of a program interruption.
pub fn exception_name(code: u16) -> String {
    match code {
        exception::OPERATION => "operation exception".into(),
        exception::PRIVILEGED => "privileged-operation exception".into(),
        exception::PROTECTION => "protection exception".into(),
        exception::ADDRESSING => "addressing exception".into(),
        exception::SPECIFICATION => "specification exception".into(),
        exception::SEGMENT_TRANSLATION => "segment-translation exception".into(),
        exception::PAGE_TRANSLATION => "page-translation exception".into(),
        exception::OPERAND => "operand exception".into(),
        other => format!("program interruption {other:#06x}"),
    }
}
