use super::*;

/// A root folder with these files.
fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

const ACTIONS: &str = "proc/sys/kernel/seccomp/actions_avail";
const NAMESPACES: &str = "proc/sys/user/max_user_namespaces";

#[test]
fn a_kernel_without_anything_has_a_remedy_in_every_line() {
    let empty = root(&[]);
    for finding in [
        landlock(None),
        seccomp(empty.path()),
        namespaces(empty.path()),
        kvm(empty.path(), "s390x"),
    ] {
        assert_eq!(finding.state, State::Note, "{finding:?}");
        assert!(finding.remedy.is_some(), "{finding:?}");
    }
}

#[test]
fn seccomp_needs_the_actions_of_the_sandbox() {
    let with = root(&[(
        ACTIONS,
        "kill_process kill_thread trap errno trace log allow\n",
    )]);
    assert_eq!(seccomp(with.path()).state, State::Good);
    let old = root(&[(ACTIONS, "kill_thread trap errno trace allow\n")]);
    assert_eq!(seccomp(old.path()).state, State::Note);
}

#[test]
fn user_namespaces_are_refused_in_four_ways() {
    let state = |files: &[(&str, &str)]| namespaces(root(files).path());
    assert_eq!(state(&[(NAMESPACES, "95000\n")]).state, State::Good);
    let off = state(&[(NAMESPACES, "0\n")]);
    assert!(off.remedy.unwrap().contains("max_user_namespaces"));
    let debian = state(&[
        (NAMESPACES, "9\n"),
        ("proc/sys/kernel/unprivileged_userns_clone", "0\n"),
    ]);
    assert!(debian.remedy.unwrap().contains("unprivileged_userns_clone"));
    let ubuntu = state(&[
        (NAMESPACES, "9\n"),
        (
            "proc/sys/kernel/apparmor_restrict_unprivileged_userns",
            "1\n",
        ),
    ]);
    assert!(ubuntu.remedy.unwrap().contains("apparmor"));
}

#[test]
fn kvm_counts_on_s390x_alone() {
    let empty = root(&[]);
    assert_eq!(kvm(empty.path(), "x86_64").state, State::Good);
    let with = root(&[("dev/kvm", "")]);
    assert_eq!(kvm(with.path(), "s390x").text, "KVM");
}
