//! One event of the server as one row.

use ism::DataAddress;
use zpci_region::rule::catalogue::Rule;

use super::lanes::LaneKind;
use super::row::{Fields, Kind, NO_LANE, Row};
use super::text::{DATA_BAR, bytes, place};
use super::whole::Session;
use crate::decode::{self, cdc::Cdc, command, hex, queue};
use crate::error::Error;
use crate::input::{Access, Event, Line};

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
        Event::ClientRefused { channel } => {
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
        Event::Store(access)
        | Event::Load(access)
        | Event::ConfigWrite(access)
        | Event::ConfigRead(access) => {
            let mut row = make(Kind::Access, own, fabric, String::new());
            fill_access(session, &mut row, &line.event, access);
            row
        }
        Event::Violation(broken) => {
            let label = format!("{}: {}", broken.rule, broken.detail);
            let mut row = make(Kind::Violation, own, NO_LANE, label);
            row.rule = session.rule(&broken.rule);
            row.failed = true;
            row.fields = vec![
                ("rule".into(), broken.rule.clone()),
                ("severity".into(), broken.severity.clone()),
                ("detail".into(), broken.detail.clone()),
                ("place".into(), place(broken.pcias, broken.offset)),
                ("path".into(), broken.path.clone()),
                ("length".into(), broken.length.to_string()),
            ];
            if let Some(fault) = &broken.caused_by {
                row.label
                    .push_str(&format!(" (perhaps caused by fault {fault})"));
                row.fields.push(("caused by fault".into(), fault.clone()));
            }
            if broken.pieces != 1 {
                let (pieces, largest) = (broken.pieces, broken.piece_length);
                let told = format!("{pieces}, the largest of {largest} B");
                row.fields.push(("pieces".into(), told));
            }
            if let Some(rule) = Rule::from_id(&broken.rule) {
                let info = rule.info();
                row.fields.extend([
                    ("what it is".into(), info.title.to_owned()),
                    ("why".into(), info.reason.to_owned()),
                    ("source".into(), info.source.to_owned()),
                ]);
            }
            row.dmb = dmb(session, own, broken.pcias, broken.offset);
            row
        }
        Event::Fault(fault) => {
            let label = format!("fault {}: {}", fault.fault, fault.kind);
            let mut row = make(Kind::Note, fabric, own, label);
            row.failed = true;
            row.fields = vec![
                ("fault".into(), fault.fault.clone()),
                ("action".into(), fault.action.to_string()),
                ("number".into(), fault.number.to_string()),
            ];
            let peer = fault.peer.iter().cloned();
            row.fields.extend(peer.map(|peer| ("peer".into(), peer)));
            row
        }
        Event::Error => Row {
            failed: true,
            ..make(Kind::Note, fabric, own, "the error state".to_owned())
        },
        Event::Command(one) => {
            let (code, request, response) = (one.code, &one.request.0, &one.response.0);
            let label = command::label(code, &one.name, request, one.response_code, response);
            let mut row = make(Kind::Command, own, fabric, label);
            row.failed = one.response_code != 0;
            let told = |side: &'static str, fields: decode::Fields| {
                let named = move |(name, value)| (format!("{side} {name}").into(), value);
                fields.into_iter().map(named).collect::<Fields>()
            };
            row.fields = told("request", command::request(code, request));
            let response = command::response(code, one.response_code, response);
            row.fields.extend(told("response", response));
            row
        }
        Event::DataMove(moved) => {
            let to = session.lanes.get(file, LaneKind::Function, &moved.owner)?;
            session.dmbs.learn_file(to, file);
            let (token, start, length) = (moved.token, moved.dmb_offset, moved.length);
            // A file can hold any numbers.
            let end = start.saturating_add(length);
            let label = format!("{length} B → {token:#x} [{start:#x}..{end:#x}]");
            let kind = if moved.signal {
                Kind::Signal
            } else {
                Kind::Move
            };
            let mut row = make(kind, own, to, label);
            row.dmb = session.dmbs.moved(own, to, token, time);
            row.failed = moved.signal && !moved.signalled;
            row.bytes = length;
            row.fields = vec![
                ("token".into(), hex(token)),
                ("owner".into(), moved.owner.clone()),
                ("offset".into(), hex(start)),
                ("length".into(), length.to_string()),
                ("element".into(), moved.element.to_string()),
                ("signal flag".into(), moved.signal.to_string()),
                ("owner signalled".into(), moved.signalled.to_string()),
            ];
            row
        }
        Event::Queued(entry) => {
            let to = session.lanes.get(file, LaneKind::Function, &entry.to)?;
            let (event_type, code) = (entry.event_type, entry.code);
            let (kind, what) = (
                queue::type_name(event_type),
                queue::code_name(event_type, code),
            );
            let lost = if entry.delivered {
                ""
            } else {
                " (not delivered)"
            };
            let mut row = make(Kind::Event, own, to, format!("{kind}: {what}{lost}"));
            row.failed = !entry.delivered;
            row.fields = named(queue::fields(event_type, code, entry.token, entry.info));
            let delivered = entry.delivered.to_string();
            row.fields.push(("delivered".into(), delivered));
            row
        }
        Event::Interrupt { vector } => make(
            Kind::Interrupt,
            fabric,
            own,
            format!("interrupt, vector {vector}"),
        ),
        Event::NotWritten(lost) => {
            let label = format!("{} B not written: {}", lost.length, lost.reason);
            let mut row = make(Kind::Refused, fabric, own, label);
            row.failed = true;
            let errno = lost
                .errno
                .map_or("none".to_owned(), |errno| errno.to_string());
            row.fields = vec![
                ("address".into(), hex(lost.iova)),
                ("length".into(), lost.length.to_string()),
                ("errno".into(), errno),
                ("reason".into(), lost.reason.clone()),
            ];
            row
        }
        Event::RefusedRequest(refused) => {
            let label = format!("{} refused: {}", refused.command, refused.reason);
            let mut row = make(Kind::Refused, own, fabric, label);
            row.failed = true;
            row.fields = vec![
                ("command".into(), refused.command.clone()),
                ("errno".into(), refused.errno.to_string()),
                ("reason".into(), refused.reason.clone()),
            ];
            row
        }
        Event::Truncated { limit } => make(
            Kind::Note,
            fabric,
            NO_LANE,
            format!("the event file was full here ({limit} bytes)"),
        ),
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
fn fill_access(session: &Session, row: &mut Row, event: &Event, access: &Access) {
    let own = row.from;
    if let Event::Load(_) | Event::ConfigRead(_) = event {
        (row.from, row.to) = (row.to, row.from);
    }
    if let Event::ConfigWrite(_) | Event::ConfigRead(_) = event {
        row.kind = Kind::Config;
    }
    row.failed = access.result != "accepted";
    let (pcias, offset, length) = (access.pcias, access.offset, access.length);
    let ending = match access.result.as_str() {
        "accepted" => String::new(),
        result => format!(", {result}"),
    };
    row.label = match event {
        Event::Store(_) => format!("store {length} B to {}{ending}", place(pcias, offset)),
        Event::Load(_) => format!("load {length} B from {}{ending}", place(pcias, offset)),
        Event::ConfigWrite(_) => format!("config write {length} B at {offset:#x}"),
        _ => format!("config read {length} B at {offset:#x}"),
    };
    row.fields = vec![
        ("path".into(), access.path.clone()),
        ("pcias".into(), pcias.to_string()),
        ("offset".into(), hex(offset)),
        ("length".into(), length.to_string()),
        ("bytes".into(), bytes(&access.bytes.0)),
        ("result".into(), access.result.clone()),
    ];
    if pcias == DATA_BAR {
        row.fields.push(("address".into(), place(pcias, offset)));
    }
    if let Event::Store(_) = event {
        row.fields
            .push(("posted".into(), access.posted.to_string()));
        row.dmb = dmb(session, own, pcias, offset);
        if pcias == DATA_BAR
            && let Some(cdc) = Cdc::decode(&access.bytes.0)
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
