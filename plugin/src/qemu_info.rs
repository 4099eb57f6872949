// SPDX-License-Identifier: GPL-2.0-or-later
//! QEMU's description of itself, and the check that the plugin can work with it.

use thiserror::Error;

use crate::ffi::API_VERSION;

/// QEMU's description of itself and of its guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QemuInfo {
    pub target: String,
    /// Oldest plugin API version that QEMU accepts.
    pub api_min: i32,
    /// QEMU's own plugin API version.
    pub api_cur: i32,
    /// True for system emulation, false for user mode.
    pub system: bool,
    /// Largest number of vCPUs of the machine.
    pub max_vcpus: u32,
}

/// A reason why the plugin cannot work with this QEMU.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum Unsupported {
    /// The plugin API is too old or too new.
    #[error(
        "this QEMU offers plugin API versions {min} to {cur}, this plugin needs version \
         {API_VERSION}: use a QEMU that has this version (11.1 does) or a plugin built for this QEMU"
    )]
    Api {
        /// Oldest version that QEMU offers.
        min: i32,
        /// Newest version that QEMU offers.
        cur: i32,
    },
    /// The guest is not s390x.
    #[error("the guest architecture is {0}, this plugin decodes s390x only: use qemu-system-s390x")]
    Target(String),
    /// QEMU runs user-mode emulation.
    #[error("user-mode emulation has no PCI functions: use qemu-system-s390x")]
    UserMode,
}

impl QemuInfo {
    /// Checks that the plugin can work with this QEMU.
    ///
    /// # Errors
    /// Names the unsupported property.
    pub(crate) fn check(&self) -> Result<(), Unsupported> {
        if !(self.api_min..=self.api_cur).contains(&API_VERSION) {
            return Err(Unsupported::Api {
                min: self.api_min,
                cur: self.api_cur,
            });
        }
        if !self.system {
            return Err(Unsupported::UserMode);
        }
        if self.target != "s390x" {
            return Err(Unsupported::Target(self.target.clone()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info() -> QemuInfo {
        QemuInfo {
            target: "s390x".into(),
            api_min: 7,
            api_cur: 7,
            system: true,
            max_vcpus: 1,
        }
    }

    #[test]
    fn a_range_that_holds_version_7_is_supported() {
        assert_eq!(info().check(), Ok(()));
        assert_eq!(
            QemuInfo {
                api_min: 5,
                api_cur: 9,
                ..info()
            }
            .check(),
            Ok(())
        );
    }

    #[test]
    fn older_and_newer_interfaces_are_named() {
        for (min, cur) in [(2, 4), (8, 9)] {
            let refused = QemuInfo {
                api_min: min,
                api_cur: cur,
                ..info()
            }
            .check();
            assert_eq!(refused, Err(Unsupported::Api { min, cur }));
            let text = refused.unwrap_err().to_string();
            assert!(
                text.contains(&format!("{min} to {cur}")) && text.contains("version 7"),
                "{text}"
            );
        }
    }

    #[test]
    fn other_guests_are_refused() {
        assert_eq!(
            QemuInfo {
                system: false,
                ..info()
            }
            .check(),
            Err(Unsupported::UserMode)
        );
        let other = QemuInfo {
            target: "x86_64".into(),
            ..info()
        };
        assert_eq!(other.check(), Err(Unsupported::Target("x86_64".into())));
    }
}
