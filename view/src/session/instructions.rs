//! One record of the plugin as one row.

use super::lanes::LaneKind;
use super::row::{Kind, NO_LANE, Row};
use super::text::{bytes, place};
use super::whole::Session;
use crate::decode::hex;
use crate::error::Error;
use crate::input::Insn;

pub(super) fn insn(
    session: &mut Session,
    file: usize,
    at: u32,
    time: u64,
    insn: &Insn,
) -> Result<Row, Error> {
    let own = session
        .lanes
        .get(file, LaneKind::Guest, &format!("guest {file}"))?;
    let ending = match (&insn.exception, insn.cc) {
        (Some(exception), _) => format!("{} exception", exception.name),
        (None, Some(cc)) => format!("cc {cc}"),
        (None, None) => insn.outcome.clone(),
    };
    let target = match (insn.pcias, insn.offset) {
        (Some(pcias), Some(offset)) => format!(" {}", place(pcias, offset)),
        _ => String::new(),
    };
    let label = format!("{}{target} → {ending}", insn.insn.to_uppercase());
    let mut row = Row::of(at, time, Kind::Instruction, own, NO_LANE, label);
    row.failed = insn.exception.is_some() || insn.cc.is_some_and(|cc| cc != 0);
    let mut add = |name: &'static str, value: Option<String>| {
        row.fields.extend(value.map(|value| (name.into(), value)));
    };
    add("vcpu", Some(insn.vcpu.to_string()));
    add("length", insn.length.map(|length| length.to_string()));
    add("bytes", insn.bytes.as_ref().map(|data| bytes(&data.0)));
    add("value", insn.value.map(hex));
    add("outcome", Some(insn.outcome.clone()));
    add("cc", insn.cc.map(|cc| cc.to_string()));
    add("status", insn.status.map(|status| status.to_string()));
    add("exception", insn.exception.as_ref().map(|e| e.name.clone()));
    add("forwarded", Some(insn.forwarded.to_string()));
    add("instruction", Some(insn.seq.to_string()));
    Ok(row)
}

pub(super) fn problem(
    session: &mut Session,
    file: usize,
    at: u32,
    time: u64,
    message: &str,
) -> Result<Row, Error> {
    let own = session
        .lanes
        .get(file, LaneKind::Guest, &format!("guest {file}"))?;
    let row = Row::of(at, time, Kind::Note, own, NO_LANE, message.to_owned());
    Ok(Row {
        failed: true,
        ..row
    })
}
