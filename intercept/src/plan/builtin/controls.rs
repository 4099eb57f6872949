//! RPCIT, MPCIFC and STPCIFC: what works, and what must be refused.
//!
//! The last ones take the function's interrupt and translation away, and give them back.

use crate::plan::case::{Case, Handle, Only};
use crate::plan::instruction::Instruction;
use crate::plan::payload::Payload;
use crate::probe::fib::{self, REGION_THIRD, window};
use crate::probe::layout::{DMA_ADDRESS, MEASUREMENT, region_table};

fn control(id: &str, operation: u8, block: [u8; fib::LENGTH]) -> Case {
    Case {
        operation,
        payload: Payload::Bytes(block.to_vec()),
        ..Case::new(format!("mpcifc-{id}"), "mpcifc", Instruction::Mpcifc)
    }
}

/// An RPCIT.
pub(super) fn refresh(id: &str, group: &str, offset: u64, length: u64) -> Case {
    Case {
        offset,
        length,
        ..Case::new(id, group, Instruction::Rpcit)
    }
}

/// An STPCIFC.
pub(super) fn store(id: &str, group: &str) -> Case {
    Case::new(id, group, Instruction::Stpcifc)
}

/// An MPCIFC that changes nothing: it is out of sequence.
pub(super) fn interrupts_twice() -> Case {
    control("interrupts-twice", 2, fib::interrupts(0))
}

fn with_handles(cases: &[Case]) -> Vec<Case> {
    let mut all = Vec::new();
    for (handle, name) in [
        (Handle::Disabled, "disabled"),
        (Handle::Unknown, "unknown"),
        (Handle::Stale, "stale"),
        (Handle::Zero, "zero"),
    ] {
        for case in cases {
            all.push(Case {
                id: format!("{}-handle-{name}", case.id),
                handle,
                ..case.clone()
            });
        }
    }
    all
}

/// DMA windows that are refused, or that a function may take or not.
fn windows() -> Vec<Case> {
    let table = region_table(0) | REGION_THIRD;
    let end = DMA_ADDRESS + 0xf_ffff;
    let refused = [
        (
            "limit-below-base",
            DMA_ADDRESS + 0x10_0000,
            DMA_ADDRESS + 0xffff,
            table,
        ),
        ("base-below-start", DMA_ADDRESS - 0x1000, end, table),
        ("base-0", 0, end, table),
        ("limit-below-start", 0, DMA_ADDRESS - 1, table),
        ("limit-2-57", DMA_ADDRESS, (1 << 57) | 0xfff, table),
        ("limit-all-ones", DMA_ADDRESS, u64::MAX, table),
    ];
    // Whether a function takes these no source tells; they are not registered for long.
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
        // Out of sequence if it was refused.
        cases.push(control(&format!("window-{name}-off"), 5, [0; fib::LENGTH]));
    }
    cases
}

/// The function measurement block: what it counts after some instructions. The wait takes as long as CLP's interval, 4
/// seconds in QEMU. A plugin that executes instructions in QEMU's place cannot count them.
pub(super) fn measurement() -> Vec<Case> {
    let group = "measurement";
    let set = |id: &str, address: u64| {
        let mut block = [0; fib::LENGTH];
        fib::put(&mut block, fib::MEASUREMENT, &address.to_be_bytes());
        Case {
            group: group.into(),
            ..control(id, 10, block)
        }
    };
    let bar2 = |id: &str, instruction, offset, length| Case {
        space: 2,
        offset: super::spaces::BAR2_SCRATCH + offset,
        length,
        ..Case::new(format!("measured-{id}"), group, instruction)
    };
    let joined = |case| Case {
        joined: true,
        ..case
    };
    let mut cases = vec![
        set("measure-misaligned", MEASUREMENT + 8),
        set("measure-off", 0),
        joined(set("measure", MEASUREMENT)),
        joined(store("measure-registered", group)),
        bar2("load", Instruction::Pcilg, 0, 8),
        bar2("load-again", Instruction::Pcilg, 8, 4),
        bar2("store", Instruction::Pcistg, 0, 8),
        bar2("store-refused", Instruction::Pcistg, 4, 8),
        bar2("block-16", Instruction::Pcistb, 0x100, 16),
        bar2("block-128", Instruction::Pcistb, 0x100, 128),
        bar2("block-8", Instruction::Pcistb, 0x100, 8),
        refresh("measured-rpcit", group, DMA_ADDRESS, 0x1000),
        Case {
            handle: Handle::Unknown,
            ..refresh("measured-rpcit-refused", group, DMA_ADDRESS, 0x1000)
        },
        Case {
            await_measurement: true,
            ..store("measured", group)
        },
        set("measure-off-again", 0),
        store("measured-no-more", group),
    ];
    // QEMU registers the block in any case.
    let registered = [
        "measure-registered",
        "measure-off-again",
        "measured-no-more",
    ];
    for case in &mut cases {
        let control = case.instruction == Instruction::Mpcifc;
        let stored = registered.iter().any(|name| case.id.ends_with(name));
        if !control && !stored {
            case.only = Some(Only::Unforwarded);
        }
    }
    cases
}

/// All cases, in an order that keeps the earlier ones working.
pub(super) fn cases() -> Vec<Case> {
    let rpcit = |id: &str, offset, length| refresh(&format!("rpcit-{id}"), "rpcit", offset, length);
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
    cases.extend(with_handles(&[rpcit("refused", DMA_ADDRESS, 0x1000)]));
    cases.extend([
        store("stpcifc", "stpcifc"),
        Case {
            source: 0x7f8,
            displacement: 0x10,
            ..store("stpcifc-displaced", "stpcifc")
        },
        Case {
            source: 4,
            ..store("stpcifc-block-misaligned", "stpcifc")
        },
        Case {
            space: 1,
            ..store("stpcifc-dma-space-1", "stpcifc")
        },
    ]);
    cases.extend(with_handles(&[store("stpcifc-other", "stpcifc")]));
    cases.extend([
        Case {
            source: 4,
            ..control("block-misaligned", 2, fib::interrupts(0))
        },
        control("format-1", 2, format),
        // This one is not out of sequence as well.
        control("format-1-measurement", 10, format_only),
        control("operation-unknown", 0x7f, fib::interrupts(0)),
        control("operation-0", 0, fib::interrupts(0)),
        control("operation-255", 0xff, fib::interrupts(0)),
    ]);
    cases.extend(with_handles(&[control("refused", 3, none)]));
    cases.extend([
        dma_space("dma-space-1-translation", 4),
        dma_space("dma-space-1-translation-off", 5),
        dma_space("dma-space-1-translation-anew", 6),
        interrupts_twice(),
        control("translation-twice", 4, fib::translation(0)),
        control("interrupts-off", 3, none),
        control("interrupts-off-twice", 3, none),
        store("stpcifc-interrupts-off", "stpcifc"),
        control("interrupts-on", 2, fib::interrupts(0)),
        control("translation-off", 5, none),
        control("translation-off-twice", 5, none),
        control("translation-anew-without", 6, fib::translation(0)),
        store("stpcifc-translation-off", "stpcifc"),
    ]);
    cases.extend(windows());
    cases.extend([
        control("translation-on", 4, smaller),
        store("stpcifc-translation-smaller", "stpcifc"),
        control("translation-anew", 6, fib::translation(0)),
        store("stpcifc-translation-anew", "stpcifc"),
        rpcit("after-translation-on", DMA_ADDRESS, 0x1000),
    ]);
    cases
}
