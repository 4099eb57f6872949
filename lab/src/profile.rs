//! The fabric's profile.

use serde_json::{Value, json};

/// GID of the first function; the others count on from it.
const FIRST_GID: u64 = 0x1500_0000_0000_0001;

/// A profile with a function for each guest, on which SMC-D's rules are checked as well: nothing
/// else uses them. The `spare` functions are for whoever measures, with moves that are not SMC-D's.
pub(crate) fn with_functions(guests: usize, spare: usize) -> Value {
    let functions: Vec<Value> = (0..guests + spare)
        .zip(FIRST_GID..)
        .map(|(number, gid)| {
            let smcd = if number < guests { "warn" } else { "off" };
            json!({
                "name": format!("ism{number}"),
                "gid": format!("{gid:#x}"),
                "rules": { "smcd": smcd },
            })
        })
        .collect();
    json!({ "schema_version": 1, "name": "lab", "functions": functions })
}
