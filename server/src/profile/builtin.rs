//! The profile in force when none is named.

/// `configs/ism.json`, as text.
pub const ISM: &str = include_str!("../../../configs/ism.json");

/// Its name in error messages.
pub const NAME: &str = "built-in profile";
