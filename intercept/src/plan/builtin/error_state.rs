//! The error state: RPCIT leads into it, loads and stores are blocked in it, an event tells of it, MPCIFC ends it. And the
//! disabled state, which CLP sets.

use super::block::into_dmb;
use super::spaces::BAR2_SCRATCH;
use super::{clp, controls};
use crate::plan::case::{Case, Handle};
use crate::plan::instruction::Instruction;
use crate::plan::payload::Payload;
use crate::probe::fib;
use crate::probe::layout::DMA_ADDRESS;

fn bar2(id: String, group: &str, instruction: Instruction, length: u64) -> Case {
    Case {
        space: 2,
        offset: BAR2_SCRATCH + 0x600,
        length,
        ..Case::new(id, group, instruction)
    }
}

/// Loads, stores and controls; none puts the function into another state.
fn each(name: &str, group: &str) -> Vec<Case> {
    vec![
        into_dmb(format!("{name}-pcistb-8"), group, 0x400, 8),
        into_dmb(format!("{name}-pcistb-64"), group, 0x400, 64),
        bar2(
            format!("{name}-pcistb-bar2"),
            group,
            Instruction::Pcistb,
            16,
        ),
        bar2(format!("{name}-pcistg"), group, Instruction::Pcistg, 8),
        bar2(format!("{name}-pcilg"), group, Instruction::Pcilg, 8),
        Case {
            space: 15,
            length: 4,
            ..Case::new(format!("{name}-pcilg-config"), group, Instruction::Pcilg)
        },
        Case {
            space: 15,
            offset: 0x3c,
            length: 1,
            ..Case::new(format!("{name}-pcistg-config"), group, Instruction::Pcistg)
        },
        controls::refresh(&format!("{name}-rpcit"), group, DMA_ADDRESS, 0x1000),
        controls::store(&format!("{name}-stpcifc"), group),
        clp::query(&format!("{name}-clp"), group),
    ]
}

fn modify(id: String, group: &str, operation: u8) -> Case {
    Case {
        operation,
        payload: Payload::Bytes(vec![0; fib::LENGTH]),
        ..Case::new(id, group, Instruction::Mpcifc)
    }
}

fn event(id: &str) -> Case {
    // Request of 16 bytes, command "store event information", for PCI events.
    let mut block = vec![0; crate::plan::case::CHSC_BLOCK];
    for (at, byte) in [(1, 0x10), (3, 0x0e), (8, 0x20)] {
        if let Some(slot) = block.get_mut(at) {
            *slot = byte;
        }
    }
    Case {
        payload: Payload::Bytes(block),
        ..Case::new(id, "error-state", Instruction::Chsc)
    }
}

/// Into the error state and out of it.
pub(super) fn error() -> Vec<Case> {
    let group = "error-state";
    let reset = |id: &str, operation| modify(id.into(), group, operation);
    let mut cases = vec![
        event("event-none"),
        reset("reset-error-without", 7),
        reset("reset-block-without", 9),
        controls::refresh("error-by-last-page", group, u64::MAX - 4095, 0xfff),
    ];
    cases.extend(each("error", group));
    cases.push(Case {
        operation: 4,
        payload: Payload::Bytes(fib::translation(0).to_vec()),
        ..Case::new("error-mpcifc-translation-twice", group, Instruction::Mpcifc)
    });
    // The neighbour is not in error.
    cases.push(Case {
        function: 1,
        ..bar2("error-neighbour-load".into(), group, Instruction::Pcilg, 8)
    });
    cases.push(event("event-of-error"));
    cases.push(event("event-none-again"));
    cases.push(reset("reset-block", 9));
    cases.extend(each("unblocked", group));
    cases.push(reset("reset-error", 7));
    cases.extend(each("recovered", group));
    // In again, by a page that the tables do not have, and out by one operation.
    cases.push(controls::refresh(
        "error-by-missing-table",
        group,
        DMA_ADDRESS + 0x4000_0000,
        0x1000,
    ));
    cases.push(bar2(
        "error-again-pcilg".into(),
        group,
        Instruction::Pcilg,
        8,
    ));
    cases.push(reset("reset-error-at-once", 7));
    cases.push(event("event-of-second-error"));
    cases.push(bar2(
        "recovered-again-pcilg".into(),
        group,
        Instruction::Pcilg,
        8,
    ));
    cases
}

/// The function disabled and enabled again; its registrations are gone then.
pub(super) fn disabled() -> Vec<Case> {
    let group = "disabled";
    let mut cases = vec![clp::disable("disable", group)];
    cases.extend(each("disabled", group));
    cases.push(Case {
        handle: Handle::Disabled,
        ..bar2("disabled-handle-pcilg".into(), group, Instruction::Pcilg, 8)
    });
    cases.push(modify("disabled-mpcifc".into(), group, 3));
    cases.push(Case {
        function: 1,
        ..bar2(
            "disabled-neighbour-load".into(),
            group,
            Instruction::Pcilg,
            8,
        )
    });
    cases.push(clp::enable("enable", group));
    cases.push(controls::store("enabled-stpcifc", group));
    cases.push(clp::query("enabled-clp", group));
    cases.push(bar2("enabled-pcilg".into(), group, Instruction::Pcilg, 8));
    cases.push(modify("enabled-interrupts-off".into(), group, 3));
    cases.push(modify("enabled-translation-off".into(), group, 5));
    cases.push(Case {
        operation: 2,
        payload: Payload::Bytes(fib::interrupts(0).to_vec()),
        ..Case::new("enabled-interrupts-on", group, Instruction::Mpcifc)
    });
    cases.push(Case {
        operation: 4,
        payload: Payload::Bytes(fib::translation(0).to_vec()),
        ..Case::new("enabled-translation-on", group, Instruction::Mpcifc)
    });
    cases.push(controls::refresh(
        "enabled-rpcit",
        group,
        DMA_ADDRESS,
        0x1000,
    ));
    cases.push(controls::store("enabled-stpcifc-registered", group));
    cases
}
