use super::*;

/// A script that answers like a QEMU.
fn stand_in(folder: &Path, version: &str, devices: &str) -> PathBuf {
    let path = folder.join("qemu-system-s390x");
    let script = format!(
        "#!/bin/sh\ncase $1 in --version) echo '{version}';; -device) echo '{devices}';; esac\n"
    );
    harness::write_script(&path, &script).unwrap();
    path
}

const NEW: &str = "QEMU emulator version 11.1.3 (Debian 1:11.1.3+ds-1~bpo13+1)";
const HAS: &str = "name \"vfio-user-pci\", bus PCI, desc \"VFIO over socket PCI device\"";

#[test]
fn a_named_qemu_is_taken_with_its_version() {
    let dir = tempfile::tempdir().unwrap();
    let program = stand_in(dir.path(), NEW, HAS);
    let cache = Cache::at("/nowhere");
    let found = Qemu::find(Machine::S390x, Some(&program), &cache).unwrap();
    assert_eq!(found.program, program);
    assert_eq!(found.version.to_string(), "11.1.3");
    assert_eq!(found.origin, Origin::Argument);
}

#[test]
fn an_unsuitable_one_is_refused_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |version: &str, devices: &str| {
        let program = stand_in(dir.path(), version, devices);
        let named = given(&program, "QEMU", Origin::Environment);
        named.unwrap_err().to_string()
    };
    let text = refused("QEMU emulator version 10.0.13", HAS);
    assert!(text.contains("(from QEMU) cannot be used"), "{text}");
    assert!(text.contains("it is QEMU 10.0.13"), "{text}");
    assert!(text.contains("10.1.0 or later"), "{text}");
    let text = refused(NEW, "name \"vfio-pci\", bus PCI");
    assert!(text.contains("built without vfio-user-pci"), "{text}");
    let text = refused("GNU Emacs 30", HAS);
    assert!(text.contains("not that of a QEMU"), "{text}");
}

#[test]
fn a_program_that_ends_early_is_refused_in_its_own_words() {
    let dir = tempfile::tempdir().unwrap();
    let program = dir.path().join("q");
    harness::write_script(&program, "#!/bin/sh\necho no libc here >&2; exit 127\n").unwrap();
    let reason = check(&program).unwrap_err();
    assert!(reason.contains("no libc here"), "{reason}");
    let reason = check(&dir.path().join("absent")).unwrap_err();
    assert!(reason.contains("cannot be started"), "{reason}");
}

#[test]
fn path_is_searched_in_order() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    stand_in(two.path(), NEW, HAS);
    let path = std::env::join_paths([one.path(), two.path()]).unwrap();
    let found = on_path(&path, "qemu-system-s390x").unwrap();
    assert!(found.starts_with(two.path()));
    stand_in(one.path(), NEW, HAS);
    let found = on_path(&path, "qemu-system-s390x").unwrap();
    assert!(found.starts_with(one.path()));
}

#[test]
fn debian_versions_hold_the_version() {
    let version = Version::of_package("1:11.1.3+ds-1~bpo13+1").unwrap();
    assert_eq!(version.to_string(), "11.1.3");
    assert_eq!(
        Version::of_package("11.2.0~rc1-1").unwrap().to_string(),
        "11.2.0"
    );
    assert_eq!(Version::of_package("nonsense"), None);
}

#[test]
fn a_version_holds_its_fixes_and_no_other_version() {
    let forky = "1:11.1.2+ds-3";
    assert!(is_of(forky, "11.1") && is_of(forky, "11.1.2"));
    for other in ["11.10", "11.1.3", "1.1", "11.1.20", "10.2"] {
        assert!(!is_of(forky, other), "{other}");
    }
}
