//! A fault as profiles and the control socket write it.

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
    /// Name in events, reports and on the control socket: 1 to 64 letters, digits, `-`, `_`;
    /// unique.
    pub id: String,
    /// Where it may act. Without, everywhere that its action allows.
    #[serde(default, skip_serializing_if = "On::is_everywhere")]
    pub on: On,
    /// Which of the chances it takes. Without, every one.
    #[serde(default, skip_serializing_if = "When::is_always")]
    pub when: When,
    /// It acts so often at most, for each function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
    /// The action: its name, or an object with its name as the only key and its parameters as the value.
    #[serde(rename = "do", deserialize_with = "deserialize_action")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "Fault::action_schema"))]
    pub action: Action,
}

/// Where a fault may act: every key that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct On {
    /// The place. Without, the action or another key tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Site>,
    /// Name of the function that gets there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// Name of the other function: the one whose GID a command or its DMB names, the owner of the
    /// DMB of a move, the cause of an event or an interrupt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// A command, by name (`REG_DMB`) or code (`0x0a`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Token of the DMB, of a move or of UNREG_DMB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Hex64>,
    /// SBA index of the DMB, of a move, of REG_DMB or of UNREG_DMB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u32>,
    /// Whether a move carries the signal flag.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signal: Option<bool>,
    /// Type of an event.
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

    /// The keys that are given, beside `at` and `function`.
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

/// Which chances a fault takes; each function's are counted apart. Without any key, every one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct When {
    /// The chance of this number only, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nth: Option<u64>,
    /// Every chance whose number is a multiple of this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub every: Option<u64>,
    /// Each chance with this probability, 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<f64>,
    /// Seed for `probability`. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
}

impl When {
    fn is_always(&self) -> bool {
        *self == Self::default()
    }
}

/// Reads an action: `"name"` stands for `{"name": {}}`.
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

/// No parameters.
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
