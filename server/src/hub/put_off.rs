//! The work that faults have delayed.

use std::collections::BTreeMap;
use std::time::Instant;

use ism::fault::Later;

/// The delayed work of faults, by the time when it is due.
#[derive(Debug, Default)]
pub(super) struct PutOff {
    pub(super) due: BTreeMap<(Instant, u64), Later>,
    pub(super) number: u64,
}

impl PutOff {
    /// Returns the time when the first work is due.
    pub(super) fn first(&self) -> Option<Instant> {
        self.due.keys().next().map(|(at, _)| *at)
    }

    /// Takes one work that is due now, if there is any.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<Later> {
        let entry = self.due.first_entry()?;
        (entry.key().0 <= now).then(|| entry.remove())
    }
}
