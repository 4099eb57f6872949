//! Takes over descriptors that the parent process passes by number.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::{Mutex, PoisonError};

/// Numbers that were taken over. Each has one owner.
static TAKEN: Mutex<Vec<RawFd>> = Mutex::new(Vec::new());

/// Takes over descriptor `number`, which the parent left open for this process. `None` if it is not open, is
/// one of 0, 1 and 2, or was taken before. Call it before this process opens anything of its own.
pub fn take(number: RawFd) -> Option<OwnedFd> {
    let open = std::fs::symlink_metadata(format!("/proc/self/fd/{number}")).is_ok();
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    if number <= 2 || !open || taken.contains(&number) {
        return None;
    }
    taken.push(number);
    // SAFETY: the descriptor is open (just seen) and was named by whoever started this process;
    // it is taken once, before this process opens anything of its own, so nothing else owns it.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

#[cfg(test)]
mod tests {
    use std::os::fd::IntoRawFd;

    use super::*;

    #[test]
    fn a_number_has_one_owner() {
        let (reader, _writer) = rustix::pipe::pipe().unwrap();
        let number = reader.into_raw_fd();
        let owned = take(number).unwrap();
        assert!(take(number).is_none());
        drop(owned);
        assert!(take(0).is_none() && take(9999).is_none() && take(-1).is_none());
    }
}
