//! The formats of recorded sessions: JSON Lines, written and read.
//!
//! Writers and readers share the types, so that no reader can miss a field that a writer has. A reader passes
//! over unknown fields and gives unknown kinds as `Unknown`. It refuses a line of another version.

pub mod event;
pub mod instruction;

use serde::{Deserialize, Deserializer, de::Error};

/// Whether a name has 1 to 64 letters, digits, `-` or `_`. The name of a function must: it becomes part of a
/// socket's path, and no file may choose a socket outside its folder.
#[must_use]
pub fn is_plain_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

/// Reads the `schema_version` of a line, which must be `EXPECTED`.
fn version<'de, D: Deserializer<'de>, const EXPECTED: u32>(from: D) -> Result<u32, D::Error> {
    let found = u32::deserialize(from)?;
    if found == EXPECTED {
        Ok(found)
    } else {
        Err(D::Error::custom(format_args!(
            "schema_version {found}, expected {EXPECTED}"
        )))
    }
}

/// Reads bytes from hexadecimal digits.
fn bytes<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(from)?;
    const_hex::decode(&*text)
        .map_err(|error| D::Error::custom(format_args!("hexadecimal bytes: {error}")))
}
