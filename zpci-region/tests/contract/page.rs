//! Reads the tables of docs/contract.md.

use std::collections::BTreeMap;

use super::header::repository;
use super::layout::Layouts;

/// Returns layouts and constants of the page.
#[track_caller]
pub(crate) fn read() -> (Layouts, BTreeMap<String, u64>) {
    let text = std::fs::read_to_string(repository().join("docs/contract.md")).unwrap();
    let mut layouts = Layouts::new();
    let mut constants = BTreeMap::new();
    let mut structure = None;
    for line in text.lines() {
        if let Some(title) = line.strip_prefix('#') {
            let title = title.trim_start_matches('#').trim();
            structure = title.starts_with("vui_").then(|| title.to_owned());
        }
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let code = |cell: &str| Some(cell.strip_prefix('`')?.strip_suffix('`')?.to_owned());
        match (cells.as_slice(), &structure) {
            (["", offset, size, order, field, meaning, ""], Some(structure)) => {
                let (Ok(offset), Ok(size)) = (offset.parse(), size.parse()) else {
                    continue;
                };
                assert!(["host", "big", "bytes"].contains(order), "{line}");
                assert!(!meaning.is_empty(), "{line}");
                let field = code(field).unwrap_or_else(|| panic!("{line}"));
                let fields = layouts.entry(structure.clone()).or_default();
                assert_eq!(fields.insert(field, (offset, size)), None, "{line}");
            }
            (["", name, value, what, ""], None) => {
                let value = match value.strip_prefix("0x") {
                    Some(digits) => u64::from_str_radix(digits, 16),
                    None => value.parse(),
                };
                if let (Some(name), Ok(value)) = (code(name), value) {
                    assert!(!what.is_empty(), "{line}");
                    assert_eq!(constants.insert(name, value), None, "{line}");
                }
            }
            _ => {}
        }
    }
    (layouts, constants)
}
