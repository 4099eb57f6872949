//! One record of the plugin: an instruction of the guest.

use serde::{Deserialize, Deserializer};

use records::event::Hex;

/// A zPCI instruction that a guest executed.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[allow(missing_docs, reason = "plugin/README.md describes the fields")]
pub(crate) struct Insn {
    pub seq: u64,
    pub vcpu: u32,
    pub insn: String,
    pub pcias: Option<u8>,
    #[serde(default, deserialize_with = "number")]
    pub offset: Option<u64>,
    pub length: Option<u64>,
    pub bytes: Option<Hex<'static>>,
    #[serde(default, deserialize_with = "number")]
    pub value: Option<u64>,
    pub outcome: String,
    pub cc: Option<u8>,
    pub status: Option<u8>,
    pub exception: Option<Exception>,
    #[serde(default)]
    pub forwarded: bool,
}

/// A program exception.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[allow(missing_docs, reason = "plugin/README.md describes the fields")]
pub(crate) struct Exception {
    pub code: Option<u16>,
    pub name: String,
}

/// A number that the plugin writes as `0x...`.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text: Option<String> = Option::deserialize(deserializer)?;
    let parse = |text: String| {
        let digits = text.strip_prefix("0x").unwrap_or(&text);
        u64::from_str_radix(digits, 16)
            .map_err(|_| serde::de::Error::custom(format!("{text:?}, expected 0x and digits")))
    };
    text.map(parse).transpose()
}

pub(super) fn parse(line: &[u8]) -> Result<Insn, String> {
    serde_json::from_slice(line).map_err(|error| error.to_string())
}
