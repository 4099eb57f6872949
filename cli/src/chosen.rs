//! The profile that the user chose.

use std::path::Path;

use vfio_user_ism_server::profile::{self, Plan, builtin};

use crate::failure::Failure;

/// The plan of the profile at `path`. Without a path, the plan of the built-in profile.
pub(crate) fn plan(path: Option<&Path>) -> Result<Plan, Failure> {
    Ok(match path {
        Some(path) => profile::load(path)?,
        None => profile::parse(builtin::NAME, builtin::ISM)?,
    })
}
