//! A session as a trace for Perfetto and Chrome (the JSON trace event format).
//!
//! Every function is a process; its acts are slices, its signals and violations instants, moves are
//! flows from the sender to the owner, and the fill of every ring is a counter.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::error::Error;
use crate::session::{Kind, LaneKind, NO_LANE, Row, Session};

/// A trace that is being written.
#[derive(Debug)]
pub(crate) struct Trace {
    path: PathBuf,
    out: BufWriter<File>,
    any: bool,
}

impl Trace {
    /// Creates the file.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub(crate) fn create(path: &Path) -> Result<Self, Error> {
        let file = File::create(path).map_err(Error::write(path))?;
        Ok(Self {
            path: path.to_owned(),
            out: BufWriter::new(file),
            any: false,
        })
    }

    /// Writes a whole session.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub(crate) fn write(&mut self, session: &Session) -> Result<(), Error> {
        self.all(session).map_err(Error::write(&self.path))
    }

    fn all(&mut self, session: &Session) -> std::io::Result<()> {
        self.out
            .write_all(b"{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n")?;
        for (at, lane) in session.lanes.all().iter().enumerate() {
            let name = match lane.kind {
                LaneKind::Function => format!("function {}", lane.name),
                LaneKind::Fabric => format!("fabric {}", lane.file),
                LaneKind::Guest => lane.name.clone(),
            };
            self.put(
                &json!({"ph": "M", "name": "process_name", "pid": at, "tid": 0,
                "args": {"name": name}}),
            )?;
        }
        for row in &session.acts {
            self.act(row)?;
        }
        for (at, dmb) in session.dmbs.all().iter().enumerate() {
            for fill in &dmb.fills {
                self.put(
                    &json!({"ph": "C", "name": format!("ring of DMB {}", at + 1),
                    "pid": dmb.owner, "tid": 0, "ts": fill.time, "args": {"bytes": fill.bytes}}),
                )?;
            }
        }
        self.out.write_all(b"\n]}\n")?;
        self.out.flush()
    }

    fn act(&mut self, row: &Row) -> std::io::Result<()> {
        let own = match row.kind {
            Kind::Interrupt => row.to,
            _ => row.from,
        };
        let mut args = Map::new();
        for (name, value) in &row.fields {
            args.insert(name.clone().into_owned(), value.clone().into());
        }
        let category = Kind::ALL[row.kind as usize].1;
        // The viewer does not draw a slice without a duration.
        let duration = row.until.saturating_sub(row.time).max(1);
        let (phase, more) = match row.kind {
            Kind::Violation | Kind::Refused | Kind::Interrupt | Kind::Client | Kind::Note => {
                ("i", json!({"s": "p"}))
            }
            _ => ("X", json!({"dur": duration})),
        };
        let mut event = json!({"ph": phase, "name": row.label, "cat": category, "pid": own,
            "tid": row.kind as u8, "ts": row.time, "args": args});
        if let (Value::Object(event), Value::Object(more)) = (&mut event, more) {
            event.extend(more);
        }
        self.put(&event)?;
        let moves = matches!(row.kind, Kind::Move | Kind::Signal | Kind::Event);
        if moves && row.to != NO_LANE {
            let tid = row.kind as u8;
            let flow = |ph, pid, ts| {
                json!({"ph": ph, "bp": "e", "name": category, "cat": category, "id": row.at,
                    "pid": pid, "tid": tid, "ts": ts})
            };
            self.put(&flow("s", row.from, row.time))?;
            self.put(
                &json!({"ph": "X", "name": row.label, "cat": category, "pid": row.to,
                "tid": 100 + u16::from(tid), "ts": row.until, "dur": 1}),
            )?;
            let mut end = flow("f", row.to, row.until);
            end["tid"] = (100 + u16::from(tid)).into();
            self.put(&end)?;
        }
        Ok(())
    }

    fn put(&mut self, event: &Value) -> std::io::Result<()> {
        if std::mem::replace(&mut self.any, true) {
            self.out.write_all(b",\n")?;
        }
        serde_json::to_writer(&mut self.out, event).map_err(std::io::Error::from)
    }
}
