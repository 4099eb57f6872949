//! 64-bit numbers that JSON holds as text, because many readers of JSON numbers lose bits above 2^53.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A 64-bit number, written as `0x` and 1 to 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hex64(pub u64);

impl fmt::Display for Hex64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl From<Hex64> for String {
    fn from(number: Hex64) -> Self {
        number.to_string()
    }
}

impl TryFrom<String> for Hex64 {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.strip_prefix("0x")
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .map(Self)
            .ok_or_else(|| format!("{text:?}, expected 0x and 1 to 16 hexadecimal digits"))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Hex64 {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Hex64".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^0x[0-9a-fA-F]{1,16}$" })
    }
}
