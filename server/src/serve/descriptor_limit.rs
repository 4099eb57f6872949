//! Makes room for descriptors, so that clients of one function cannot use up those of another.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::limits::{DESCRIPTORS_PER_FUNCTION, OTHER_DESCRIPTORS};

/// Raises the process's own limit to the descriptors that so many functions can need, as far as the system's
/// limit allows. A log line reports a limit that stays too low.
pub fn raise(functions: usize) {
    let needed = OTHER_DESCRIPTORS + DESCRIPTORS_PER_FUNCTION * functions as u64;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= needed) {
        return;
    }
    let raised = maximum.map_or(needed, |maximum| maximum.min(needed));
    let limit = Rlimit {
        current: Some(raised),
        maximum,
    };
    if setrlimit(Resource::Nofile, limit).is_err() || raised < needed {
        tracing::warn!(
            limit = raised,
            needed,
            "the limit of open descriptors (RLIMIT_NOFILE) is low: the server may have to refuse clients"
        );
    }
}
