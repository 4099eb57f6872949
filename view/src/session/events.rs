//! One event of the server as one row.

use ism::DataAddress;
use zpci_region::rule::catalogue::Rule;

use super::lanes::LaneKind;
use super::row::{Fields, Kind, NO_LANE, Row};
use super::text::{DATA_BAR, bytes, place};
use super::whole::Session;
use crate::decode::{self, cdc::Cdc, command, hex, queue};
use crate::error::Error;
use crate::input::{Event, Line};

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
        Event::Store {
            path,
            pcias,
            offset,
            length,
            bytes: data,
            posted,
            result,
            ..
        } => {
            let failed = result != "accepted";
            let ending = if failed {
                format!(", {result}")
            } else {
                String::new()
            };
            let label = format!("store {length} B to {}{ending}", place(*pcias, *offset));
            let mut row = make(Kind::Access, own, fabric, label);
            row.failed = failed;
            row.fields = access_fields(path, *pcias, *offset, *length, &data.0, result);
            row.fields.push(("posted".into(), posted.to_string()));
            if *pcias == DATA_BAR {
                row.dmb = session.dmbs.find(own, DataAddress::decode(*offset).token);
                if let Some(cdc) = Cdc::decode(&data.0) {
                    row.label = format!("store {}{ending}", cdc.label());
                    row.fields.extend(named(cdc.fields()));
                }
            }
            row
        }
        Event::Load {
            path,
            pcias,
            offset,
            length,
            bytes: data,
            result,
            ..
        } => {
            let failed = result != "accepted";
            let ending = if failed {
                format!(", {result}")
            } else {
                String::new()
            };
            let label = format!("load {length} B from {}{ending}", place(*pcias, *offset));
            let mut row = make(Kind::Access, fabric, own, label);
            row.failed = failed;
            row.fields = access_fields(path, *pcias, *offset, *length, &data.0, result);
            row
        }
        Event::ConfigWrite {
            offset,
            length,
            bytes: data,
            result,
        } => {
            let label = format!("config write {length} B at {offset:#x}");
            let mut row = make(Kind::Config, own, fabric, label);
            row.failed = result != "accepted";
            row.fields = access_fields("config", 15, *offset, *length, &data.0, result);
            row
        }
        Event::ConfigRead {
            offset,
            length,
            bytes: data,
            result,
        } => {
            let label = format!("config read {length} B at {offset:#x}");
            let mut row = make(Kind::Config, fabric, own, label);
            row.failed = result != "accepted";
            row.fields = access_fields("config", 15, *offset, *length, &data.0, result);
            row
        }
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
                ("rule".into(), rule.clone()),
                ("severity".into(), severity.clone()),
                ("detail".into(), detail.clone()),
                ("place".into(), place(*pcias, *offset)),
                ("path".into(), path.clone()),
                ("length".into(), length.to_string()),
            ];
            if let Some(fault) = caused_by {
                row.label
                    .push_str(&format!(" (perhaps caused by fault {fault})"));
                row.fields.push(("caused by fault".into(), fault.clone()));
            }
            if *pieces != 1 {
                let told = format!("{pieces}, the largest of {piece_length} B");
                row.fields.push(("pieces".into(), told));
            }
            if let Some(rule) = Rule::from_id(rule) {
                let info = rule.info();
                row.fields
                    .push(("what it is".into(), info.title.to_owned()));
                row.fields.push(("why".into(), info.reason.to_owned()));
                row.fields.push(("source".into(), info.source.to_owned()));
            }
            if *pcias == DATA_BAR {
                row.dmb = session.dmbs.find(own, DataAddress::decode(*offset).token);
            }
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
                ("fault".into(), fault.clone()),
                ("action".into(), action.to_string()),
                ("number".into(), number.to_string()),
            ];
            let peer = peer.iter().cloned();
            row.fields.extend(peer.map(|peer| ("peer".into(), peer)));
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
            let label = command::label(*code, name, &request.0, *response_code, &response.0);
            let mut row = make(Kind::Command, own, fabric, label);
            row.failed = *response_code != 0;
            let told = |side: &'static str, fields: decode::Fields| {
                let named = move |(name, value)| (format!("{side} {name}").into(), value);
                fields.into_iter().map(named).collect::<Fields>()
            };
            row.fields = told("request", command::request(*code, &request.0));
            let response = command::response(*code, *response_code, &response.0);
            row.fields.extend(told("response", response));
            row
        }
        Event::DataMove {
            token,
            owner,
            dmb_offset,
            length,
            element,
            signal,
            signalled,
        } => {
            let to = session.lanes.get(file, LaneKind::Function, owner)?;
            session.dmbs.learn_file(to, file);
            let end = dmb_offset + length;
            let label = format!("{length} B → {token:#x} [{dmb_offset:#x}..{end:#x}]");
            let kind = if *signal { Kind::Signal } else { Kind::Move };
            let mut row = make(kind, own, to, label);
            row.dmb = session.dmbs.moved(own, to, *token, time);
            row.failed = *signal && !*signalled;
            row.bytes = *length;
            row.fields = vec![
                ("token".into(), hex(*token)),
                ("owner".into(), owner.clone()),
                ("offset".into(), hex(*dmb_offset)),
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
            let lost = if *delivered { "" } else { " (not delivered)" };
            let (kind, what) = (
                queue::type_name(*event_type),
                queue::code_name(*event_type, *code),
            );
            let mut row = make(Kind::Event, own, to, format!("{kind}: {what}{lost}"));
            row.failed = !*delivered;
            row.fields = named(queue::fields(*event_type, *code, *token, *info));
            row.fields.push(("delivered".into(), delivered.to_string()));
            row
        }
        Event::Interrupt { vector } => make(
            Kind::Interrupt,
            fabric,
            own,
            format!("interrupt, vector {vector}"),
        ),
        Event::RefusedRequest {
            command,
            errno,
            reason,
        } => {
            let label = format!("{command} refused: {reason}");
            let mut row = make(Kind::Refused, own, fabric, label);
            row.failed = true;
            row.fields = vec![
                ("command".into(), command.clone()),
                ("errno".into(), errno.to_string()),
                ("reason".into(), reason.clone()),
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

fn access_fields(
    path: &str,
    pcias: u8,
    offset: u64,
    length: u64,
    data: &[u8],
    result: &str,
) -> Fields {
    let mut fields: Fields = vec![
        ("path".into(), path.to_owned()),
        ("pcias".into(), pcias.to_string()),
        ("offset".into(), hex(offset)),
        ("length".into(), length.to_string()),
        ("bytes".into(), bytes(data)),
        ("result".into(), result.to_owned()),
    ];
    if pcias == DATA_BAR {
        fields.push(("address".into(), place(pcias, offset)));
    }
    fields
}
