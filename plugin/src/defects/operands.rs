// SPDX-License-Identifier: GPL-2.0-or-later
//! Defects in the reading of registers, handles and states.

use zpci_region::request::Op;

use super::hook::{Defect, Hook};
use crate::cpu::{Cpu, PSW_DAT, effective_address};
use crate::decode::{Instruction, StorageOperand};
use crate::forward::access::{Access, Operand, PSW_PROBLEM};

const ENABLED: u32 = 1 << 31;
/// Bits of a handle that change when a function is plugged in again (QEMU `include/hw/s390x/s390-pci-bus.h`).
const INSTANCE: u32 = 0x7FFF_0000;

pub(crate) const DEFECTS: &[Defect] = &[
    Defect {
        name: "offset-31-bits",
        what: "the offset is cut to 31 bits",
        hook: Hook::Operands(|access, _, _| access.place.offset &= 0x7FFF_FFFF),
    },
    Defect {
        name: "offset-32-bits",
        what: "the offset is cut to 32 bits",
        hook: Hook::Operands(|access, _, _| access.place.offset &= 0xFFFF_FFFF),
    },
    Defect {
        name: "offset-40-bits",
        what: "the offset is cut to 40 bits, as in a file offset of VFIO",
        hook: Hook::Operands(|access, _, _| access.place.offset &= (1 << 40) - 1),
    },
    Defect {
        name: "offset-signed-32",
        what: "the offset is taken for a signed number of 32 bits",
        hook: Hook::Operands(|access, _, _| {
            access.place.offset = (access.place.offset as u32).cast_signed() as i64 as u64;
        }),
    },
    Defect {
        name: "offset-aligned",
        what: "the offset of a block store is rounded down to 8",
        hook: Hook::Operands(|access, _, _| {
            if access.op == Op::StoreBlock {
                access.place.offset &= !7;
            }
        }),
    },
    Defect {
        name: "offset-in-page",
        what: "only the low 12 bits of a block store's offset count",
        hook: Hook::Operands(|access, _, _| {
            if access.op == Op::StoreBlock {
                access.place.offset &= 0xFFF;
            }
        }),
    },
    Defect {
        name: "length-8-bits",
        what: "the length of a block store is cut to 8 bits",
        hook: Hook::Operands(|access, _, _| length_mask(access, 0xFF)),
    },
    Defect {
        name: "length-9-bits",
        what: "the length of a block store is cut to 9 bits",
        hook: Hook::Operands(|access, _, _| length_mask(access, 0x1FF)),
    },
    Defect {
        name: "length-12-bits",
        what: "the length of a block store is cut to 12 bits: 4096 becomes 0",
        hook: Hook::Operands(|access, _, _| length_mask(access, 0xFFF)),
    },
    Defect {
        name: "length-rounded-down",
        what: "the length of a block store is rounded down to 8, when it is longer",
        hook: Hook::Operands(|access, _, _| {
            if access.place.length > 8 {
                length_mask(access, !7);
            }
        }),
    },
    Defect {
        name: "length-rounded-up",
        what: "the length of a block store is rounded up to 8",
        hook: Hook::Operands(|access, _, _| {
            if access.op == Op::StoreBlock {
                access.place.length = access.place.length.next_multiple_of(8);
            }
        }),
    },
    Defect {
        name: "register-length-3-bits",
        what: "the length of PCISTG and PCILG is cut to 3 bits: 8 becomes 0",
        hook: Hook::Operands(|access, _, _| {
            if access.op != Op::StoreBlock {
                access.place.length &= 7;
            }
        }),
    },
    Defect {
        name: "space-2-bits",
        what: "the address space is cut to 2 bits: 4 and 8 become 0, 10 becomes 2",
        hook: Hook::Operands(|access, _, _| access.place.pcias &= 3),
    },
    Defect {
        name: "space-swapped",
        what: "BAR 0 is taken for BAR 2, and BAR 2 for BAR 0",
        hook: Hook::Operands(|access, _, _| {
            access.place.pcias = match access.place.pcias {
                0 => 2,
                2 => 0,
                other => other,
            };
        }),
    },
    Defect {
        name: "block-to-bar-2",
        what: "every block store goes to BAR 2",
        hook: Hook::Operands(|access, _, _| {
            if access.op == Op::StoreBlock {
                access.place.pcias = 2;
            }
        }),
    },
    Defect {
        name: "source-24-bits",
        what: "the address of a block is cut to 24 bits",
        hook: Hook::Operands(|access, _, _| source(access, |at| at & 0xFF_FFFF)),
    },
    Defect {
        name: "source-31-bits",
        what: "the address of a block is cut to 31 bits",
        hook: Hook::Operands(|access, _, _| source(access, |at| at & 0x7FFF_FFFF)),
    },
    Defect {
        name: "source-aligned",
        what: "the address of a block is rounded down to 8",
        hook: Hook::Operands(|access, _, _| source(access, |at| at & !7)),
    },
    Defect {
        name: "displacement-ignored",
        what: "the displacement of a block's address is not added",
        hook: Hook::Operands(|access, cpu, instruction| displaced(access, cpu, instruction, |_| 0)),
    },
    Defect {
        name: "displacement-12-bits",
        what: "only the low 12 bits of the displacement are added",
        hook: Hook::Operands(|access, cpu, instruction| {
            displaced(access, cpu, instruction, |displacement| {
                displacement & 0xFFF
            });
        }),
    },
    Defect {
        name: "displacement-unsigned",
        what: "a negative displacement is taken for a positive one",
        hook: Hook::Operands(|access, cpu, instruction| {
            displaced(access, cpu, instruction, |displacement| {
                displacement & 0xF_FFFF
            });
        }),
    },
    Defect {
        name: "offset-of-next-register",
        what: "the offset of a block store comes from the register after the right one",
        hook: Hook::Operands(|access, cpu, instruction| {
            if let Instruction::StoreBlock { offset, .. } = instruction {
                access.place.offset = cpu.gpr(offset.next()).unwrap_or_default();
            }
        }),
    },
    Defect {
        name: "data-from-the-left",
        what: "PCISTG stores the high bytes of its register",
        hook: Hook::Operands(|access, _, _| {
            if let Operand::Data(value) = &mut access.operand {
                *value = value.rotate_left(8 * u32::from(access.place.length.min(8)));
            }
        }),
    },
    Defect {
        name: "data-of-next-register",
        what: "PCISTG stores the register after the right one",
        hook: Hook::Operands(|access, cpu, instruction| {
            if let (Instruction::Store { data, .. }, Operand::Data(value)) =
                (instruction, &mut access.operand)
            {
                *value = cpu.gpr(data.next()).unwrap_or_default();
            }
        }),
    },
    Defect {
        name: "result-to-next-register",
        what: "PCILG loads the register after the right one",
        hook: Hook::Operands(|access, _, _| {
            if let Operand::Result(register) = &mut access.operand {
                *register = register.next();
            }
        }),
    },
    Defect {
        name: "privileged-unchecked",
        what: "a program in problem state may execute the forwarded instructions",
        hook: Hook::Mask(|mask| mask & !PSW_PROBLEM),
    },
    Defect {
        name: "virtual-as-real",
        what: "the address of a block is real in every translation mode",
        hook: Hook::Mask(|mask| mask & !PSW_DAT),
    },
    Defect {
        name: "addressing-24-bits",
        what: "the addressing mode is taken for the 24-bit one",
        hook: Hook::Mask(|mask| mask & !(1 << 32 | 1 << 31)),
    },
    Defect {
        name: "handle-unchecked",
        what: "any handle means the first function",
        hook: Hook::Handle(|_, _| Some(0)),
    },
    Defect {
        name: "handle-enable-ignored",
        what: "the handle of a disabled function is taken for the enabled one's",
        hook: Hook::Handle(|forwarder, handle| {
            if handle & ENABLED == 0 {
                forwarder.find_carelessly(handle, ENABLED)
            } else {
                forwarder.find(handle)
            }
        }),
    },
    Defect {
        name: "handle-instance-ignored",
        what: "a handle from before the function was plugged in again is accepted",
        hook: Hook::Handle(|forwarder, handle| forwarder.find_carelessly(handle, INSTANCE)),
    },
    Defect {
        name: "handle-zero-taken",
        what: "handle 0 means the first function",
        hook: Hook::Handle(|forwarder, handle| match handle {
            0 => Some(0),
            _ => forwarder.find(handle),
        }),
    },
    Defect {
        name: "neighbour-hit",
        what: "accesses reach the other function, when there are two",
        hook: Hook::Handle(|forwarder, handle| {
            let found = forwarder.find(handle)?;
            Some((found + 1) % forwarder.functions().len())
        }),
    },
    Defect {
        name: "error-state-ignored",
        what: "a function in the error state is accessed like a working one",
        hook: Hook::Handle(|forwarder, handle| forwarder.find_carelessly(handle, 0)),
    },
    Defect {
        name: "blocks-left-to-qemu",
        what: "QEMU itself executes every PCISTB",
        hook: Hook::Leave(|access| access.op == Op::StoreBlock),
    },
    Defect {
        name: "long-blocks-left-to-qemu",
        what: "QEMU itself executes a PCISTB of 16 bytes and more",
        hook: Hook::Leave(|access| access.op == Op::StoreBlock && access.place.length >= 16),
    },
    Defect {
        name: "short-blocks-left-to-qemu",
        what: "QEMU itself executes a PCISTB of 8 bytes and fewer",
        hook: Hook::Leave(|access| access.op == Op::StoreBlock && access.place.length <= 8),
    },
    Defect {
        name: "stores-left-to-qemu",
        what: "QEMU itself executes every PCISTG",
        hook: Hook::Leave(|access| access.op == Op::Store),
    },
    Defect {
        name: "loads-left-to-qemu",
        what: "QEMU itself executes every PCILG",
        hook: Hook::Leave(|access| access.op == Op::Load),
    },
];

fn length_mask(access: &mut Access, mask: u16) {
    if access.op == Op::StoreBlock {
        access.place.length &= mask;
    }
}

fn source(access: &mut Access, change: fn(u64) -> u64) {
    if let Operand::Block { source } = &mut access.operand {
        *source = change(*source);
    }
}

fn displaced(
    access: &mut Access,
    cpu: &dyn Cpu,
    instruction: &Instruction,
    change: fn(i32) -> i32,
) {
    if let (Instruction::StoreBlock { source, .. }, Operand::Block { source: at }) =
        (instruction, &mut access.operand)
    {
        let wrong = StorageOperand {
            displacement: change(source.displacement),
            ..*source
        };
        *at = effective_address(cpu, wrong).unwrap_or(*at);
    }
}
