//! Entries of the event queue (IEQ).
//!
//! Types and codes: Linux 7.2 `drivers/s390/net/ism.h`; software events: `net/smc/smc_ism.c`.

use super::{Fields, hex};

/// The name of an event type.
pub(crate) fn type_name(event_type: u32) -> &'static str {
    match event_type {
        0 => "buffer event",
        1 => "device event",
        2 => "software event",
        _ => "event of an unknown type",
    }
}

/// The meaning of a code within its type.
pub(crate) fn code_name(event_type: u32, code: u32) -> String {
    match (event_type, code) {
        (0, 2) => "the owner of the DMB is in error".to_owned(),
        (0, 3) => "the user of the DMB is in error".to_owned(),
        (0, 4) => "the DMB was unregistered".to_owned(),
        (0, 5) => "the VLAN differs from the owner's".to_owned(),
        (0, 6) => "the VLAN differs from the user's".to_owned(),
        (0, 8) => "the using device was disabled".to_owned(),
        (1, 1) => "the function of this GID is in error".to_owned(),
        (1, 7) => "the function of this GID is gone".to_owned(),
        (2, code) => software_event(code),
        (_, code) => format!("code {code:#x}"),
    }
}

/// The meaning of a software event between SMC-D peers.
pub(crate) fn software_event(code: u32) -> String {
    match code {
        0x80 => "SHUTDOWN".to_owned(),
        0x83 => "TESTLINK".to_owned(),
        code => format!("code {code:#x}"),
    }
}

/// The fields of an entry. Decodes the info of a software event as SMC does.
pub(crate) fn fields(event_type: u32, code: u32, token: u64, info: u64) -> Fields {
    let mut fields = vec![
        ("type", format!("{event_type} ({})", type_name(event_type))),
        (
            "code",
            format!("{code:#x} ({})", code_name(event_type, code)),
        ),
        (if event_type == 0 { "token" } else { "gid" }, hex(token)),
        ("info", hex(info)),
    ];
    if event_type == 2 {
        fields.push(("link group", hex(info >> 32)));
        fields.push(("vlan", ((info >> 16) & 0xffff).to_string()));
        fields.push(("request or response", (info & 0xffff).to_string()));
    }
    fields
}
