//! Records a lab: its page shows the main events without noise, Wireshark reads its capture to the last byte,
//! and a replay finds no difference.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use vfio_user_ism_tests::{browser, program};

use super::running::{PATIENCE, function, hold, says, serve, tool, until_held, with_lab};

/// Number of bytes of the transfer.
const BYTES: u64 = 10_000_000;

/// Events that a page must show at its first level, in this order in time.
const STORY: [(&str, &str); 7] = [
    ("handshake", "QUERY_RGID"),
    ("registration of the bits", "REG_SBA"),
    ("registration of a buffer", "REG_DMB 1 MiB"),
    ("data and signals", " signals, into DMB "),
    ("the end of the connection", "closed"),
    ("death", "the function of this GID is gone"),
    ("clean-up", "UNREG_DMB"),
];

/// Largest number of rows at the first level: two screens.
const MOST_ROWS: usize = 100;

/// Searches for each part of the story, and writes hits and rows into the page's title.
fn script() -> String {
    let words: Vec<&str> = STORY.iter().map(|(_, words)| *words).collect();
    let words = serde_json::to_string(&words).unwrap();
    format!(
        r#"<script>(async () => {{
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const $ = (id) => document.getElementById(id);
for (let turn = 0; turn < 20000 && !document.documentElement.dataset.ready; turn++) await wait(5);
await wait(100);
const seen = [$("status").textContent.split(" of ")[0]];
for (const words of {words}) {{
  $("hits").textContent = "";
  $("search").value = words; $("next").click();
  for (let turn = 0; turn < 5000 && !/ of |no hit/.test($("hits").textContent); turn++) await wait(10);
  seen.push($("hits").textContent.split(" of ")[1] || "none");
}}
document.title = seen.join(" | ");
}})()</script>"#
    )
}

#[track_caller]
fn page_tells_the_story(events: &Path) {
    let page = events.with_extension("html");
    let ended = program::run([
        "view".as_ref(),
        events.as_os_str(),
        "-o".as_ref(),
        page.as_os_str(),
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let title = browser::title(&page, &script(), 1300, &["--virtual-time-budget=600000"]);
    let mut parts = title.split(" | ");
    let rows: usize = parts.next().unwrap().replace(',', "").parse().unwrap();
    assert!((20..=MOST_ROWS).contains(&rows), "{title}");
    for ((part, _), hits) in STORY.iter().zip(parts) {
        let hits: usize = hits.replace(',', "").parse().unwrap_or(0);
        assert!((1..=MOST_ROWS).contains(&hits), "{part}: {title}");
    }
}

#[track_caller]
fn every_byte_is_taken_apart(capture: &Path) {
    let script = program::repository().join("wireshark/vfio-user.lua");
    let bad =
        "vfio_user.rest || vfio_user.malformed || vfio_user.cut || _ws.malformed || _ws.lua.error";
    let count = |filter: &str| {
        let mut tshark = Command::new("tshark");
        tshark
            .arg("-X")
            .arg(format!("lua_script:{}", script.display()));
        let output = tshark.arg("-r").arg(capture).args(["-Y", filter]).output();
        let output = output.expect("tshark is on PATH (Debian's package tshark)");
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stdout).lines().count()
    };
    assert!(count("vfio_user") > 2000);
    assert_eq!(count(bad), 0);
}

/// Returns the position of the last byte of the last reply to a REGION_WRITE in a capture, and its packet.
fn last_answer(bytes: &[u8]) -> (usize, usize) {
    let word = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let (mut at, mut packet, mut found) = (0, 0, None);
    while at + 8 <= bytes.len() {
        if word(at) == 6 {
            packet += 1;
            let data = at + 28;
            // The packet is from the server, a REGION_WRITE, and has no descriptors.
            if bytes[data + 1] == 1 && bytes[data + 8] == 0 && bytes[data + 18] == 10 {
                found = Some((data + word(at + 20) - 1, packet));
            }
        }
        at += word(at + 4);
    }
    found.expect("a reply")
}

#[track_caller]
fn it_is_played_again(capture: &Path, profile: &Path) {
    let replay = |capture: &Path| {
        let arguments = [
            capture.as_os_str(),
            "--profile".as_ref(),
            profile.as_os_str(),
        ];
        program::run(["replay".as_ref()].into_iter().chain(arguments))
    };
    let ended = replay(capture);
    assert_eq!(ended.code, Some(0), "{}", ended.stdout);
    assert!(ended.stdout.ends_with(" 0 differ\n"), "{}", ended.stdout);
    let mut bytes = std::fs::read(capture).unwrap();
    let (at, packet) = last_answer(&bytes);
    bytes[at] ^= 1;
    let changed = capture.with_extension("changed");
    std::fs::write(&changed, bytes).unwrap();
    let ended = replay(&changed);
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    let first = ended.stdout.lines().next().unwrap();
    assert!(first.starts_with(&format!("packet {packet}, ")), "{first}");
    assert!(ended.stdout.ends_with(" 1 differ\n"), "{}", ended.stdout);
}

#[test]
#[ignore = "needs QEMU 11.1, the plugin, a Linux guest, Chromium and tshark: run ./test"]
fn a_transfer_and_a_death_are_told_taken_apart_and_played_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (events, capture) = (path("events"), path("capture"));
    let profile = program::profile("pair");
    let words = [
        "--guests",
        "2",
        "--events",
        events.to_str().unwrap(),
        "--capture",
        capture.to_str().unwrap(),
        "--profile",
        profile.to_str().unwrap(),
    ];
    with_lab(&words, |lab| {
        Box::pin(async move {
            let (here, there) = (lab.guest(0).unwrap(), lab.guest(1).unwrap());
            lab.bound().await.unwrap_or_else(|error| panic!("{error}"));
            serve(there, 5000).await;
            let send = format!("send --to 10.0.0.2 --port 5000 --bytes {BYTES} --require-smcd");
            let sent = tool(here, &send).await;
            assert_eq!(
                (&sent["bytes"], &sent["smcd"]),
                (&BYTES.into(), &1.into()),
                "{sent}"
            );
            let hold = hold(2);
            let die = async {
                says(here, &until_held(2)).await;
                let qemu = i32::try_from(there.qemu_id()).ok().and_then(Pid::from_raw);
                kill_process(qemu.unwrap(), Signal::KILL).unwrap();
                there.ended().await
            };
            let _ = tokio::join!(says(here, &hold), die);
            // The driver returns its buffers, on a busy machine some time after the program's end.
            let end = Instant::now() + PATIENCE;
            while function(&lab.report().await.unwrap(), 0)["dmbs"] != 0 {
                assert!(Instant::now() < end, "the driver keeps its buffers");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        })
    });
    page_tells_the_story(&events);
    every_byte_is_taken_apart(&capture);
    it_is_played_again(&capture, &profile);
}
