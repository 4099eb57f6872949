//! The built-in profile, which is used if none is named.

/// `configs/ism.json`, as text.
pub const ISM: &str = include_str!("../../../configs/ism.json");

/// The profile's name in error messages.
pub const NAME: &str = "built-in profile";
