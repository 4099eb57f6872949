// SPDX-License-Identifier: GPL-2.0-or-later
//! Messages for the user of QEMU.

use std::io::{self, Write};

/// Says something on stderr, which QEMU shares with us and may have closed.
pub(crate) fn report(message: &str) {
    let _ = writeln!(io::stderr(), "vfio-user-ism-plugin: {message}");
}
