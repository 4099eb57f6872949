//! ISM commands: the fields of requests and responses.

use ism::Command;

use super::{Fields, be, hex};

/// A field: name, offset, bytes.
type Field = (&'static str, usize, usize);

/// The fields after the header of a request.
pub(crate) fn request_fields(code: u32) -> &'static [Field] {
    match Command::from_code(code) {
        Some(Command::RegSba) => &[("sba", 8, 8)],
        Some(Command::RegIeq) => &[("ieq", 8, 8), ("len", 16, 8)],
        Some(Command::AddVlanId | Command::DelVlanId) => &[("vlan_id", 8, 8)],
        Some(Command::QueryRgid) => &[("rgid", 8, 8), ("vlan_valid", 16, 4), ("vlan_id", 20, 4)],
        Some(Command::RegDmb) => &[
            ("dmb", 8, 8),
            ("dmb_len", 16, 4),
            ("sba_idx", 20, 4),
            ("vlan_valid", 24, 4),
            ("vlan_id", 28, 4),
            ("rgid", 32, 8),
        ],
        Some(Command::UnregDmb) => &[("dmb_tok", 8, 8)],
        Some(Command::SignalIeq) => &[
            ("rgid", 8, 8),
            ("trigger_irq", 16, 4),
            ("event_code", 20, 4),
            ("info", 24, 8),
        ],
        _ => &[],
    }
}

/// The fields after the header of a successful response, without the list of VLANs.
pub(crate) fn response_fields(code: u32) -> &'static [Field] {
    match Command::from_code(code) {
        Some(Command::ReadGid) => &[("gid", 8, 8)],
        Some(Command::RegDmb) => &[("dmb_tok", 8, 8)],
        Some(Command::QueryInfo) => &[
            ("version", 8, 4),
            ("max_len", 12, 4),
            ("ism_state", 16, 8),
            ("my_gid", 24, 8),
            ("sba", 32, 8),
            ("ieq", 40, 8),
            ("ieq_len", 48, 4),
            ("dmbs_owned", 56, 4),
            ("dmbs_used", 60, 4),
            ("vlan_required", 64, 4),
            ("vlan_nr_ids", 68, 4),
        ],
        _ => &[],
    }
}

/// Fields whose values are counts, not addresses, ids or codes.
const DECIMAL: [&str; 9] = [
    "dmb_len",
    "sba_idx",
    "vlan_valid",
    "len",
    "trigger_irq",
    "ieq_len",
    "dmbs_owned",
    "dmbs_used",
    "vlan_nr_ids",
];

fn taken_apart(fields: &[Field], bytes: &[u8]) -> Fields {
    let value = |(name, at, len): &Field| {
        let shown = match be(bytes, *at, *len) {
            None => "missing".to_owned(),
            Some(value) if DECIMAL.contains(name) => value.to_string(),
            Some(value) => hex(value),
        };
        (*name, shown)
    };
    fields.iter().map(value).collect()
}

/// All fields of a request.
pub(crate) fn request(code: u32, bytes: &[u8]) -> Fields {
    let mut fields = taken_apart(&[("cmd", 0, 4), ("length", 6, 2)], bytes);
    fields.extend(taken_apart(request_fields(code), bytes));
    fields
}

/// All fields of a response.
pub(crate) fn response(code: u32, response_code: u16, bytes: &[u8]) -> Fields {
    let mut fields = taken_apart(&[("cmd", 0, 4), ("length", 6, 2)], bytes);
    fields.push((
        "ret",
        format!("{response_code:#x} ({})", outcome(response_code)),
    ));
    if response_code != 0 {
        return fields;
    }
    fields.extend(taken_apart(response_fields(code), bytes));
    if Command::from_code(code) == Some(Command::QueryInfo) {
        let count = be(bytes, 68, 4).unwrap_or(0).min(64) as usize;
        let ids = (0..count).filter_map(|at| be(bytes, 72 + 2 * at, 2));
        let ids: Vec<_> = ids.map(|id| id.to_string()).collect();
        fields.push(("vlan_id", ids.join(" ")));
    }
    fields
}

/// The meaning of a response code of this server.
pub(crate) fn outcome(code: u16) -> &'static str {
    match code {
        0 => "success",
        1 => "no command ran since the reset",
        2 => "unknown command",
        3 => "the length is not the command's",
        4 => "payload is missing",
        5 => "a field has an impossible value",
        6 => "already registered",
        7 => "the SBA index is in use",
        8 => "memory cannot be reached",
        9 => "no function has this GID",
        10 => "the function cannot be reached",
        11 => "the receiver has no event queue",
        12 => "no room for another one",
        13 => "the DMB belongs to another function",
        14 => "not a member of the VLAN",
        0xffff => "the function is gone",
        _ => "unknown code",
    }
}

/// One line that describes a command: its name and its most important fields.
pub(crate) fn label(
    code: u32,
    name: &str,
    request: &[u8],
    response_code: u16,
    response: &[u8],
) -> String {
    let of = |at, len| be(request, at, len).unwrap_or(0);
    let arguments = match Command::from_code(code) {
        Some(Command::RegSba) => format!(" at {:#x}", of(8, 8)),
        Some(Command::RegIeq) => format!(" at {:#x}, {} B", of(8, 8), of(16, 8)),
        Some(Command::AddVlanId | Command::DelVlanId) => format!(" {:#x}", of(8, 8)),
        Some(Command::QueryRgid) => format!(" {:#x}", of(8, 8)),
        Some(Command::RegDmb) => format!(
            " {} at {:#x}, SBA index {}, for GID {:#x}",
            super::size(of(16, 4)),
            of(8, 8),
            of(20, 4),
            of(32, 8)
        ),
        Some(Command::UnregDmb) => format!(" token {:#x}", of(8, 8)),
        Some(Command::SignalIeq) => format!(
            " to GID {:#x}: {}",
            of(8, 8),
            super::queue::software_event(of(20, 4) as u32)
        ),
        _ => String::new(),
    };
    let result = match response_code {
        0 => match Command::from_code(code) {
            Some(Command::RegDmb) => format!(" → token {:#x}", be(response, 8, 8).unwrap_or(0)),
            Some(Command::ReadGid) => format!(" → {:#x}", be(response, 8, 8).unwrap_or(0)),
            _ => " → ok".to_owned(),
        },
        code => format!(" → {code:#x}: {}", outcome(code)),
    };
    format!("{name}{arguments}{result}")
}

#[cfg(test)]
mod tests;
