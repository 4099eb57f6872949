//! Tests of a QEMU with the zPCI changes, with dummy packages and a dummy source: a configure and a ninja
//! that only write files.

use std::fs;
use std::path::Path;
use std::process::Command;

use vfio_user_ism_tests::debian_archive::{
    Dummy, DummySource, Fault, NATIVE, Suite, compressed, tar,
};
use vfio_user_ism_tests::program::{program, repository};

use crate::{Bench, Ended, ended};

/// Replaces the dynamic loader: lists a library, or runs the given program, which is a script.
const LOADER: &str = "#!/bin/sh\nlib=$2\ncase $3 in\n--list) echo \"libtoy.so.1 => \
    $(echo $lib | cut -d: -f1)/libtoy.so.1 (0x0)\"; exit;;\nesac\nshift 4\nexec /bin/sh \"$@\"\n";
/// Creates a QEMU with the version of the source, if the changes are in it.
const NINJA: &str = "#!/bin/sh\n\
    source=$(cat configured)\n\
    test -f $source/hw/s390x/s390-pci-vfio-user.c || { echo no changes; exit 1; }\n\
    echo '[1/2] one'; echo '[2/2] two'\n\
    cat > $1 <<END\nfor word; do case \\$word in\n\
    --version) echo QEMU emulator version $(cat $source/VERSION); exit;;\n\
    help) echo 'name \"vfio-user-pci\", bus PCI'; exit;;\nesac; done\nexit 1\nEND\n";
const CONFIGURE: &str = "#!/bin/sh\n\
    case \"$*\" in *--target-list=s390x-softmmu*--disable-download*--cc=*) ;; *) exit 9;; esac\n\
    dirname $0 > configured\n";

/// Returns the tools that build QEMU, as far as this test needs them.
fn tools(ninja: &str) -> Vec<Dummy> {
    let (triplet, loader) = match NATIVE {
        "arm64" => ("aarch64-linux-gnu", "ld-linux-aarch64.so.1"),
        "s390x" => ("s390x-linux-gnu", "ld64.so.1"),
        _ => ("x86_64-linux-gnu", "ld-linux-x86-64.so.2"),
    };
    let library = format!("usr/lib/{triplet}");
    let package = |name: &str| Dummy::new(name, "1.0", "native").depends("libc6");
    let mut all: Vec<Dummy> = [
        "gcc",
        "libc6-dev",
        "libglib2.0-dev",
        "libpixman-1-dev",
        "libfdt-dev",
        "pkgconf",
        "python3",
        "python3-pip",
        "python3-setuptools",
        "python3-venv",
        "python3-distlib",
        "python3-pycotap",
        "meson",
    ]
    .map(package)
    .into();
    all.push(
        Dummy::new("libc6", "2.41", "native")
            .program_at(&format!("{library}/{loader}"), LOADER)
            .file_at(&format!("{library}/libtoy.so.1"), "library"),
    );
    all.push(package("ninja-build").program_at("usr/bin/ninja", ninja));
    all.push(package("qemu-system-data").file_at("usr/share/qemu/s390-ccw.img", "firmware"));
    all
}

/// Returns the files of a dummy QEMU, below `top`.
fn files(top: &str, version: &str, edit: &dyn Fn(&str) -> String) -> Vec<(String, Vec<u8>, bool)> {
    let toy = fs::read_to_string(repository().join("qemu/tests/toy-tree")).unwrap();
    let mut files: Vec<_> = toy
        .split("== ")
        .skip(1)
        .map(|file| {
            let (path, text) = file.split_once('\n').unwrap();
            let text = if path == "VERSION" {
                format!("{version}\n")
            } else {
                edit(text)
            };
            (format!("{top}{path}"), text.into_bytes(), false)
        })
        .collect();
    files.push((format!("{top}configure"), CONFIGURE.into(), true));
    files
}

fn source(version: &str, edit: &dyn Fn(&str) -> String) -> DummySource {
    let upstream = version.split([':', '+']).nth(1).unwrap();
    let files = files(&format!("qemu-{upstream}/"), upstream, edit);
    DummySource {
        name: "qemu".to_owned(),
        version: version.to_owned(),
        tarball: compressed(".xz", &tar(&files)),
    }
}

fn plain(text: &str) -> String {
    text.to_owned()
}

/// Creates suites whose best source is `best`.
fn bench(best: DummySource, ninja: &str) -> Bench {
    let suite = |name: &str, sources: Vec<DummySource>| {
        let mut suite = Suite::new(name, vec![Dummy::new("x", "1", "native")]);
        suite.sources = sources;
        suite
    };
    let old = source("1:9.0.0+ds-1", &plain);
    Bench::of(&[
        suite("trixie-backports", vec![old, best]),
        suite("sid", vec![source("1:10.2.2+ds-1", &plain)]),
        Suite::new("trixie", tools(ninja)),
    ])
    // A QEMU on this machine's PATH must not be used.
    .with("PATH", "/usr/bin:/bin")
}

fn good() -> Bench {
    bench(source("1:11.1.3+ds-1~bpo13+1", &plain), NINJA)
}

fn fetched(bench: &Bench) -> Ended {
    bench.run(&["qemu-zpci", "--format", "json"])
}

#[track_caller]
fn is(ended: &Ended, suite: &str, version: &str) {
    let (from, title) = ended.part();
    let wanted = format!("QEMU {version} with the zPCI changes");
    assert_eq!((from.as_str(), title), (suite, wanted), "{}", ended.stderr);
}

#[test]
fn the_newest_source_is_changed_and_built_and_asked_for_once() {
    let bench = good();
    let ended = fetched(&bench);
    is(&ended, "trixie-backports", "11.1.3");
    for said in [
        "QEMU 11.1.3 has the changes now",
        "step 1 of 2: configuring QEMU",
        "building QEMU: 2 of 2 steps",
    ] {
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
    let file = ended.json()["parts"][0]["files"][0]
        .as_str()
        .unwrap()
        .to_owned();
    let run = |argument: &str| {
        let output = std::process::Command::new(&file).arg(argument).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert_eq!(run("--version"), "QEMU emulator version 11.1.3\n");
    let root = bench.entry("qemu-zpci/root");
    let firmware = fs::read(root.join("usr/share/qemu/s390-ccw.img")).unwrap();
    assert_eq!(firmware, b"firmware");
    let log = fs::read_to_string(bench.archive.cache().join("logs/qemu-zpci.log")).unwrap();
    assert!(log.contains("[2/2] two"), "{log}");
    // Neither compiler nor source stay.
    assert!(!bench.entry("qemu-zpci/tools").exists());
    assert!(!bench.entry("qemu-zpci/source").exists());

    let asked = bench.archive.asked("").len();
    let again = fetched(&bench);
    is(&again, "trixie-backports", "11.1.3");
    assert_eq!(bench.archive.asked("").len(), asked, "the network is asked");
    assert!(again.stderr.is_empty(), "{}", again.stderr);
    let list = bench.run(&["list", "--offline"]);
    let line = list.stdout.lines().find(|l| l.contains("qemu-zpci"));
    assert!(line.unwrap().contains("11.1.3"), "{}", list.stdout);
}

#[test]
fn a_source_that_is_gone_wrong_or_not_understood_moves_on_to_the_next() {
    let gone = good();
    gone.archive
        .break_at("qemu_11.1.3+ds.orig", Fault::Status(404));
    is(&fetched(&gone), "sid", "10.2.2");

    let wrong = good();
    wrong
        .archive
        .put("/debian/pool/main/q/qemu_11.1.3", Vec::new());
    let bytes = vec![0; source("1:11.1.3+ds-1~bpo13+1", &plain).tarball.len()];
    let path = format!("/debian/{}", source("1:11.1.3+ds-1~bpo13+1", &plain).file());
    wrong.archive.put(&path, bytes);
    let ended = fetched(&wrong);
    is(&ended, "sid", "10.2.2");
    assert!(ended.stderr.contains("SHA-256"), "{}", ended.stderr);

    let strange = |text: &str| text.replace("zpci_read_bar", "zpci_load");
    let ended = fetched(&bench(source("1:12.0.0+ds-1", &strange), NINJA));
    is(&ended, "sid", "10.2.2");
    let said = "this QEMU 12.0.0 is not understood";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
}

#[test]
fn a_build_that_fails_shows_its_end_and_its_log() {
    let ninja = "#!/bin/sh\nseq 100\necho s390-pci-inst.c:1: error >&2\nexit 1\n";
    let bench = bench(source("1:11.1.3+ds-1~bpo13+1", &plain), ninja);
    let ended = fetched(&bench);
    let log = bench.archive.cache().join("logs/qemu-zpci.log");
    ended.failed(&[
        "trixie-backports, QEMU 1:11.1.3+ds-1~bpo13+1: building QEMU failed",
        log.to_str().unwrap(),
        "s390-pci-inst.c:1: error",
        "sid, QEMU 1:10.2.2+ds-1",
        "forky: ",
        // Debian's mirror may have files that no list names.
        "tested versions, QEMU 1:11.1.1+ds-1",
        "tested versions, QEMU 1:10.2.2+ds-1",
    ]);
    assert!(
        !ended.stderr.contains("\n      12\n"),
        "only the end is shown"
    );
    assert!(!bench.entry("qemu-zpci").exists());
}

#[test]
fn what_it_is_built_with_is_named_when_it_cannot_be_had() {
    let bench = good();
    bench.archive.break_at("meson_1.0", Fault::Status(404));
    let ended = fetched(&bench);
    ended.failed(&["trixie: ", "meson", "forky: ", "sid: "]);
    assert!(
        ended
            .stderr
            .contains("cannot fetch the build tools of QEMU"),
        "{}",
        ended.stderr
    );
}

#[test]
fn sources_that_are_too_old_are_told() {
    let mut suite = Suite::new("trixie-backports", Vec::new());
    suite.sources = vec![source("1:10.0.2+ds-2", &plain)];
    let bench = Bench::of(&[suite, Suite::new("trixie", tools(NINJA))]);
    fetched(&bench).failed(&[
        "trixie-backports: its source of QEMU, 1:10.0.2+ds-2, is too old",
        "sid: ",
    ]);
}

#[test]
fn a_version_that_is_named_is_the_one_that_is_built() {
    let bench = good();
    // The file of a tested version has other bytes than the tested ones.
    let tested = "pool/main/q/qemu/qemu_10.2.2+ds.orig.tar.xz";
    bench
        .archive
        .put(&format!("/debian/{tested}"), vec![7; 38_669_728]);
    let of =
        |version: &str| bench.run(&["qemu-zpci", "--qemu-version", version, "--format", "json"]);
    let ended = of("10.2");
    is(&ended, "sid", "10.2.2");
    for said in [
        "tested versions, QEMU 1:10.2.2+ds-1: ",
        "wrong content: its SHA-256 is",
        "trixie-backports: its newest source of QEMU is 1:11.1.3+ds-1~bpo13+1, and none is of 10.2",
    ] {
        assert!(ended.stderr.contains(said), "{said}: {}", ended.stderr);
    }
    assert!(bench.entry("qemu-zpci-10.2").exists());
    // It is kept beside the one that has no version of its own.
    is(&fetched(&bench), "trixie-backports", "11.1.3");
    let asked = bench.archive.asked("").len();
    is(&of("10.2"), "sid", "10.2.2");
    assert_eq!(bench.archive.asked("").len(), asked, "the network is asked");

    let both = bench.run(&[
        "qemu-zpci",
        "--qemu-version=10.2",
        "--qemu-version=11.1.3",
        "--format=json",
    ]);
    let json = both.json();
    let titles = json["parts"].as_array().unwrap().iter();
    let titles: Vec<_> = titles.map(|part| part["title"].as_str().unwrap()).collect();
    let title = |version| format!("QEMU {version} with the zPCI changes");
    assert_eq!(titles, [title("10.2.2"), title("11.1.3")]);

    of("10.3").failed(&["sid: its newest source of QEMU is 1:10.2.2+ds-1, and none is of 10.3"]);
    for (words, said) in [
        (
            ["guest", "--qemu-version=11.1"],
            "--qemu-version is for qemu-zpci",
        ),
        (["qemu-zpci", "--qemu-version=new"], "two or three numbers"),
    ] {
        let ended = bench.run(&words);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(ended.stderr.contains(said), "{}", ended.stderr);
    }
}

#[test]
fn the_tested_sources_are_listed_with_their_sizes() {
    let list = good().run(&["list"]).stdout;
    let (_, sources) = list.split_once("qemu-zpci was built from").unwrap();
    for version in ["11.1.1", "10.2.2"] {
        let line = sources.lines().find(|line| line.contains(version)).unwrap();
        assert!(line.contains("MB") && line.ends_with("tested"), "{line}");
    }
    let list = good().run(&["list", "--offline"]).stdout;
    assert!(!list.contains("11.1.1"), "{list}");
}

#[test]
fn a_check_of_the_tested_versions_names_the_one_that_cannot_be_had() {
    let bench = good();
    let mut command = Command::new(program());
    command.args(["qemu", "check"]);
    bench.prepare(&mut command);
    let ended = ended(command.spawn().unwrap());
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(3), ""));
    let said = "qemu/qemu_11.1.1";
    assert!(ended.stderr.contains(said), "{}", ended.stderr);
    assert!(!bench.entry("qemu-zpci-check").exists());
}

#[test]
fn a_source_that_asks_for_qemus_python_package_is_built_with_it() {
    let asking = |more: &str| {
        let files = files("qemu-11.1.3/", "11.1.3", &plain);
        let groups = ("qemu-11.1.3/pythondeps.toml".to_owned(), more.into(), false);
        let files: Vec<_> = files.into_iter().chain([groups]).collect();
        DummySource {
            name: "qemu".to_owned(),
            version: "1:11.1.3+ds-1".to_owned(),
            tarball: compressed(".xz", &tar(&files)),
        }
    };
    let packages = |bench: &Bench| {
        let ended = fetched(bench);
        is(&ended, "trixie-backports", "11.1.3");
        fs::read_to_string(bench.entry("qemu-zpci/stamp.json")).unwrap()
    };
    let without = bench(asking("[testdeps]\nqemu.qmp = {}\n"), NINJA);
    assert!(!packages(&without).contains("qemu-qmp"));

    let mut suite = Suite::new(
        "trixie-backports",
        vec![Dummy::new("python3-qemu-qmp", "0.0.6", "native")],
    );
    suite.sources = vec![asking("[tooling]\nqemu.qmp = {}\n")];
    let with =
        Bench::of(&[suite, Suite::new("trixie", tools(NINJA))]).with("PATH", "/usr/bin:/bin");
    assert!(packages(&with).contains("python3-qemu-qmp"));
}

fn write(folder: &Path, version: &str) {
    for (path, bytes, _) in files("", version, &plain) {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn a_tree_or_a_tarball_of_the_users_own_is_built_and_left_as_it_is() {
    let bench = good();
    let own = |path: &Path| {
        let path = path.to_str().unwrap();
        bench.run(&["qemu-zpci", "--source", path, "--format", "json"])
    };
    let tree = bench.archive.folder().join("my tree");
    write(&tree, "10.1.5");
    is(&own(&tree), "an own source", "10.1.5");
    assert!(!tree.join("hw/s390x/s390-pci-vfio-user.c").exists());
    assert!(bench.archive.asked("source/Sources").is_empty());

    // A changed tree is built again automatically.
    fs::write(tree.join("VERSION"), "10.1.6\n").unwrap();
    is(&own(&tree), "an own source", "10.1.6");
    // It stays in use.
    is(&fetched(&bench), "an own source", "10.1.6");

    let tarball = bench.archive.folder().join("qemu.tar.xz");
    fs::write(&tarball, source("1:11.0.1+ds-1", &plain).tarball).unwrap();
    is(&own(&tarball), "an own source", "11.0.1");

    let ended = own(bench.archive.folder());
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("no QEMU source tree"),
        "{}",
        ended.stderr
    );
    is(&fetched(&bench), "an own source", "11.0.1");
    let ended = own(Path::new("/no/such/tree"));
    assert!(ended.stderr.contains("/no/such/tree"), "{}", ended.stderr);
    let ended = bench.run(&["guest", "--source", "x"]);
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("--source is for qemu-zpci"),
        "{}",
        ended.stderr
    );
}
