//! The formats of recorded sessions: JSON Lines, written and read.
//!
//! Writers and readers share the types, so that no reader can miss a field that a writer has. A reader passes
//! over unknown fields and gives unknown kinds as `Unknown`. It refuses a line of another version.

pub mod event;
pub mod instruction;

use serde::{Deserialize, Deserializer, de::Error};

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
