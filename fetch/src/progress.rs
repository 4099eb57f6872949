//! Shows progress on standard error: a bar on a terminal, plain lines elsewhere.

use std::cell::{Cell, RefCell};
use std::fmt::{Display, Write as _};
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// Time without a byte after which the bar says so.
const QUIET: Duration = Duration::from_secs(3);

/// Shows the progress of one cache entry.
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

    /// Announces work of `total` units.
    pub(crate) fn steps(&self, action: &str, total: u64) -> Steps {
        let prefix = format!("fetch {}: {action}", self.entry);
        if !io::stderr().is_terminal() {
            self.say(action);
        }
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        let moved = Arc::new(Mutex::new(Moved::now()));
        let seen = Arc::clone(&moved);
        let quiet = move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
            let Ok(mut moved) = seen.lock() else { return };
            let _ = out.write_str(&moved.words(state.pos()));
        };
        if let Ok(style) =
            ProgressStyle::with_template("{prefix} {msg} [{bar:30}] {percent:>3} %{quiet}")
        {
            bar.set_style(style.with_key("quiet", quiet));
        }
        bar.set_prefix(prefix.clone());
        bar.enable_steady_tick(Duration::from_millis(500));
        Steps {
            bar,
            prefix,
            before: Cell::new(0),
            file: RefCell::default(),
        }
    }
}

/// Time and position of the bar's last movement.
struct Moved {
    position: u64,
    at: Instant,
}

impl Moved {
    fn now() -> Self {
        Self {
            position: 0,
            at: Instant::now(),
        }
    }

    /// The text after the bar's position.
    fn words(&mut self, position: u64) -> String {
        if position != self.position {
            *self = Self {
                position,
                at: Instant::now(),
            };
        }
        let mut words = String::new();
        let quiet = self.at.elapsed();
        if quiet >= QUIET {
            let _ = write!(words, ", nothing came for {} s", quiet.as_secs());
        }
        words
    }
}

/// Work in progress.
pub(crate) struct Steps {
    bar: ProgressBar,
    prefix: String,
    /// Bytes of the finished files.
    before: Cell<u64>,
    file: RefCell<String>,
}

impl Steps {
    /// Begins a file.
    pub(crate) fn begin(&self, file: &str) {
        self.bar.set_message(file.to_owned());
        *self.file.borrow_mut() = format!("{file}: ");
    }

    /// Notes the number of bytes of the present file.
    pub(crate) fn bytes(&self, bytes: u64) {
        self.bar.set_position(self.before.get() + bytes);
    }

    /// Ends the present file, which has this number of bytes.
    pub(crate) fn end(&self, bytes: u64) {
        self.before.set(self.before.get() + bytes);
        self.bytes(0);
    }

    /// Notes the number of finished pieces.
    pub(crate) fn count(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// Notes that `done` of `all` parts are finished. Without a bar, every hundredth part prints a line.
    pub(crate) fn part(&self, done: u64, all: u64) {
        self.bar.set_length(all);
        self.bar.set_message(format!("{done} of {all}"));
        self.bar.set_position(done);
        if !io::stderr().is_terminal() && (done.is_multiple_of(100) || done == all) {
            let _ = writeln!(io::stderr(), "{}: {done} of {all} steps", self.prefix);
        }
    }

    /// Prints one line above the bar.
    pub(crate) fn say(&self, text: impl Display) {
        let line = format!("{}: {}{text}", self.prefix, self.file.borrow());
        self.bar.suspend(|| {
            let _ = writeln!(io::stderr(), "{line}");
        });
    }
}

impl Drop for Steps {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_says_that_nothing_comes() {
        let mut moved = Moved {
            position: 5,
            at: Instant::now() - Duration::from_secs(7),
        };
        let words = moved.words(5);
        assert!(
            words.starts_with(", nothing came for ") && words.ends_with(" s"),
            "{words}"
        );
        assert_eq!(moved.words(6), "");
    }
}
