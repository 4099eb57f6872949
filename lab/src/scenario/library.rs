//! The built-in scenarios: the files of `lab/scenarios/`.

use super::format::Scenario;
use super::load;
use crate::error::Error;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../scenarios/", $name, ".json")))),*]
    };
}

/// Name and text of each scenario.
const FILES: &[(&str, &str)] = &files![
    "driver-comes-and-goes",
    "fault-changed-event",
    "fault-closed-connection",
    "fault-cut-data",
    "fault-cut-reply",
    "fault-delayed-interrupts",
    "fault-delayed-move",
    "fault-dropped-command",
    "fault-empty-response",
    "fault-error-state",
    "fault-full-queue",
    "fault-function-vanishes",
    "fault-interrupt-storm",
    "fault-late-data",
    "fault-late-reply",
    "fault-late-response",
    "fault-lost-data",
    "fault-lost-dmb-bits",
    "fault-lost-event",
    "fault-lost-interrupts",
    "fault-lost-mask-bits",
    "fault-lost-move",
    "fault-lost-reply",
    "fault-lost-summary-bits",
    "fault-other-gid",
    "fault-overwritten-event",
    "fault-peer-event-says-gone",
    "fault-queue-overrun",
    "fault-refused-move",
    "fault-reg-dmb-fails",
    "fault-reg-dmb-fails-late",
    "fault-reg-dmb-fails-unsignalled",
    "fault-repeated-interrupts",
    "fault-repeated-signals",
    "fault-response-length",
    "fault-response-too-long",
    "fault-server-restart",
    "fault-signal-ieq-fails",
    "fault-unknown-events",
    "fault-unknown-gids",
    "fault-wrong-dmb-bits",
    "four-guests",
    "four-guests-ping",
    "guest-dies",
    "guest-pauses",
    "guest-reboots",
    "hot-plug",
    "hot-unplug",
    "link-goes-down",
    "module-reload",
    "other-function-takes-over",
    "peer-reboots",
    "pnetids",
    "recover-under-traffic",
    "remove-and-rescan",
    "remove-under-traffic",
    "server-dies",
    "server-pauses",
    "server-restarts",
    "slot-power",
    "third-guest-dies",
    "two-functions-in-a-guest",
    "two-guests-talk",
    "two-processors",
    "unbind-under-traffic",
    "vlan",
    "waves-of-connections",
];

/// The text of the scenario `name`.
pub(super) fn text(name: &str) -> Option<&'static str> {
    let found = FILES.iter().find(|(each, _)| *each == name);
    found.map(|(_, text)| *text)
}

/// All scenarios, in the order of their names.
///
/// # Errors
/// One of them is wrong.
pub(super) fn all() -> Result<Vec<Scenario>, Error> {
    let each = FILES.iter().map(|(name, text)| load::parse(name, text));
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::{FILES, Scenario, all};
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_is_listed_under_its_name() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let names = std::fs::read_dir(folder).unwrap();
        let mut there: Vec<String> = names
            .filter_map(|item| item.unwrap().file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
            .collect();
        there.sort();
        let listed: Vec<&str> = FILES.iter().map(|(name, _)| *name).collect();
        assert_eq!(listed, there);
        let all = all().unwrap_or_else(|error| panic!("{error}"));
        for (scenario, name) in all.iter().zip(listed) {
            assert_eq!(scenario.name, name);
            assert!(scenario.shows.ends_with('.'), "{name}: {}", scenario.shows);
        }
    }

    /// The names under `definition` in the schema: the keys of its objects, and its plain words.
    fn named(definition: &str) -> BTreeSet<String> {
        let schema = schemars::schema_for!(Scenario).to_value();
        let alternatives = schema["$defs"][definition]["oneOf"].as_array().cloned();
        let mut names = BTreeSet::new();
        for one in alternatives.unwrap_or_else(|| panic!("{definition}: {schema}")) {
            let keys = one["properties"].as_object().into_iter();
            names.extend(keys.flat_map(|keys| keys.keys().cloned()));
            let words = one["enum"].as_array().into_iter().flatten();
            names.extend(
                words
                    .chain([&one["const"]])
                    .filter_map(|word| Some(word.as_str()?.to_owned())),
            );
        }
        names
    }

    #[test]
    fn every_action_and_condition_is_in_a_scenario() {
        let (mut actions, mut conditions, mut server) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        let name = |value: &Value| match value {
            Value::String(name) => name.clone(),
            other => other.as_object().unwrap().keys().next().unwrap().clone(),
        };
        for scenario in all().unwrap() {
            for step in &scenario.steps {
                let step = serde_json::to_value(step).unwrap();
                actions.insert(name(&step["do"]));
                conditions.extend(step.get("when").map(name));
                server.extend(step["do"]["server"].as_str().map(str::to_owned));
            }
        }
        assert_eq!(actions, named("StepAction"));
        assert_eq!(conditions, named("StepCondition"));
        assert_eq!(server, named("ServerAction"));
    }
}
