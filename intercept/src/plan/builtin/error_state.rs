//! The error state: RPCIT enters it, it blocks loads and stores, an event reports it, and MPCIFC ends it.
//! Also the disabled state, which CLP sets.

use super::make::{case, grouped, into_dmb};
use super::spaces::BAR2_SCRATCH;
use super::{clp, controls};
use crate::plan::case::{CHSC_BLOCK, Case, Handle};
use crate::plan::instruction::Instruction::{self, Chsc, Pcilg, Pcistb, Pcistg};
use crate::probe::fib;
use crate::probe::layout::DMA_ADDRESS;

fn bar2(id: impl Into<String>, instruction: Instruction, length: u64) -> Case {
    case(instruction, id).at(2, BAR2_SCRATCH + 0x600, length)
}

/// Loads, stores and controls. None of them changes the function's state.
fn each(name: &str) -> Vec<Case> {
    let id = |what: &str| format!("{name}-{what}");
    vec![
        into_dmb(id("pcistb-8"), 0x400, 8),
        into_dmb(id("pcistb-64"), 0x400, 64),
        bar2(id("pcistb-bar2"), Pcistb, 16),
        bar2(id("pcistg"), Pcistg, 8),
        bar2(id("pcilg"), Pcilg, 8),
        case(Pcilg, id("pcilg-config")).at(15, 0, 4),
        case(Pcistg, id("pcistg-config")).at(15, 0x3c, 1),
        controls::refresh(id("rpcit"), DMA_ADDRESS, 0x1000),
        controls::store(id("stpcifc")),
        clp::query(id("clp")),
    ]
}

fn modify(id: &str, operation: u8) -> Case {
    controls::modify(id, operation, [0; fib::LENGTH])
}

fn event(id: &str) -> Case {
    // Request of 16 bytes, command "store event information", for PCI events.
    let mut block = vec![0; CHSC_BLOCK];
    for (at, byte) in [(1, 0x10), (3, 0x0e), (8, 0x20)] {
        if let Some(slot) = block.get_mut(at) {
            *slot = byte;
        }
    }
    case(Chsc, id).with_bytes(block)
}

/// Enters the error state and leaves it.
pub(super) fn error() -> Vec<Case> {
    let missing_table = DMA_ADDRESS + 0x4000_0000;
    let cases = [
        vec![
            event("event-none"),
            modify("reset-error-without", 7),
            modify("reset-block-without", 9),
            controls::refresh("error-by-last-page", u64::MAX - 4095, 0xfff),
        ],
        each("error"),
        vec![
            controls::modify("error-mpcifc-translation-twice", 4, fib::translation(0)),
            // The neighbour is not in error.
            bar2("error-neighbour-load", Pcilg, 8).of_function(1),
            event("event-of-error"),
            event("event-none-again"),
            modify("reset-block", 9),
        ],
        each("unblocked"),
        vec![modify("reset-error", 7)],
        each("recovered"),
        vec![
            // Enters the state again, by a page that the tables lack, and leaves it by one operation.
            controls::refresh("error-by-missing-table", missing_table, 0x1000),
            bar2("error-again-pcilg", Pcilg, 8),
            modify("reset-error-at-once", 7),
            event("event-of-second-error"),
            bar2("recovered-again-pcilg", Pcilg, 8),
        ],
    ];
    grouped("error-state", cases.concat())
}

/// Disables and enables the function. Its registrations are then gone.
pub(super) fn disabled() -> Vec<Case> {
    let cases = [
        vec![clp::disable("disable")],
        each("disabled"),
        vec![
            bar2("disabled-handle-pcilg", Pcilg, 8).with_handle(Handle::Disabled),
            modify("disabled-mpcifc", 3),
            bar2("disabled-neighbour-load", Pcilg, 8).of_function(1),
            clp::enable("enable"),
            controls::store("enabled-stpcifc"),
            clp::query("enabled-clp"),
            bar2("enabled-pcilg", Pcilg, 8),
            modify("enabled-interrupts-off", 3),
            modify("enabled-translation-off", 5),
            controls::modify("enabled-interrupts-on", 2, fib::interrupts(0)),
            controls::modify("enabled-translation-on", 4, fib::translation(0)),
            controls::refresh("enabled-rpcit", DMA_ADDRESS, 0x1000),
            controls::store("enabled-stpcifc-registered"),
        ],
    ];
    grouped("disabled", cases.concat())
}
