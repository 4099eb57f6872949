//! The QEMU with the zPCI changes of `qemu/`, for tests.

use std::path::PathBuf;

use debian_fetch::Cache;

/// The variable that names such a QEMU, instead of the one in the cache.
const NAMED: &str = "VFIO_USER_ISM_QEMU_ZPCI";
/// The variable that says why there is no such QEMU. Its tests are then skipped.
const WITHOUT: &str = "VFIO_USER_ISM_NO_QEMU_ZPCI";

/// Returns the QEMU. Without one, `test` counts as skipped if [`WITHOUT`] gives a reason, and fails
/// otherwise.
#[track_caller]
pub fn qemu(test: &str) -> Option<PathBuf> {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let built = || qemu_zpci::build::have(&Cache::locate().ok()?);
    if let Some(qemu) = set(NAMED).map(PathBuf::from).or_else(built) {
        return Some(qemu);
    }
    let Some(reason) = set(WITHOUT) else {
        panic!("no QEMU with the zPCI changes: run `vfio-user-ism fetch qemu-zpci`");
    };
    crate::program::skipped(test, &reason);
    None
}
