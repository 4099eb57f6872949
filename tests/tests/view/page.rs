//! Tests of a session's page in a browser: a script clicks it, and reports what is visible.

use std::path::Path;

use vfio_user_ism_tests::browser;
use vfio_user_ism_tests::program;

use crate::session::recorded;

/// Waits for the page, clicks it, and writes the visible parts into its title.
const SCRIPT: &str = r##"<script>(async () => {
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const until = async (what) => { for (let turn = 0; turn < 20000 && !what(); turn++) await wait(5); };
const $ = (id) => document.getElementById(id);
const seen = [];
try {
await until(() => document.documentElement.dataset.ready);
const rows = async () => { await wait(60); return Number($("status").textContent.split(" of ")[0].replace(/,/g, "")); };
const level = async (n) => { document.querySelector(`[data-level="${n}"]`).click(); return rows(); };
const box = (part) => [...document.querySelectorAll(".choices label")].find((l) => l.textContent.includes(part)).querySelector("input");
seen.push(document.documentElement.dataset.ready, await rows(), await level(1), await level(2));
await level(1);
// The canvas is not blank, because arrows are drawn.
await wait(200);
const pixels = $("rows").getContext("2d").getImageData(0, 0, $("rows").width, $("rows").height).data;
let ink = 0; for (let i = 3; i < pixels.length; i += 4) ink += pixels[i] > 0;
seen.push(ink > 1000);
$("search").value = "done writing"; $("next").click();
await until(() => $("hits").textContent.includes(" of ") && $("detail").textContent.includes("CDC"));
seen.push($("hits").textContent, $("detail").textContent.includes("wrap 0, count 5300"), $("detail").textContent.includes("done writing"));
$("rule").selectedIndex = 1; $("rule").dispatchEvent(new Event("change"));
seen.push(await rows() > 0);
$("scroll").dispatchEvent(new MouseEvent("click", { clientX: 300, clientY: $("scroll").getBoundingClientRect().top + 5, bubbles: true }));
await until(() => $("detail").textContent.includes("why"));
seen.push($("detail").textContent.includes("what it is"));
$("all").click(); const all = await rows();
$("dmb").value = 2; $("dmb").dispatchEvent(new Event("change"));
seen.push(await rows() < all && await rows() > 0);
$("all").click(); $("failed").click(); const failed = await rows(); $("failed").click();
seen.push(failed > 0 && failed < all);
box("ism0").click(); seen.push(await rows() < all); box("ism0").click(); seen.push(await rows() === all);
for (let turn = 0; turn < 12; turn++) $("out").click();
await wait(60); seen.push(document.querySelector("[data-level].on").dataset.level);
for (let turn = 0; turn < 40; turn++) $("in").click();
await wait(60); seen.push(document.querySelector("[data-level].on").dataset.level);
$("scroll").focus(); document.dispatchEvent(new KeyboardEvent("keydown", { key: "1" }));
await wait(60); seen.push(document.querySelector("[data-level].on").dataset.level);
seen.push(document.documentElement.scrollWidth <= window.innerWidth);
} catch (error) { seen.push(error.message); }
document.title = seen.join(" | ");
})()</script>"##;

/// Opens a page with a script in it. Returns the title that the script sets.
fn title(page: &Path, script: &str) -> String {
    browser::title(page, script, 1300, &["--virtual-time-budget=600000"])
}

fn page(events: &[&Path], output: &Path) -> program::Ended {
    let files = events.iter().map(|path| path.as_os_str());
    let head = ["view".as_ref(), "-o".as_ref(), output.as_os_str()];
    program::run(head.into_iter().chain(files))
}

#[test]
#[ignore = "needs Chromium: run ./test"]
fn the_page_of_a_session_works_in_a_browser() {
    let recorded = recorded(&[]);
    let output = recorded.path("page.html");
    let ended = page(&[&recorded.path("events")], &output);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    let title = title(&output, SCRIPT);
    let seen: Vec<_> = title.split(" | ").collect();
    assert!(seen.len() > 4, "{title}");
    let number = |at: usize| {
        seen[at]
            .parse::<usize>()
            .unwrap_or_else(|_| panic!("{title}"))
    };
    let (story, acts, events) = (number(1), number(2), number(3));
    assert!(story < acts && acts < events, "{title}");
    assert_eq!(events, recorded.events.len());
    let rest =
        "true | 1 of 1 | true | true | true | true | true | true | true | true | 0 | 2 | 0 | true";
    assert_eq!(seen[4..].join(" | "), rest, "{title}");
}

#[test]
fn a_page_is_one_file_that_asks_for_nothing() {
    let recorded = recorded(&[]);
    let output = recorded.path("page.html");
    let both = [recorded.path("events"), recorded.path("events")];
    assert_eq!(page(&[&both[0], &both[1]], &output).code, Some(0));
    let text = std::fs::read_to_string(&output).unwrap();
    for word in ["http:", "https:", "src=", "<link", "@import", "url("] {
        assert!(!text.contains(word), "{word}");
    }
    assert!(text.contains("\"name\":\"ism1\"") && text.contains("\"file\":1"));
}

#[test]
fn text_of_a_file_is_text_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("<b>.jsonl");
    let line = r#"{"schema_version":1,"seq":1,"time_us":1,"function":"</script><script>alert(1)//","event":"reset"}"#;
    std::fs::write(&events, format!("{line}\n")).unwrap();
    let output = folder.path().join("page.html");
    assert_eq!(page(&[&events], &output).code, Some(0));
    let text = std::fs::read_to_string(&output).unwrap();
    assert!(!text.contains("<script>alert") && !text.contains("<b>"));
}

#[test]
fn files_that_cannot_be_shown_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let output = folder.path().join("page.html");
    let newer = r#"{"schema_version":2,"event":"reset"}"#;
    let bad = "{\"schema_version\":1,\"seq\":1,\"time_us\":1,\"function\":\"a\",\"event\":\"interrupt\"}\n";
    for (path, expected) in [
        (folder.path().join("missing"), "cannot read"),
        (file("empty", ""), "no events in it"),
        (
            file("newer", &format!("\n{newer}\n")),
            "newer, line 2: schema_version 2, expected 1",
        ),
        (file("text", "hello\n"), "text, line 1: "),
        (
            file("capture", "\n\r\r\n\x1c"),
            "this is a capture, expected",
        ),
        (file("field", bad), "missing field `vector`"),
        (
            file("other", "{\"schema_version\":1,\"kind\":\"x\"}\n"),
            "neither an event nor a record",
        ),
    ] {
        let ended = page(&[&path], &output);
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
        assert!(
            ended.stderr.contains(expected),
            "{expected}: {}",
            ended.stderr
        );
    }
}
