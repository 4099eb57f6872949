//! What may touch a zPCI function, and how.
//!
//! This crate is pure: it knows no socket, clock or runtime. It holds
//!
//! - [`access`]: one load or store as a value (path, pcias, offset, bytes);
//! - [`rule`]: the catalogue of named rules, severities and violations.
//!
//! Non-goal: it does not know what the ISM device does with a store; that is the `ism` crate.
#![forbid(unsafe_code)]

pub mod access;
pub mod rule;

pub use access::{Load, Path, Refusal, Store};
pub use rule::{Observer, Rule, RuleSet, Severity, Violation};
