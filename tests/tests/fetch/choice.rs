//! Tests of the choice of series and suites, and of the list of candidates.

use vfio_user_ism_tests::debian_archive::{Dummy, Fault, Suite};

use crate::{Bench, backports, bookworm, busybox, is_best, noise, trixie, whole};

/// Creates a kernel like newer suites: image and modules are separate packages.
fn split_kernel(release: &str, version: &str) -> Vec<Dummy> {
    let release = format!("{release}-s390x");
    let folder = format!("usr/lib/modules/{release}");
    vec![
        Dummy::new(&format!("linux-image-{release}"), version, "s390x").depends(&format!(
            "dracut | initramfs-tools, linux-binary-{release} (= {version}), \
             linux-modules-{release} (= {version})"
        )),
        Dummy::new(&format!("linux-binary-{release}"), version, "s390x")
            .file_at(&format!("{folder}/vmlinuz"), noise(3, 1000)),
        Dummy::new(&format!("linux-modules-{release}"), version, "s390x")
            .file_at(&format!("{folder}/kernel/x.ko"), "module"),
    ]
}

fn with_new() -> Bench {
    let mut sid = split_kernel("7.2.13+deb14", "7.2.13-1");
    sid.push(busybox("1:1.38.0-3"));
    let mut new = split_kernel("7.3.4+deb13", "7.3.4-1~bpo13+1");
    new.extend(split_kernel("7.2.11+deb13", "7.2.11-1~bpo13+1"));
    Bench::of(&[
        trixie(),
        backports(),
        bookworm(),
        Suite::new("sid", sid),
        Suite::new("trixie-backports", new),
    ])
}

#[test]
fn kernels_are_chosen_by_series() {
    let bench = with_new();
    for (series, suite, release) in [
        ("6.12", "trixie", "6.12.10+deb13"),
        ("7.2", "trixie-backports", "7.2.11+deb13"),
        ("newest", "trixie-backports", "7.3.4+deb13"),
        ("6.1", "bookworm", "6.1.0-50"),
    ] {
        let ended = bench.run(&["guest", "--kernel", series, "--format", "json"]);
        let (from, title) = ended.part();
        assert_eq!(from, suite, "{series}");
        assert!(title.contains(&format!("Linux {release}-s390x")), "{title}");
    }
}

#[test]
fn the_newest_that_can_be_had_is_taken() {
    let bench = with_new();
    bench
        .archive
        .break_at("linux-binary-7.3.4", Fault::Status(404));
    let ended = bench.run(&["guest", "--kernel", "newest", "--format", "json"]);
    let (suite, title) = ended.part();
    assert_eq!(suite, "sid");
    assert!(title.contains("7.2.13+deb14"), "{title}");
}

/// Two suites are broken on the same day: each pool lacks a file that its list names.
#[test]
fn pools_of_two_suites_each_lack_what_their_lists_name() {
    let mut sid = split_kernel("7.2.13+deb14", "7.2.13-1");
    sid.push(busybox("1:1.38.0-3"));
    let older = split_kernel("7.2.11+deb13", "7.2.11-1~bpo13+1");
    let bench = Bench::of(&[
        trixie(),
        Suite::new("sid", sid),
        Suite::new("trixie-backports", older),
    ]);
    for file in ["linux-image-6.12.10", "linux-modules-7.2.13"] {
        bench.archive.break_at(file, Fault::Status(404));
    }
    for (series, suite, release) in [
        ("6.12", "trixie", "6.12.9+deb13"),
        ("newest", "trixie-backports", "7.2.11+deb13"),
    ] {
        let ended = bench.run(&["guest", "--kernel", series, "--format", "json"]);
        let (from, title) = ended.part();
        assert_eq!(from, suite, "{series}");
        assert!(title.contains(&format!("Linux {release}-s390x")), "{title}");
        assert!(ended.stderr.contains("404"), "{}", ended.stderr);
    }
}

#[test]
fn a_series_that_there_is_not_is_told_with_where_it_was_looked_for() {
    let bench = with_new();
    let ended = bench.run(&["guest", "--kernel", "7.9"]);
    ended.failed(&["trixie-backports: ", "it has no Linux 7.9", "sid: "]);
    let ended = bench.run(&["guest", "--kernel", "new"]);
    assert_eq!(ended.code, Some(2));
    assert!(
        ended.stderr.contains("6.12, 7.2 and newest"),
        "{}",
        ended.stderr
    );
}

#[test]
fn suites_are_chosen_by_flag_and_variable() {
    let bench = whole();
    let flags = ["guest", "--suites", "bookworm", "--format", "json"];
    assert_eq!(bench.run(&flags).part().0, "bookworm");
    // The cache has nothing of these suites.
    let flags = [
        "guest",
        "--suites",
        "absent,bookworm-backports",
        "--format",
        "json",
    ];
    assert_eq!(bench.run(&flags).part().0, "bookworm-backports");
    is_best(&whole().guest());
    for variable in [
        "VFIO_USER_ISM_SUITES",
        "VFIO_USER_ISM_GUEST_SUITES",
        "VFIO_USER_ISM_GUEST_SUITE",
    ] {
        let bench = whole().with(variable, "bookworm");
        assert_eq!(bench.guest().part().0, "bookworm", "{variable}");
    }
    let bench = whole().with("VFIO_USER_ISM_LAB_SUITES", "bookworm");
    is_best(&bench.guest());
}

#[test]
fn the_list_shows_what_is_there_and_what_could_be_had() {
    let bench = with_new();
    is_best(&bench.guest());
    let json = bench.run(&["list", "--format", "json"]).json();
    let entry = &json["cache"]["entries"][0];
    assert_eq!(entry["name"], "guest");
    assert_eq!(entry["suite"], "trixie");
    assert_eq!(entry["version"], "6.12.10-1");
    let available = json["available"].as_array().unwrap();
    let kernels: Vec<_> = available
        .iter()
        .filter(|each| each["kind"] == "kernel")
        .map(|each| {
            assert!(each["bytes"].as_u64().unwrap() > 0, "{each}");
            let text = |key: &str| each[key].as_str().unwrap();
            (text("series"), text("version"), text("suite"))
        })
        .collect();
    assert_eq!(
        kernels,
        [
            ("7.3", "7.3.4-1~bpo13+1", "trixie-backports"),
            ("7.2", "7.2.13-1", "sid"),
            ("7.2", "7.2.11-1~bpo13+1", "trixie-backports"),
            ("6.12", "6.12.10-1", "trixie"),
            ("6.12", "6.12.9-1", "trixie"),
            ("6.12", "6.12.5-1~bpo12+1", "bookworm-backports"),
            ("6.1", "6.1.176-1", "bookworm"),
        ]
    );
    let refused = json["refused"].as_array().unwrap();
    let forky = refused
        .iter()
        .find(|each| each["suite"] == "forky")
        .unwrap();
    assert!(forky["reason"].as_str().unwrap().contains("404"), "{forky}");

    let text = bench.run(&["list"]).stdout;
    for words in [
        "In the cache",
        "  guest  ",
        "  7.3    7.3.4-1~bpo13+1",
        "Suites that cannot be used",
    ] {
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn the_list_of_the_cache_asks_no_network() {
    let bench = whole();
    let json = bench.run(&["list", "--offline", "--format", "json"]).json();
    assert!(json["cache"]["entries"].as_array().unwrap().is_empty());
    assert!(bench.archive.asked("").is_empty());
    assert!(!bench.archive.cache().exists());
}
