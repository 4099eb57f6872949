//! Device profiles: JSON files that describe the functions for the client.
//!
//! [`Profile`], which `ism` has, is the file as written; [`Plan`] is its meaning, checked and with defaults
//! filled in. Unknown keys are errors, so that a misspelt key does not silently give a default.

pub mod builtin;
pub mod check;
mod error;
pub mod plan;

pub use check::{load, parse};
pub use error::{KeyError, ProfileError};
pub use ism::profile::{Contract, DeviceSettings, FunctionSettings, Profile, SCHEMA_VERSION};
pub use plan::{FunctionPlan, Plan};

/// The JSON schema of [`Profile`].
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Profile).to_value()
}
