// SPDX-License-Identifier: GPL-2.0-or-later
//! Defects in RPCIT, MPCIFC, STPCIFC and SIC, which QEMU executes: changes before, after, or instead.

use super::executed::{
    block_address, change_block, instruction, of, operation, problem, recode, restatus, set_status,
    stored,
};
use super::hook::{Defect, Hook};
use super::undo::Ended;
use crate::cpu::{Cpu, read_logical};
use crate::decode::Instruction;
use crate::forward::ending::{ADDRESSING, Ending, OPERAND, ProgramException};
use crate::observe::Site;

/// Existing operations of MPCIFC.
const OPERATIONS: [u16; 9] = [2, 3, 4, 5, 6, 7, 8, 9, 10];
const REGISTER_INTERRUPTS: u16 = 2;
const REGISTER_TRANSLATION: u16 = 4;
const SET_MEASUREMENT: u16 = 10;
/// Offsets in a function information block: table, interrupt data, vectors, summary.
const FIB_IOTA: u64 = 32;
const FIB_DATA: u64 = 40;
const FIB_VECTOR: u64 = 48;
const FIB_SUMMARY: u64 = 56;
/// Offset of the measurement block's address.
const FIB_MEASUREMENT: usize = 64;

/// Returns the address of the function measurement block that an MPCIFC registers; 0 for none.
fn measurement_block(cpu: &dyn Cpu, site: &Site) -> Option<u64> {
    if operation(cpu, site)? != SET_MEASUREMENT {
        return None;
    }
    let address = block_address(cpu, site)?.checked_add(FIB_MEASUREMENT as u64)?;
    let bytes = read_logical(cpu, address, 8)?;
    Some(u64::from_be_bytes(bytes.try_into().ok()?))
}

pub(crate) const DEFECTS: &[Defect] = &[
    Defect {
        name: "rpcit-success-hidden",
        what: "RPCIT ends with condition code 1 although it worked",
        hook: Hook::After(|cpu, record, ended| {
            of(record, "rpcit", || recode(cpu, record, ended, 0, 1));
        }),
    },
    Defect {
        name: "rpcit-refusal-hidden",
        what: "RPCIT ends with condition code 0 although it failed",
        hook: Hook::After(|cpu, record, ended| {
            of(record, "rpcit", || recode(cpu, record, ended, 1, 0));
        }),
    },
    Defect {
        name: "rpcit-status-wrong",
        what: "status 16 if a range of RPCIT cannot be translated",
        hook: Hook::After(|cpu, record, ended| {
            of(record, "rpcit", || restatus(cpu, record, ended, 8, 16));
        }),
    },
    Defect {
        name: "rpcit-ignored",
        what: "RPCIT does nothing and ends with condition code 0",
        hook: Hook::Instead(|cpu, site| match site.instruction {
            Instruction::RefreshTranslations { function, range }
                if range.number() % 2 == 0 && !problem(cpu) && cpu.gpr(function)? >> 63 == 1 =>
            {
                Some(Ending::Done)
            }
            _ => None,
        }),
    },
    Defect {
        name: "rpcit-start-32-bits",
        what: "the start of RPCIT's range is cut to 32 bits",
        hook: Hook::Before(|cpu, site, undo| {
            if let Instruction::RefreshTranslations { range, .. } = site.instruction {
                let start = cpu.gpr(range).unwrap_or_default() & 0xFFFF_FFFF;
                undo.register(cpu, range, start);
            }
        }),
    },
    Defect {
        name: "rpcit-one-page-only",
        what: "RPCIT refreshes the first page of its range only",
        hook: Hook::Before(|cpu, site, undo| {
            if let Instruction::RefreshTranslations { range, .. } = site.instruction {
                undo.register(cpu, range.next(), 4096);
            }
        }),
    },
    Defect {
        name: "rpcit-range-advanced",
        what: "the range register of RPCIT is advanced to the end of the range",
        hook: Hook::After(|cpu, record, ended| {
            if let (Some(Instruction::RefreshTranslations { range, .. }), Ended::Here) =
                (instruction(record), ended)
            {
                let end = cpu.gpr(range).zip(cpu.gpr(range.next()));
                let end = end.map_or(0, |(start, length)| start.wrapping_add(length));
                cpu.set_gpr(range, end);
            }
        }),
    },
    Defect {
        name: "mpcifc-success-hidden",
        what: "MPCIFC ends with condition code 1 although it worked",
        hook: Hook::After(|cpu, record, ended| {
            of(record, "mpcifc", || recode(cpu, record, ended, 0, 1));
        }),
    },
    Defect {
        name: "mpcifc-refusal-hidden",
        what: "MPCIFC ends with condition code 0 although it was out of sequence",
        hook: Hook::After(|cpu, record, ended| {
            of(record, "mpcifc", || recode(cpu, record, ended, 1, 0));
        }),
    },
    Defect {
        name: "mpcifc-status-wrong",
        what: "status 16 if an MPCIFC is out of sequence",
        hook: Hook::After(|cpu, record, ended| {
            of(record, "mpcifc", || restatus(cpu, record, ended, 24, 16));
        }),
    },
    Defect {
        name: "mpcifc-status-on-success",
        what: "MPCIFC writes a status although it worked",
        hook: Hook::After(|cpu, record, ended| {
            if let (Some(Instruction::ModifyControls { control, .. }), Some(0), Ended::Here) =
                (instruction(record), record.result.cc, ended)
            {
                set_status(cpu, control, 24);
            }
        }),
    },
    Defect {
        name: "mpcifc-ignored",
        what: "MPCIFC does nothing and ends with condition code 0",
        hook: Hook::Instead(|cpu, site| {
            let Instruction::ModifyControls { control, .. } = site.instruction else {
                return None;
            };
            (cpu.gpr(control)? >> 63 == 1 && !problem(cpu)).then_some(Ending::Done)
        }),
    },
    Defect {
        name: "mpcifc-alignment-unchecked",
        what: "MPCIFC takes a block that is not at a doubleword, and does nothing with it",
        hook: Hook::Instead(|cpu, site| {
            (!block_address(cpu, site)?.is_multiple_of(8)).then_some(Ending::Done)
        }),
    },
    Defect {
        name: "mpcifc-format-unchecked",
        what: "MPCIFC does not check the format of its block",
        hook: Hook::Before(|cpu, site, undo| {
            change_block(cpu, site, undo, 0, |block| block[0] = 0);
        }),
    },
    Defect {
        name: "mpcifc-operation-unchecked",
        what: "an operation of MPCIFC that does not exist ends with condition code 0",
        hook: Hook::Instead(|cpu, site| {
            let operation = operation(cpu, site)?;
            (!OPERATIONS.contains(&operation)).then_some(Ending::Done)
        }),
    },
    Defect {
        name: "mpcifc-space-unchecked",
        what: "MPCIFC does not check the DMA address space",
        hook: Hook::Before(|cpu, site, undo| {
            if let Instruction::ModifyControls { control, .. } = site.instruction {
                let value = cpu.gpr(control).unwrap_or_default() & !0xFF_0000;
                undo.register(cpu, control, value);
            }
        }),
    },
    Defect {
        name: "interrupts-of-other-subclass",
        what: "MPCIFC registers interrupts with another interruption subclass",
        hook: Hook::Before(|cpu, site, undo| {
            change_block(cpu, site, undo, REGISTER_INTERRUPTS, |block| {
                block[FIB_DATA as usize] ^= 0x10;
            });
        }),
    },
    Defect {
        name: "interrupts-without-summary",
        what: "MPCIFC registers interrupts without their summary indicator",
        hook: Hook::Before(|cpu, site, undo| {
            change_block(cpu, site, undo, REGISTER_INTERRUPTS, |block| {
                block[FIB_DATA as usize + 3] &= !0x80;
            });
        }),
    },
    Defect {
        name: "interrupt-vector-moved",
        what: "MPCIFC registers a vector of indicators 8 bytes after the right place",
        hook: Hook::Before(|cpu, site, undo| {
            change_block(cpu, site, undo, REGISTER_INTERRUPTS, |block| {
                block[FIB_VECTOR as usize + 7] ^= 8;
            });
        }),
    },
    Defect {
        name: "interrupt-bit-moved",
        what: "MPCIFC registers the next bit of the vector of indicators",
        hook: Hook::Before(|cpu, site, undo| {
            change_block(cpu, site, undo, REGISTER_INTERRUPTS, |block| {
                block[FIB_DATA as usize + 2] ^= 1;
            });
        }),
    },
    Defect {
        name: "summary-moved",
        what: "MPCIFC registers a summary indicator 8 bytes after the right place",
        hook: Hook::Before(|cpu, site, undo| {
            change_block(cpu, site, undo, REGISTER_INTERRUPTS, |block| {
                block[FIB_SUMMARY as usize + 7] ^= 8;
            });
        }),
    },
    Defect {
        name: "summary-bit-moved",
        what: "MPCIFC registers the next bit of the summary indicators",
        hook: Hook::Before(|cpu, site, undo| {
            change_block(cpu, site, undo, REGISTER_INTERRUPTS, |block| {
                block[FIB_DATA as usize + 3] ^= 1;
            });
        }),
    },
    Defect {
        name: "translation-of-other-table",
        what: "MPCIFC registers a translation table 16 KiB after the right place",
        hook: Hook::Before(|cpu, site, undo| {
            change_block(cpu, site, undo, REGISTER_TRANSLATION, |block| {
                block[FIB_IOTA as usize + 6] ^= 0x40;
            });
        }),
    },
    Defect {
        name: "stpcifc-nothing",
        what: "STPCIFC stores nothing and ends with condition code 0",
        hook: Hook::Instead(|cpu, site| match site.instruction {
            Instruction::StoreControls { control, .. }
                if cpu.gpr(control)? >> 63 == 1 && !problem(cpu) =>
            {
                Some(Ending::Done)
            }
            _ => None,
        }),
    },
    Defect {
        name: "stpcifc-no-table",
        what: "STPCIFC stores 0 in the place of the translation table",
        hook: Hook::After(|cpu, record, ended| stored(cpu, record, ended, FIB_IOTA, &[0; 8])),
    },
    Defect {
        name: "stpcifc-no-interrupts",
        what: "STPCIFC stores 0 in the place of the interrupts",
        hook: Hook::After(|cpu, record, ended| stored(cpu, record, ended, FIB_DATA, &[0; 24])),
    },
    Defect {
        name: "stpcifc-no-controls",
        what: "STPCIFC stores 0 in the place of the function's state",
        hook: Hook::After(|cpu, record, ended| stored(cpu, record, ended, 8, &[0; 8])),
    },
    Defect {
        name: "stpcifc-window-wrong",
        what: "STPCIFC stores 0 in the place of the DMA window",
        hook: Hook::After(|cpu, record, ended| stored(cpu, record, ended, 16, &[0; 16])),
    },
    Defect {
        name: "stpcifc-too-long",
        what: "STPCIFC stores 8 bytes after the block",
        hook: Hook::After(|cpu, record, ended| stored(cpu, record, ended, 80, &[0; 8])),
    },
    Defect {
        name: "measurement-ignored",
        what: "MPCIFC registers no function measurement block and ends with condition code 0",
        hook: Hook::Instead(|cpu, site| {
            let block = measurement_block(cpu, site)?;
            (block != 0 && block.is_multiple_of(16)).then_some(Ending::Done)
        }),
    },
    Defect {
        name: "measurement-never-off",
        what: "MPCIFC keeps a function measurement block that the guest unregisters",
        hook: Hook::Instead(|cpu, site| {
            (measurement_block(cpu, site)? == 0).then_some(Ending::Done)
        }),
    },
    Defect {
        name: "measurement-moved",
        what: "MPCIFC registers a function measurement block 64 bytes after the right place",
        hook: Hook::Before(|cpu, site, undo| {
            change_block(cpu, site, undo, SET_MEASUREMENT, |block| {
                let mut address = [0; 8];
                address.copy_from_slice(&block[FIB_MEASUREMENT..FIB_MEASUREMENT + 8]);
                let moved = u64::from_be_bytes(address).wrapping_add(64);
                block[FIB_MEASUREMENT..FIB_MEASUREMENT + 8].copy_from_slice(&moved.to_be_bytes());
            });
        }),
    },
    Defect {
        name: "measurement-alignment-unchecked",
        what: "MPCIFC takes a function measurement block at an address that is no multiple of 16",
        hook: Hook::Before(|cpu, site, undo| {
            change_block(cpu, site, undo, SET_MEASUREMENT, |block| {
                block[FIB_MEASUREMENT + 7] &= 0xF0;
            });
        }),
    },
    Defect {
        name: "control-fault-left-to-qemu",
        what: "QEMU itself executes MPCIFC and STPCIFC whose block cannot be reached",
        hook: Hook::Refuse(|_| None),
    },
    Defect {
        name: "control-fault-ignored",
        what: "MPCIFC and STPCIFC whose block cannot be reached end with condition code 0",
        hook: Hook::Refuse(|_| Some(Ending::Done)),
    },
    Defect {
        name: "control-fault-as-addressing",
        what: "an addressing exception if the block of an MPCIFC or STPCIFC cannot be reached",
        hook: Hook::Refuse(|_| Some(Ending::Exception(ADDRESSING))),
    },
    Defect {
        name: "control-fault-as-operand",
        what: "an operand exception if the block of an MPCIFC or STPCIFC cannot be reached",
        hook: Hook::Refuse(|_| Some(Ending::Exception(OPERAND))),
    },
    Defect {
        name: "control-fault-suppresses",
        what: "the old PSW is after an MPCIFC or STPCIFC whose page is missing",
        hook: Hook::Refuse(|ending| match ending {
            Ending::Exception(exception) => Some(Ending::Exception(ProgramException::suppressing(
                exception.code,
            ))),
            other => Some(other),
        }),
    },
    Defect {
        name: "sic-ignored",
        what: "SIC does nothing",
        hook: Hook::Instead(|cpu, site| {
            let sic = matches!(
                site.instruction,
                Instruction::SetInterruptionControls { .. }
            );
            (sic && !problem(cpu)).then_some(Ending::Done)
        }),
    },
];
