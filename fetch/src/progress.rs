//! What is going on, on standard error: a bar on a terminal, plain lines elsewhere.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Tells about the making of one cache entry.
pub(crate) struct Progress {
    entry: String,
}

impl Progress {
    pub(crate) fn new(entry: &str) -> Self {
        Self {
            entry: entry.to_owned(),
        }
    }

    /// Prints one line.
    pub(crate) fn say(&self, text: impl Display) {
        // A closed standard error is no reason to stop.
        let _ = writeln!(io::stderr(), "fetch {}: {text}", self.entry);
    }

    /// Announces work whose progress will be told by shares of the whole.
    pub(crate) fn steps(&self, action: &str) -> Steps {
        if !io::stderr().is_terminal() {
            self.say(action);
        }
        let bar = ProgressBar::with_draw_target(Some(100), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{prefix} [{bar:30}] {percent:>3} %") {
            bar.set_style(style);
        }
        bar.set_prefix(format!("fetch {}: {action}", self.entry));
        Steps { bar }
    }
}

/// A piece of work on its way to 100 %.
pub(crate) struct Steps {
    bar: ProgressBar,
}

impl Steps {
    /// Takes a line of apt's status stream.
    pub(crate) fn status(&self, line: &str) {
        if let Some(percent) = percent(line) {
            self.bar.set_position(percent);
        }
    }

    /// `done` of `all` pieces are through.
    pub(crate) fn share(&self, done: usize, all: usize) {
        let percent = done.saturating_mul(100) / all.max(1);
        self.bar.set_position(percent.try_into().unwrap_or(100));
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// The share in a line `dlstatus:ITEM:PERCENT:TEXT` (source: apt's README.progress-reporting).
fn percent(line: &str) -> Option<u64> {
    let whole = line
        .strip_prefix("dlstatus:")?
        .split([':', '.'])
        .nth(1)?
        .parse::<u64>()
        .ok()?;
    Some(whole.min(100))
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn reads_apts_status_lines() {
        assert_eq!(
            percent("dlstatus:3:14.5192:Retrieving file 3 of 3"),
            Some(14)
        );
        assert_eq!(percent("dlstatus:3:100.0000:Retrieving"), Some(100));
        assert_eq!(percent("pmstatus:libc6:20.0:Unpacking"), None);
        assert_eq!(percent("dlstatus:"), None);
    }
}
