//! The scenarios that are compiled in: the files of `lab/scenarios/`.

use super::format::Scenario;
use super::load;
use crate::error::Error;

macro_rules! files {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../../scenarios/", $name, ".json")))),*]
    };
}

/// Name and text of each.
const FILES: &[(&str, &str)] = &files![
    "driver-comes-and-goes",
    "guest-dies",
    "guest-reboots",
    "recover-under-traffic",
    "two-guests-talk",
];

/// The text of a scenario.
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
    use super::{FILES, all};

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
}
