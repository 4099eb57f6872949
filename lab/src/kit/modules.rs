//! The modules that a guest loads, and their order.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::error::KitError;
use super::module::{self, Module};

/// The modules that a guest loads, in this order. Each comes after its dependencies: first network, serial
/// ports, random numbers and VLANs, then the dependencies of ism and smc.
pub(super) const WANTED: [&str; 11] = [
    "virtio_net",
    "virtio_console",
    "virtio_rng",
    "8021q",
    "ccwgroup",
    "ib_core",
    "pnet",
    "dibs",
    "ism",
    "smc",
    "smc_diag",
];

/// The modules of [`WANTED`] below `folder`, with their dependencies, in load order. A missing module is
/// built in, or the kernel lacks it.
pub(super) fn of_folder(folder: &Path) -> Result<Vec<Module>, KitError> {
    let mut files = BTreeMap::new();
    find(folder, &mut files)?;
    let wanted: Vec<&str> = WANTED.to_vec();
    ordered(&wanted, &files)
}

/// `wanted` and all dependencies. Each module comes after its dependencies.
pub(super) fn ordered(
    wanted: &[&str],
    files: &BTreeMap<String, Module>,
) -> Result<Vec<Module>, KitError> {
    let mut order = Vec::new();
    for name in wanted {
        add(name, files, &mut Vec::new(), &mut order)?;
    }
    Ok(order)
}

fn add(
    name: &str,
    files: &BTreeMap<String, Module>,
    above: &mut Vec<String>,
    order: &mut Vec<Module>,
) -> Result<(), KitError> {
    let Some(module) = files.get(name) else {
        return Ok(());
    };
    // A kernel has no circle of dependencies. Files that do not belong together may have one.
    if order.contains(module) || above.iter().any(|other| other == name) {
        return Ok(());
    }
    above.push(name.to_owned());
    for need in module::depends(&module.read()?) {
        add(&need, files, above, order)?;
    }
    above.pop();
    order.push(module.clone());
    Ok(())
}

/// All modules below `folder`, by name. If several have the same name, the first path wins.
pub(super) fn find(folder: &Path, files: &mut BTreeMap<String, Module>) -> Result<(), KitError> {
    let read = fs::read_dir(folder).map_err(KitError::io("read", folder))?;
    let mut items = read
        .collect::<Result<Vec<_>, _>>()
        .map_err(KitError::io("read", folder))?;
    items.sort_by_key(std::fs::DirEntry::file_name);
    for item in items {
        let kind = item
            .file_type()
            .map_err(KitError::io("read", &item.path()))?;
        if kind.is_dir() {
            find(&item.path(), files)?;
        } else if let Some(name) = module::name(&item.file_name().to_string_lossy()) {
            files
                .entry(name)
                .or_insert_with(|| Module::at(&item.path()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(modules: &[(&str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (path, depends) in modules {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("license=x\0depends={depends}\0name=y\0")).unwrap();
        }
        dir
    }

    fn names(modules: &[Module]) -> Vec<&str> {
        modules.iter().map(Module::name).collect()
    }

    #[test]
    fn each_comes_after_what_it_needs_and_once() {
        let dir = folder(&[
            ("net/smc/smc.ko", "ism,ib_core"),
            ("net/smc/smc_diag.ko", "smc"),
            ("drivers/ism.ko", ""),
            ("drivers/ib_core.ko", "x-y"),
            ("drivers/x-y.ko", ""),
            ("drivers/unwanted.ko", ""),
        ]);
        let order = of_folder(dir.path()).unwrap();
        assert_eq!(names(&order), ["x_y", "ib_core", "ism", "smc", "smc_diag"]);
    }

    #[test]
    fn files_that_need_each_other_end_nothing() {
        let dir = folder(&[("ism.ko", "smc"), ("smc.ko", "ism")]);
        let order = of_folder(dir.path()).unwrap();
        assert_eq!(names(&order), ["smc", "ism"]);
    }
}
