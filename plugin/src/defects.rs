// SPDX-License-Identifier: GPL-2.0-or-later
//! Deliberate defects, chosen by `break=NAME`. Each makes a correct interception wrong in one way.
//!
//! They show that `vfio-user-ism intercept` distinguishes each of them from the correct interception, and
//! what its report says. Without `break=`, nothing here runs.
//!
//! - [`hook`]: the definition of a defect;
//! - [`operands`], [`checks`], [`blocks`], [`pieces`], [`stores`], [`loads`], [`endings`]: wrong versions of
//!   the steps of a forwarded instruction; [`interception`] runs the steps;
//! - [`refusals`], [`controls`], [`calls`]: changes before, after or instead of instructions that QEMU
//!   executes; [`executed`]: their common parts;
//! - [`wire`], [`undo`]: tools for defects: the way to the server, and changed operands;
//! - [`stop`]: QEMU crashes or hangs at a chosen instruction.

pub(crate) mod blocks;
pub(crate) mod calls;
pub(crate) mod checks;
pub(crate) mod controls;
pub(crate) mod endings;
pub(crate) mod executed;
pub(crate) mod hook;
pub(crate) mod interception;
pub(crate) mod loads;
pub(crate) mod operands;
pub(crate) mod pieces;
pub(crate) mod refusals;
pub(crate) mod stop;
pub(crate) mod stores;
pub(crate) mod undo;
pub(crate) mod wire;

use hook::Defect;
use serde_json::json;
use stop::Stop;

/// The parsed value of `break=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    /// QEMU ends or hangs.
    Stop(Stop),
    /// One step of the interception is wrong.
    Defect(&'static Defect),
}

/// All defects, by kind.
pub(crate) const KINDS: [(&str, &[Defect]); 13] = [
    ("operands", operands::DEFECTS),
    ("limits", checks::LIMITS),
    ("checks", checks::DEFECTS),
    ("blocks", blocks::DEFECTS),
    ("splits", pieces::SPLITS),
    ("pieces", pieces::DEFECTS),
    ("stores", stores::DEFECTS),
    ("loads", loads::DEFECTS),
    ("endings", endings::DEFECTS),
    ("refusals", refusals::DEFECTS),
    ("controls", controls::DEFECTS),
    ("answers", calls::ANSWERS),
    ("calls", calls::DEFECTS),
];

/// Returns the output of `break=list`: a line with name and description for each defect.
pub(crate) fn list() -> String {
    let mut text = format!("break=NAME takes one of these defects:\n{}", stop::HELP);
    for (kind, defects) in KINDS {
        text.push_str(&format!("\n{kind}:"));
        for defect in defects {
            text.push_str(&format!("\n  {:<28} {}", defect.name, defect.what));
        }
    }
    text
}

/// Returns the same list as JSON: `places` describes the defects that stop QEMU, and `defects` lists the
/// others with their kinds.
pub(crate) fn list_as_json() -> String {
    let each = KINDS.iter().flat_map(|(kind, defects)| {
        let one =
            move |defect: &Defect| json!({"kind": kind, "name": defect.name, "what": defect.what});
        defects.iter().map(one)
    });
    let defects: Vec<_> = each.collect();
    json!({"schema_version": 1, "places": stop::HELP, "defects": defects}).to_string()
}

impl Break {
    /// Parses the value of `break=`.
    ///
    /// # Errors
    /// The text says what is wrong.
    pub(crate) fn parse(value: &str) -> Result<Self, String> {
        if let Some(stop) = Stop::parse(value) {
            return stop.map(Self::Stop);
        }
        let mut all = KINDS.iter().flat_map(|(_, defects)| *defects);
        all.find(|defect| defect.name == value)
            .map(Self::Defect)
            .ok_or_else(|| "there is no such defect; break=list prints all of them".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_described() {
        let mut names = std::collections::BTreeSet::new();
        for defect in KINDS.iter().flat_map(|(_, defects)| *defects) {
            assert!(names.insert(defect.name), "{} is there twice", defect.name);
            assert!(
                !defect.what.is_empty() && defect.what.len() < 100,
                "{}",
                defect.what
            );
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(defect.name.chars().all(plain), "{}", defect.name);
            assert_eq!(Break::parse(defect.name), Ok(Break::Defect(defect)));
        }
        assert!(names.len() >= 60, "{}", names.len());
    }

    #[test]
    fn the_list_as_json_has_each_defect_with_its_kind() {
        let listed: serde_json::Value = serde_json::from_str(&list_as_json()).unwrap();
        assert_eq!(listed["schema_version"], 1);
        assert_eq!(listed["places"], stop::HELP);
        let defects = listed["defects"].as_array().unwrap();
        let all: usize = KINDS.iter().map(|(_, defects)| defects.len()).sum();
        assert_eq!(defects.len(), all);
        let first = &operands::DEFECTS[0];
        assert_eq!(
            defects[0],
            json!({"kind": "operands", "name": first.name, "what": first.what})
        );
    }
}
