//! Finds scenarios by file or name.

use std::path::Path;

use super::format::Scenario;
use super::library;
use super::load::parse;
use crate::error::Error;

/// The scenarios for `wanted`: a file, a scenario of the library, `default` or `all`.
///
/// # Errors
/// There is no such scenario, or the file holds none.
pub(super) fn named(wanted: &str) -> Result<Vec<Scenario>, Error> {
    let part = |within: fn(&Scenario) -> bool| {
        let all = library::all()?.into_iter();
        Ok(all.filter(within).collect())
    };
    match wanted {
        "all" => return part(|scenario| scenario.apart.is_none()),
        "default" => return part(|scenario| scenario.by_default),
        _ => {}
    }
    if let Some(text) = library::text(wanted) {
        return parse(wanted, text).map(|scenario| vec![scenario]);
    }
    let path = Path::new(wanted);
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::Usage(format!(
            "--scenario {wanted}: {error}; expected a file, `all`, `default`, or a name that \
             `lab --list-scenarios` shows"
        ))
    })?;
    parse(wanted, &text).map(|scenario| vec![scenario])
}
