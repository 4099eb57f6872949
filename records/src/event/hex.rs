//! Bytes in events.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of one access that an event shows.
pub const SHOWN_BYTES: usize = 4096;

/// Bytes that are written as hexadecimal text, at most the first [`SHOWN_BYTES`] of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hex<'a>(pub Cow<'a, [u8]>);

impl<'a> From<&'a [u8]> for Hex<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self(bytes.into())
    }
}

impl Hex<'_> {
    pub(super) fn shown(&self) -> &[u8] {
        self.0.get(..SHOWN_BYTES).unwrap_or(&self.0)
    }
}

impl Serialize for Hex<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&const_hex::encode(self.shown()))
    }
}

impl<'de> Deserialize<'de> for Hex<'_> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        crate::bytes(from).map(|bytes| Self(bytes.into()))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Hex<'_> {
    fn schema_name() -> Cow<'static, str> {
        "Hex".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^([0-9a-f]{2})*$",
            "maxLength": 2 * SHOWN_BYTES,
        })
    }
}
