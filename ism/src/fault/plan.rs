//! A fault as it stands in a profile or in a request on the control socket.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, MapDeserializer};
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::action::Action;
use super::number::Hex64;
use super::site::Site;

/// A fault: where it may act, which chances it takes, and what it does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Unique name in events, reports and on the control socket: 1 to 64 letters, digits, `-`, `_`.
    pub id: String,
    /// The places where the fault may act. Default: everywhere that its action allows.
    #[serde(default, skip_serializing_if = "On::is_everywhere")]
    pub on: On,
    /// The chances that the fault takes. Default: every one.
    #[serde(default, skip_serializing_if = "When::is_always")]
    pub when: When,
    /// The largest number of times that the fault acts, for each function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The action: its name, or an object with its name as the only key and its parameters as the value.
    #[serde(rename = "do", deserialize_with = "deserialize_action")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "Fault::action_schema"))]
    pub action: Action,
}

/// The places where a fault may act: every key that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct On {
    /// The place. Default: the place that the action or another key implies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Site>,
    /// Name of the function that reaches the place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Name of the other function. For a command, the function whose GID the command or its DMB names; for a
    /// move, the owner of the DMB; for an event or an interrupt, the function that causes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// Name (`REG_DMB`) or code (`0x0a`) of a command.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Token of the DMB of a move or of UNREG_DMB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Hex64>,
    /// SBA index of the DMB of a move, of REG_DMB or of UNREG_DMB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// True for moves with the signal flag, false for moves without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<bool>,
    /// Type of an event: 0 buffer, 1 device, 2 software.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_type: Option<u32>,
    /// Name of a vfio-user command, e.g. `REGION_READ`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

impl On {
    fn is_everywhere(&self) -> bool {
        *self == Self::default()
    }

    /// The keys that are given, except `at` and `function`.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &'static str> {
        let given = [
            ("peer", self.peer.is_some()),
            ("command", self.command.is_some()),
            ("token", self.token.is_some()),
            ("index", self.index.is_some()),
            ("signal", self.signal.is_some()),
            ("event_type", self.event_type.is_some()),
            ("message", self.message.is_some()),
        ];
        given
            .into_iter()
            .filter_map(|(key, given)| given.then_some(key))
    }
}

/// The chances that a fault takes, counted separately for each function. Default: every one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// Only the chance with this number, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// Every chance whose number is a multiple of this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// Each chance with this probability, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Seed of the random numbers for `probability`. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl When {
    fn is_always(&self) -> bool {
        *self == Self::default()
    }
}

/// Reads an action: `"name"` is short for `{"name": {}}`.
///
/// # Errors
/// Those of `deserializer`; an unknown action, or more than one.
pub fn deserialize_action<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Action, D::Error> {
    deserializer.deserialize_any(NameOrObject)
}

struct NameOrObject;

impl<'de> Visitor<'de> for NameOrObject {
    type Value = Action;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of an action, or an object with that name as its only key")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Action, E> {
        let nothing = MapDeserializer::<_, E>::new(std::iter::empty::<(&str, bool)>());
        let map = MapDeserializer::new(std::iter::once((name, Parameters(nothing))));
        Action::deserialize(MapAccessDeserializer::new(map))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Action, A::Error> {
        let action = Action::deserialize(MapAccessDeserializer::new(&mut map))?;
        match map.next_key::<String>()? {
            None => Ok(action),
            Some(other) => Err(de::Error::custom(format!(
                "{} and {other}, expected one action",
                action.name()
            ))),
        }
    }
}

/// An action without parameters.
struct Parameters<'de, I: Iterator<Item = (&'static str, bool)>, E>(MapDeserializer<'de, I, E>);

impl<'de, I, E> de::IntoDeserializer<'de, E> for Parameters<'de, I, E>
where
    I: Iterator<Item = (&'static str, bool)>,
    E: de::Error,
{
    type Deserializer = MapDeserializer<'de, I, E>;

    fn into_deserializer(self) -> Self::Deserializer {
        self.0
    }
}

#[cfg(feature = "schema")]
impl Fault {
    /// The JSON schema of an action: its name, or an object with its name as the only key.
    pub fn action_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let object = generator.subschema_for::<Action>();
        let names = Action::NAMES;
        schemars::json_schema!({ "anyOf": [object, { "type": "string", "enum": names }] })
    }
}
