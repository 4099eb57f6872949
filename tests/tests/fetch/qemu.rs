//! Tests of QEMU with dummy packages: programs that only answer like a QEMU.

use vfio_user_ism_tests::debian_archive::{Dummy, Fault, NATIVE, Suite};

use crate::{Bench, Ended};

/// Replaces the dynamic loader: runs the given program, which is a script.
const LOADER: &str = "#!/bin/sh\nshift 4\nexec /bin/sh \"$@\"\n";

fn loader() -> &'static str {
    match NATIVE {
        "arm64" => "usr/lib/ld-linux-aarch64.so.1",
        "s390x" => "usr/lib/ld64.so.1",
        _ => "usr/lib64/ld-linux-x86-64.so.2",
    }
}

fn libc() -> Dummy {
    Dummy::new("libc6", "2.41-12", "native").program_at(loader(), LOADER)
}

/// Creates the packages of a QEMU that knows only `device`.
fn qemu(version: &str, device: &str) -> Vec<Dummy> {
    qemu_of("native", version, device)
}

/// Creates the same packages for an architecture.
fn qemu_of(arch: &str, version: &str, device: &str) -> Vec<Dummy> {
    let upstream = version.split([':', '+']).nth(1).unwrap();
    let script = format!(
        "for word; do case $word in\n--version) echo QEMU emulator version {upstream}; exit;;\n\
         help) echo 'name \"{device}\", bus PCI'; exit;;\nesac; done\nexit 1\n"
    );
    let depends = format!("qemu-system-common (= {version}), libc6 (>= 2.38) | libc6.1");
    let program = |package: &str, name: &str| {
        let package = Dummy::new(package, version, arch).depends(&depends);
        package.program_at(&format!("usr/bin/{name}"), script.as_str())
    };
    vec![
        program("qemu-system-s390x", "qemu-system-s390x"),
        program("qemu-system-x86", "qemu-system-x86_64"),
        Dummy::new("qemu-system-common", version, arch).file_at("usr/share/qemu/x", "data"),
    ]
}

/// Creates suites of which the best has `best`.
fn bench(best: Vec<Dummy>) -> Bench {
    let mut forky = qemu("1:11.1.2+ds-3", "vfio-user-pci");
    forky.push(libc());
    Bench::of(&[
        Suite::new("trixie-backports", best),
        Suite::new("trixie", vec![libc()]),
        Suite::new("forky", forky),
    ])
    // A QEMU on this machine's PATH must not be used.
    .with("PATH", "/usr/bin:/bin")
}

fn good() -> Bench {
    bench(qemu("1:11.1.3+ds-1~bpo13+1", "vfio-user-pci"))
}

fn fetched(bench: &Bench) -> Ended {
    bench.run(&["qemu", "--format", "json"])
}

#[track_caller]
fn is(ended: &Ended, suite: &str, version: &str) {
    let (from, title) = ended.part();
    assert_eq!(
        (from.as_str(), title.as_str()),
        (suite, version),
        "{}",
        ended.stderr
    );
}

/// The packages are stored beside this machine's own, whose QEMU is fetched as usual. None of their programs
/// is started.
#[test]
fn a_qemu_for_hosts_of_another_architecture_is_fetched_and_not_started() {
    let (arch, loader) = match NATIVE {
        "s390x" => ("amd64", "usr/lib64/ld-linux-x86-64.so.2"),
        _ => ("s390x", "usr/lib/ld64.so.1"),
    };
    let best = qemu_of(arch, "1:11.1.3+ds-1~bpo13+1", "vfio-user-pci");
    let libc = Dummy::new("libc6", "2.41-12", arch);
    let libc = libc.program_at(loader, "#!/bin/sh\nexit 99\n");
    let bench = Bench::of(&[
        Suite::new("trixie-backports", best),
        Suite::new("trixie", vec![libc]),
    ]);
    let ended = bench.run(&["qemu", "--arch", arch, "--format", "json"]);
    let (suite, title) = ended.part();
    assert_eq!(suite, "trixie-backports", "{}", ended.stderr);
    assert_eq!(title, format!("QEMU for {arch} hosts"));
    let json = ended.json();
    let program = json["parts"][0]["files"][0].as_str().unwrap();
    let script = std::fs::read_to_string(program).unwrap();
    assert!(script.contains(loader), "{script}");
    let root = std::path::Path::new(program)
        .ancestors()
        .nth(2)
        .unwrap()
        .join("root");
    assert!(root.join("usr/bin/qemu-system-s390x").exists());
    let ended = bench.run(&["guest", "--arch", arch]);
    assert_eq!(ended.code, Some(3));
    assert!(
        ended.stderr.contains("fetch qemu --arch"),
        "{}",
        ended.stderr
    );
}

#[test]
fn backports_lean_on_their_release() {
    let bench = good();
    let ended = fetched(&bench);
    is(&ended, "trixie-backports", "QEMU 11.1.3");
    let files = ended.json()["parts"][0]["files"].as_array().unwrap().len();
    assert_eq!(files, 2);
    assert_eq!(bench.archive.asked("libc6_2.41").len(), 1);
    assert!(fetched(&bench).stderr.is_empty());
}

#[test]
fn a_package_that_is_gone_moves_on_to_the_next_suite() {
    for gone in ["qemu-system-x86_11.1.3", "qemu-system-common_11.1.3"] {
        let bench = good();
        bench.archive.break_at(gone, Fault::Status(404));
        is(&fetched(&bench), "forky", "QEMU 11.1.2");
    }
}

#[test]
fn a_release_that_is_out_of_order_takes_its_backports_along() {
    let bench = good();
    bench
        .archive
        .break_at("dists/trixie/InRelease", Fault::Status(404));
    is(&fetched(&bench), "forky", "QEMU 11.1.2");
}

#[test]
fn a_qemu_that_does_not_start_or_lacks_the_device() {
    let lacking = bench(qemu("1:11.1.3+ds-1~bpo13+1", "vfio-pci"));
    let ended = fetched(&lacking);
    is(&ended, "forky", "QEMU 11.1.2");
    assert!(
        ended.stderr.contains("built without vfio-user-pci"),
        "{}",
        ended.stderr
    );
    let mut silent = qemu("1:11.1.3+ds-1~bpo13+1", "vfio-user-pci");
    for package in &mut silent {
        for (path, content, _) in &mut package.files {
            if path.starts_with("usr/bin") {
                *content = b"echo no such libc >&2; exit 127\n".to_vec();
            }
        }
    }
    let ended = fetched(&bench(silent));
    is(&ended, "forky", "QEMU 11.1.2");
    assert!(ended.stderr.contains("no such libc"), "{}", ended.stderr);
}

#[test]
fn qemus_that_are_too_old_or_absent_are_told() {
    let bench = Bench::of(&[
        Suite::new("trixie-backports", qemu("1:10.0.2+ds-2", "vfio-pci")),
        Suite::new("trixie", vec![libc()]),
    ]);
    let bench = bench.with("PATH", "/usr/bin:/bin");
    fetched(&bench).failed(&[
        "trixie-backports: ",
        "10.0.2+ds-2",
        "is too old",
        "forky: ",
        "sid: ",
    ]);
    let bench = bench.with("VFIO_USER_ISM_QEMU_SUITES", "trixie");
    fetched(&bench).failed(&["\n  trixie: there is no package qemu-system-s390x"]);
}
