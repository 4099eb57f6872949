//! RPCIT and MPCIFC: what works, and what must be refused.
//!
//! These come last, because they take the function's interrupt and translation away.

use crate::plan::{Case, Handle, Instruction, Payload};
use crate::probe::fib;
use crate::probe::layout::DMA_ADDRESS;

fn control(id: &str, operation: u8, block: [u8; 80]) -> Case {
    Case {
        operation,
        payload: Payload::Bytes(block.to_vec()),
        ..Case::new(format!("mpcifc-{id}"), "mpcifc", Instruction::Mpcifc)
    }
}

fn refresh(id: &str, offset: u64, length: u64) -> Case {
    Case {
        offset,
        length,
        ..Case::new(format!("rpcit-{id}"), "rpcit", Instruction::Rpcit)
    }
}

/// All cases, in an order that keeps the earlier ones working.
pub(super) fn cases() -> Vec<Case> {
    let mut format = fib::interrupts();
    format[0] = 1;
    let mut backwards = fib::translation();
    backwards.swap(16, 24);
    vec![
        refresh("page", DMA_ADDRESS, 0x1000),
        refresh("window", DMA_ADDRESS, 0x4_0000),
        Case {
            handle: Handle::Disabled,
            ..refresh("handle-disabled", DMA_ADDRESS, 0x1000)
        },
        Case {
            handle: Handle::Unknown,
            ..refresh("handle-unknown", DMA_ADDRESS, 0x1000)
        },
        Case {
            source: 4,
            ..control("block-misaligned", 2, fib::interrupts())
        },
        control("format-1", 2, format),
        control("operation-unknown", 0x7f, fib::interrupts()),
        Case {
            handle: Handle::Disabled,
            ..control("handle-disabled", 2, fib::interrupts())
        },
        Case {
            handle: Handle::Unknown,
            ..control("handle-unknown", 2, fib::interrupts())
        },
        control("interrupts-twice", 2, fib::interrupts()),
        control("translation-twice", 4, fib::translation()),
        control("interrupts-off", 3, [0; 80]),
        control("interrupts-off-twice", 3, [0; 80]),
        control("interrupts-on", 2, fib::interrupts()),
        control("interrupts-off-again", 3, [0; 80]),
        control("translation-off", 5, [0; 80]),
        control("translation-off-twice", 5, [0; 80]),
        control("translation-on", 4, fib::translation()),
        refresh("after-translation-on", DMA_ADDRESS, 0x1000),
        // This one puts the function into the error state, in which fences fail too: no fence until it is reset.
        refresh("outside-window", DMA_ADDRESS + 0x4000_0000, 0x1000),
        Case {
            joined: true,
            ..control("reset-error", 7, [0; 80])
        },
        Case {
            joined: true,
            ..control("reset-block", 9, [0; 80])
        },
    ]
}
