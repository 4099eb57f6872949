//! Operations that faults have put off.

use std::collections::BTreeMap;
use std::time::Instant;

use ism::fault::Later;

/// The operations that faults have put off, by time.
#[derive(Debug, Default)]
pub(super) struct PutOff {
    pub(super) due: BTreeMap<(Instant, u64), Later>,
    pub(super) number: u64,
}

impl PutOff {
    /// The time when the first of it is due.
    pub(super) fn first(&self) -> Option<Instant> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    /// Takes what is due now.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Later> {
        let entry = self.due.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}
