//! Device profiles: JSON files that describe the functions for the client.
//!
//! [`Profile`] is the file as written; [`Plan`] is its meaning, checked and with defaults filled in. Unknown
//! keys are errors, so that a misspelt key does not silently give a default.

pub mod builtin;
pub mod check;
mod error;
pub mod plan;
mod written;

pub use check::{load, parse};
pub use error::{KeyError, ProfileError};
pub use plan::{FunctionPlan, Plan};
pub use written::{Contract, DeviceSettings, FunctionSettings, Profile, SCHEMA_VERSION, schema};
