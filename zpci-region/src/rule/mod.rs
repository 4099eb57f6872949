//! Named rules, their severities, and the record of a broken one.
//!
//! The checks live where the knowledge is: shape rules in this crate, order rules in `ism`.
//! Their names and reasons stand together in [`catalogue`].

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
