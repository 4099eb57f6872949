//! One self-contained page of a session.
//!
//! The data that every row needs for drawing and filters (time, lanes, kind, DMB, rule) is in columns of
//! numbers, packed; its text is in chunks of [`CHUNK`] rows, which the page unpacks when they come
//! into view or are searched.

mod columns;

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use zpci_region::rule::catalogue::Rule;

use crate::error::Error;
use crate::session::{Kind, LaneKind, Row, Session};
use columns::{Columns, packed};

/// Number of rows whose text is packed together.
pub(crate) const CHUNK: usize = 2048;
/// Most points of a ring's fill in a page.
const MOST_FILLS: usize = 200_000;

const HTML: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The rows of one level, ready for a page.
#[derive(Debug, Default)]
struct Packed {
    columns: Columns,
    text: String,
    chunks: Vec<String>,
}

impl Packed {
    fn push(&mut self, row: &Row) {
        self.columns.push(row);
        put(&mut self.text, &row.label);
        for (name, value) in &row.fields {
            self.text.push('\u{1f}');
            put(&mut self.text, name);
            self.text.push('\u{1e}');
            put(&mut self.text, value);
        }
        self.text.push('\n');
        if self.columns.len().is_multiple_of(CHUNK) {
            self.pack();
        }
    }

    fn pack(&mut self) {
        self.chunks.push(packed(self.text.as_bytes()));
        self.text.clear();
    }

    fn finish(mut self) -> Self {
        if !self.text.is_empty() {
            self.pack();
        }
        self
    }
}

/// Appends text without the characters that separate rows and fields.
fn put(out: &mut String, text: &str) {
    let plain = |c: char| if c < ' ' { ' ' } else { c };
    out.extend(text.chars().map(plain));
}

/// A page that is being made.
#[derive(Debug, Default)]
pub(crate) struct Page {
    events: Packed,
}

impl Page {
    /// Adds the row of one line.
    pub(crate) fn event(&mut self, row: &Row) {
        self.events.push(row);
    }

    /// Writes the page.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub(crate) fn write(
        self,
        session: &Session,
        files: &[PathBuf],
        path: &Path,
    ) -> Result<(), Error> {
        let level = |rows: &[Row]| {
            let mut packed = Packed::default();
            rows.iter().for_each(|row| packed.push(row));
            packed.finish()
        };
        let levels = [
            level(&session.story),
            level(&session.acts),
            self.events.finish(),
        ];
        let file = std::fs::File::create(path).map_err(Error::write(path))?;
        let mut out = std::io::BufWriter::new(file);
        let mut write = || -> std::io::Result<()> {
            let title = files.first().and_then(|file| file.file_name());
            let title = title.map(|name| name.to_string_lossy().into_owned());
            let (before, after) = HTML.split_once("{{data}}").unwrap_or((HTML, ""));
            let title = escaped(&title.unwrap_or_default());
            let before = before.replace("{{title}}", &title);
            out.write_all(before.replace("{{style}}", STYLE).as_bytes())?;
            let about = about(session, &levels, files).to_string();
            // Text from a file must not end its element or begin another one.
            let about = about.replace('<', "\\u003c");
            write!(
                out,
                "<script type=\"application/json\" id=\"about\">{about}</script>"
            )?;
            for (number, level) in levels.iter().enumerate() {
                for (name, column) in level.columns.packed() {
                    element(&mut out, &format!("c{number}-{name}"), &column)?;
                }
                for (at, chunk) in level.chunks.iter().enumerate() {
                    element(&mut out, &format!("t{number}-{at}"), chunk)?;
                }
            }
            for (at, dmb) in session.dmbs.all().iter().enumerate() {
                if dmb.fills.len() > 1 {
                    element(&mut out, &format!("f{at}"), &fills(dmb))?;
                }
            }
            out.write_all(after.replace("{{script}}", SCRIPT).as_bytes())?;
            out.flush()
        };
        write().map_err(Error::write(path))
    }
}

fn element(out: &mut impl Write, id: &str, data: &str) -> std::io::Result<()> {
    writeln!(
        out,
        "<script type=\"text/plain\" id=\"{id}\">{data}</script>"
    )
}

/// Line numbers and bytes of a ring's fill. Of too many points, it keeps the extremes.
fn fills(dmb: &crate::session::Dmb) -> String {
    let every = dmb.fills.len().div_ceil(MOST_FILLS).max(1);
    let mut bytes = Vec::new();
    for part in dmb.fills.chunks(2 * every) {
        let low = part.iter().min_by_key(|fill| fill.bytes);
        let high = part.iter().max_by_key(|fill| fill.bytes);
        let mut both: Vec<_> = if every == 1 {
            part.iter().collect()
        } else {
            low.into_iter().chain(high).collect()
        };
        both.sort_by_key(|fill| fill.at);
        for fill in both {
            bytes.extend(fill.at.to_le_bytes());
            bytes.extend(fill.bytes.to_le_bytes());
        }
    }
    packed(&bytes)
}

fn about(session: &Session, levels: &[Packed; 3], files: &[PathBuf]) -> Value {
    let lanes = session.lanes.all().iter().map(|lane| {
        let kind = match lane.kind {
            LaneKind::Function => "function",
            LaneKind::Fabric => "fabric",
            LaneKind::Guest => "guest",
        };
        json!({ "name": lane.name, "kind": kind, "file": lane.file })
    });
    let dmbs = session.dmbs.all().iter().map(|dmb| {
        json!({
            "token": format!("{:#x}", dmb.token), "owner": dmb.owner, "writer": dmb.writer,
            "len": dmb.len, "ring": dmb.ring(), "since": dmb.since, "until": dmb.until,
            "fullest": dmb.fullest, "points": dmb.fills.len(),
        })
    });
    let rules = session.rules.iter().map(|id| {
        let title = Rule::from_id(id).map_or("", |rule| rule.info().title);
        json!({ "id": id, "title": title })
    });
    let files = files.iter().map(|file| file.display().to_string());
    json!({
        "chunk": CHUNK,
        "lines": session.lines,
        "files": files.collect::<Vec<_>>(),
        "lanes": lanes.collect::<Vec<_>>(),
        "dmbs": dmbs.collect::<Vec<_>>(),
        "rules": rules.collect::<Vec<_>>(),
        "kinds": Kind::ALL.map(|(_, name)| name),
        "levels": levels.each_ref().map(|level| level.columns.len()),
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
