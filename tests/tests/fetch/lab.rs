//! Tests of the lab's kernel with dummy packages: a compiler and a make that only write files.

use vfio_user_ism_tests::debian_archive::{Dummy, Fault, NATIVE, Suite, compressed, tar};

use crate::{Bench, Ended, busybox, noise};

const MAKE: &str = "#!/bin/sh\nfor word; do case $word in M=*) m=${word#M=};; esac; done\n\
    for name in ism smc smc_diag dibs plant; do printf 'x\\0depends=\\0' > $m/$name.ko; done\n";
const BROKEN_MAKE: &str = "#!/bin/sh\necho ism_drv.c:1: no such header >&2\nexit 2\n";
const GCC: &str =
    "#!/bin/sh\nwhile [ $# -gt 1 ]; do [ \"$1\" = -o ] && echo tool > \"$2\"; shift; done\n";

/// Returns a release's compilers and other programs.
fn tools(gcc: &str, make: &str) -> Vec<Dummy> {
    let (triplet, loader) = match NATIVE {
        "arm64" => ("aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
        "s390x" => ("s390x-linux-gnu", "ld64.so.1"),
        _ => ("x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    };
    // Each release has another version, so that their files differ.
    let version = gcc.replace("gcc-", "1.");
    let package = |name: &str| Dummy::new(name, &version, "native");
    vec![
        package("libc6").file_at(&format!("usr/lib/{triplet}/{loader}"), "loader"),
        package("make")
            .depends("libc6")
            .program_at("usr/bin/make", make),
        package(&format!("{gcc}-s390x-linux-gnu"))
            .depends("libc6")
            .program_at(&format!("usr/bin/s390x-linux-gnu-{gcc}"), GCC)
            .program_at("usr/bin/s390x-linux-gnu-strip", "#!/bin/sh\n"),
        package("libc6-dev-s390x-cross"),
        busybox("1:1.37.0-6"),
    ]
}

/// Returns all packages of one kernel, with a source that contains `sources`.
fn kernel(release: &str, version: &str, gcc: &str, sources: &[&str]) -> Vec<Dummy> {
    let series: Vec<_> = release.split('.').take(2).collect();
    let source = format!("linux-source-{}", series.join("."));
    let file = |path: &&str| (format!("{source}/{path}"), b"source".to_vec(), false);
    let archive = tar(&sources.iter().map(file).collect::<Vec<_>>());
    let full = format!("{release}-s390x");
    let common = format!("linux-headers-{release}-common");
    let folder = |name: &str| format!("usr/src/{name}");
    let headers = format!("linux-headers-{full}");
    vec![
        Dummy::new(&format!("linux-image-{full}"), version, "s390x")
            .file_at(&format!("boot/vmlinuz-{full}"), noise(5, 2000))
            .file_at(
                &format!("usr/lib/modules/{full}/kernel/virtio_net.ko"),
                "x\0depends=\0",
            ),
        Dummy::new(&headers, version, "s390x")
            .depends(&format!(
                "{common} (= {version}), linux-kbuild-{release}, {gcc}-for-host"
            ))
            .file_at(&format!("{}/Module.symvers", folder(&headers)), "")
            .file_at(
                &format!("{}/Makefile", folder(&headers)),
                "include /usr/src/x\n",
            )
            .file_at(&format!("{}/scripts", folder(&headers)), "")
            .file_at(&format!("{}/tools", folder(&headers)), ""),
        Dummy::new(&common, version, "all")
            .file_at(&format!("{}/scripts", folder(&common)), "")
            .file_at(&format!("{}/tools", folder(&common)), ""),
        Dummy::new(&source, version, "all").file_at(
            &format!("usr/src/{source}.tar.xz"),
            compressed(".xz", &archive),
        ),
        Dummy::new(&format!("linux-kbuild-{release}"), version, "native")
            .file_at(&format!("usr/lib/linux-kbuild-{release}/scripts/x"), ""),
    ]
}

const OLD: &[&str] = &[
    "drivers/s390/net/ism_drv.c",
    "net/smc/smc_loopback.c",
    "net/smc/Makefile",
];
const NEW: &[&str] = &[
    "drivers/s390/net/ism_drv.c",
    "drivers/dibs/Makefile",
    "drivers/dibs/x.c",
];

/// Creates two suites, of which the first has this make.
fn bench(make: &str) -> Bench {
    let mut trixie = kernel("6.12.10+deb13", "6.12.10-1", "gcc-14", OLD);
    trixie.extend(kernel("6.12.9+deb13", "6.12.9-1", "gcc-14", OLD));
    trixie.extend(tools("gcc-14", make));
    Bench::of(&[
        Suite::new("trixie", trixie),
        Suite::new(
            "bookworm-backports",
            kernel("6.12.5+deb12", "6.12.5-1~bpo12+1", "gcc-12", OLD),
        ),
        Suite::new("bookworm", tools("gcc-12", MAKE)),
    ])
}

fn fetched(bench: &Bench) -> Ended {
    bench.run(&["lab", "--format", "json"])
}

#[track_caller]
fn is(ended: &Ended, suite: &str, release: &str) {
    let (from, title) = ended.part();
    let title_is = format!("Linux {release}-s390x for the lab");
    assert_eq!(
        (from.as_str(), title.as_str()),
        (suite, title_is.as_str()),
        "{}",
        ended.stderr
    );
}

#[test]
fn the_newest_kernel_is_built_with_its_own_compiler() {
    let bench = bench(MAKE);
    is(&fetched(&bench), "trixie", "6.12.10+deb13");
    let root = bench.entry("lab-linux-6.12").join("root");
    let order = std::fs::read_to_string(root.join("order.loopback")).unwrap();
    assert!(order.contains("modules/loopback/smc.ko"), "{order}");
    assert_eq!(std::fs::read(root.join("smcd-tool")).unwrap(), b"tool\n");
    assert!(fetched(&bench).stderr.is_empty());
}

#[test]
fn any_part_that_is_gone_moves_on_to_an_older_kernel() {
    for gone in [
        "linux-image-6.12.10",
        "linux-headers-6.12.10+deb13-s390x",
        "linux-headers-6.12.10+deb13-common",
        "linux-kbuild-6.12.10",
        "linux-source-6.12_6.12.10",
    ] {
        let bench = bench(MAKE);
        bench.archive.break_at(gone, Fault::Status(404));
        is(&fetched(&bench), "trixie", "6.12.9+deb13");
    }
}

#[test]
fn a_compiler_that_is_gone_or_a_build_that_fails_moves_on_to_the_next_suite() {
    let gone = bench(MAKE);
    gone.archive
        .break_at("gcc-14-s390x-linux-gnu", Fault::Status(404));
    is(&fetched(&gone), "bookworm-backports", "6.12.5+deb12");
    let broken = bench(BROKEN_MAKE);
    let ended = fetched(&broken);
    is(&ended, "bookworm-backports", "6.12.5+deb12");
    assert!(
        ended
            .stderr
            .contains("trixie, Linux 6.12.10-1: building ism failed"),
        "{}",
        ended.stderr
    );
    let flags = ["lab", "--renew", "--suites", "trixie"];
    broken.run(&flags).failed(&[
        "trixie, Linux 6.12.9-1: building ism failed",
        "no such header",
    ]);
}

#[test]
fn a_newer_series_has_ism_below_dibs() {
    let mut sid = kernel("7.3.4+deb14", "7.3.4-1", "gcc-16", NEW);
    sid.extend(kernel("7.2.13+deb14", "7.2.13-1", "gcc-16", NEW));
    sid.extend(tools("gcc-16", MAKE));
    let bench = Bench::of(&[Suite::new("sid", sid)]);
    for (series, release) in [("newest", "7.3.4+deb14"), ("7.2", "7.2.13+deb14")] {
        let ended = bench.run(&["lab", "--kernel", series, "--format", "json"]);
        is(&ended, "sid", release);
        let order = bench
            .entry(&format!("lab-linux-{series}"))
            .join("root/order");
        let order = std::fs::read_to_string(order).unwrap();
        assert!(
            order.contains("dibs.ko") && !order.contains("smc.ko"),
            "{order}"
        );
    }
    // The second build used the first one's compiler.
    assert_eq!(bench.archive.asked("gcc-16-s390x").len(), 1);
}
