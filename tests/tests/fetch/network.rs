//! Tests of networks and machines with problems: proxies, IPv6, portals, wrong clocks, caches without write
//! permission, and files of another version of the program.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use vfio_user_ism_tests::debian_archive::{DebianArchive, Fault};
use vfio_user_ism_tests::program::{program, skipped};

use crate::{Bench, Ended, backports, bookworm, ended, is_best, is_next, trixie, whole};

/// An address without a server.
const NOBODY: &str = "http://127.0.0.1:9/";
/// A host that only a proxy knows (source: RFC 6761).
const OUTSIDE: &str = "mirror.invalid";

/// Runs `fetch guest` after shell commands in a mount namespace. `word` is their `$1`.
fn guest_after(bench: &Bench, script: &str, word: &Path) -> Ended {
    let script = format!("set -e\n{script}\nexec \"$2\" fetch guest --format json\n");
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
    command.arg(word).arg(program());
    bench.prepare(&mut command);
    ended(command.stdin(Stdio::null()).spawn().unwrap())
}

/// Creates the archive behind a proxy. Nobody else knows its host.
fn outside() -> Bench {
    whole().with("VFIO_USER_ISM_MIRROR", format!("http://{OUTSIDE}/debian/"))
}

/// Checks that all requests went to the proxy with the whole address, and none through a tunnel.
#[track_caller]
fn went_through_the_proxy(bench: &Bench) {
    let asked = bench.archive.asked("");
    assert!(asked.len() > 3);
    for each in asked {
        assert_eq!(each.host.as_deref(), Some(OUTSIDE), "{each:?}");
    }
}

#[test]
fn a_proxy_is_asked_with_the_whole_address() {
    for variable in ["http_proxy", "HTTP_PROXY", "all_proxy"] {
        let bench = outside();
        let proxy = bench.archive.proxy();
        let bench = bench.with(variable, proxy);
        is_best(&bench.guest());
        went_through_the_proxy(&bench);
    }
    // A proxy for another scheme gets no request.
    let bench = whole().with("https_proxy", NOBODY);
    is_best(&bench.guest());
}

#[test]
fn a_proxy_is_told_who_asks() {
    let bench = outside();
    let proxy = bench.archive.proxy().replace("//", "//user:a%40b@");
    let bench = bench.with("http_proxy", proxy);
    is_best(&bench.guest());
    went_through_the_proxy(&bench);
    for each in bench.archive.asked("") {
        // This encodes user:a@b.
        assert_eq!(each.rights.as_deref(), Some("Basic dXNlcjphQGI="));
    }
}

#[test]
fn a_download_through_a_proxy_goes_on_where_it_broke_off() {
    let bench = outside();
    let proxy = bench.archive.proxy();
    let bench = bench.with("http_proxy", proxy);
    let newest = "linux-image-6.12.10";
    bench.archive.break_at(newest, Fault::CutOnce(100_000));
    is_best(&bench.guest());
    let from: Vec<_> = bench.archive.asked(newest).iter().map(|a| a.from).collect();
    assert_eq!(from, [None, Some(100_000)]);
}

#[test]
fn hosts_in_no_proxy_are_asked_themselves() {
    let bench = whole().with("http_proxy", NOBODY);
    is_best(
        &bench
            .with("no_proxy", "elsewhere.example, 127.0.0.1")
            .guest(),
    );
}

#[test]
fn a_proxy_that_is_none_is_named() {
    let bench = whole().with("http_proxy", "not://a proxy");
    let ended = bench.guest();
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let words = "http_proxy=\"not://a proxy\" is no address of a proxy";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
    // The message names a proxy that does not answer, and the mirror's address.
    whole()
        .with("http_proxy", NOBODY)
        .run(&["guest"])
        .failed(&["trixie", "dists/trixie/InRelease"]);
}

#[test]
fn apts_proxy_comes_before_the_variable() {
    const CONF: &str = "mount -t tmpfs none /etc/apt\nmkdir /etc/apt/apt.conf.d\n\
        echo \"Acquire::http::Proxy \\\"$1\\\";\" > /etc/apt/apt.conf.d/proxy";
    let bench = outside().with("http_proxy", NOBODY);
    let proxy = bench.archive.proxy();
    is_best(&guest_after(&bench, CONF, Path::new(&proxy)));
    went_through_the_proxy(&bench);
    // This is apt's word for no proxy.
    let bench = whole().with("http_proxy", NOBODY);
    is_best(&guest_after(&bench, CONF, Path::new("DIRECT")));
}

#[test]
fn a_mirror_that_has_an_ipv6_address_alone() {
    let Ok(archive) = DebianArchive::start_at("[::1]:0") else {
        let test = "a_mirror_that_has_an_ipv6_address_alone";
        skipped(test, "this machine has no IPv6");
        return;
    };
    is_best(&Bench::at(archive, &[trixie()]).guest());
}

/// Networks in hotels answer this way before a guest has logged in.
#[test]
fn a_portal_that_answers_everything_with_a_page() {
    let page = "<html><body>Welcome</body></html>".to_owned();
    let bench = whole();
    bench.archive.break_at("", Fault::Page(page.clone()));
    bench
        .run(&["guest"])
        .failed(&["trixie: ", "InRelease: ", "bookworm-backports: "]);
    let bench = whole();
    bench.archive.break_at("+deb13", Fault::Page(page));
    is_next(&bench.guest(), "bytes, the list names");
}

#[test]
fn a_wrong_clock_is_told_with_what_it_says() {
    let mut suites = [trixie(), backports(), bookworm()];
    for suite in &mut suites {
        suite.made = 400 * 86_400;
    }
    Bench::of(&suites).run(&["guest"]).failed(&[
        "trixie: ",
        "is of the future",
        "this machine's clock says ",
        " GMT",
    ]);
}

#[test]
fn a_cache_that_cannot_be_written_serves_what_it_holds() {
    const READ_ONLY: &str = "mount --bind \"$1\" \"$1\"\nmount -o remount,bind,ro \"$1\"";
    let bench = whole();
    let cache = bench.archive.cache();
    is_best(&bench.guest());
    let again = guest_after(&bench, READ_ONLY, &cache);
    is_best(&again);
    assert_eq!(again.stderr, "");
    fs::remove_dir_all(bench.entry("guest")).unwrap();
    let lacks = guest_after(&bench, READ_ONLY, &cache);
    assert_eq!(lacks.code, Some(3), "{}", lacks.stderr);
    let line = lacks
        .stderr
        .lines()
        .find(|l| l.contains("Read-only file system"));
    let line = line.unwrap_or_else(|| panic!("{}", lacks.stderr));
    assert!(line.contains(cache.to_str().unwrap()), "{line}");
    assert!(
        !lacks.stderr.contains("trying the next"),
        "{}",
        lacks.stderr
    );
}

#[test]
fn what_another_version_left_is_made_again() {
    let bench = whole();
    is_best(&bench.guest());
    let stamp = bench.entry("guest/stamp.json");
    let good = fs::read_to_string(&stamp).unwrap();
    for bad in [
        good.replace("recipe ", "recipe of another version "),
        good.replace("\"schema\": 1", "\"schema\": 0"),
        "not even JSON".to_owned(),
    ] {
        assert_ne!(bad, good);
        fs::write(&stamp, bad).unwrap();
        // These are the remains of a run that was killed.
        fs::create_dir_all(bench.entry("guest.partial/root/half")).unwrap();
        let again = bench.guest();
        is_best(&again);
        let now = &again.json()["parts"][0]["source"]["debian"]["fetched_now"];
        assert_eq!(now, true);
        assert!(!bench.entry("guest.partial").exists());
        assert!(!bench.entry("guest/root/half").exists());
        assert_eq!(fs::read_to_string(&stamp).unwrap(), good);
    }
    // Nothing of this was downloaded again.
    assert_eq!(bench.archive.asked("linux-image-6.12.10").len(), 1);
}
