//! The options that the lab needs in the configuration of a debug kernel.

/// The guest needs these to boot, for its console, serial ports and network, and for the lab's scripts.
const GUEST: [&str; 22] = [
    "64BIT",
    "BINFMT_ELF",
    "BINFMT_SCRIPT",
    "BLK_DEV_INITRD",
    "DEVTMPFS",
    "FUTEX",
    "HOTPLUG_PCI_S390",
    "INET",
    "MODULES",
    "MULTIUSER",
    "PCI",
    "PCI_MSI",
    "PRINTK",
    "PROC_FS",
    "S390_GUEST",
    "SCLP_CONSOLE",
    "SCLP_TTY",
    "SMP",
    "SYSFS",
    "VIRTIO_CONSOLE",
    "VIRTIO_NET",
    "VLAN_8021Q",
];
/// SMC-D over ism. These are built in, so that the guest needs no modules.
const SMC: [&str; 3] = ["ISM", "SMC", "SMC_DIAG"];
/// The layer between ism and smc in Linux 6.18 and later.
const DIBS: &str = "DIBS";
/// The kernel's own devices. Within one guest, the kernel prefers them to ism.
const LOOPBACK: [&str; 2] = ["DIBS_LO", "SMC_LO"];
/// The checks whose reports the lab searches for: locks, memory, leaks, stopped tasks, lists, undefined
/// behaviour, and forbidden sleeping. Every kernel checks reference counts.
const CHECKS: [&str; 9] = [
    "BUG",
    "DEBUG_ATOMIC_SLEEP",
    "DEBUG_FS",
    "DEBUG_KMEMLEAK",
    "DEBUG_LIST",
    "DETECT_HUNG_TASK",
    "KASAN",
    "PROVE_LOCKING",
    "UBSAN",
];
/// Seconds after which a kernel reports a stall of RCU. This option has a value.
const STALL: &str = "RCU_CPU_STALL_TIMEOUT";

/// Lists the faults of `config`, the text of a kernel's `.config`: one line for each option. `dibs` says
/// whether this series of kernels has the dibs layer.
pub(super) fn wrong(config: &str, dibs: bool) -> Vec<String> {
    let value = |name: &str| {
        let mut lines = config.lines().map(str::trim);
        lines.find_map(|line| {
            let (option, value) = line.strip_prefix("CONFIG_")?.split_once('=')?;
            (option == name).then_some(value)
        })
    };
    let mut wrong = Vec::new();
    let layer = dibs.then_some(DIBS);
    let on = GUEST.iter().chain(&SMC).chain(&CHECKS).copied();
    for name in on.chain(layer) {
        match value(name) {
            Some("y") => {}
            Some("m") => wrong.push(format!("CONFIG_{name}=m: expected y, built in")),
            _ => wrong.push(format!("CONFIG_{name} is off: expected y")),
        }
    }
    for name in LOOPBACK {
        if matches!(value(name), Some("y" | "m")) {
            let words = "is on: expected n, or the kernel prefers its loopback device to ism";
            wrong.push(format!("CONFIG_{name} {words}"));
        }
    }
    if !value(STALL).is_some_and(|text| text.parse().is_ok_and(|seconds: u32| seconds > 0)) {
        wrong.push(format!(
            "CONFIG_{STALL} is off: expected a number of seconds"
        ));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::debug::FRAGMENT;

    #[test]
    fn the_fragment_has_what_the_lab_needs() {
        assert_eq!(wrong(FRAGMENT, true), [""; 0]);
        assert_eq!(wrong(FRAGMENT, false), [""; 0]);
        // If an option is there twice, the last one counts.
        let mut names: Vec<_> = FRAGMENT
            .lines()
            .filter_map(|line| line.split_once('=').map(|(name, _)| name))
            .collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn every_option_that_is_lost_is_told() {
        let options = GUEST
            .iter()
            .chain(&SMC)
            .chain(&CHECKS)
            .chain([&DIBS, &STALL]);
        for name in options {
            let line = |line: &&str| !line.starts_with(&format!("CONFIG_{name}="));
            let less: Vec<_> = FRAGMENT.lines().filter(line).collect();
            let wrong = wrong(&less.join("\n"), true);
            assert_eq!(wrong.len(), 1, "{name}: {wrong:?}");
            assert!(
                wrong[0].contains(name) && wrong[0].contains("expected"),
                "{wrong:?}"
            );
        }
        let changed = |from: &str, to: &str| wrong(&FRAGMENT.replace(from, to), true);
        assert_eq!(
            changed("CONFIG_ISM=y", "CONFIG_ISM=m"),
            ["CONFIG_ISM=m: expected y, built in"]
        );
        assert_eq!(changed("CONFIG_DIBS_LO=n", "CONFIG_DIBS_LO=y").len(), 1);
        assert_eq!(changed("TIMEOUT=60", "TIMEOUT=0").len(), 1);
    }
}
