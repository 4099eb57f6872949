//! One record of the plugin as one row.

use records::instruction::{Hex, Record};

use super::lanes::LaneKind;
use super::row::{Kind, NO_LANE, Row};
use super::text::{bytes, place};
use super::whole::Session;
use crate::decode::hex;
use crate::error::Error;

pub(super) fn insn(
    session: &mut Session,
    file: usize,
    at: u32,
    time: u64,
    record: &Record,
) -> Result<Row, Error> {
    let own = session
        .lanes
        .get(file, LaneKind::Guest, &format!("guest {file}"))?;
    let (operands, result) = (&record.operands, &record.result);
    let outcome = result.outcome.name();
    let ending = match (&result.exception, result.cc) {
        (Some(exception), _) => format!("{} exception", exception.name),
        (None, Some(cc)) => format!("cc {cc}"),
        (None, None) => outcome.to_owned(),
    };
    let target = match (operands.pcias, operands.offset) {
        (Some(pcias), Some(Hex(offset))) => format!(" {}", place(pcias, offset)),
        _ => String::new(),
    };
    let label = format!("{}{target} → {ending}", record.insn.to_uppercase());
    let mut row = Row::of(at, time, Kind::Instruction, own, NO_LANE, label);
    row.failed = result.exception.is_some() || result.cc.is_some_and(|cc| cc != 0);
    let mut add = |name: &'static str, value: Option<String>| {
        row.fields.extend(value.map(|value| (name.into(), value)));
    };
    add("vcpu", Some(record.vcpu.to_string()));
    add("length", operands.length.map(|length| length.to_string()));
    add("bytes", operands.bytes.as_ref().map(|data| bytes(&data.0)));
    add("value", result.value.map(|value| hex(value.0)));
    add("outcome", Some(outcome.to_owned()));
    add("cc", result.cc.map(|cc| cc.to_string()));
    add("status", result.status.map(|status| status.to_string()));
    add(
        "exception",
        result.exception.as_ref().map(|e| e.name.to_string()),
    );
    add("forwarded", Some(record.forwarded.to_string()));
    add("instruction", Some(record.seq.to_string()));
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
