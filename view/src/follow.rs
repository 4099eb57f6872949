//! Shows a session in the terminal while the server writes it.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::decode::size;
use crate::error::Error;
use crate::input::{Event, Item, Line, Source};

/// Time between two pictures. Rates count over this time.
const TURN: Duration = Duration::from_secs(1);
/// Longest time for one source before the next one has its turn.
const SHARE: Duration = Duration::from_millis(100);
/// Time between two looks at sources that had nothing.
const PAUSE: Duration = Duration::from_millis(20);
/// Most violations and refusals to show.
const LAST: usize = 8;
/// Moves the cursor to the top and clears the screen below.
const HOME: &str = "\x1b[H\x1b[J";

/// Counts of one function.
#[derive(Debug, Default, Clone)]
struct Counts {
    clients: i64,
    accesses: u64,
    commands: u64,
    failed: u64,
    moves: u64,
    bytes: u64,
    signals: u64,
    interrupts: u64,
    violations: u64,
    refused: u64,
    dmbs: BTreeMap<u64, u64>,
}

/// The state of the screen.
#[derive(Debug, Default)]
struct Screen {
    functions: BTreeMap<String, Counts>,
    /// The counts of the previous picture. Rates need one.
    before: Option<BTreeMap<String, Counts>>,
    last: VecDeque<String>,
    lines: u64,
    time_us: u64,
}

fn is_socket(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|file| file.file_type().is_socket())
}

/// Shows files and running servers, once or until the process ends. If there are only servers, it stops when
/// all of them have ended.
///
/// # Errors
/// [`Error::Read`] and [`Error::Line`].
pub(crate) fn follow(files: &[PathBuf], once: bool) -> Result<(), Error> {
    let mut sources = files
        .iter()
        .map(|file| match is_socket(file) {
            true => Source::attach(file),
            false => Source::open(file),
        })
        .collect::<Result<Vec<_>, _>>()?;
    let live: Vec<bool> = files.iter().map(|file| is_socket(file)).collect();
    let mut screen = Screen::default();
    let terminal = std::io::stdout().is_terminal();
    // The first picture comes at once.
    let mut next = Instant::now();
    loop {
        // Reads on until the next picture is due: a server gives up a follower that lets much wait.
        loop {
            for (at, source) in sources.iter_mut().enumerate() {
                if source.begin_anew_if_emptied()? {
                    screen = Screen::default();
                }
                // A server that always has events keeps back neither the picture nor the other sources.
                let end = Instant::now() + if once { TURN } else { SHARE };
                while (once && !live[at] || Instant::now() < end)
                    && let Some(item) = source.next()?
                {
                    if let Item::Event(line) = item {
                        let number = (files.len() > 1).then_some(at + 1);
                        screen.take(&line, number);
                    }
                }
            }
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            std::thread::sleep(left.min(PAUSE));
        }
        let front = if terminal && !once { HOME } else { "" };
        let text = format!("{front}{}", screen.picture(once));
        let mut stdout = std::io::stdout().lock();
        let shown = stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush());
        let over = live
            .iter()
            .zip(&sources)
            .all(|(live, source)| *live && source.has_ended());
        match shown {
            Ok(()) if once || over => return Ok(()),
            Ok(()) => {}
            // If nobody reads the output, there is nothing more to do.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(Error::write(Path::new("standard output"))(error)),
        }
        screen.before = Some(screen.functions.clone());
        next = Instant::now() + TURN;
    }
}

/// Text without what controls the terminal.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}

impl Screen {
    /// Counts a line. The number marks the functions of its source, because those of several servers can have the
    /// same name.
    fn take(&mut self, line: &Line, source: Option<usize>) {
        let mark = source
            .map(|number| format!(" ({number})"))
            .unwrap_or_default();
        let named = |function: &str| format!("{}{mark}", plain(function));
        self.lines += 1;
        self.time_us = self.time_us.max(line.time_us);
        if let Event::DataMove {
            owner,
            token,
            length,
            ..
        } = &line.event
        {
            let owner = self.functions.entry(named(owner)).or_default();
            let written = owner.dmbs.entry(*token).or_default();
            // The lengths in a file can be any numbers.
            *written = written.saturating_add(*length as u64);
        }
        let at = named(&line.function);
        let counts = self.functions.entry(at.clone()).or_default();
        match &line.event {
            Event::Connected { .. } => counts.clients += 1,
            Event::Disconnected { channel, .. } => {
                // A follower may come after the client.
                counts.clients = (counts.clients - 1).max(0);
                if !channel {
                    counts.dmbs.clear();
                }
            }
            Event::Reset => counts.dmbs.clear(),
            Event::Store { .. }
            | Event::Load { .. }
            | Event::ConfigRead { .. }
            | Event::ConfigWrite { .. } => counts.accesses += 1,
            Event::Command {
                code,
                request,
                response_code,
                response,
                ..
            } => {
                counts.commands += 1;
                counts.failed += u64::from(*response_code != 0);
                let field = |bytes: &[u8]| crate::decode::be(bytes, 8, 8);
                match (code, response_code) {
                    (0x0a, 0) => {
                        let token = field(&response.0);
                        counts.dmbs.extend(token.map(|token| (token, 0)));
                    }
                    (0x0b, 0) => {
                        field(&request.0).map(|token| counts.dmbs.remove(&token));
                    }
                    _ => {}
                }
            }
            Event::DataMove { length, signal, .. } => {
                counts.moves += 1;
                counts.bytes = counts.bytes.saturating_add(*length as u64);
                counts.signals += u64::from(*signal);
            }
            Event::Interrupt { .. } => counts.interrupts += 1,
            Event::Violation {
                rule,
                severity,
                detail,
                caused_by,
                ..
            } => {
                counts.violations += 1;
                let caused = caused_by.iter();
                let caused: String = caused.map(|id| format!(" (fault {id})")).collect();
                let text = format!("{severity:6} {rule} at {at}: {detail}{caused}");
                self.remember(line.time_us, &text);
            }
            Event::Fault { fault, kind, .. } => {
                self.remember(line.time_us, &format!("fault  {fault} at {at}: {kind}"));
            }
            Event::NotWritten { length, reason, .. } => {
                let text = format!("lost   {length} B at {at}: {reason}");
                self.remember(line.time_us, &text);
            }
            Event::RefusedRequest {
                command, reason, ..
            } => {
                counts.refused += 1;
                let text = format!("refused {command} at {at}: {reason}");
                self.remember(line.time_us, &text);
            }
            _ => {}
        }
    }

    fn remember(&mut self, time_us: u64, text: &str) {
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        let text = plain(text);
        self.last
            .push_back(format!("{:>12.6} {text}", time_us as f64 / 1e6));
    }

    /// The text of the screen: rates since the previous picture, or totals without one.
    fn picture(&self, once: bool) -> String {
        let before = self.before.as_ref().filter(|_| !once);
        let mut text = String::new();
        let seconds = self.time_us as f64 / 1e6;
        let _ = writeln!(
            text,
            "{} lines, {seconds:.3} s since the server started\n",
            self.lines
        );
        let unit = match before {
            None => "in all",
            Some(_) => "per second",
        };
        let _ = writeln!(
            text,
            "{:<16} {:>7} {:>10} {:>9} {:>9} {:>11} {:>9} {:>10} {:>10} {:>8}   {unit}",
            "function",
            "clients",
            "accesses",
            "commands",
            "moves",
            "bytes",
            "signals",
            "interrupts",
            "violations",
            "refused"
        );
        let none = Counts::default();
        for (name, now) in &self.functions {
            let before = before.and_then(|all| all.get(name)).unwrap_or(&none);
            let _ = writeln!(
                text,
                "{:<16} {:>7} {:>10} {:>9} {:>9} {:>11} {:>9} {:>10} {:>10} {:>8}",
                name,
                now.clients,
                now.accesses - before.accesses,
                now.commands - before.commands,
                now.moves - before.moves,
                size(now.bytes - before.bytes),
                now.signals - before.signals,
                now.interrupts - before.interrupts,
                now.violations,
                now.refused,
            );
        }
        let dmbs = self.functions.iter().flat_map(|(name, counts)| {
            counts
                .dmbs
                .iter()
                .map(move |(token, bytes)| (name, token, bytes))
        });
        let mut dmbs = dmbs.peekable();
        if dmbs.peek().is_some() {
            let _ = writeln!(text, "\nDMBs");
        }
        for (name, token, bytes) in dmbs.take(16) {
            let _ = writeln!(
                text,
                "  {name:<14} token {token:#x}  {} written",
                size(*bytes)
            );
        }
        if !self.last.is_empty() {
            let _ = writeln!(text, "\nlast violations, refusals and faults");
        }
        for line in &self.last {
            let _ = writeln!(text, "{line}");
        }
        text
    }
}

#[cfg(test)]
mod tests;
