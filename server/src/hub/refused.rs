//! Converts a failed access into the errno for its client.

use vfio_user_protocol::{Errno, Refused};
use zpci_region::Refusal;
use zpci_region::access::Failure;

pub(super) fn refused_by_device(what: &str, refusal: &Refusal) -> Refused {
    refused(what, refusal.failure, refusal)
}

pub(super) fn refused(what: &str, failure: Failure, reason: impl std::fmt::Display) -> Refused {
    Refused::new(Errno(failure.errno()), format!("{what}: {reason}"))
}
