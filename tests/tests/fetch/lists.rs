//! Tests with broken lists.

use vfio_user_ism_tests::debian_archive::Fault;

use crate::{Bench, backports, bookworm, is_best, is_next, trixie, whole};

const RELEASE: &str = "dists/trixie/InRelease";

#[test]
fn good_order_gives_the_newest_of_the_best_suite() {
    let bench = whole();
    let ended = bench.guest();
    is_best(&ended);
    let root = bench.entry("guest").join("root");
    let kernel = std::fs::read(root.join("boot/vmlinuz-6.12.10+deb13-s390x")).unwrap();
    assert_eq!(kernel.len(), crate::KERNEL_BYTES);
    assert_eq!(std::fs::read(root.join("bin/busybox")).unwrap(), b"busybox");
    assert!(
        !ended.stderr.contains("trying the next"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_suite_that_vanished() {
    let bench = Bench::of(&[backports(), bookworm()]);
    is_next(&bench.guest(), "trixie/InRelease: 404");
}

#[test]
fn lists_that_another_key_signed() {
    let bench = whole();
    let foreign = bench.archive.foreign_keyring().display().to_string();
    let bench = bench.with("VFIO_USER_ISM_KEYRING", foreign);
    bench.guest().failed(&[
        "trixie: the lists of trixie cannot be used",
        "no known key signed it",
        "bookworm-backports: ",
    ]);
    assert!(bench.archive.asked("pool/").is_empty());
}

#[test]
fn lists_that_were_changed_after_they_were_signed() {
    let bench = whole();
    let text = String::from_utf8(bench.archive.get(RELEASE)).unwrap();
    for changed in [
        text.replace("Origin: Dummy", "Origin: Dumny"),
        text.replace("-----BEGIN PGP SIGNED MESSAGE-----", "Extra: line\n"),
        text[..text.len() / 2].to_owned(),
        String::new(),
    ] {
        bench
            .archive
            .put(&format!("/debian/{RELEASE}"), changed.into_bytes());
        is_next(&bench.guest(), "the lists of trixie cannot be used");
        std::fs::remove_dir_all(bench.archive.cache()).unwrap();
    }
}

#[test]
fn a_half_updated_suite_whose_lists_disagree() {
    let bench = whole();
    // The release is new, but its list is still the old one, at either address.
    bench.archive.break_at("dists/trixie/main", Fault::Wrong);
    is_next(&bench.guest(), "wrong content");
    bench.archive.mend();
    std::fs::remove_dir_all(bench.archive.cache()).unwrap();
    bench
        .archive
        .break_at("dists/trixie/main", Fault::Truncated(100));
    is_next(&bench.guest(), "it has 100 bytes, the list names");
}

#[test]
fn a_half_updated_suite_whose_new_list_lies_under_its_hash() {
    let bench = whole();
    bench
        .archive
        .break_at("binary-s390x/Packages", Fault::Wrong);
    is_best(&bench.guest());
    // Now the reverse, on mirrors that copy no hashes.
    let bench = whole();
    bench.archive.break_at("by-hash", Fault::Status(404));
    is_best(&bench.guest());
}

#[test]
fn a_release_that_expired_or_is_of_the_future() {
    let [mut expired, mut future] = [trixie(), trixie()];
    expired.valid = Some(-3600);
    future.made = 2 * 86_400;
    for (suite, words) in [
        (expired, "its release expired"),
        (future, "is of the future"),
    ] {
        let bench = Bench::of(&[suite, backports(), bookworm()]);
        is_next(&bench.guest(), words);
        std::fs::remove_dir_all(bench.archive.cache()).unwrap();
        is_best(&bench.with("VFIO_USER_ISM_CHECK_DATES", "no").guest());
    }
}

#[test]
fn a_release_of_another_suite() {
    let bench = whole();
    let other = bench.archive.get("dists/bookworm/InRelease");
    bench.archive.put(&format!("/debian/{RELEASE}"), other);
    is_next(&bench.guest(), "its release is that of bookworm");
}

#[test]
fn lists_in_every_compression() {
    for ends in [
        vec![".gz"],
        vec![".xz"],
        vec![".zst"],
        vec![""],
        vec![".gz", ".xz"],
    ] {
        for by_hash in [true, false] {
            let mut suite = trixie();
            suite.compressions = ends.clone();
            suite.by_hash = by_hash;
            is_best(&Bench::of(&[suite]).guest());
        }
    }
}

#[test]
fn a_list_that_is_broken_in_one_compression() {
    let mut suite = trixie();
    suite.compressions = vec![".gz", ".xz"];
    suite.by_hash = false;
    let bench = Bench::of(&[suite]);
    bench.archive.break_at("Packages.xz", Fault::Status(404));
    is_best(&bench.guest());
}

#[test]
fn a_signature_that_is_a_file_of_its_own() {
    let mut suite = trixie();
    suite.detached = true;
    let bench = Bench::of(&[suite, backports(), bookworm()]);
    is_best(&bench.guest());
    std::fs::remove_dir_all(bench.archive.cache()).unwrap();
    let changed = bench.archive.get("dists/trixie/Release");
    let changed = String::from_utf8(changed)
        .unwrap()
        .replace("Dummy", "Dumny");
    bench
        .archive
        .put("/debian/dists/trixie/Release", changed.into_bytes());
    is_next(&bench.guest(), "is wrong");
}

#[test]
fn a_server_in_trouble() {
    for fault in [Fault::Status(503), Fault::Status(403), Fault::Cut(200)] {
        let bench = whole();
        bench.archive.break_at(RELEASE, fault);
        is_next(&bench.guest(), "the lists of trixie cannot be used");
    }
    let bench = whole().with("VFIO_USER_ISM_FETCH_TIMEOUT", crate::SHORT);
    bench.archive.break_at(RELEASE, Fault::Silent);
    is_next(&bench.guest(), "no answer in time");
}

#[test]
fn packages_that_were_renamed() {
    let mut suite = trixie();
    for package in &mut suite.packages {
        package.name = package.name.replace("busybox-static", "busybox-whole");
    }
    let bench = Bench::of(&[suite, backports(), bookworm()]);
    is_next(&bench.guest(), "no usable package busybox-static");
    let mut suite = trixie();
    for package in &mut suite.packages {
        package.name = package.name.replace("linux-image-6", "linux-kernel-6");
    }
    let bench = Bench::of(&[suite, backports(), bookworm()]);
    is_next(&bench.guest(), "it has no Linux 6.12");
}
