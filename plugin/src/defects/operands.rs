// SPDX-License-Identifier: GPL-2.0-or-later
//! Defects in the reading of registers, handles and states.

use zpci_region::request::Op;

use super::hook::{Defect, Hook, defects};
use crate::cpu::{Cpu, PSW_DAT, effective_address};
use crate::decode::{Instruction, StorageOperand};
use crate::forward::access::{Access, Operand, PSW_PROBLEM};

const ENABLED: u32 = 1 << 31;
/// Bits of a handle that change when a function is plugged in again (QEMU `include/hw/s390x/s390-pci-bus.h`).
const INSTANCE: u32 = 0x7FFF_0000;

pub(crate) const DEFECTS: &[Defect] = defects![
    "offset-31-bits",
    "the offset is cut to 31 bits",
    Hook::Operands(|access, _, _| access.place.offset &= 0x7FFF_FFFF),
    "offset-32-bits",
    "the offset is cut to 32 bits",
    Hook::Operands(|access, _, _| access.place.offset &= 0xFFFF_FFFF),
    "offset-40-bits",
    "the offset is cut to 40 bits, as in a file offset of VFIO",
    Hook::Operands(|access, _, _| access.place.offset &= (1 << 40) - 1),
    "offset-signed-32",
    "the offset is taken for a signed number of 32 bits",
    Hook::Operands(|access, _, _| {
        access.place.offset = (access.place.offset as u32).cast_signed() as i64 as u64;
    }),
    "offset-aligned",
    "the offset of a block store is rounded down to 8",
    Hook::Operands(|access, _, _| {
        if access.op == Op::StoreBlock {
            access.place.offset &= !7;
        }
    }),
    "offset-in-page",
    "only the low 12 bits of a block store's offset count",
    Hook::Operands(|access, _, _| {
        if access.op == Op::StoreBlock {
            access.place.offset &= 0xFFF;
        }
    }),
    "length-8-bits",
    "the length of a block store is cut to 8 bits",
    Hook::Operands(|access, _, _| length_mask(access, 0xFF)),
    "length-9-bits",
    "the length of a block store is cut to 9 bits",
    Hook::Operands(|access, _, _| length_mask(access, 0x1FF)),
    "length-12-bits",
    "the length of a block store is cut to 12 bits: 4096 becomes 0",
    Hook::Operands(|access, _, _| length_mask(access, 0xFFF)),
    "length-rounded-down",
    "the length of a block store is rounded down to 8, when it is longer",
    Hook::Operands(|access, _, _| {
        if access.place.length > 8 {
            length_mask(access, !7);
        }
    }),
    "length-rounded-up",
    "the length of a block store is rounded up to 8",
    Hook::Operands(|access, _, _| {
        if access.op == Op::StoreBlock {
            access.place.length = access.place.length.next_multiple_of(8);
        }
    }),
    "register-length-3-bits",
    "the length of PCISTG and PCILG is cut to 3 bits: 8 becomes 0",
    Hook::Operands(|access, _, _| {
        if access.op != Op::StoreBlock {
            access.place.length &= 7;
        }
    }),
    "space-2-bits",
    "the address space is cut to 2 bits: 4 and 8 become 0, 10 becomes 2",
    Hook::Operands(|access, _, _| access.place.pcias &= 3),
    "space-swapped",
    "BAR 0 is taken for BAR 2, and BAR 2 for BAR 0",
    Hook::Operands(|access, _, _| {
        access.place.pcias = match access.place.pcias {
            0 => 2,
            2 => 0,
            other => other,
        };
    }),
    "block-to-bar-2",
    "every block store goes to BAR 2",
    Hook::Operands(|access, _, _| {
        if access.op == Op::StoreBlock {
            access.place.pcias = 2;
        }
    }),
    "source-24-bits",
    "the address of a block is cut to 24 bits",
    Hook::Operands(|access, _, _| source(access, |at| at & 0xFF_FFFF)),
    "source-31-bits",
    "the address of a block is cut to 31 bits",
    Hook::Operands(|access, _, _| source(access, |at| at & 0x7FFF_FFFF)),
    "source-aligned",
    "the address of a block is rounded down to 8",
    Hook::Operands(|access, _, _| source(access, |at| at & !7)),
    "displacement-ignored",
    "the displacement of a block's address is not added",
    Hook::Operands(|access, cpu, instruction| displaced(access, cpu, instruction, |_| 0)),
    "displacement-12-bits",
    "only the low 12 bits of the displacement are added",
    Hook::Operands(|access, cpu, instruction| {
        displaced(access, cpu, instruction, |displacement| {
            displacement & 0xFFF
        });
    }),
    "displacement-unsigned",
    "a negative displacement is taken for a positive one",
    Hook::Operands(|access, cpu, instruction| {
        displaced(access, cpu, instruction, |displacement| {
            displacement & 0xF_FFFF
        });
    }),
    "offset-of-next-register",
    "the offset of a block store comes from the register after the right one",
    Hook::Operands(|access, cpu, instruction| {
        if let Instruction::StoreBlock { offset, .. } = instruction {
            access.place.offset = cpu.gpr(offset.next()).unwrap_or_default();
        }
    }),
    "data-from-the-left",
    "PCISTG stores the high bytes of its register",
    Hook::Operands(|access, _, _| {
        if let Operand::Data(value) = &mut access.operand {
            *value = value.rotate_left(8 * u32::from(access.place.length.min(8)));
        }
    }),
    "data-of-next-register",
    "PCISTG stores the register after the right one",
    Hook::Operands(|access, cpu, instruction| {
        if let (Instruction::Store { data, .. }, Operand::Data(value)) =
            (instruction, &mut access.operand)
        {
            *value = cpu.gpr(data.next()).unwrap_or_default();
        }
    }),
    "result-to-next-register",
    "PCILG loads the register after the right one",
    Hook::Operands(|access, _, _| {
        if let Operand::Result(register) = &mut access.operand {
            *register = register.next();
        }
    }),
    "privileged-unchecked",
    "a program in problem state may execute the forwarded instructions",
    Hook::Mask(|mask| mask & !PSW_PROBLEM),
    "virtual-as-real",
    "the address of a block is real in every translation mode",
    Hook::Mask(|mask| mask & !PSW_DAT),
    "addressing-24-bits",
    "the addressing mode is taken for the 24-bit one",
    Hook::Mask(|mask| mask & !(1 << 32 | 1 << 31)),
    "handle-unchecked",
    "any handle means the first function",
    Hook::Handle(|_, _| Some(0)),
    "handle-enable-ignored",
    "the handle of a disabled function is taken for the enabled one's",
    Hook::Handle(|forwarder, handle| {
        if handle & ENABLED == 0 {
            forwarder.find_carelessly(handle, ENABLED)
        } else {
            forwarder.find(handle)
        }
    }),
    "handle-instance-ignored",
    "a handle from before the function was plugged in again is accepted",
    Hook::Handle(|forwarder, handle| forwarder.find_carelessly(handle, INSTANCE)),
    "handle-zero-taken",
    "handle 0 means the first function",
    Hook::Handle(|forwarder, handle| match handle {
        0 => Some(0),
        _ => forwarder.find(handle),
    }),
    "neighbour-hit",
    "accesses reach the other function, when there are two",
    Hook::Handle(|forwarder, handle| {
        let found = forwarder.find(handle)?;
        Some((found + 1) % forwarder.functions().len())
    }),
    "error-state-ignored",
    "a function in the error state is accessed like a working one",
    Hook::Handle(|forwarder, handle| forwarder.find_carelessly(handle, 0)),
    "blocks-left-to-qemu",
    "QEMU itself executes every PCISTB",
    Hook::Leave(|access| access.op == Op::StoreBlock),
    "long-blocks-left-to-qemu",
    "QEMU itself executes a PCISTB of 16 bytes and more",
    Hook::Leave(|access| access.op == Op::StoreBlock && access.place.length >= 16),
    "short-blocks-left-to-qemu",
    "QEMU itself executes a PCISTB of 8 bytes and fewer",
    Hook::Leave(|access| access.op == Op::StoreBlock && access.place.length <= 8),
    "stores-left-to-qemu",
    "QEMU itself executes every PCISTG",
    Hook::Leave(|access| access.op == Op::Store),
    "loads-left-to-qemu",
    "QEMU itself executes every PCILG",
    Hook::Leave(|access| access.op == Op::Load),
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
