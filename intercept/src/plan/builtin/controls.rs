//! RPCIT, MPCIFC and STPCIFC: successful ones, and ones that must be refused.
//!
//! The last ones take the function's interrupt and translation away, and give them back.

use super::make::{HANDLES, case, grouped};
use super::spaces::BAR2_SCRATCH;
use crate::plan::case::{Case, Handle, Only};
use crate::plan::instruction::Instruction::{Mpcifc, Pcilg, Pcistb, Pcistg, Rpcit, Stpcifc};
use crate::probe::fib::{self, REGION_THIRD, window};
use crate::probe::layout::{DMA_ADDRESS, MEASUREMENT, region_table};

/// An MPCIFC.
pub(super) fn modify(id: &str, operation: u8, block: [u8; fib::LENGTH]) -> Case {
    case(Mpcifc, id).with_operation(operation).with_bytes(block)
}

fn control(id: &str, operation: u8, block: [u8; fib::LENGTH]) -> Case {
    Case {
        group: "mpcifc".into(),
        ..modify(&format!("mpcifc-{id}"), operation, block)
    }
}

/// An RPCIT.
pub(super) fn refresh(id: impl Into<String>, offset: u64, length: u64) -> Case {
    case(Rpcit, id).at(0, offset, length)
}

/// An STPCIFC.
pub(super) fn store(id: impl Into<String>) -> Case {
    case(Stpcifc, id)
}

/// An MPCIFC that changes nothing, because it is out of sequence.
pub(super) fn interrupts_twice() -> Case {
    control("interrupts-twice", 2, fib::interrupts(0))
}

fn with_handles(case: &Case) -> Vec<Case> {
    let with = |(handle, name)| Case {
        id: format!("{}-handle-{name}", case.id),
        handle,
        ..case.clone()
    };
    HANDLES.map(with).to_vec()
}

/// DMA windows that must be refused, and windows that a function may accept or refuse.
fn windows() -> Vec<Case> {
    let table = region_table(0) | REGION_THIRD;
    let end = DMA_ADDRESS + 0xf_ffff;
    let refused = [
        ("limit-below-base", end + 1, DMA_ADDRESS + 0xffff, table),
        ("base-below-start", DMA_ADDRESS - 0x1000, end, table),
        ("base-0", 0, end, table),
        ("limit-below-start", 0, DMA_ADDRESS - 1, table),
        ("limit-2-57", DMA_ADDRESS, (1 << 57) | 0xfff, table),
        ("limit-all-ones", DMA_ADDRESS, u64::MAX, table),
    ];
    // No source says whether a function accepts these. The next case unregisters them.
    let unclear = [
        ("limit-2-42", DMA_ADDRESS, 1 << 42, table),
        ("limit-2-42-and-page", DMA_ADDRESS, (1 << 42) + 4095, table),
        ("limit-2-57-minus-1", DMA_ADDRESS, (1 << 57) - 1, table),
        ("no-translation", DMA_ADDRESS, end, table & !0x800),
        ("designation-0", DMA_ADDRESS, end, table & !0x1c),
        ("designation-2", DMA_ADDRESS, end, (table & !0x1c) | 8),
        ("designation-3", DMA_ADDRESS, end, (table & !0x1c) | 12),
    ];
    let mut cases = Vec::new();
    for (name, base, limit, designation) in refused {
        let block = window(base, limit, designation);
        cases.push(control(&format!("window-{name}"), 4, block));
    }
    for (name, base, limit, designation) in unclear {
        let block = window(base, limit, designation);
        cases.push(control(&format!("window-{name}"), 4, block));
        // If the window was refused, this is out of sequence.
        cases.push(control(&format!("window-{name}-off"), 5, [0; fib::LENGTH]));
    }
    cases
}

/// The function measurement block: its counters after some instructions. The wait takes CLP's interval, 4
/// seconds in QEMU. A plugin that executes instructions in QEMU's place cannot count them.
pub(super) fn measurement() -> Vec<Case> {
    let set = |id: &str, address: u64| {
        let mut block = [0; fib::LENGTH];
        fib::put(&mut block, fib::MEASUREMENT, &address.to_be_bytes());
        modify(&format!("mpcifc-{id}"), 10, block)
    };
    let bar2 = |id: &str, instruction, offset, length| {
        let id = format!("measured-{id}");
        case(instruction, id).at(2, BAR2_SCRATCH + offset, length)
    };
    let rpcit = |id| refresh(id, DMA_ADDRESS, 0x1000);
    let mut cases = vec![
        set("measure-misaligned", MEASUREMENT + 8),
        set("measure-off", 0),
        set("measure", MEASUREMENT).joined(true),
        store("measure-registered").joined(true),
        bar2("load", Pcilg, 0, 8),
        bar2("load-again", Pcilg, 8, 4),
        bar2("store", Pcistg, 0, 8),
        bar2("store-refused", Pcistg, 4, 8),
        bar2("block-16", Pcistb, 0x100, 16),
        bar2("block-128", Pcistb, 0x100, 128),
        bar2("block-8", Pcistb, 0x100, 8),
        rpcit("measured-rpcit"),
        rpcit("measured-rpcit-refused").with_handle(Handle::Unknown),
        Case {
            await_measurement: true,
            ..store("measured")
        },
        set("measure-off-again", 0),
        store("measured-no-more"),
    ];
    // QEMU always registers the block.
    let registered = [
        "measure-registered",
        "measure-off-again",
        "measured-no-more",
    ];
    for case in &mut cases {
        let control = case.instruction == Mpcifc;
        let stored = registered.iter().any(|name| case.id.ends_with(name));
        if !control && !stored {
            case.only = Some(Only::Unforwarded);
        }
    }
    grouped("measurement", cases)
}

/// All cases, in an order in which no case disturbs later ones.
pub(super) fn cases() -> Vec<Case> {
    let rpcit = |id: &str, offset, length| Case {
        group: "rpcit".into(),
        ..refresh(format!("rpcit-{id}"), offset, length)
    };
    let stpcifc = |id: &str| Case {
        group: "stpcifc".into(),
        ..store(format!("stpcifc{id}"))
    };
    let mut format = fib::interrupts(0);
    format[0] = 1;
    let mut format_only = [0; fib::LENGTH];
    format_only[0] = 1;
    let dma_space = |id: &str, operation| Case {
        space: 1,
        ..control(id, operation, fib::translation(0))
    };
    let none = [0; fib::LENGTH];
    let table = region_table(0) | REGION_THIRD;
    let smaller = window(DMA_ADDRESS, DMA_ADDRESS + 0x7_ffff, table);
    let mut cases = vec![
        rpcit("page", DMA_ADDRESS, 0x1000),
        rpcit("window", DMA_ADDRESS, 0x4_0000),
        rpcit("last-page", DMA_ADDRESS + 0x3_f000, 0x1000),
        rpcit("in-the-middle-of-a-page", DMA_ADDRESS + 0x800, 0x800),
    ];
    cases.extend(with_handles(&rpcit("refused", DMA_ADDRESS, 0x1000)));
    cases.extend([
        stpcifc(""),
        Case {
            source: 0x7f8,
            displacement: 0x10,
            ..stpcifc("-displaced")
        },
        stpcifc("-block-misaligned").with_source(4),
        Case {
            space: 1,
            ..stpcifc("-dma-space-1")
        },
    ]);
    cases.extend(with_handles(&stpcifc("-other")));
    cases.extend([
        control("block-misaligned", 2, fib::interrupts(0)).with_source(4),
        control("format-1", 2, format),
        // So this one is not also out of sequence.
        control("format-1-measurement", 10, format_only),
        control("operation-unknown", 0x7f, fib::interrupts(0)),
        control("operation-0", 0, fib::interrupts(0)),
        control("operation-255", 0xff, fib::interrupts(0)),
    ]);
    cases.extend(with_handles(&control("refused", 3, none)));
    cases.extend([
        dma_space("dma-space-1-translation", 4),
        dma_space("dma-space-1-translation-off", 5),
        dma_space("dma-space-1-translation-anew", 6),
        interrupts_twice(),
        control("translation-twice", 4, fib::translation(0)),
        control("interrupts-off", 3, none),
        control("interrupts-off-twice", 3, none),
        stpcifc("-interrupts-off"),
        control("interrupts-on", 2, fib::interrupts(0)),
        control("translation-off", 5, none),
        control("translation-off-twice", 5, none),
        control("translation-anew-without", 6, fib::translation(0)),
        stpcifc("-translation-off"),
    ]);
    cases.extend(windows());
    cases.extend([
        control("translation-on", 4, smaller),
        stpcifc("-translation-smaller"),
        control("translation-anew", 6, fib::translation(0)),
        stpcifc("-translation-anew"),
        rpcit("after-translation-on", DMA_ADDRESS, 0x1000),
    ]);
    cases
}
