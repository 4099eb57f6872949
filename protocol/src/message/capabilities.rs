//! The capabilities of VERSION: the client's proposal and the server's answer.

use serde_json::{Map, Value};

use crate::error::Refused;
use crate::limits::{self, Limits};

/// Page sizes are multiples of this size, which QEMU proposes.
const PAGE: u64 = 4096;

/// A client's checked capabilities, with defaults for absent ones.
#[derive(Debug)]
pub(super) struct Proposal {
    /// The smaller limit of client and server for each.
    pub(super) limits: Limits,
    /// True if the client knows REGION_WRITE_MULTI.
    pub(super) write_multiple: bool,
    /// True if the client can receive the server's commands on a separate socket.
    pub(super) twin_socket: bool,
    /// True if the client goes on before the answer to a move arrives.
    pub(super) posted_moves: bool,
    /// The layout of the ring in shared memory that the client has brought, if any.
    pub(super) ring_layout: Option<u64>,
    /// Keys that the server does not know.
    pub(super) unknown: Vec<String>,
    pgsizes: u64,
    proposed: Vec<String>,
}

impl Proposal {
    /// Parses the text of VERSION, which is empty if there is none. The error is EINVAL if the text is no
    /// JSON object, or if a known key has a wrong type or value.
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

    /// Returns the capabilities of the answer, most useful first. An absent capability means its default, for
    /// example no migration.
    pub(super) fn answer(&self) -> Vec<(&'static str, Value)> {
        let mut answer = vec![
            // Each side announces how much it can receive, so the client has no influence on this value.
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

/// Parses a number of at least `least`. A number above `ours` means `ours`.
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

/// Parses a bit mask of page sizes: 4 KiB or multiples of it.
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

/// Parses the twin socket capability: true if the client supports it.
fn twin_socket(value: &Value) -> Result<bool, Refused> {
    let object = value
        .as_object()
        .ok_or_else(|| wrong("twin_socket", value, "an object"))?;
    match object.get("supported") {
        Some(value) => boolean("twin_socket.supported", value),
        None => Ok(false),
    }
}

/// Parses the layout of the client's ring.
fn ring_layout(value: &Value) -> Result<u64, Refused> {
    let layout = value.get("layout").and_then(Value::as_u64);
    layout.ok_or_else(|| wrong("ring", value, "an object with a number named layout"))
}
