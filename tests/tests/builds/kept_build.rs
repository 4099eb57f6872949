//! The copies of the checkout that builds with other flags are of.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use vfio_user_ism_tests::kept_build::KeptBuild;

/// A checkout, and the folder of a build of it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        place.put("Cargo.lock", "1");
        place
    }

    fn checkout(&self) -> PathBuf {
        self.0.path().join("checkout")
    }

    fn put(&self, name: &str, text: &str) {
        let path = self.checkout().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn open(&self, compiler: &str) -> KeptBuild {
        self.open_in(&["build"], compiler)
    }

    fn open_in(&self, folders: &[&str], compiler: &str) -> KeptBuild {
        let folders: Vec<_> = folders
            .iter()
            .map(|name| self.0.path().join(name))
            .collect();
        KeptBuild::at(&folders, &self.checkout(), compiler).unwrap()
    }
}

#[test]
fn a_copy_follows_its_checkout_and_keeps_the_dates_of_equal_files() {
    let place = Place::new();
    place.put("same", "1");
    place.put("folder/changed", "1");
    place.put("folder/gone", "1");
    place.put("was-file", "1");
    place.put("target/debug/big", "1");
    let copy = place.open("rustc 1").repository;
    let old = SystemTime::now() - Duration::from_secs(1000);
    for name in ["same", "folder/changed"] {
        let file = fs::File::options().append(true).open(copy.join(name));
        file.unwrap().set_modified(old).unwrap();
    }
    assert!(!copy.join("target").exists());

    place.put("same", "1");
    place.put("folder/changed", "2");
    fs::remove_file(place.checkout().join("folder/gone")).unwrap();
    fs::remove_file(place.checkout().join("was-file")).unwrap();
    place.put("was-file/inner", "1");
    place.open("rustc 1");
    let date = |name: &str| fs::metadata(copy.join(name)).unwrap().modified().unwrap();
    assert_eq!(date("same"), old);
    assert_ne!(date("folder/changed"), old);
    assert_eq!(fs::read(copy.join("folder/changed")).unwrap(), b"2");
    assert!(!copy.join("folder/gone").exists());
    assert!(copy.join("was-file/inner").is_file());
}

#[test]
fn a_build_stays_until_the_compiler_or_the_dependencies_are_others() {
    let place = Place::new();
    let left = |target: &Path| {
        let left = target.join("built").exists();
        fs::create_dir_all(target).unwrap();
        fs::write(target.join("built"), "").unwrap();
        left
    };
    assert!(!left(&place.open("rustc 1").target));
    assert!(left(&place.open("rustc 1").target));
    assert!(!left(&place.open("rustc 2").target));
    place.put("Cargo.lock", "2");
    assert!(!left(&place.open("rustc 2").target));
    place.put("source.rs", "");
    assert!(left(&place.open("rustc 2").target));
}

#[test]
fn a_build_is_elsewhere_if_the_cache_cannot_be_written() {
    let place = Place::new();
    place.put("source.rs", "1");
    fs::write(place.0.path().join("file"), "").unwrap();
    let build = place.open_in(&["file/build", "elsewhere"], "rustc 1");
    assert!(build.target.starts_with(place.0.path().join("elsewhere")));
    assert!(build.repository.join("source.rs").is_file());
}
