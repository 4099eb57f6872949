//! What a QEMU in the cache is built from, as text.

use ring::digest::{SHA256, digest};

use crate::changes::CHANGES;

/// Raise it when the same source becomes another QEMU.
const RECIPE: u32 = 1;

/// The key of the entry: another recipe or other changes make another QEMU.
pub(super) fn key() -> String {
    let all = format!("{CHANGES:?}");
    let hash = digest(&SHA256, all.as_bytes());
    let hash: String = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    format!("recipe {RECIPE}, changes {hash}")
}
