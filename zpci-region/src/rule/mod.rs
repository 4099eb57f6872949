//! Named rules, their severities, and the record of a broken one.
//!
//! Each check is in the crate that has the knowledge for it: shape rules in this crate, order rules in `ism`.
//! The names and reasons of all rules are in [`catalogue`].

pub mod catalogue;
mod group;
mod set;
mod severity;
mod text;
mod violation;

pub use catalogue::{Rule, RuleInfo};
pub use group::Group;
pub use set::RuleSet;
pub use severity::Severity;
pub use violation::{Observer, Violation};
