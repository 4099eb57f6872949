// SPDX-License-Identifier: GPL-2.0-or-later
//! Reads an instruction that accesses a function's memory, with the values of its registers.
//!
//! Register layouts and widths: QEMU `hw/s390x/s390-pci-inst.c`.

use zpci_region::request::Op;

use super::message::Place;
use crate::cpu::{Cpu, PSW_DAT, effective_address};
use crate::decode::{Gpr, Instruction};

/// PSW mask bit 15: problem state.
pub(crate) const PSW_PROBLEM: u64 = 1 << 48;
/// PSW mask bits 16 and 17: 0 primary space, 1 access registers, 2 secondary space, 3 home space.
pub(crate) const PSW_SPACE: u32 = 46;

/// An access to a BAR of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub op: Op,
    /// Address space, offset and length of the access.
    pub place: Place,
    /// The stored bytes, or the register for the result.
    pub operand: Operand,
    /// The register that receives a status.
    pub status: Gpr,
}

/// The source or destination of an access in the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    /// A block of guest memory at this logical address.
    Block { source: u64 },
    /// The low bytes of this value.
    Data(u64),
    /// A register that receives the value.
    Result(Gpr),
}

/// Returns the register with handle, address space and length of an instruction that can be forwarded.
///
/// Returns `None` also for an odd register pair, which QEMU refuses before it checks the handle.
pub(crate) fn request_register(instruction: &Instruction) -> Option<Gpr> {
    match *instruction {
        Instruction::StoreBlock { request, .. } => Some(request),
        Instruction::Store { request, .. } | Instruction::Load { request, .. } => {
            request.number().is_multiple_of(2).then_some(request)
        }
        _ => None,
    }
}

impl Access {
    /// Reads the operands; `request` is the value of [`request_register`].
    ///
    /// Returns `None` if QEMU must execute the instruction: another instruction, problem state (a
    /// privileged-operation exception), or a block in a space that only access registers reach.
    pub(crate) fn read(cpu: &dyn Cpu, instruction: &Instruction, request: u64) -> Option<Self> {
        let mask = cpu.psw_mask()?;
        if mask & PSW_PROBLEM != 0 {
            return None;
        }
        let pcias = (request >> 16 & 15) as u8;
        let length = |bits: u32| (request & ((1 << bits) - 1)) as u16;
        match *instruction {
            Instruction::StoreBlock {
                request,
                offset,
                source,
            } => {
                if mask & PSW_DAT != 0 && mask >> PSW_SPACE & 3 == 1 {
                    return None;
                }
                let place = Place {
                    pcias,
                    offset: cpu.gpr(offset)?,
                    length: length(13),
                };
                let source = effective_address(cpu, source)?;
                Some(Self {
                    op: Op::StoreBlock,
                    place,
                    operand: Operand::Block { source },
                    status: request,
                })
            }
            Instruction::Store { data, request } => {
                let operand = Operand::Data(cpu.gpr(data)?);
                Self::of_register(cpu, Op::Store, operand, request, pcias, length(4))
            }
            Instruction::Load { result, request } => {
                let operand = Operand::Result(result);
                Self::of_register(cpu, Op::Load, operand, request, pcias, length(4))
            }
            _ => None,
        }
    }

    fn of_register(
        cpu: &dyn Cpu,
        op: Op,
        operand: Operand,
        request: Gpr,
        pcias: u8,
        length: u16,
    ) -> Option<Self> {
        let offset = cpu.gpr(request.next())?;
        Some(Self {
            op,
            place: Place {
                pcias,
                offset,
                length,
            },
            operand,
            status: request,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::fake::FakeCpu;

    const REQUEST: u64 = 0x8000_0021_ABC2_F011;

    fn read(cpu: &FakeCpu, opcode: &[u8]) -> Option<Access> {
        Access::read(cpu, &Instruction::decode(opcode).unwrap(), REQUEST)
    }

    #[test]
    fn a_block_has_13_bits_of_length_and_a_register_access_4() {
        let mut cpu = FakeCpu::default();
        cpu.gprs[3] = 0x1_0000_0008;
        cpu.gprs[5] = 0x100;
        let block = read(&cpu, &[0xEB, 0x23, 0x50, 0x04, 0, 0xD0]).unwrap();
        let place = |offset, length| Place {
            pcias: 2,
            offset,
            length,
        };
        assert_eq!(block.place, place(0x1_0000_0008, 0x1011));
        assert_eq!(block.operand, Operand::Block { source: 0x104 });
        assert_eq!(block.status, Gpr::new(2));
        cpu.gprs[1] = 0x55;
        let store = read(&cpu, &[0xB9, 0xD0, 0, 0x14]).unwrap();
        assert_eq!((store.op, store.place), (Op::Store, place(0x100, 1)));
        assert_eq!(store.operand, Operand::Data(0x55));
        let load = read(&cpu, &[0xB9, 0xD2, 0, 0x14]).unwrap();
        assert_eq!(
            (load.op, load.operand),
            (Op::Load, Operand::Result(Gpr::new(1)))
        );
    }

    #[test]
    fn problem_state_and_spaces_out_of_reach_are_left_to_qemu() {
        let block: &[u8] = &[0xEB, 0x23, 0x50, 0, 0, 0xD0];
        let load: &[u8] = &[0xB9, 0xD2, 0, 0x14];
        let mut cpu = FakeCpu::default();
        for (space, reached) in [(0_u64, true), (1, false), (2, true), (3, true)] {
            cpu.mask = crate::cpu::fake::PSW_64_DAT | space << PSW_SPACE;
            assert_eq!(read(&cpu, block).is_some(), reached, "{space}");
            assert!(read(&cpu, load).is_some());
        }
        cpu.mask = 1 << 46;
        assert!(read(&cpu, block).is_some(), "no translation, no space");
        cpu.mask |= PSW_PROBLEM;
        assert_eq!(read(&cpu, block), None);
        assert_eq!(read(&cpu, load), None);
    }

    #[test]
    fn odd_pairs_and_other_instructions_have_no_request_to_forward() {
        let register = |opcode: &[u8]| request_register(&Instruction::decode(opcode).unwrap());
        assert_eq!(register(&[0xB9, 0xD0, 0, 0x14]), Some(Gpr::new(4)));
        assert_eq!(register(&[0xB9, 0xD0, 0, 0x15]), None);
        assert_eq!(register(&[0xEB, 0x33, 0x50, 0, 0, 0xD0]), Some(Gpr::new(3)));
        assert_eq!(register(&[0xB9, 0xD3, 0, 0x38]), None);
        assert_eq!(register(&[0xB9, 0xD4, 0, 0x14]), None);
    }
}
