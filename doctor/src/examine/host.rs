//! The host: kernel features that the sandbox and the tests use, programs, KVM.

use std::fs;
use std::path::Path;

use landlock::{ABI, Access, AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
use rustix::fs::access;

use crate::report::{Finding, State, Topic};

/// Operating system, kernel release and architecture.
pub(super) fn name() -> String {
    let system = rustix::system::uname();
    let text = |name: &std::ffi::CStr| name.to_string_lossy().into_owned();
    format!(
        "{} {} {}",
        text(system.sysname()),
        text(system.release()),
        text(system.machine())
    )
}

/// The lines about the host. Searches for files below `root`.
pub(super) fn examine(root: &Path) -> Vec<Finding> {
    vec![
        landlock(newest_landlock()),
        seccomp(root),
        namespaces(root),
        debian(),
        kvm(root, std::env::consts::ARCH),
    ]
}

fn host(check: &'static str, state: State, text: impl Into<String>) -> Finding {
    Finding::new(Topic::Host, check, state, text)
}

/// The newest version of Landlock that this kernel has.
fn newest_landlock() -> Option<u32> {
    let versions = [ABI::V5, ABI::V4, ABI::V3, ABI::V2, ABI::V1];
    let has = |abi: ABI| {
        let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
        // Creating a ruleset restricts nothing.
        ruleset
            .handle_access(AccessFs::from_all(abi))
            .and_then(Ruleset::create)
            .is_ok()
    };
    versions
        .into_iter()
        .find(|abi| has(*abi))
        .map(|abi| abi as u32)
}

fn landlock(version: Option<u32>) -> Finding {
    match version {
        Some(version) => host("landlock", State::Good, format!("Landlock, ABI {version} or later")),
        None => host("landlock", State::Note, "no Landlock: the sandbox does not restrict files").fix(
            "a kernel of 5.13 or later, with `landlock` in the lsm= parameter; `--sandbox required` needs it",
        ),
    }
}

fn seccomp(root: &Path) -> Finding {
    let actions = fs::read_to_string(root.join("proc/sys/kernel/seccomp/actions_avail"));
    let actions = actions.unwrap_or_default();
    let has = |action: &str| actions.split_whitespace().any(|one| one == action);
    if has("kill_process") && has("errno") {
        return host("seccomp", State::Good, "seccomp filters");
    }
    host(
        "seccomp",
        State::Note,
        "no seccomp filters: the sandbox does not restrict system calls",
    )
    .fix("a kernel with CONFIG_SECCOMP_FILTER; `--sandbox required` needs it")
}

fn namespaces(root: &Path) -> Finding {
    let number = |path: &str| {
        let text = fs::read_to_string(root.join(path)).ok()?;
        text.trim().parse::<u64>().ok()
    };
    let refused = |text, remedy: &str| host("user-namespaces", State::Note, text).fix(remedy);
    match number("proc/sys/user/max_user_namespaces") {
        None => refused(
            "no user namespaces: a few tests of this project need root",
            "a kernel with CONFIG_USER_NS",
        ),
        Some(0) => refused(
            "user namespaces are switched off: a few tests of this project need root",
            "sysctl user.max_user_namespaces=10000",
        ),
        _ if number("proc/sys/kernel/unprivileged_userns_clone") == Some(0) => refused(
            "user namespaces are for root alone: a few tests of this project need root",
            "sysctl kernel.unprivileged_userns_clone=1",
        ),
        _ if number("proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1) => refused(
            "AppArmor restricts user namespaces: a few tests of this project need root",
            "sysctl kernel.apparmor_restrict_unprivileged_userns=0",
        ),
        _ => host("user-namespaces", State::Good, "user namespaces"),
    }
}

/// The line about the Debian mirror that `fetch` would use.
fn debian() -> Finding {
    match debian_fetch::mirror() {
        Ok(address) => host("mirror", State::Good, format!("Debian mirror: {address}")),
        Err(error) => host("mirror", State::Note, error.to_string()).fix(
            "set VFIO_USER_ISM_MIRROR (docs/fetch.md), or give `intercept` a QEMU with --qemu",
        ),
    }
}

fn kvm(root: &Path, arch: &str) -> Finding {
    if arch != "s390x" {
        return host(
            "kvm",
            State::Good,
            format!("KVM: not used, {arch} emulates s390x guests"),
        );
    }
    let device = root.join("dev/kvm");
    if !device.exists() {
        return host("kvm", State::Note, "no /dev/kvm: guests are emulated").fix("modprobe kvm");
    }
    if access(
        &device,
        rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK,
    )
    .is_err()
    {
        return host(
            "kvm",
            State::Note,
            "/dev/kvm cannot be opened: guests are emulated",
        )
        .fix("join the group that owns /dev/kvm");
    }
    host("kvm", State::Good, "KVM")
}

#[cfg(test)]
mod tests;
