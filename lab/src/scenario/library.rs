//! The scenarios that are compiled in: the files of `lab/scenarios/`.

use super::format::Scenario;
use super::load;
use crate::error::Error;
use include_dir::{Dir, include_dir};

static FOLDER: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/scenarios");

/// The scenarios with their names, in the order of the names.
fn files() -> Vec<(&'static str, &'static str)> {
    let files = FOLDER.files().filter_map(|file| {
        let name = file.path().to_str()?.strip_suffix(".json")?;
        Some((name, file.contents_utf8()?))
    });
    let mut files: Vec<_> = files.collect();
    files.sort_unstable();
    files
}

/// The text of a scenario.
pub(super) fn text(name: &str) -> Option<&'static str> {
    let found = files().into_iter().find(|(each, _)| *each == name);
    found.map(|(_, text)| text)
}

/// All scenarios, in the order of their names.
///
/// # Errors
/// One of them is wrong.
pub(super) fn all() -> Result<Vec<Scenario>, Error> {
    let each = files()
        .into_iter()
        .map(|(name, text)| load::parse(name, text));
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::{Scenario, all, files};
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn every_file_is_a_scenario_under_its_name() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
        let names = std::fs::read_dir(folder).unwrap();
        let mut there: Vec<String> = names
            .filter_map(|item| item.unwrap().file_name().into_string().ok())
            .filter_map(|name| name.strip_suffix(".json").map(str::to_owned))
            .collect();
        there.sort();
        let listed: Vec<&str> = files().into_iter().map(|(name, _)| name).collect();
        assert_eq!(listed, there);
        let all = all().unwrap_or_else(|error| panic!("{error}"));
        for (scenario, name) in all.iter().zip(listed) {
            assert_eq!(scenario.name, name);
            assert!(scenario.shows.ends_with('.'), "{name}: {}", scenario.shows);
        }
    }

    /// The names that the schema has under `definition`: the keys of its objects, and its plain words.
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
