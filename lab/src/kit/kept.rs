//! The parts of a build that the cache keeps: kernel, busybox and the guest's modules.

use std::collections::BTreeMap;
use std::path::Path;

use debian_fetch::Parts;

use super::error::KitError;
use super::folder::{copy, create, write};
use super::module::Module;
use super::modules;
use super::target::{LOOPBACK, Target};

/// Files of a finished entry, below its root.
pub(super) const KERNEL: &str = "vmlinuz";
pub(super) const RELEASE: &str = "release";
pub(super) const BUSYBOX: &str = "busybox";
/// The modules that a guest loads: one path on each line, relative to the root.
pub(super) const ORDER: &str = "order";
/// The same list with loopback-ism. It is empty if there is no such build.
pub(super) const ORDER_LOOPBACK: &str = "order.loopback";

/// Modules of Debian's kernel that ours replace. Debian's smc supports no ISM.
pub(super) const REPLACED: [&str; 4] = ["dibs", "ism", "smc", "smc_diag"];

/// Copies the kept parts into `root`, from the packages in `guest` and the targets in `build`.
pub(super) fn keep(
    guest: &Path,
    build: &Path,
    targets: &[Target],
    root: &Path,
) -> Result<(), KitError> {
    let parts = Parts::find(guest)?;
    copy(&parts.kernel, &root.join(KERNEL))?;
    write(&root.join(RELEASE), parts.release.as_bytes())?;
    copy(&parts.busybox, &root.join(BUSYBOX))?;

    let mut files = BTreeMap::new();
    modules::find(&parts.modules, &mut files)?;
    files.retain(|name, _| !REPLACED.contains(&name.as_str()));
    let mut add = |loopback: bool| {
        for target in targets
            .iter()
            .filter(|t| (t.folder == LOOPBACK) == loopback)
        {
            for name in target.kept {
                let file = build.join(target.folder).join(format!("{name}.ko"));
                files.insert((*name).to_owned(), Module::at(&file));
            }
        }
        modules::ordered(&modules::WANTED, &files)
    };
    let plain = add(false)?;
    let mut order = place(root, "plain", &plain, &[])?;
    write(&root.join(ORDER), order.as_bytes())?;
    order.clear();
    if targets.iter().any(|target| target.folder == LOOPBACK) {
        order = place(root, LOOPBACK, &add(true)?, &plain)?;
    }
    write(&root.join(ORDER_LOOPBACK), order.as_bytes())
}

/// Writes `modules` to `root/modules/FOLDER`, except those in `shared`, which `plain` already has. Returns
/// all paths, relative to the root, one on each line.
fn place(
    root: &Path,
    folder: &str,
    modules: &[Module],
    shared: &[Module],
) -> Result<String, KitError> {
    let mut order = String::new();
    let at = root.join("modules").join(folder);
    create(&at)?;
    for module in modules {
        let file = format!("{}.ko", module.name());
        let folder = if shared.contains(module) {
            "plain"
        } else {
            write(&at.join(&file), &module.read()?)?;
            folder
        };
        order.push_str(&format!("modules/{folder}/{file}\n"));
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kit::target::{self, Kind};
    use std::fs;
    use std::path::PathBuf;

    fn put(path: &Path, depends: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, format!("{}\0depends={depends}\0", path.display())).unwrap();
    }

    fn read(root: &Path, name: &str) -> String {
        fs::read_to_string(root.join(name)).unwrap()
    }

    /// The kept parts of a build of `kind`, with packages of a kernel `6.x`.
    fn kept(kind: Kind, image: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let at = |path: &str| dir.path().join(path);
        put(&at(image), "");
        put(&at("guest/bin/busybox"), "");
        let modules = "guest/lib/modules/6.x/kernel";
        for (name, depends) in [
            ("net/smc", "ib_core"),
            ("ib_core", ""),
            ("virtio_net", "net_failover"),
            ("net_failover", ""),
        ] {
            put(&at(&format!("{modules}/{name}.ko")), depends);
        }
        for target in target::targets(kind) {
            for name in target.kept {
                let file = format!("build/{}/{name}.ko", target.folder);
                put(&at(&file), if *name == "smc" { "ism,ib_core" } else { "" });
            }
        }
        let root = at("root");
        fs::create_dir(&root).unwrap();
        let targets = target::targets(kind);
        keep(&at("guest"), &at("build"), targets, &root).unwrap();
        (dir, root)
    }

    #[test]
    fn built_modules_come_in_place_of_debians_and_loopback_beside_them() {
        let (_dir, root) = kept(Kind::Loopback, "guest/boot/vmlinuz-6.x");
        assert_eq!(read(&root, RELEASE), "6.x");
        let plain = "modules/plain/net_failover.ko\nmodules/plain/virtio_net.ko\n\
                     modules/plain/ib_core.ko\nmodules/plain/ism.ko\n\
                     modules/plain/smc.ko\nmodules/plain/smc_diag.ko\n";
        assert_eq!(read(&root, ORDER), plain);
        let loopback = plain
            .replace("plain/smc.ko", "loopback/smc.ko")
            .replace("plain/smc_diag.ko", "loopback/smc_diag.ko");
        assert_eq!(read(&root, ORDER_LOOPBACK), loopback);
        assert!(read(&root, "modules/plain/smc.ko").contains("build/smc/smc.ko"));
        assert!(read(&root, "modules/loopback/smc.ko").contains("build/loopback/smc.ko"));
        assert!(!root.join("modules/loopback/ism.ko").exists());
    }

    #[test]
    fn a_kernel_without_smc_has_the_image_beside_its_modules() {
        let (_dir, root) = kept(Kind::Dibs, "guest/lib/modules/6.x/vmlinuz");
        let order = read(&root, ORDER);
        assert!(
            order.ends_with("plain/dibs.ko\nmodules/plain/ism.ko\n"),
            "{order}"
        );
        assert_eq!(read(&root, ORDER_LOOPBACK), "");
    }
}
