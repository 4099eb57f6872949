//! Chooses KVM or software emulation (TCG) to execute the guest.

use clap::ValueEnum;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// The accelerator that the user requests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Accel {
    /// KVM if this is an s390x host with a usable /dev/kvm and QEMU loads no plugin, otherwise software
    /// emulation.
    #[default]
    Auto,
    /// KVM. QEMU then cannot load a plugin.
    Kvm,
    /// QEMU's software emulation.
    Tcg,
}

/// The accelerator that QEMU uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// The processor executes the guest.
    Kvm,
    /// QEMU's software emulation. Only this one can load plugins.
    Tcg,
}

/// The reason why KVM cannot execute the guest.
#[derive(Debug, Error)]
pub enum AccelError {
    /// A flag loads the plugin, which KVM does not support.
    #[error(
        "--accel kvm: {0} loads a plugin into QEMU, which needs software emulation: leave one of the two out"
    )]
    Plugin(&'static str),
    /// The host has a different processor architecture.
    #[error(
        "--accel kvm: this host is {0}, and KVM runs s390x guests on s390x alone: use --accel tcg"
    )]
    Architecture(&'static str),
    /// The KVM device is missing or cannot be opened.
    #[error("--accel kvm: cannot open {}: {remedy}", path.display())]
    Device {
        /// Path of the device.
        path: PathBuf,
        /// The remedy, as a sentence for the user.
        remedy: &'static str,
        /// The error of opening the device.
        source: io::Error,
    },
}

impl AccelError {
    /// True if the flags contradict each other.
    pub const fn is_usage(&self) -> bool {
        matches!(self, Self::Plugin(_))
    }
}

impl Accelerator {
    /// The value for QEMU's `-accel`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }
}

impl Accel {
    /// Chooses the accelerator on this host. `plugin` is the flag that loads a plugin, if there is one.
    ///
    /// # Errors
    /// KVM is requested but cannot be used.
    pub fn choose(self, plugin: Option<&'static str>) -> Result<Accelerator, AccelError> {
        self.choose_on(std::env::consts::ARCH, Path::new("/dev/kvm"), plugin)
    }

    fn choose_on(
        self,
        arch: &'static str,
        device: &Path,
        plugin: Option<&'static str>,
    ) -> Result<Accelerator, AccelError> {
        match (self, plugin) {
            (Self::Tcg, _) | (Self::Auto, Some(_)) => Ok(Accelerator::Tcg),
            (Self::Kvm, Some(flag)) => Err(AccelError::Plugin(flag)),
            (Self::Kvm, None) => usable(arch, device).map(|()| Accelerator::Kvm),
            (Self::Auto, None) => Ok(match usable(arch, device) {
                Ok(()) => Accelerator::Kvm,
                Err(_) => Accelerator::Tcg,
            }),
        }
    }
}

fn usable(arch: &'static str, device: &Path) -> Result<(), AccelError> {
    if arch != "s390x" {
        return Err(AccelError::Architecture(arch));
    }
    let opened = File::options().read(true).write(true).open(device);
    opened.map(drop).map_err(|source| AccelError::Device {
        path: device.to_owned(),
        remedy: match source.kind() {
            io::ErrorKind::PermissionDenied => "join the group that owns it",
            _ => "load KVM with `modprobe kvm`; inside a virtual machine, its host must allow nested KVM",
        },
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::{Accel, AccelError, Accelerator};
    use std::path::Path;

    #[test]
    fn auto_is_kvm_only_where_kvm_can_run_the_guest() {
        let folder = tempfile::tempdir().expect("a folder");
        let device = folder.path().join("kvm");
        std::fs::write(&device, "").expect("writes");
        let none = folder.path().join("none");
        for (arch, device, plugin, expected) in [
            ("s390x", device.as_path(), None, Accelerator::Kvm),
            ("s390x", &none, None, Accelerator::Tcg),
            ("s390x", &device, Some("--forward"), Accelerator::Tcg),
            ("x86_64", &device, None, Accelerator::Tcg),
        ] {
            let chosen = Accel::Auto.choose_on(arch, device, plugin);
            assert_eq!(chosen.expect("auto takes either"), expected, "{arch}");
        }
        let chosen = Accel::Kvm.choose_on("s390x", &device, None);
        assert_eq!(chosen.expect("is there"), Accelerator::Kvm);
        let chosen = Accel::Tcg.choose_on("s390x", &device, None);
        assert_eq!(chosen.expect("is always there"), Accelerator::Tcg);
    }

    #[test]
    fn kvm_that_cannot_be_had_is_told_with_the_reason() {
        let none = Path::new("/no/such/kvm");
        let refused = |arch, plugin| {
            let error: AccelError = Accel::Kvm
                .choose_on(arch, none, plugin)
                .expect_err("there is no KVM");
            (error.is_usage(), error.to_string())
        };
        let (usage, text) = refused("x86_64", None);
        assert!(
            !usage && text.contains("x86_64") && text.contains("--accel tcg"),
            "{text}"
        );
        let (usage, text) = refused("s390x", None);
        assert!(
            !usage && text.contains("/no/such/kvm") && text.contains("modprobe"),
            "{text}"
        );
        let (usage, text) = refused("s390x", Some("--forward"));
        assert!(usage && text.contains("--forward"), "{text}");
    }
}
