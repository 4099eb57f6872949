//! Opens a page in a browser without a window.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Names of the browser on different systems.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Opens the page in `file` with `script` before the end of its body, in a window of this width. Returns the
/// title that the script sets. `arguments` are more arguments for the browser.
///
/// # Panics
/// Panics if there is no browser on `PATH`, or if the page has no title at the end.
#[track_caller]
pub fn title(file: &Path, script: &str, width: u32, arguments: &[&str]) -> String {
    let browser = browser().expect("Chromium is on PATH (Debian's package chromium)");
    let text = std::fs::read_to_string(file).unwrap();
    let (before, after) = text.rsplit_once("</body>").unwrap();
    let page = file.with_extension("with-script.html");
    std::fs::write(&page, format!("{before}{script}</body>{after}")).unwrap();
    // This ends a browser that hangs. It does not measure how long the browser should take.
    let mut command = Command::new("timeout");
    command.arg("1800").arg(browser).args(arguments).args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--dump-dom",
    ]);
    command
        .arg(format!("--window-size={width},900"))
        .arg(format!(
            "--user-data-dir={}",
            file.with_extension("profile").display()
        ));
    let output = command
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout);
    let title = dom
        .split("<title>")
        .nth(1)
        .and_then(|rest| rest.split("</title>").next());
    let said = String::from_utf8_lossy(&output.stderr);
    title
        .unwrap_or_else(|| panic!("the page has no title; the browser: {said}"))
        .to_owned()
}

fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .flat_map(|folder| NAMES.map(|name| folder.join(name)))
        .find(|file| file.is_file())
}
