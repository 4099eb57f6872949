//! Tests of the cache: between runs, between entries, and after errors on this machine.

use std::fs;
use std::process::{Command, Stdio};

use vfio_user_ism_tests::debian_archive::Fault;
use vfio_user_ism_tests::patience::eventually;
use vfio_user_ism_tests::program::program;

use crate::{ended, is_best, whole};

const NEWEST: &str = "linux-image-6.12.10";

#[test]
fn a_complete_cache_asks_no_network() {
    let bench = whole();
    is_best(&bench.guest());
    let before = bench.archive.asked("").len();
    let again = bench.guest();
    is_best(&again);
    assert_eq!(
        again.json()["parts"][0]["source"]["debian"]["fetched_now"],
        false
    );
    assert_eq!(again.stderr, "");
    assert_eq!(bench.archive.asked("").len(), before);
    // The program need not even know a mirror.
    is_best(
        &bench
            .with("VFIO_USER_ISM_MIRROR", "http://127.0.0.1:9/")
            .guest(),
    );
}

#[test]
fn half_an_entry_is_made_again() {
    let bench = whole();
    is_best(&bench.guest());
    fs::remove_file(bench.entry("guest/root/bin/busybox")).unwrap();
    let again = bench.guest();
    is_best(&again);
    assert_eq!(
        again.json()["parts"][0]["source"]["debian"]["fetched_now"],
        true
    );
    assert!(bench.entry("guest/root/bin/busybox").is_file());
    // A damaged entry is unpacked again, but not downloaded again.
    assert_eq!(bench.archive.asked(NEWEST).len(), 1);
}

#[test]
fn a_download_that_was_spoilt_on_disk_is_downloaded_again() {
    let bench = whole();
    is_best(&bench.guest());
    for item in fs::read_dir(bench.archive.cache().join("downloads")).unwrap() {
        let path = item.unwrap().path();
        let length = fs::metadata(&path).unwrap().len();
        if path.is_file() {
            fs::write(&path, vec![b'x'; usize::try_from(length).unwrap()]).unwrap();
        }
    }
    let again = bench.run(&["guest", "--renew", "--format", "json"]);
    is_best(&again);
}

#[test]
fn what_another_entry_downloaded_is_not_downloaded_again() {
    let bench = whole();
    is_best(&bench.guest());
    let lists = bench.archive.asked("Packages").len() + bench.archive.asked("by-hash").len();
    let other = bench.run(&["guest", "--kernel", "6.12", "--format", "json"]);
    is_best(&other);
    assert!(bench.entry("guest-6.12").is_dir());
    assert_eq!(bench.archive.asked(NEWEST).len(), 1);
    assert_eq!(bench.archive.asked("busybox").len(), 1);
    // Unchanged lists are not downloaded again either.
    let now = bench.archive.asked("Packages").len() + bench.archive.asked("by-hash").len();
    assert_eq!(now, lists);
}

#[test]
fn renewing_takes_what_is_newest_now() {
    let bench = whole();
    bench.archive.break_at(NEWEST, Fault::Status(404));
    assert!(bench.guest().part().1.contains("6.12.9+deb13"));
    bench.archive.mend();
    assert!(bench.guest().part().1.contains("6.12.9+deb13"));
    is_best(&bench.run(&["guest", "--renew", "--format", "json"]));
    is_best(&bench.guest());
}

#[test]
fn renewing_in_vain_leaves_what_was_there() {
    let bench = whole();
    is_best(&bench.guest());
    bench.archive.break_at("dists/", Fault::Status(404));
    bench.run(&["guest", "--renew"]).failed(&["trixie"]);
    is_best(&bench.guest());
}

#[test]
fn two_processes_at_once_download_once() {
    let bench = whole();
    let both = [(); 2].map(|()| {
        bench
            .command(&["guest", "--format", "json"])
            .spawn()
            .unwrap()
    });
    let both = both.map(ended);
    both.iter().for_each(is_best);
    assert_eq!(bench.archive.asked(NEWEST).len(), 1);
    let made = both
        .iter()
        .filter(|each| each.stderr.contains("ready after"));
    assert_eq!(made.count(), 1);
}

#[test]
fn an_interrupted_download_goes_on_in_the_next_run() {
    let bench = whole();
    bench.archive.break_at(NEWEST, Fault::StalledOnce(100_000));
    let mut child = bench.command(&["guest"]).spawn().unwrap();
    let downloads = bench.archive.cache().join("downloads");
    eventually("the first bytes", || {
        let parts = fs::read_dir(&downloads).into_iter().flatten().flatten();
        let mut parts =
            parts.filter(|item| item.path().extension().is_some_and(|end| end == "part"));
        parts
            .any(|item| item.metadata().is_ok_and(|data| data.len() == 100_000))
            .then_some(())
    });
    let id = rustix::process::Pid::from_child(&child);
    // A shell's background job ignores SIGINT, and so do the tests and their children in it.
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert!(!child.wait().unwrap().success());
    assert!(!bench.entry("guest").exists());
    is_best(&bench.guest());
    let from: Vec<_> = bench
        .archive
        .asked(NEWEST)
        .iter()
        .map(|asked| asked.from)
        .collect();
    assert_eq!(from, [None, Some(100_000)]);
}

#[test]
fn the_beginning_of_another_file_is_not_gone_on_with_for_ever() {
    let bench = whole();
    bench.archive.break_at(NEWEST, Fault::StalledOnce(100_000));
    let bench = bench.with("VFIO_USER_ISM_FETCH_TIMEOUT", crate::SHORT);
    let file = bench.archive.get("6.12.10-1_s390x.deb");
    let hash = ring::digest::digest(&ring::digest::SHA256, &file);
    let name: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let downloads = bench.archive.cache().join("downloads");
    fs::create_dir_all(&downloads).unwrap();
    fs::write(downloads.join(format!("{name}.part")), vec![b'x'; 50_000]).unwrap();
    is_best(&bench.guest());
}

#[test]
fn a_full_disk_ends_it_and_names_the_folder() {
    let bench = whole();
    let cache = bench.archive.cache();
    fs::create_dir_all(&cache).unwrap();
    let script = "mount -t tmpfs -o size=128k none \"$1\" && exec \"$2\" fetch guest";
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]);
    command.arg(&cache).arg(program());
    bench.prepare(&mut command);
    let ended = ended(command.stdin(Stdio::null()).spawn().unwrap());
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let mut lines = ended.stderr.lines();
    let line = lines.find(|line| line.contains("No space left on device"));
    let line = line.unwrap_or_else(|| panic!("{}", ended.stderr));
    assert!(line.contains(cache.to_str().unwrap()), "{line}");
    assert!(
        !ended.stderr.contains("trying the next"),
        "{}",
        ended.stderr
    );
}
