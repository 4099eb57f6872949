//! Bytes as lower-case hexadecimal digits, the form in all our JSON.

use serde::{Deserialize, Deserializer, Serializer, de::Error};

pub(crate) use const_hex::encode;

/// Decodes hexadecimal digits. `None` for an odd count or another character.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let digits = !text.starts_with("0x");
    digits.then(|| const_hex::decode(text).ok()).flatten()
}

pub(crate) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&encode(bytes))
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    decode(&text).ok_or_else(|| D::Error::custom("expected an even number of hexadecimal digits"))
}
