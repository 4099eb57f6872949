//! One line: the fields that all lines have, and an event.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::kinds::Event;

/// The version of the event format.
pub const SCHEMA_VERSION: u32 = 1;

/// Returns the JSON schema of a line of the event file. `A` is the action of a fault.
#[cfg(feature = "schema")]
pub fn schema<A: schemars::JsonSchema>() -> serde_json::Value {
    let settings = schemars::generate::SchemaSettings::default().for_serialize();
    let generator = settings.into_generator();
    generator
        .into_root_schema_for::<Line<'_, Event<'_, A>>>()
        .to_value()
}

/// The kind of an event alone.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Kind {
    /// The name of the kind, also of one that [`Event`] does not know.
    pub event: String,
    /// The name of the command, if it is one.
    pub name: Option<String>,
}

/// A line of the event file (`--events`) of vfio-user-ism.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(title = "Event", deny_unknown_fields))]
pub struct Line<'a, E = Event<'a>> {
    /// The version of this format.
    #[serde(deserialize_with = "crate::version::<_, SCHEMA_VERSION>")]
    #[cfg_attr(feature = "schema", schemars(extend("const" = SCHEMA_VERSION)))]
    pub schema_version: u32,
    /// The number of the line: 1, 2, 3, ... without gaps.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub seq: u64,
    /// Microseconds since the server started.
    pub time_us: u64,
    /// The name of the function.
    pub function: Cow<'a, str>,
    /// The number that this line shares with the access, reset or departure that caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "u64", range(min = 1)))]
    pub cause: Option<u64>,
    /// The event, or what its reader wants to know about it.
    #[serde(flatten)]
    pub event: E,
}

impl<E: DeserializeOwned> Line<'static, E> {
    /// Reads a line, with or without its end.
    ///
    /// # Errors
    /// Text that is no JSON object with these fields, or has another version.
    pub fn read(line: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(line)
    }
}
