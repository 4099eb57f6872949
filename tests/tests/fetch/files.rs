//! Tests with broken package files.

use vfio_user_ism_tests::debian_archive::{Dummy, Fault, Suite};

use crate::{Bench, KERNEL_BYTES, backports, bookworm, is_best, is_next, kernel, trixie, whole};

/// The names of trixie's newest kernel, and of all its kernels.
const NEWEST: &str = "linux-image-6.12.10";
const ALL: &str = "+deb13-s390x_6.12";

#[test]
fn lists_newer_than_the_pool_give_an_older_version() {
    let bench = whole();
    bench.archive.break_at(NEWEST, Fault::Status(404));
    let ended = bench.guest();
    let (suite, title) = ended.part();
    assert_eq!(suite, "trixie");
    assert!(title.contains("6.12.9+deb13-s390x"), "{title}");
    let mut lines = ended.stderr.lines();
    let line = lines
        .find(|line| line.ends_with("trying the next"))
        .unwrap();
    assert!(
        line.contains("trixie, Linux 6.12.10-1") && line.contains("404"),
        "{line}"
    );
}

#[test]
fn a_pool_that_has_none_of_what_the_lists_name() {
    let bench = whole();
    bench.archive.break_at(ALL, Fault::Status(404));
    is_next(&bench.guest(), "trixie, Linux 6.12.9-1: ");
}

#[test]
fn a_pool_newer_than_the_lists() {
    // Another file has the name in the list.
    let bench = whole();
    bench.archive.break_at(ALL, Fault::Wrong);
    is_next(&bench.guest(), "wrong content: its SHA-256 is");
    let bench = whole();
    bench.archive.break_at(ALL, Fault::Truncated(1000));
    is_next(&bench.guest(), "it has 1000 bytes, the list names");
}

#[test]
fn a_server_that_always_drops_in_the_middle() {
    let bench = whole();
    bench.archive.break_at(ALL, Fault::Cut(5_000));
    let ended = bench.guest();
    is_next(&ended, "trixie, Linux 6.12.9-1: ");
    assert!(
        ended.stderr.contains("; going on at 5000 of "),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_download_that_broke_off_goes_on_from_there() {
    let bench = whole();
    bench.archive.break_at(NEWEST, Fault::CutOnce(100_000));
    is_best(&bench.guest());
    let asked = bench.archive.asked(NEWEST);
    let from: Vec<_> = asked.iter().map(|asked| asked.from).collect();
    assert_eq!(from, [None, Some(100_000)]);
}

#[test]
fn a_server_that_knows_no_ranges_gives_all_of_it_again() {
    let bench = whole();
    bench.archive.break_at(NEWEST, Fault::NoRange(100_000));
    is_best(&bench.guest());
    assert_eq!(bench.archive.asked(NEWEST).len(), 2);
}

#[test]
fn a_download_that_stalls_is_bounded_and_goes_on() {
    let bench = whole().with("VFIO_USER_ISM_FETCH_TIMEOUT", crate::SHORT);
    bench.archive.break_at(NEWEST, Fault::StalledOnce(100_000));
    let ended = bench.guest();
    is_best(&ended);
    let words = "it stalled: no data for 5 s; going on at 100000 of";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);

    let bench = whole().with("VFIO_USER_ISM_FETCH_TIMEOUT", crate::SHORT);
    bench.archive.break_at(ALL, Fault::Stalled(5_000));
    is_next(&bench.guest(), "it stalled: no data for 5 s");
}

#[test]
fn a_download_that_trickles_is_bounded() {
    let bench = whole().with("VFIO_USER_ISM_FETCH_TIMEOUT", crate::SHORT);
    bench.archive.break_at(ALL, Fault::Trickle);
    is_next(&bench.guest(), "it is too slow");
}

#[test]
fn redirects_are_followed_but_not_in_circles() {
    let bench = whole();
    let file = bench
        .archive
        .get("linux-image-6.12.10+deb13-s390x_6.12.10-1_s390x.deb");
    bench.archive.put("/elsewhere/kernel", file);
    let to = bench.archive.url().replace("/debian/", "/elsewhere/kernel");
    bench.archive.break_at(NEWEST, Fault::Redirect(to));
    is_best(&bench.guest());
    let bench = whole();
    let around = format!("{}pool/main/x{ALL}", bench.archive.url());
    bench.archive.break_at(ALL, Fault::Redirect(around));
    is_next(&bench.guest(), "trixie, Linux 6.12.9-1: ");
}

#[test]
fn a_package_that_cannot_be_unpacked() {
    // Their hashes are right.
    let mut suite = trixie();
    for package in &mut suite.packages[..2] {
        package.compression = ".lzma";
    }
    let bench = Bench::of(&[suite, backports(), bookworm()]);
    is_next(&bench.guest(), "is compressed in an unknown way");
    assert!(
        !bench
            .entry("guest")
            .join("root/boot/vmlinuz-6.12.9+deb13-s390x")
            .exists()
    );
}

#[test]
fn a_package_without_what_it_should_hold() {
    let mut suite = trixie();
    for package in &mut suite.packages[..2] {
        package.files.remove(0);
    }
    let bench = Bench::of(&[suite, backports(), bookworm()]);
    is_next(&bench.guest(), "should hold boot/vmlinuz-");
}

#[test]
fn packages_in_every_compression() {
    for end in [".xz", ".gz", ".zst", ""] {
        let mut suite = trixie();
        for package in &mut suite.packages {
            package.compression = end;
        }
        is_best(&Bench::of(&[suite]).guest());
    }
}

#[test]
fn files_that_want_to_leave_their_folder_do_not() {
    let bad = kernel("6.12.10+deb13", "6.12.10-1").file_at("../../../../escaped", "x");
    let suite = Suite::new("trixie", vec![bad, crate::busybox("1")]);
    let bench = Bench::of(&[suite]);
    bench.guest();
    let mut open = vec![bench.archive.folder().to_owned()];
    while let Some(folder) = open.pop() {
        for item in std::fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            assert!(!path.ends_with("escaped"), "{}", path.display());
            if path.is_dir() && !path.is_symlink() {
                open.push(path);
            }
        }
    }
}

#[test]
fn nothing_left_is_told_in_one_message() {
    let bench = whole();
    bench.archive.break_at("/pool/", Fault::Status(404));
    bench.guest().failed(&[
        "\n  trixie, Linux 6.12.10-1: ",
        "\n  trixie, Linux 6.12.9-1: ",
        "\n  trixie-security: ",
        "\n  trixie-updates: ",
        "\n  bookworm-backports, Linux 6.12.5-1~bpo12+1: ",
        "\n  bookworm, Linux 6.1.176-1: ",
        "404 Not Found",
        "VFIO_USER_ISM_MIRROR",
    ]);
    assert!(!bench.entry("guest").exists() && !bench.entry("guest.partial").exists());
}

#[test]
fn a_mirror_that_refuses_every_connection() {
    let bench = whole().with("VFIO_USER_ISM_MIRROR", "http://127.0.0.1:9/debian/");
    let ended = bench.guest();
    ended.failed(&["\n  trixie: ", "\n  bookworm-backports: ", "efused"]);
}

#[test]
fn a_security_archive_that_refuses_connections_is_passed_over() {
    let bench = whole().with("VFIO_USER_ISM_SECURITY_MIRROR", "http://127.0.0.1:9/sec/");
    bench.archive.break_at(ALL, Fault::Status(404));
    is_next(
        &bench.guest(),
        "trixie-security: the lists of trixie-security cannot be used",
    );
}

#[test]
fn the_security_archive_serves_in_place_of_the_release() {
    let security = Suite::new("trixie-security", vec![kernel("6.12.8+deb13", "6.12.8-1")]);
    let bench = Bench::of(&[trixie(), security, backports(), bookworm()]);
    bench
        .archive
        .break_at("/debian/pool/main/linux-image-6.12", Fault::Status(404));
    let (suite, title) = bench.guest().part();
    assert_eq!(suite, "trixie-security");
    assert!(title.contains("6.12.8+deb13-s390x"), "{title}");
}

#[test]
fn a_dependency_that_is_gone_gives_way_to_an_older_one() {
    let mut suite = trixie();
    suite
        .packages
        .push(Dummy::new("busybox-static", "1:2.0", "s390x").program_at("bin/busybox", "new"));
    let bench = Bench::of(&[suite]);
    bench
        .archive
        .break_at("busybox-static_2.0", Fault::Status(404));
    let ended = bench.guest();
    is_best(&ended);
    assert!(
        ended.stderr.contains("looking for another version"),
        "{}",
        ended.stderr
    );
    assert!(
        ended.json()["parts"][0]["source"]["debian"]["bytes_fetched"]
            .as_u64()
            .unwrap()
            > KERNEL_BYTES as u64
    );
}
