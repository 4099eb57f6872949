// SPDX-License-Identifier: GPL-2.0-or-later
//! The facts of a server about its function: limits and sizes.

use zpci_region::clp::ClpFacts;

/// Limits of a function for the checks of its instructions, and facts for CLP responses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FunctionFacts {
    /// The facts in the device info; 0 if the server does not report one.
    pub clp: ClpFacts,
    /// Bytes of each BAR; 0 if it does not exist.
    pub bars: [u64; 6],
}
