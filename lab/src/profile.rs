//! The fabric's profile.

use serde_json::{Value, json};

/// GID of the first function; the others count on from it.
const FIRST_GID: u64 = 0x1500_0000_0000_0001;

/// A profile with so many functions, on which SMC-D's rules are checked as well: nothing
/// else uses this fabric.
pub fn with_functions(count: usize) -> Value {
    let functions: Vec<Value> = (0..count)
        .zip(FIRST_GID..)
        .map(|(number, gid)| json!({ "name": format!("ism{number}"), "gid": format!("{gid:#x}") }))
        .collect();
    json!({
        "schema_version": 1,
        "name": "lab",
        "rules": { "smcd": "warn" },
        "functions": functions,
    })
}
