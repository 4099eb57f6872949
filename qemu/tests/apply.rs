//! Applies the changes to a tree with the names that they need, and to trees that lack one.

use std::fs;
use std::path::Path;
use std::process::Command;

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

#[test]
fn each_change_becomes_a_signed_off_commit() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    make(root);
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(root).args(arguments);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    };
    git(&["init", "--quiet"]);
    git(&["config", "user.name", "A Developer"]);
    git(&["config", "user.email", "developer@example.org"]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "--message", "base"]);

    let tree = Tree::open(root).unwrap();
    qemu_zpci::commits::check(root).unwrap();
    for (change, written) in CHANGES.iter().zip(tree.plan(&CHANGES).unwrap()) {
        tree.write(&written).unwrap();
        qemu_zpci::commits::commit(root, change, &written).unwrap();
    }
    let log = git(&["log", "--format=%s%n%b", "HEAD~6..HEAD"]);
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
    assert_eq!(git(&["status", "--porcelain"]), "");

    fs::write(root.join("VERSION"), "1\n").unwrap();
    assert!(qemu_zpci::commits::check(root).is_err());
}
