//! A QEMU that has the changes of `qemu/`: no plugin, both ways of a block store.
//!
//! `VFIO_USER_ISM_QEMU_ZPCI` names it, `VFIO_USER_ISM_QEMU_DATA` the folder with `s390-ccw.img`.

use vfio_user_ism_tests::program::run;

use super::running::lab;

/// The arguments that choose the QEMU, its firmware and the way of block stores.
fn qemu(stores: &str) -> Vec<String> {
    let named = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"));
    vec![
        format!("--qemu={}", named("VFIO_USER_ISM_QEMU_ZPCI")),
        "--qemu-arg=-L".to_owned(),
        format!("--qemu-arg={}", named("VFIO_USER_ISM_QEMU_DATA")),
        "--qemu-arg=-global".to_owned(),
        format!("--qemu-arg=zpci.stores={stores}"),
    ]
}

const WAYS: [&str; 3] = ["auto", "region", "bar"];

#[test]
fn every_instruction_reaches_the_function_as_the_guest_executed_it() {
    for stores in WAYS {
        let mut arguments = vec!["intercept".to_owned()];
        arguments.extend(qemu(stores));
        let ended = run(&arguments);
        assert_eq!(
            ended.code,
            Some(0),
            "{stores}: {}{}",
            ended.stdout,
            ended.stderr
        );
        let whole = ended.stdout.contains("whole");
        assert!(whole && !ended.stdout.contains("split"), "{}", ended.stdout);
    }
}

/// A lab that must break no rule, splat nowhere and move its bytes through ISM.
#[track_caller]
fn clean(stores: &str, more: &[&str]) -> String {
    let arguments = qemu(stores);
    let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    words.extend(["--require-ism", "--fail-on-splat"]);
    words.extend(more);
    let ended = lab(&words);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("no plugin is loaded"),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("broken"), "{}", ended.stderr);
    ended.stdout
}

#[test]
fn two_guests_talk_smcd_without_a_plugin_and_see_the_fabrics_chid() {
    for stores in ["region", "bar"] {
        let said = clean(
            stores,
            &[
                "--guests",
                "2",
                "--beside",
                "1:smcd-tool serve --port 5000",
                "--run",
                "until smcd-tool send --to 10.0.0.2 --port 5000 --bytes 4000000 --conns 10 --both \
                 --require-smcd; do sleep 0.3; done; cat /sys/bus/pci/devices/0007:00:00.0/pchid",
            ],
        );
        assert!(said.contains("\"mismatches\":0"), "{said}");
        assert!(said.ends_with("0x07c0\n"), "{said}");
    }
}

#[test]
fn a_function_without_msix_is_plugged_and_interrupts() {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("profile.json");
    let text = r#"{"schema_version": 1, "name": "msi", "device": {"msix": false},
        "functions": [{"name": "ism0", "gid": "0x1500000000000001"}]}"#;
    std::fs::write(&profile, text).unwrap();
    let said = clean(
        "auto",
        &[
            "--profile",
            profile.to_str().unwrap(),
            "--run",
            "smcd-tool serve --port 5000 >/dev/null & \
             until smcd-tool send --to 127.0.0.1 --port 5000 --bytes 1000000 --require-smcd; \
             do sleep 0.3; done; grep 0007 /proc/interrupts",
        ],
    );
    assert!(said.contains("PCI-MSI"), "{said}");
}
