//! Examines this machine, one part after the other.

mod cache;
mod host;
mod plugin;
mod qemu;

use std::path::Path;
use std::time::Duration;

use debian_fetch::{Cache, Entry};

use crate::args::Args;
use crate::report::{Finding, Report, State, Topic, Use, VERSION};

pub(crate) fn machine(args: &Args, is_lab_guest: &dyn Fn(&Entry) -> bool) -> Report {
    let patience = Duration::from_secs(args.patience);
    let cache = Cache::locate();
    let mut findings = Vec::new();

    let plugin = plugin::find(args.plugin.as_deref());
    let candidates = qemu::candidates(args.qemu.as_deref(), cache.as_ref().ok());
    let qemus: Vec<_> = candidates
        .iter()
        .map(|candidate| qemu::examine(candidate, plugin.as_deref().ok(), patience))
        .collect();
    let chosen = qemu::chosen(&qemus);
    findings.extend(qemus.iter().enumerate().map(|(at, qemu)| {
        let used = chosen.is_some_and(|chosen| std::ptr::eq(chosen, qemu))
            || (chosen.is_none() && at == 0);
        qemu.finding(used)
    }));
    if qemus.is_empty() {
        findings.push(
            Finding::new(Topic::Qemu, "qemu", State::Missing, "no qemu-system-s390x on PATH, in $QEMU or in the cache")
                .fix("`vfio-user-ism fetch qemu` gets Debian's; or install QEMU 10.1 or later for s390x; or set QEMU=PATH"),
        );
    }

    let plugin = plugin::examine(plugin, chosen);
    findings.push(plugin.finding.clone());
    let kept = cache::examine(cache.as_ref(), is_lab_guest);
    findings.extend(kept.findings);
    findings.extend(host::examine(Path::new("/")));
    let uses = uses(chosen, &plugin, kept.has_lab);
    Report {
        schema_version: 1,
        version: VERSION,
        host: host::name(),
        findings,
        uses,
    }
}

/// The possible uses. `chosen` is the QEMU that `intercept` and `lab` would use.
fn uses(chosen: Option<&qemu::Examined>, plugin: &plugin::Examined, has_lab: bool) -> Vec<Use> {
    let qemu = match chosen {
        None => vec!["no QEMU that can be used; fetches one at its start".to_owned()],
        Some(_) => Vec::new(),
    };
    let mut lab = qemu.clone();
    if chosen.is_some_and(|qemu| !qemu.has_plugins()) {
        lab.push("the QEMU has no plugins".to_owned());
    }
    if plugin.finding.state == State::Missing {
        lab.push("no plugin".to_owned());
    }
    if !has_lab {
        lab.push("no lab guest; fetches one at its start".to_owned());
    }
    let one = |name, lacks: Vec<String>| Use {
        name,
        possible: lacks.is_empty(),
        lacks,
    };
    vec![
        one("serve", Vec::new()),
        one("intercept", qemu),
        one("lab", lab),
    ]
}
