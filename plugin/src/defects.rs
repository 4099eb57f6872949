// SPDX-License-Identifier: GPL-2.0-or-later
//! Deliberate defects, chosen by `break=NAME`: a correct interception becomes a wrong one.
//!
//! They show that `vfio-user-ism intercept` tells each of them from the correct one, and what its
//! report looks like then. Without `break=` nothing here runs.
//!
//! - [`stop`]: QEMU crashes or hangs at a chosen instruction.

pub mod stop;

use stop::Stop;

/// What `break=` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Break {
    /// QEMU ends, or stands still.
    Stop(Stop),
}

/// What `break=list` prints.
#[must_use]
pub fn list() -> String {
    format!("break=NAME takes one of these defects:\n{}", stop::HELP)
}

impl Break {
    /// Parses the value of `break=`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(value: &str) -> Result<Self, String> {
        match Stop::parse(value) {
            Some(stop) => stop.map(Self::Stop),
            None => Err("there is no such defect; break=list lists them".to_owned()),
        }
    }
}
