//! The key of a QEMU in the cache: all inputs of its build, as text.

use ring::digest::{SHA256, digest};

use crate::changes::CHANGES;

/// Increment it if the same source now gives another QEMU.
const RECIPE: u32 = 1;

/// The key of the entry. It changes with the recipe and with the changes.
pub(super) fn key() -> String {
    let all = format!("{CHANGES:?}");
    let hash = digest(&SHA256, all.as_bytes());
    let hash: String = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    format!("recipe {RECIPE}, changes {hash}")
}
