//! Networks and machines as they are: proxies, IPv6, portals, wrong clocks, caches that cannot be
//! written, and what another version of the program left.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use vfio_user_ism_tests::debian_archive::{DebianArchive, Fault};
use vfio_user_ism_tests::program::{program, skipped};

use crate::{Bench, Ended, backports, bookworm, ended, is_best, is_next, trixie, whole};

/// No server is there.
const NOBODY: &str = "http://127.0.0.1:9/";
/// A host that is known to a proxy alone (source: RFC 6761).
const OUTSIDE: &str = "mirror.invalid";

/// `fetch guest` after shell commands in a mount namespace. `$1` is a word for them.
fn guest_after(bench: &Bench, script: &str, word: &Path) -> Ended {
    let script = format!("set -e\n{script}\nexec \"$2\" fetch guest --format json\n");
    let mut command = Command::new("unshare");
    command.args(["--map-root-user", "--mount", "sh", "-c", &script, "sh"]);
    command.arg(word).arg(program());
    bench.prepare(&mut command);
    ended(command.stdin(Stdio::null()).spawn().unwrap())
}

/// The archive behind a proxy: its host is known to nobody else.
fn outside() -> Bench {
    whole().with("VFIO_USER_ISM_MIRROR", format!("http://{OUTSIDE}/debian/"))
}

/// Everything was asked of the proxy with the whole address, and no tunnel was.
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
    // One that is for another scheme is not asked.
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
        // user:a@b
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
    // A proxy that does not answer is told with the mirror's address.
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
    // apt's word for none.
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

/// As networks in hotels answer before somebody has clicked.
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
        // What a run that was killed left behind.
        fs::create_dir_all(bench.entry("guest.partial/root/half")).unwrap();
        let again = bench.guest();
        is_best(&again);
        let now = &again.json()["parts"][0]["source"]["debian"]["fetched_now"];
        assert_eq!(now, true);
        assert!(!bench.entry("guest.partial").exists());
        assert!(!bench.entry("guest/root/half").exists());
        assert_eq!(fs::read_to_string(&stamp).unwrap(), good);
    }
    // All that without another download.
    assert_eq!(bench.archive.asked("linux-image-6.12.10").len(), 1);
}
