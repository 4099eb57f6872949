use super::*;

fn toy(dir: &Path, loopback: bool) -> Kit {
    let file = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    };
    let module = |name: &str| Module::at(&file(name, &format!("<{name}>")));
    let ism = module("plain/ism.ko");
    Kit {
        kernel: file("vmlinuz", "image"),
        release: "6.x".to_owned(),
        initrd: None,
        plain: vec![ism.clone(), module("plain/smc.ko")],
        loopback: if loopback {
            vec![ism, module("loopback/smc.ko")]
        } else {
            Vec::new()
        },
        busybox: file("busybox", "<busybox>"),
        tool: file("tool", "<tool>"),
        source: Source::Machine,
    }
}

fn count(haystack: &[u8], needle: &str) -> usize {
    let needle = needle.as_bytes();
    haystack
        .windows(needle.len())
        .filter(|w| *w == needle)
        .count()
}

#[test]
fn an_initramfs_holds_each_module_once_and_both_orders() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("initramfs");
    let kit = toy(dir.path(), true);
    assert!(kit.has_smc());
    kit.initramfs(&path, |made| made.init("exec sh")).unwrap();
    let bytes = fs::read(&path).unwrap();
    for part in [
        "<plain/ism.ko>",
        "<plain/smc.ko>",
        "<loopback/smc.ko>",
        "<tool>",
        "exec sh",
    ] {
        assert_eq!(count(&bytes, part), 1, "{part}");
    }
    assert_eq!(
        count(&bytes, "/lib/lab/plain/ism.ko\n/lib/lab/plain/smc.ko\n"),
        1
    );
    assert_eq!(
        count(&bytes, "/lib/lab/plain/ism.ko\n/lib/lab/loopback/smc.ko\n"),
        1
    );
    assert_eq!(count(&bytes, "lib/lab/order.loopback\0"), 1);
}

#[test]
fn an_own_initrd_comes_first() {
    let dir = tempfile::tempdir().unwrap();
    let own = OwnKernel {
        kernel: dir.path().join("vmlinuz"),
        initrd: Some(dir.path().join("busybox")),
        modules: None,
    };
    let kit = Kit::of_own(toy(dir.path(), true), &own).unwrap();
    assert_eq!(kit.release(), "vmlinuz");
    assert!(kit.modules(Smc::Plain).is_empty() && kit.modules(Smc::Loopback).is_empty());
    let path = dir.path().join("initramfs");
    kit.initramfs(&path, |made| made).unwrap();
    let bytes = fs::read(&path).unwrap();
    assert!(bytes.starts_with(b"<busybox>\x00\x00\x00070701"));
}

#[test]
fn own_modules_are_searched_for() {
    let dir = tempfile::tempdir().unwrap();
    let base = toy(dir.path(), false);
    let own = OwnKernel {
        kernel: dir.path().join("vmlinuz"),
        initrd: None,
        modules: Some(dir.path().join("plain")),
    };
    let kit = Kit::of_own(base, &own).unwrap();
    let names: Vec<_> = kit.modules(Smc::Plain).iter().map(Module::name).collect();
    assert_eq!(names, ["ism", "smc"]);
}
