//! A case's bytes. In JSON they are the word `pattern` or hexadecimal digits.

use super::hex;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// The bytes of a store, or the control block of an MPCIFC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Payload {
    /// The pattern of [`crate::pattern`], tagged with the case's index in the plan.
    #[default]
    Pattern,
    /// These bytes.
    Bytes(Vec<u8>),
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Pattern => serializer.serialize_str("pattern"),
            Self::Bytes(bytes) => hex::serialize(bytes, serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "pattern" {
            return Ok(Self::Pattern);
        }
        hex::decode(&text).map(Self::Bytes).ok_or_else(|| {
            D::Error::custom(format!(
                "{text:?} is neither \"pattern\" nor an even number of hexadecimal digits"
            ))
        })
    }
}
