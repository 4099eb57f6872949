// SPDX-License-Identifier: GPL-2.0-or-later
//! Messages for the user of QEMU.

use std::io::{self, Write};

/// Prints a message on stderr, which belongs to QEMU too and may be closed.
pub(crate) fn report(message: &str) {
    let _ = writeln!(io::stderr(), "vfio-user-ism-plugin: {message}");
}
