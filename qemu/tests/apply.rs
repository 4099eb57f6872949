//! Applies the changes to a tree with the names that they need, and to trees that lack one.

use std::fs;
use std::path::Path;
use std::process::Command;

use clap::{Args as _, FromArgMatches};
use qemu_zpci::Args;
use qemu_zpci::changes::CHANGES;
use qemu_zpci::tree::{Tree, TreeError};

/// Files with the names that the edits search for.
fn tree() -> Vec<(&'static str, &'static str)> {
    let files = include_str!("toy-tree").split("== ").skip(1);
    files.map(|file| file.split_once('\n').unwrap()).collect()
}

fn make(root: &Path) {
    for (file, text) in tree() {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::create_dir_all(root.join("include/hw/s390x")).unwrap();
}

fn read(root: &Path, file: &str) -> String {
    fs::read_to_string(root.join(file)).unwrap()
}

/// Every file below `root` with its text.
fn all(root: &Path) -> Vec<(String, String)> {
    let files = tree().into_iter().map(|(file, _)| file);
    let new = CHANGES.iter().flat_map(|change| change.files);
    let files = files.chain(new.map(|(file, _)| *file));
    let text = |file: &str| fs::read_to_string(root.join(file)).unwrap_or_default();
    files.map(|file| (file.to_owned(), text(file))).collect()
}

#[test]
fn every_edit_lands_where_it_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    make(root);
    let tree = Tree::open(root).unwrap();
    assert_eq!(tree.version, "99.0.1");
    for written in tree.plan(&CHANGES).unwrap() {
        tree.write(&written).unwrap();
    }
    let instructions = read(root, "hw/s390x/s390-pci-inst.c");
    let store = instructions
        .split("int pcistb_service_call")
        .nth(1)
        .unwrap();
    let order = [
        "ZPCI_IO_BAR_MAX",
        "s390_pci_vfio_user_takes_block",
        "if (!mr)",
        "if (len > sizeof(buffer))",
        "s390_get_subregion",
    ];
    let places: Vec<usize> = order.iter().map(|word| store.find(word).unwrap()).collect();
    assert!(places.is_sorted(), "{store}");
    assert_eq!(instructions.matches("if (!mr) {").count(), 3);
    // The first line of an insertion has the same indentation as the others.
    assert!(
        instructions.lines().all(|line| !line.starts_with("if (")),
        "{instructions}"
    );
    let bus = read(root, "hw/s390x/s390-pci-bus.c");
    assert!(
        bus.contains("if (s390_pci_msix_init(pbdev) &&\n            s390_pci_vfio_user_msi_init(")
    );
    let header = read(root, "include/hw/s390x/vfio-user-ism.h");
    assert!(
        header.contains("struct vui_zpci_request"),
        "the contract's header"
    );
    let ours = CHANGES.iter().flat_map(|change| change.files);
    for (file, _) in ours {
        let text = read(root, file);
        let first = text.lines().next().unwrap_or_default();
        assert_eq!(
            first, "/* SPDX-License-Identifier: GPL-2.0-or-later */",
            "{file}"
        );
        // The rules of QEMU's style in scripts/checkpatch.pl.
        let long = text
            .lines()
            .find(|line| line.len() > 80 || line.contains('\t'));
        assert_eq!(long, None, "{file}");
    }
    let teardown = read(root, "hw/vfio-user/pci.c");
    assert!(
        teardown.contains("del_subregion(mr, sub);\n}"),
        "{teardown}"
    );

    let again = Tree::open(root).unwrap().plan(&CHANGES).unwrap_err();
    assert!(matches!(again, TreeError::Applied { .. }), "{again}");
}

#[test]
fn a_tree_that_lacks_a_name_is_left_as_it_is() {
    for (file, text) in tree().into_iter().filter(|(file, _)| *file != "VERSION") {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        make(root);
        let changed = text
            .replace("msix", "msiy")
            .replace("vfio", "vfi0")
            .replace("trigger_a", "trigger_b");
        fs::write(root.join(file), changed.replace("zpci_read_bar", "zpci_rd")).unwrap();
        let before = all(root);
        let tree = Tree::open(root).unwrap();
        let error = tree.plan(&CHANGES).unwrap_err().to_string();
        assert!(error.contains(file), "{file}: {error}");
        assert!(error.contains("99.0.1"), "{error}");
        assert_eq!(all(root), before, "{file}");
    }
}

#[test]
fn a_folder_without_qemu_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let error = Tree::open(folder.path()).unwrap_err().to_string();
    assert!(error.contains("no QEMU source tree"), "{error}");
}

/// Runs `qemu apply` with these arguments. Returns its error.
#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let command = Args::augment_args(clap::Command::new("qemu").no_binary_name(true));
    let matches = command.get_matches_from([&["apply"], arguments].concat());
    let args = Args::from_arg_matches(&matches).unwrap();
    qemu_zpci::run(&args).unwrap_err().to_string()
}

fn git(root: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("git");
    command.arg("-C").arg(root).args(arguments);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// Makes a repository of a folder and commits its files.
fn commit_all(root: &Path) {
    git(root, &["init", "--quiet"]);
    git(root, &["config", "user.name", "A Developer"]);
    git(root, &["config", "user.email", "developer@example.org"]);
    git(root, &["add", "."]);
    git(root, &["commit", "--quiet", "--message", "base"]);
}

#[test]
fn a_tree_that_has_a_part_of_the_changes_is_left_as_it_is() {
    for part in 1..CHANGES.len() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        make(root);
        let tree = Tree::open(root).unwrap();
        for written in &tree.plan(&CHANGES).unwrap()[..part] {
            tree.write(written).unwrap();
        }
        let before = all(root);
        let error = refused(&[root.to_str().unwrap()]);
        assert!(error.contains(CHANGES[part - 1].subject), "{error}");
        assert_eq!(all(root), before, "{part}");
    }
}

#[test]
fn a_file_that_cannot_be_written_leaves_the_others_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    make(root);
    let before = all(root);
    let names = ["VERSION", "hw/new", "missing/folder"];
    let written = names.map(|name| (name.to_owned(), "1\n".to_owned()));
    let tree = Tree::open(root).unwrap();
    assert!(tree.write(&written.into()).is_err());
    assert_eq!(all(root), before);
    assert!(!root.join("hw/new").exists());
}

#[test]
fn a_commit_that_git_refuses_leaves_the_tree_as_it_was() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    make(root);
    commit_all(root);
    let hook = root.join(".git/hooks/pre-commit");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\nexit 1\n").unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let before = all(root);
    let error = refused(&["--commit", root.to_str().unwrap()]);
    assert!(error.contains("git commit"), "{error}");
    assert_eq!(all(root), before);
    assert_eq!(git(root, &["status", "--porcelain"]), "");
}

#[test]
fn a_tree_inside_another_repository_gets_no_commits() {
    let folder = tempfile::tempdir().unwrap();
    let outer = folder.path();
    fs::write(outer.join("notes"), "mine\n").unwrap();
    commit_all(outer);
    let root = outer.join("qemu");
    make(&root);
    let before = all(&root);
    let error = refused(&["--commit", root.to_str().unwrap()]);
    assert!(error.contains("greater git repository"), "{error}");
    assert_eq!(all(&root), before);

    git(&root, &["init", "--quiet"]);
    let error = refused(&["--commit", root.to_str().unwrap()]);
    assert!(error.contains("not committed"), "{error}");
    assert_eq!(all(&root), before);
}

#[test]
fn each_change_becomes_a_signed_off_commit() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    make(root);
    commit_all(root);

    let tree = Tree::open(root).unwrap();
    qemu_zpci::commits::check(root).unwrap();
    for (change, written) in CHANGES.iter().zip(tree.plan(&CHANGES).unwrap()) {
        tree.write(&written).unwrap();
        qemu_zpci::commits::commit(root, change, &written).unwrap();
    }
    let log = git(root, &["log", "--format=%s%n%b", "HEAD~6..HEAD"]);
    for change in &CHANGES {
        assert!(log.contains(change.subject), "{log}");
    }
    let long = log.lines().find(|line| line.len() > 76);
    assert_eq!(
        long, None,
        "mailing lists take lines of 76 characters at most"
    );
    let signed = "Signed-off-by: A Developer <developer@example.org>";
    assert_eq!(log.matches(signed).count(), 6, "{log}");
    assert_eq!(git(root, &["status", "--porcelain"]), "");

    fs::write(root.join("VERSION"), "1\n").unwrap();
    assert!(qemu_zpci::commits::check(root).is_err());
}
