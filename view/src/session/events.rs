//! One event of the server as one row.

use ism::DataAddress;
use records::event::ACCEPTED;
use zpci_region::rule::catalogue::Rule;

use super::lanes::LaneKind;
use super::row::{Fields, Kind, NO_LANE, Row};
use super::text::{DATA_BAR, bytes, place};
use super::whole::Session;
use crate::decode::{self, cdc::Cdc, command, hex, queue};
use crate::error::Error;
use crate::input::{Access, AccessKind, Event, Line};

fn named(fields: decode::Fields) -> Fields {
    let own = |(name, value): (&'static str, String)| (name.into(), value);
    fields.into_iter().map(own).collect()
}

pub(super) fn event(
    session: &mut Session,
    file: usize,
    at: u32,
    time: u64,
    line: &Line,
) -> Result<Row, Error> {
    let own = session
        .lanes
        .get(file, LaneKind::Function, &line.function)?;
    let fabric = session.lanes.get(file, LaneKind::Fabric, "fabric")?;
    session.dmbs.learn_file(own, file);
    let kind_of_client = |channel| {
        if channel {
            "instruction channel"
        } else {
            "device"
        }
    };
    let make = |kind, from, to, label| Row::of(at, time, kind, from, to, label);
    let mut row = match &line.event {
        Event::Connected { pid, channel } => {
            let pid = pid.map_or(String::new(), |pid| format!(" (process {pid})"));
            let label = format!("client of the {} connects{pid}", kind_of_client(*channel));
            make(Kind::Client, own, fabric, label)
        }
        Event::Disconnected { maps, channel } => {
            let label = format!(
                "client of the {} leaves, with {maps} DMA maps",
                kind_of_client(*channel)
            );
            make(Kind::Client, own, fabric, label)
        }
        Event::ClientRefused { channel, .. } => {
            let label = format!(
                "a second client of the {} is refused",
                kind_of_client(*channel)
            );
            Row {
                failed: true,
                ..make(Kind::Client, own, fabric, label)
            }
        }
        Event::Reset => make(Kind::Client, own, fabric, "reset".to_owned()),
        Event::Violation {
            rule,
            severity,
            path,
            pcias,
            offset,
            length,
            pieces,
            piece_length,
            detail,
            caused_by,
        } => {
            let mut row = make(Kind::Violation, own, NO_LANE, format!("{rule}: {detail}"));
            row.rule = session.rule(rule);
            row.failed = true;
            row.fields = vec![
                ("rule".into(), rule.to_string()),
                ("severity".into(), severity.to_string()),
                ("detail".into(), detail.to_string()),
                ("place".into(), place(*pcias, *offset)),
                ("path".into(), path.to_string()),
                ("length".into(), length.to_string()),
            ];
            if let Some(fault) = caused_by {
                row.label
                    .push_str(&format!(" (perhaps caused by fault {fault})"));
                row.fields
                    .push(("caused by fault".into(), fault.to_string()));
            }
            if *pieces != 1 {
                let told = format!("{pieces}, the largest of {piece_length} B");
                row.fields.push(("pieces".into(), told));
            }
            if let Some(rule) = Rule::from_id(rule) {
                let info = rule.info();
                row.fields.extend([
                    ("what it is".into(), info.title.to_owned()),
                    ("why".into(), info.reason.to_owned()),
                    ("source".into(), info.source.to_owned()),
                ]);
            }
            row.dmb = dmb(session, own, *pcias, *offset);
            row
        }
        Event::Fault {
            fault,
            kind,
            number,
            action,
            peer,
        } => {
            let mut row = make(Kind::Note, fabric, own, format!("fault {fault}: {kind}"));
            row.failed = true;
            row.fields = vec![
                ("fault".into(), fault.to_string()),
                ("action".into(), action.to_string()),
                ("number".into(), number.to_string()),
            ];
            let peer = peer.iter().map(|peer| ("peer".into(), peer.to_string()));
            row.fields.extend(peer);
            row
        }
        Event::Error => Row {
            failed: true,
            ..make(Kind::Note, fabric, own, "the error state".to_owned())
        },
        Event::Command {
            code,
            name,
            request,
            response_code,
            response,
        } => {
            let (code, response_code) = (*code, *response_code);
            let (request, response) = (&request.0, &response.0);
            let label = command::label(code, name, request, response_code, response);
            let mut row = make(Kind::Command, own, fabric, label);
            row.failed = response_code != 0;
            let told = |side: &'static str, fields: decode::Fields| {
                let named = move |(name, value)| (format!("{side} {name}").into(), value);
                fields.into_iter().map(named).collect::<Fields>()
            };
            row.fields = told("request", command::request(code, request));
            let response = command::response(code, response_code, response);
            row.fields.extend(told("response", response));
            row
        }
        Event::DataMove {
            token,
            owner,
            dmb_offset: start,
            length,
            element,
            signal,
            signalled,
        } => {
            let to = session.lanes.get(file, LaneKind::Function, owner)?;
            session.dmbs.learn_file(to, file);
            // A file can hold any numbers.
            let end = start.saturating_add(*length as u64);
            let label = format!("{length} B → {token:#x} [{start:#x}..{end:#x}]");
            let kind = if *signal { Kind::Signal } else { Kind::Move };
            let mut row = make(kind, own, to, label);
            row.dmb = session.dmbs.moved(own, to, *token, time);
            row.failed = *signal && !signalled;
            row.bytes = *length as u64;
            row.fields = vec![
                ("token".into(), hex(*token)),
                ("owner".into(), owner.to_string()),
                ("offset".into(), hex(*start)),
                ("length".into(), length.to_string()),
                ("element".into(), element.to_string()),
                ("signal flag".into(), signal.to_string()),
                ("owner signalled".into(), signalled.to_string()),
            ];
            row
        }
        Event::Queued {
            to,
            event_type,
            code,
            token,
            info,
            delivered,
        } => {
            let to = session.lanes.get(file, LaneKind::Function, to)?;
            let (event_type, code) = (*event_type, *code);
            let (kind, what) = (
                queue::type_name(event_type),
                queue::code_name(event_type, code),
            );
            let lost = if *delivered { "" } else { " (not delivered)" };
            let mut row = make(Kind::Event, own, to, format!("{kind}: {what}{lost}"));
            row.failed = !delivered;
            row.fields = named(queue::fields(event_type, code, *token, *info));
            row.fields.push(("delivered".into(), delivered.to_string()));
            row
        }
        Event::Interrupt { vector } => make(
            Kind::Interrupt,
            fabric,
            own,
            format!("interrupt, vector {vector}"),
        ),
        Event::NotWritten {
            iova,
            length,
            errno,
            reason,
        } => {
            let label = format!("{length} B not written: {reason}");
            let mut row = make(Kind::Refused, fabric, own, label);
            row.failed = true;
            let errno = errno.map_or("none".to_owned(), |errno| errno.to_string());
            row.fields = vec![
                ("address".into(), hex(*iova)),
                ("length".into(), length.to_string()),
                ("errno".into(), errno),
                ("reason".into(), reason.to_string()),
            ];
            row
        }
        Event::RefusedRequest {
            command,
            errno,
            reason,
        } => {
            let label = format!("{command} refused: {reason}");
            let mut row = make(Kind::Refused, own, fabric, label);
            row.failed = true;
            row.fields = vec![
                ("command".into(), command.to_string()),
                ("errno".into(), errno.to_string()),
                ("reason".into(), reason.to_string()),
            ];
            row
        }
        Event::Truncated { limit } => make(
            Kind::Note,
            fabric,
            NO_LANE,
            format!("the event file was full here ({limit} bytes)"),
        ),
        Event::Store { .. }
        | Event::Load { .. }
        | Event::ConfigWrite { .. }
        | Event::ConfigRead { .. } => {
            let mut row = make(Kind::Access, own, fabric, String::new());
            if let Some(access) = line.event.access() {
                fill_access(session, &mut row, &access);
            }
            row
        }
        Event::Unknown => make(
            Kind::Note,
            own,
            NO_LANE,
            "an event that this version does not know".to_owned(),
        ),
    };
    if let Some(cause) = line.cause {
        row.fields.push(("cause".into(), cause.to_string()));
    }
    row.fields.push(("line".into(), line.seq.to_string()));
    Ok(row)
}

/// Makes the row of an access, which goes from the function to the fabric so far.
fn fill_access(session: &Session, row: &mut Row, access: &Access<'_>) {
    let own = row.from;
    if !access.kind.is_store() {
        (row.from, row.to) = (row.to, row.from);
    }
    if access.kind.is_config() {
        row.kind = Kind::Config;
    }
    row.failed = access.result != ACCEPTED;
    let (pcias, offset, length) = (access.pcias, access.offset, access.length);
    let ending = match access.result {
        ACCEPTED => String::new(),
        result => format!(", {result}"),
    };
    row.label = match access.kind {
        AccessKind::Store => format!("store {length} B to {}{ending}", place(pcias, offset)),
        AccessKind::Load => format!("load {length} B from {}{ending}", place(pcias, offset)),
        AccessKind::ConfigWrite => format!("config write {length} B at {offset:#x}"),
        AccessKind::ConfigRead => format!("config read {length} B at {offset:#x}"),
    };
    row.fields = vec![
        ("path".into(), access.path.to_owned()),
        ("pcias".into(), pcias.to_string()),
        ("offset".into(), hex(offset)),
        ("length".into(), length.to_string()),
        ("bytes".into(), bytes(access.bytes)),
        ("result".into(), access.result.to_owned()),
    ];
    if pcias == DATA_BAR {
        row.fields.push(("address".into(), place(pcias, offset)));
    }
    if access.kind == AccessKind::Store {
        row.fields
            .push(("posted".into(), access.posted.to_string()));
        row.dmb = dmb(session, own, pcias, offset);
        if pcias == DATA_BAR
            && let Some(cdc) = Cdc::decode(access.bytes)
        {
            row.label = format!("store {}{ending}", cdc.label());
            row.fields.extend(named(cdc.fields()));
        }
    }
}

/// The DMB at a place of a function; 0 if there is none.
fn dmb(session: &Session, own: u8, pcias: u8, offset: u64) -> u16 {
    match pcias {
        DATA_BAR => session.dmbs.find(own, DataAddress::decode(offset).token),
        _ => 0,
    }
}
