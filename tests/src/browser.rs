//! A page in a browser that nobody sees.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Names under which systems install it.
const NAMES: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// Opens the page in `file` with `script` before the end of its body, in a window of this width, and
/// returns the title that the script leaves. `arguments` are more arguments of the browser.
///
/// # Panics
/// When there is no browser on `PATH`, or when the page has no title in the end.
#[track_caller]
pub fn title(file: &Path, script: &str, width: u32, arguments: &[&str]) -> String {
    let browser = browser().expect("Chromium is on PATH (Debian's package chromium)");
    let text = std::fs::read_to_string(file).unwrap();
    let (before, after) = text.rsplit_once("</body>").unwrap();
    let page = file.with_extension("with-script.html");
    std::fs::write(&page, format!("{before}{script}</body>{after}")).unwrap();
    // A browser that hangs is ended: this is no measure of how long it should take.
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
