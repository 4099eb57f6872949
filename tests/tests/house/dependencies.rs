//! Checks the workspace's dependencies: licences, sources, and the crates that pure crates must not use. It
//! does not check advisories, because their database is on the network.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use serde_json::Value;
use vfio_user_ism_tests::program::repository;

/// SPDX ids of the licences that a dependency may have.
const ALLOWED: [&str; 9] = [
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
const OURS: &str = "Apache-2.0 OR MIT";
const PLUGIN: &str = "vfio-user-ism-plugin";
/// Crates without sockets, clocks, runtime or system calls.
const PURE: [&str; 4] = ["vfio-user-protocol", "zpci-region", "records", "ism"];
const IMPURE: [&str; 7] = [
    "libc", "memmap2", "mio", "nix", "rustix", "socket2", "tokio",
];

/// Returns `cargo metadata` for this platform. It needs no network beyond that of the build.
#[track_caller]
pub(crate) fn metadata() -> Value {
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(repository())
            .stderr(Stdio::inherit());
        let output = command
            .output()
            .unwrap_or_else(|error| panic!("{program}: {error}"));
        assert!(
            output.status.success(),
            "{program} {arguments:?}: {}",
            output.status
        );
        String::from_utf8(output.stdout).unwrap()
    };
    let rustc = run("rustc", &["-vV"]);
    let host = rustc
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .unwrap();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let form = ["metadata", "--format-version=1", "--locked", "--offline"];
    let text = run(&cargo, &[&form[..], &["--filter-platform", host]].concat());
    serde_json::from_str(&text).unwrap()
}

#[track_caller]
fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key]
        .as_array()
        .unwrap_or_else(|| panic!("cargo metadata has no list {key}"))
}

pub(crate) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

/// The packages that a build for this platform needs, tests included.
pub(crate) fn packages(metadata: &Value) -> Vec<&Value> {
    let used: BTreeSet<&str> = list(&metadata["resolve"], "nodes")
        .iter()
        .map(|node| text(node, "id"))
        .collect();
    let all = list(metadata, "packages").iter();
    all.filter(|package| used.contains(text(package, "id")))
        .collect()
}

pub(crate) fn is_ours(package: &Value) -> bool {
    package["source"].is_null()
}

/// False for an optional dependency that no feature needs. `cargo metadata` lists one even if only a weak
/// feature (`name?/feature`) names it, as const-hex does with proptest.
fn is_on(package: &Value, node: &Value, dependency: &str) -> bool {
    let declared = list(package, "dependencies").iter();
    let mut same = declared.filter(|one| text(one, "name") == dependency);
    let needs = |name: &str| {
        let (whole, strong) = (format!("dep:{name}"), format!("{name}/"));
        let on = list(node, "features").iter().filter_map(Value::as_str);
        let parts = on.flat_map(|feature| list(&package["features"], feature));
        let mut parts = parts.filter_map(Value::as_str);
        parts.any(|part| part == whole || part == name || part.starts_with(&strong))
    };
    same.any(|one| one["optional"] != true || needs(one["rename"].as_str().unwrap_or(dependency)))
}

/// Returns the names of the crates that `name` is linked with, itself included.
#[track_caller]
fn linked_with(metadata: &Value, name: &str) -> BTreeSet<String> {
    let names: BTreeMap<&str, &str> = list(metadata, "packages")
        .iter()
        .map(|package| (text(package, "id"), text(package, "name")))
        .collect();
    let packages: BTreeMap<&str, &Value> = list(metadata, "packages")
        .iter()
        .map(|package| (text(package, "id"), package))
        .collect();
    let nodes = list(&metadata["resolve"], "nodes");
    let id = names
        .iter()
        .find(|(_, each)| **each == name)
        .map(|(id, _)| *id);
    let mut open = vec![id.unwrap_or_else(|| panic!("no crate {name}"))];
    let mut seen = BTreeSet::new();
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let node = nodes.iter().find(|node| text(node, "id") == id).unwrap();
        let normal = |dep: &&Value| {
            list(dep, "dep_kinds")
                .iter()
                .any(|kind| kind["kind"].is_null())
        };
        open.extend(
            list(node, "deps")
                .iter()
                .filter(normal)
                .map(|dep| text(dep, "pkg"))
                .filter(|dep| is_on(packages[id], node, names[dep])),
        );
    }
    seen.into_iter().map(|id| names[id].to_owned()).collect()
}

/// True if licences in [`ALLOWED`] can satisfy an SPDX expression.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let allowed = any_of(&mut words);
    allowed && words.next().is_none()
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>) -> bool {
    let mut allowed = all_of(words);
    while words.next_if_eq(&"OR").is_some() {
        allowed |= all_of(words);
    }
    allowed
}

fn all_of(words: &mut Words<'_>) -> bool {
    let mut allowed = one(words);
    while words.next_if_eq(&"AND").is_some() {
        allowed &= one(words);
    }
    allowed
}

fn one(words: &mut Words<'_>) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let allowed = any_of(words);
        return words.next_if_eq(&")").is_some() && allowed;
    }
    let allowed = words.next().is_some_and(|id| ALLOWED.contains(&id));
    // An exception only adds permissions.
    if words.next_if_eq(&"WITH").is_some() {
        return words.next().is_some() && allowed;
    }
    allowed
}

#[test]
fn licence_expressions_are_understood() {
    for yes in [
        "MIT",
        "MIT/Apache-2.0",
        "(MIT OR GPL-3.0) AND Unicode-3.0",
        "GPL-2.0 OR ISC",
    ] {
        assert!(is_allowed(yes), "{yes}");
    }
    assert!(is_allowed("Apache-2.0 WITH LLVM-exception"));
    for no in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "MIT )",
        "(MIT",
        "MIT GPL-3.0",
        "mit",
    ] {
        assert!(!is_allowed(no), "{no}");
    }
}

#[test]
fn every_dependency_has_an_allowed_licence() {
    let metadata = metadata();
    let foreign = packages(&metadata)
        .into_iter()
        .filter(|package| !is_ours(package));
    let (good, bad): (Vec<_>, Vec<_>) =
        foreign.partition(|package| is_allowed(text(package, "license")));
    let bad: Vec<_> = bad
        .iter()
        .map(|package| (text(package, "name"), text(package, "license")))
        .collect();
    assert!(bad.is_empty(), "not under one of {ALLOWED:?}: {bad:?}");
    assert!(good.len() > 50, "only {} dependencies seen", good.len());
}

#[test]
fn our_crates_have_our_licence_and_the_plugin_stands_alone() {
    let metadata = metadata();
    for package in packages(&metadata)
        .into_iter()
        .filter(|package| is_ours(package))
    {
        let name = text(package, "name");
        let expected = if name == PLUGIN {
            "GPL-2.0-or-later"
        } else {
            OURS
        };
        assert_eq!(text(package, "license"), expected, "{name}");
        let linked = linked_with(&metadata, name);
        assert_eq!(
            linked.contains(PLUGIN),
            name == PLUGIN,
            "{name} links the GPL plugin"
        );
    }
}

#[test]
fn dependencies_come_from_the_registry() {
    let metadata = metadata();
    let sources = packages(&metadata)
        .into_iter()
        .filter(|package| !is_ours(package));
    let odd: Vec<_> = sources
        .filter(|package| !text(package, "source").starts_with("registry+"))
        .map(|package| text(package, "id"))
        .collect();
    assert!(
        odd.is_empty(),
        "neither of the workspace nor of a registry: {odd:?}"
    );
}

#[test]
fn pure_crates_need_no_system() {
    let metadata = metadata();
    assert!(
        linked_with(&metadata, "vfio-user-ism").contains("tokio"),
        "the check sees nothing"
    );
    for name in PURE {
        let linked = linked_with(&metadata, name);
        let impure: Vec<_> = IMPURE
            .iter()
            .filter(|each| linked.contains(**each))
            .collect();
        assert!(impure.is_empty(), "{name} depends on {impure:?}");
    }
}

/// The crates of this workspace from the bottom up. A crate may use only those of earlier rows.
const LAYERS: [&[&str]; 5] = [
    &[
        "vfio-user-capture",
        "vfio-user-protocol",
        "vfio-user-ring",
        "zpci-region",
        "debian-fetch",
        "s390x-asm",
        "harness",
    ],
    &["ism", "records", "qemu-zpci"],
    &["intercept", "doctor", "vfio-user-ism-plugin"],
    &["vfio-user-ism-server", "vfio-user-ism-view", "lab"],
    &["vfio-user-ism"],
];
/// Crates that only test the others. They may use all of them.
const TESTING: [&str; 3] = ["vfio-user-ism-tests", "vfio-user-ism-fuzz", "bench"];

#[test]
fn no_crate_uses_one_of_its_own_layer_or_of_a_higher_one() {
    let metadata = metadata();
    let layer = |name: &str| LAYERS.iter().position(|names| names.contains(&name));
    for package in packages(&metadata).into_iter().filter(|one| is_ours(one)) {
        let name = text(package, "name");
        if TESTING.contains(&name) {
            continue;
        }
        let own = layer(name).unwrap_or_else(|| panic!("{name} is in no row of LAYERS"));
        for used in linked_with(&metadata, name) {
            let used = used.as_str();
            assert!(!TESTING.contains(&used), "{name} uses {used}");
            if let Some(other) = layer(used).filter(|_| used != name) {
                assert!(other < own, "{name} uses {used}");
            }
        }
    }
}

#[test]
fn the_daemon_library_is_small_and_knows_no_command_line() {
    let metadata = metadata();
    let linked = linked_with(&metadata, "vfio-user-ism-server");
    assert!(linked.contains("ism"), "the check sees nothing");
    let others: Vec<_> = ["clap", "debian-fetch", "harness", "intercept", "lab"]
        .into_iter()
        .filter(|name| linked.contains(*name))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(linked.len() <= 81, "{} crates: {linked:?}", linked.len());
}
