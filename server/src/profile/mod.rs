//! Device profiles: what is presented to the client, as JSON.
//!
//! [`Profile`] is the file as written; [`Plan`] is what it means, checked and with defaults
//! filled in. Unknown keys are errors, so that a typing mistake never passes for a default.

pub mod builtin;
pub mod check;
mod error;
pub mod plan;
mod written;

pub use check::{load, parse};
pub use error::{KeyError, ProfileError};
pub use plan::{FunctionPlan, Plan};
pub use written::{Contract, DeviceSettings, FunctionSettings, Profile, SCHEMA_VERSION, schema};
