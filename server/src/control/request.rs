//! Requests on the control socket.

use ism::fault::{Action, Fault, deserialize_action};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A request on the control socket: one line of JSON.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(tag = "request", title = "Request")]
pub(super) enum Request {
    /// Lists the functions of the fabric.
    Functions {},
    /// Lists the active faults, with their counters.
    Faults {},
    /// Adds a fault, or replaces the one with its id.
    Set {
        /// The fault, as in a profile.
        fault: Fault,
    },
    /// Removes a fault, or all of them.
    Clear {
        /// Id of the fault. Default: all faults.
        #[serde(default)]
        id: Option<String>,
    },
    /// Carries out an action at once.
    Inject {
        /// Name of the function that the action hits.
        function: String,
        /// Name of the other function, for `who` and for a GID event without a GID.
        #[serde(default)]
        peer: Option<String>,
        /// An action that hits a whole function, as in a fault.
        #[serde(rename = "do", deserialize_with = "deserialize_action")]
        #[schemars(schema_with = "action")]
        action: Action,
    },
    /// Returns the report so far.
    Report {},
    /// Returns the metrics, as Prometheus text.
    Metrics {},
    /// Sends events as they come, until the client hangs up.
    Events {},
}

/// Names of the requests, for error messages.
const NAMES: &[&str] = &[
    "functions",
    "faults",
    "set",
    "clear",
    "inject",
    "report",
    "metrics",
    "events",
];

fn action(generator: &mut SchemaGenerator) -> Schema {
    Fault::action_schema(generator)
}

/// The JSON schema of a request.
pub fn schema() -> Value {
    schemars::schema_for!(Request).to_value()
}

impl Request {
    /// Parses a line. The error names the place and the expected value.
    pub(super) fn read(line: &[u8]) -> Result<Self, String> {
        let mut fields: Map<String, Value> =
            serde_json::from_slice(line).map_err(|error| format!("not a JSON object: {error}"))?;
        let expected = || format!("expected one of {}", NAMES.join(", "));
        let name = match fields.remove("request") {
            Some(Value::String(name)) if NAMES.contains(&name.as_str()) => name,
            Some(other) => return Err(format!("request: {other}, {}", expected())),
            None => return Err(format!("request: missing, {}", expected())),
        };
        let whole: Map<String, Value> = [(name.clone(), Value::Object(fields))]
            .into_iter()
            .collect();
        serde_path_to_error::deserialize(Value::Object(whole)).map_err(|error| {
            let path = error.path().to_string();
            let path = path.strip_prefix(&name).unwrap_or(&path);
            let path = path.trim_start_matches('.').to_owned();
            let problem = error.into_inner();
            match path.as_str() {
                "" => format!("{name}: {problem}"),
                path => format!("{path}: {problem}"),
            }
        })
    }
}
