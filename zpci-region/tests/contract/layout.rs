//! Layouts by name, which the C header, the page and the Rust code share.

use std::collections::BTreeMap;

/// Offset and size of each field.
pub(crate) type Fields = BTreeMap<String, (usize, usize)>;
/// The fields of each structure.
pub(crate) type Layouts = BTreeMap<String, Fields>;

/// Returns the fields that have a meaning: all except padding.
pub(crate) fn meaningful(fields: &Fields) -> Fields {
    let fields = fields.iter();
    let fields = fields.filter(|(name, _)| !name.starts_with("reserved"));
    fields.map(|(name, place)| (name.clone(), *place)).collect()
}

/// Checks that each byte of a structure belongs to one field.
#[track_caller]
pub(crate) fn assert_dense(name: &str, size: usize, fields: &Fields) {
    let mut places: Vec<_> = fields.values().copied().collect();
    places.sort_unstable();
    let end = places.iter().fold(0, |end, (offset, size)| {
        assert_eq!(*offset, end, "{name}: a gap or an overlap");
        offset + size
    });
    assert_eq!(end, size, "{name}: a gap at the end");
}
