//! Tests of `--accel`: QEMU's arguments, and the message to the user if KVM cannot be used. The QEMU is a
//! script that records its arguments and ends.

use std::fs;

use vfio_user_ism_tests::program::{self, Ended, command, finish};

const STAND_IN: &str = "#!/bin/sh
for word; do case $word in
--version) echo 'QEMU emulator version 11.1.3'; exit;;
*help) echo 'name \"vfio-user-pci\", bus PCI'; echo 's390-ccw-virtio'; exit;;
esac; done
printf '%s\\n' \"$@\" > \"$ARGUMENTS\"
echo 'nothing is emulated here' >&2
exit 1
";

/// Runs `intercept` with the stand-in. Returns the outcome, and the arguments of QEMU.
fn intercept(arguments: &[&str]) -> (Ended, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let qemu = folder.path().join("qemu-system-s390x");
    program::script(&qemu, STAND_IN);
    let told = folder.path().join("arguments");
    let mut command = command();
    command
        .arg("intercept")
        .arg("--qemu")
        .arg(&qemu)
        .args(arguments);
    command.env("ARGUMENTS", &told);
    let ended = finish(command);
    let told = fs::read_to_string(told).unwrap_or_default();
    (ended, told.lines().map(str::to_owned).collect())
}

fn value_of(arguments: &[String], flag: &str) -> Option<String> {
    let at = arguments.iter().position(|argument| argument == flag)?;
    arguments.get(at + 1).cloned()
}

/// Returns the accelerator of `auto`: KVM on an s390x host with KVM, otherwise TCG.
fn expected_of_auto() -> &'static str {
    let device = fs::File::options().read(true).write(true).open("/dev/kvm");
    match (std::env::consts::ARCH, device) {
        ("s390x", Ok(_)) => "kvm",
        _ => "tcg",
    }
}

#[test]
fn the_accelerator_is_all_that_qemu_is_told_otherwise() {
    for (arguments, expected) in [
        (&["--accel", "tcg"][..], "tcg"),
        (&["--accel", "auto"], expected_of_auto()),
        (&[], expected_of_auto()),
    ] {
        let (ended, told) = intercept(arguments);
        assert_eq!(ended.code, Some(3), "{}", ended.stderr);
        assert_eq!(
            value_of(&told, "-accel").as_deref(),
            Some(expected),
            "{told:?}"
        );
        assert_eq!(value_of(&told, "-cpu").as_deref(), Some("max"));
        let memory = value_of(&told, "-object").unwrap();
        assert!(
            memory.contains("share=on") && memory.contains("mem-path=/proc/"),
            "{memory}"
        );
        let zpci = told.iter().find(|argument| argument.starts_with("zpci,"));
        assert!(
            zpci.is_some_and(|zpci| zpci.ends_with("interpret=off")),
            "{told:?}"
        );
        assert!(!told.contains(&"-plugin".to_owned()), "{told:?}");
    }
}

#[test]
fn kvm_that_is_not_there_is_a_clear_error_before_qemu_is_started() {
    if expected_of_auto() == "kvm" {
        let (_, told) = intercept(&["--accel", "kvm"]);
        assert_eq!(
            value_of(&told, "-accel").as_deref(),
            Some("kvm"),
            "{told:?}"
        );
        return;
    }
    let (ended, told) = intercept(&["--accel", "kvm"]);
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let reason = match std::env::consts::ARCH {
        "s390x" => "/dev/kvm",
        other => other,
    };
    let stderr = &ended.stderr;
    assert!(
        stderr.contains("--accel kvm") && stderr.contains(reason),
        "{stderr}"
    );
    assert!(
        told.is_empty() && ended.stdout.is_empty(),
        "{told:?} {}",
        ended.stdout
    );
    // A bisection must go on.
    let (ended, _) = intercept(&["--accel", "kvm", "--cannot-run-status", "125"]);
    assert_eq!(ended.code, Some(125), "{}", ended.stderr);
}

#[test]
fn a_plugin_and_kvm_exclude_each_other() {
    for (arguments, flag) in [
        (&["--forward=/dev/null"][..], "--forward"),
        (&["--kernel", "/dev/null"], "--kernel"),
    ] {
        let (ended, told) = intercept(&[&["--accel", "kvm"], arguments].concat());
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(flag), "{}", ended.stderr);
        assert!(told.is_empty(), "{told:?}");
    }
}
