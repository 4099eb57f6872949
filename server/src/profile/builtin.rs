//! The profile in force when none is named.

/// `configs/ism.json`, as text.
pub const ISM: &str = include_str!("../../../configs/ism.json");

/// What error messages call it.
pub const NAME: &str = "built-in profile";
