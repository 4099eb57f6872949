//! Tests of `vfio-user-ism intercept --kernel`: a Linux guest, observed by the plugin, is judged like the
//! probe.

use debian_fetch::{Cache, Guest, Initramfs};
use serde_json::Value;
use std::path::Path;
use vfio_user_ism_tests::program;

const INIT: &str = "echo guest is up\npoweroff -f\n";

#[test]
#[ignore = "needs QEMU, a Linux guest and the plugin: run ./test"]
fn what_linux_does_at_boot_is_accounted_for() {
    let guest = Guest::fetch(&Cache::locate().unwrap()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let initrd = folder.path().join("initrd");
    Initramfs::new(&guest.busybox)
        .unwrap()
        .init(INIT)
        .write(&initrd)
        .unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let ended = program::run(
        [
            "intercept",
            "--format",
            "json",
            "--timeout",
            // The limit allows for a very busy machine.
            "900",
            "--kernel",
        ]
        .map(str::to_owned)
        .into_iter()
        .chain([text(&guest.kernel), "--initrd".into(), text(&initrd)]),
    );
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stderr, ended.stdout);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let cases = report["cases"].as_array().unwrap();
    let config = |instruction: &str| {
        cases
            .iter()
            .filter(|case| case["group"] == "config" && case["instruction"] == instruction)
            .count()
    };
    assert!(
        config("pcilg") > 20 && config("pcistg") > 5,
        "{} cases",
        cases.len()
    );
    let first = cases.iter().find(|case| case["group"] == "config").unwrap();
    assert!(
        first["guest"].as_str().unwrap().contains("0x1410ed04"),
        "{first}"
    );
    assert_eq!(first["pieces"].as_array().unwrap().len(), 1, "{first}");
    // QEMU reads the whole configuration space before the guest runs, so no instruction explains these reads.
    let own = report["unaccounted"].as_array().unwrap();
    assert!(
        own.iter()
            .any(|piece| piece["bytes"].as_str().unwrap().len() == 512),
        "{own:?}"
    );
    assert!(
        own.iter()
            .all(|piece| piece["access"].as_str().unwrap().starts_with("config-")),
        "{own:?}"
    );
}

#[test]
fn a_missing_plugin_is_named() {
    let ended = program::run([
        "intercept",
        "--kernel",
        "x",
        "--plugin",
        "/nowhere/plugin.so",
    ]);
    assert_eq!(ended.code, Some(3));
    assert!(
        ended
            .stderr
            .contains("no plugin /nowhere/plugin.so: build it with"),
        "{}",
        ended.stderr
    );
}
