// SPDX-License-Identifier: GPL-2.0-or-later
//! A server's facts about its function: limits and sizes.

use zpci_region::clp::ClpFacts;

/// Limits of a function, by which its instructions are checked, and what CLP should tell of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FunctionFacts {
    /// The facts in the device info; those that the server does not tell are 0.
    pub clp: ClpFacts,
    /// Bytes of each BAR; 0 for none.
    pub bars: [u64; 6],
}
