//! The fabric's profile.

use serde_json::{Value, json};

/// GID of the first guest's function; the others count on from it.
const FIRST_GID: u64 = 0x1500_0000_0000_0001;

/// A profile with one function for each guest, on which SMC-D's rules are checked as well: nothing
/// else uses this fabric.
pub fn for_guests(guests: usize) -> Value {
    let functions: Vec<Value> = (0..guests)
        .zip(FIRST_GID..)
        .map(|(guest, gid)| json!({ "name": format!("ism{guest}"), "gid": format!("{gid:#x}") }))
        .collect();
    json!({
        "schema_version": 1,
        "name": "lab",
        "rules": { "smcd": "warn" },
        "functions": functions,
    })
}
