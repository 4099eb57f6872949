//! Tests of the HTML report in a browser: the page fits, its pictures are drawn, and its filter works.

use vfio_user_ism_tests::browser::title;
use vfio_user_ism_tests::program::{self, repository};

/// Ticks the filter, and writes the visible rows into the page's title.
const SCRIPT: &str = r##"<script>{
const shown = () => [...document.querySelectorAll("article")].filter((a) => a.getClientRects().length > 0).length;
const all = shown();
const drawn = [...document.querySelectorAll("figure svg rect")].filter((r) => r.getBoundingClientRect().width > 0).length;
const fits = document.documentElement.scrollWidth <= window.innerWidth;
document.getElementById("failures").click();
const failures = shown();
const search = document.getElementById("search");
search.value = "length-64";
search.dispatchEvent(new Event("input"));
const named = shown();
const kept = location.hash;
history.replaceState(null, "", "#?verdict=split&failures=1");
window.dispatchEvent(new Event("hashchange"));
const split = [...document.querySelectorAll("article")].filter((a) => !a.hidden);
const right = split.length > 0 && split.every((a) => a.dataset.verdicts.includes("split"));
document.title = ["seen", all, failures, named, drawn > 40, fits, kept, right].join(" ");
}</script>"##;

#[test]
#[ignore = "needs Chromium: run ./test"]
fn the_page_works_in_a_browser() {
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let recording = repository().join("intercept/tests/data/stock-qemu-11.1.3.json");
    let ended = program::run([
        "intercept",
        "--replay",
        recording.to_str().unwrap(),
        "--html",
        page.to_str().unwrap(),
    ]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    // 29 cases, 10 of them with deviations, and one of those with a matching name.
    let title = title(&page, SCRIPT, 1100, &[]);
    assert_eq!(
        title,
        "seen 29 10 1 true true #?failures=1&amp;name=length-64 true"
    );
}
