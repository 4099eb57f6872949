//! Payloads in JSON: the word `pattern`, or hexadecimal digits.

use super::case::Payload;
use serde::{Deserialize, Deserializer, Serializer, de::Error};

/// Bytes as lower-case hexadecimal digits.
#[must_use]
pub(crate) fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Hexadecimal digits as bytes; `None` for an odd count or another character.
#[must_use]
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    digits.len().is_multiple_of(2).then(|| {
        digits
            .chunks(2)
            .map(|pair| pair.iter().fold(0, |byte, digit| (byte << 4) | digit))
            .collect()
    })
}

pub(super) fn serialize<S: Serializer>(
    payload: &Payload,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match payload {
        Payload::Pattern => serializer.serialize_str("pattern"),
        Payload::Bytes(bytes) => serializer.serialize_str(&encode(bytes)),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Payload, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == "pattern" {
        return Ok(Payload::Pattern);
    }
    decode(&text).map(Payload::Bytes).ok_or_else(|| {
        D::Error::custom(format!(
            "{text:?} is neither \"pattern\" nor an even number of hexadecimal digits"
        ))
    })
}
