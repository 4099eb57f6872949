//! The capabilities of VERSION: what a client may propose, and what is answered.

use serde_json::{Map, Value};

use crate::error::Refused;
use crate::limits::{self, Limits};

/// Page sizes are multiples of this; the size that QEMU proposes.
const PAGE: u64 = 4096;

/// A client's capabilities, checked, with the defaults for what it left out.
#[derive(Debug)]
pub(super) struct Proposal {
    /// The smaller of ours and the client's.
    pub(super) limits: Limits,
    /// The client knows REGION_WRITE_MULTI.
    pub(super) write_multiple: bool,
    /// The client can receive the server's commands on a socket of their own.
    pub(super) twin_socket: bool,
    /// The client goes on before the answer to a move has come.
    pub(super) posted_moves: bool,
    /// The layout of the ring in shared memory that the client has brought.
    pub(super) ring_layout: Option<u64>,
    /// Keys that mean nothing here.
    pub(super) unknown: Vec<String>,
    pgsizes: u64,
    proposed: Vec<String>,
}

impl Proposal {
    /// Reads the text of VERSION, empty when there is none. EINVAL for what is not a JSON object,
    /// and for known keys of a wrong type or value.
    pub(super) fn parse(text: &str) -> Result<Self, Refused> {
        let capabilities = object(text)?;
        let ours = Limits::default();
        let mut proposal = Self {
            limits: ours,
            write_multiple: false,
            twin_socket: false,
            posted_moves: false,
            ring_layout: None,
            unknown: Vec::new(),
            pgsizes: PAGE,
            proposed: Vec::new(),
        };
        for (key, value) in &capabilities {
            let limits = &mut proposal.limits;
            match key.as_str() {
                "max_msg_fds" => limits.max_msg_fds = number(key, value, 0, ours.max_msg_fds)?,
                "max_data_xfer_size" => {
                    limits.max_data_xfer_size = number(key, value, 1, ours.max_data_xfer_size)?;
                }
                "max_dma_maps" => limits.max_dma_maps = number(key, value, 1, ours.max_dma_maps)?,
                "pgsizes" => proposal.pgsizes = pages(key, value)?,
                "write_multiple" => proposal.write_multiple = boolean(key, value)?,
                "migration" => migration(value)?,
                "twin_socket" => proposal.twin_socket = twin_socket(value)?,
                "posted_moves" => proposal.posted_moves = boolean(key, value)?,
                "ring" => proposal.ring_layout = Some(ring_layout(value)?),
                _ => {
                    proposal.unknown.push(key.clone());
                    continue;
                }
            }
            proposal.proposed.push(key.clone());
        }
        Ok(proposal)
    }

    /// The capabilities to answer with, most useful first. Those that are not answered mean their
    /// defaults, such as no migration.
    pub(super) fn answer(&self) -> Vec<(&'static str, Value)> {
        let mut answer = vec![
            // Each side says what it can receive: this one is ours alone.
            ("max_msg_fds", Value::from(limits::MAX_MSG_FDS)),
            ("max_data_xfer_size", self.limits.max_data_xfer_size.into()),
            ("max_dma_maps", self.limits.max_dma_maps.into()),
            ("pgsizes", self.pgsizes.into()),
        ];
        if self.write_multiple {
            answer.insert(0, ("write_multiple", true.into()));
        }
        if self.posted_moves {
            answer.insert(0, ("posted_moves", true.into()));
        }
        answer.retain(|(key, _)| self.proposed.iter().any(|proposed| proposed == key));
        answer
    }
}

fn object(text: &str) -> Result<Map<String, Value>, Refused> {
    if text.is_empty() {
        return Ok(Map::new());
    }
    let value: Value = serde_json::from_str(text).map_err(|error| {
        Refused::invalid(format!("VERSION: the capabilities are not JSON: {error}"))
    })?;
    let Value::Object(mut object) = value else {
        return Err(Refused::invalid(
            "VERSION: the capabilities are not a JSON object",
        ));
    };
    match object.remove("capabilities") {
        None => Ok(Map::new()),
        Some(Value::Object(capabilities)) => Ok(capabilities),
        Some(other) => Err(wrong("capabilities", &other, "an object")),
    }
}

fn wrong(key: &str, value: &Value, expected: &str) -> Refused {
    Refused::invalid(format!(
        "VERSION: capability {key} is {value}, expected {expected}"
    ))
}

/// A number of at least `least`; more than `ours` means `ours`.
fn number(key: &str, value: &Value, least: u32, ours: u32) -> Result<u32, Refused> {
    match value.as_u64() {
        Some(number) if number >= u64::from(least) => {
            Ok(u32::try_from(number).unwrap_or(u32::MAX).min(ours))
        }
        _ => Err(wrong(
            key,
            value,
            &format!("a whole number of at least {least}"),
        )),
    }
}

fn boolean(key: &str, value: &Value) -> Result<bool, Refused> {
    value
        .as_bool()
        .ok_or_else(|| wrong(key, value, "a boolean"))
}

/// A set of page sizes, as a bit mask: 4 KiB pages or multiples of them.
fn pages(key: &str, value: &Value) -> Result<u64, Refused> {
    match value.as_u64() {
        Some(sizes) if sizes != 0 && sizes.is_multiple_of(PAGE) => Ok(sizes),
        _ => Err(wrong(key, value, "a multiple of 4096")),
    }
}

fn migration(value: &Value) -> Result<(), Refused> {
    let object = value
        .as_object()
        .ok_or_else(|| wrong("migration", value, "an object"))?;
    if let Some(value) = object.get("pgsize") {
        pages("migration.pgsize", value)?;
    }
    if let Some(value) = object.get("max_bitmap_size") {
        number("migration.max_bitmap_size", value, 1, u32::MAX)?;
    }
    Ok(())
}

/// Whether the client supports a twin socket.
fn twin_socket(value: &Value) -> Result<bool, Refused> {
    let object = value
        .as_object()
        .ok_or_else(|| wrong("twin_socket", value, "an object"))?;
    match object.get("supported") {
        Some(value) => boolean("twin_socket.supported", value),
        None => Ok(false),
    }
}

/// The layout of the client's ring.
fn ring_layout(value: &Value) -> Result<u64, Refused> {
    let layout = value.get("layout").and_then(Value::as_u64);
    layout.ok_or_else(|| wrong("ring", value, "an object with a number named layout"))
}
