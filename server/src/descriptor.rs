//! Descriptors handed to this process by number.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Takes over descriptor `number`, which the parent left open for this process. `None` if it is
/// not open, or is one of 0, 1 and 2. Call it once for a number.
pub fn take(number: RawFd) -> Option<OwnedFd> {
    let open = std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok();
    if number <= 2 || !open {
        return None;
    }
    // SAFETY: the descriptor is open (just seen) and was named by whoever started this process;
    // it is taken before this process opens anything of its own, so nothing else owns it.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}
