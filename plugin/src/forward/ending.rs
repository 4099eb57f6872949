// SPDX-License-Identifier: GPL-2.0-or-later
//! The outcome of an instruction that was carried out in QEMU's place, and how the guest sees it.
//!
//! A program interruption follows the z/Architecture Principles of Operation, chapter 6: code, instruction
//! length and old PSW go into the lowcore, and the new PSW comes from there.

use crate::cpu::{GuestCpu, read_real, real_to_absolute, with_condition_code};
use crate::decode::Gpr;
use crate::observe::Site;
use records::instruction::{Exception, Hex, InstructionResult, Outcome};

/// Real address of the program interruption's instruction length (u16) and its code (u16).
const PROGRAM_LENGTH_AND_CODE: u64 = 0x8C;
/// Real address of the translation-exception identification.
const TRANSLATION_EXCEPTION: u64 = 0xA8;
/// Real addresses of the program-old and program-new PSW.
const OLD_PSW: u64 = 0x150;
const NEW_PSW: u64 = 0x1D0;

/// Status of loads and stores to a function in the error state: QEMU `hw/s390x/s390-pci-inst.h`,
/// ZPCI_PCI_ST_BLOCKED.
const BLOCKED: u8 = 12;

/// A program exception with which an instruction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProgramException {
    /// The program interruption code, which identifies the exception.
    pub code: u16,
    /// Translation-exception identification. Except for protection exceptions it comes with nullification:
    /// the old PSW is that of the instruction itself, so that the guest can execute it again.
    pub translation: Option<u64>,
}

/// Interruption code of a protection exception.
pub(crate) const PROTECTION: u16 = 0x04;

pub(crate) const SPECIFICATION: ProgramException = ProgramException::suppressing(0x06);
pub(crate) const OPERAND: ProgramException = ProgramException::suppressing(0x15);
pub(crate) const ADDRESSING: ProgramException = ProgramException::suppressing(0x05);

impl ProgramException {
    /// Creates an exception that leaves the old PSW after the instruction.
    pub(crate) const fn suppressing(code: u16) -> Self {
        Self {
            code,
            translation: None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The instruction succeeded: condition code 0.
    Done,
    /// The instruction succeeded and loaded a register: condition code 0.
    Loaded(Gpr, u64),
    /// The function is in the error state: condition code 1, and a status in this register.
    Blocked(Gpr),
    /// The function does not exist, or no longer: condition code 3.
    NoFunction,
    /// The instruction ended with a program exception.
    Exception(ProgramException),
}

impl Ending {
    /// Shows the guest this outcome of the instruction at `site`. Returns the address at which the guest goes
    /// on.
    ///
    /// Returns `None` if QEMU does not allow changes to registers or the lowcore.
    pub(crate) fn perform(self, cpu: &mut dyn GuestCpu, site: &Site) -> Option<u64> {
        match self {
            Self::Done => condition(cpu, 0, site),
            Self::NoFunction => condition(cpu, 3, site),
            Self::Blocked(register) => {
                let value = with_status(cpu.gpr(register)?, BLOCKED);
                cpu.set_gpr(register, value).then_some(())?;
                condition(cpu, 1, site)
            }
            Self::Loaded(register, value) => {
                cpu.set_gpr(register, value).then_some(())?;
                condition(cpu, 0, site)
            }
            Self::Exception(exception) => interrupt(cpu, exception, site),
        }
    }

    /// Converts the outcome for a record.
    pub(crate) fn result(self) -> InstructionResult {
        let completed = |cc, value| InstructionResult {
            outcome: Outcome::Completed,
            cc: Some(cc),
            value,
            ..InstructionResult::unseen()
        };
        match self {
            Self::Done => completed(0, None),
            Self::Loaded(_, value) => completed(0, Some(Hex(value))),
            Self::NoFunction => completed(3, None),
            Self::Blocked(_) => InstructionResult {
                status: Some(BLOCKED),
                ..completed(1, None)
            },
            Self::Exception(exception) => InstructionResult {
                outcome: Outcome::Exception,
                exception: Some(Exception::new(Some(exception.code))),
                ..InstructionResult::unseen()
            },
        }
    }
}

/// Returns a request register with a status in its bits 32 to 39.
fn with_status(register: u64, status: u8) -> u64 {
    register & !0xFF00_0000 | u64::from(status) << 24
}

fn condition(cpu: &mut dyn GuestCpu, cc: u8, site: &Site) -> Option<u64> {
    let mask = with_condition_code(cpu.psw_mask()?, cc);
    cpu.set_psw_mask(mask).then(|| site.next_address())
}

fn interrupt(cpu: &mut dyn GuestCpu, exception: ProgramException, site: &Site) -> Option<u64> {
    let new = read_real(cpu, NEW_PSW, 16)?;
    let (new_mask, new_address) = new.split_first_chunk::<8>()?;
    let new_mask = u64::from_be_bytes(*new_mask);
    let new_address = u64::from_be_bytes(*new_address.first_chunk()?);
    let old_address = match exception.translation {
        Some(_) if exception.code != PROTECTION => site.address,
        _ => site.next_address(),
    };
    let mut old = [0; 16];
    let (mask, address) = old.split_at_mut(8);
    mask.copy_from_slice(&cpu.psw_mask()?.to_be_bytes());
    address.copy_from_slice(&old_address.to_be_bytes());
    let [high, low] = exception.code.to_be_bytes();
    let cause = [0, site.instruction.size(), high, low];
    let prefix = cpu.prefix()?;
    let mut put = |real, bytes: &[u8]| cpu.write_absolute(real_to_absolute(real, prefix), bytes);
    let translation = exception
        .translation
        .is_none_or(|id| put(TRANSLATION_EXCEPTION, &id.to_be_bytes()));
    let written = translation && put(PROGRAM_LENGTH_AND_CODE, &cause) && put(OLD_PSW, &old);
    (written && cpu.set_psw_mask(new_mask)).then_some(new_address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpu::fake::{FakeCpu, PSW_64_DAT};
    use crate::decode::Instruction;

    const AT: u64 = 0x1_0000;
    const NEW_MASK: u64 = 0x0404_0001_8000_0000;

    fn site() -> Site {
        let opcode = [0xEB, 0x23, 0x50, 0, 0, 0xD0];
        Site {
            address: AT,
            opcode: opcode.to_vec(),
            instruction: Instruction::decode(&opcode).unwrap(),
        }
    }

    fn cpu() -> FakeCpu {
        let mut cpu = FakeCpu::default();
        cpu.set_cc(2);
        cpu.write_lowcore(0x1D0, &NEW_MASK.to_be_bytes());
        cpu.write_lowcore(0x1D8, &0x77_7700_u64.to_be_bytes());
        cpu
    }

    fn lowcore(cpu: &FakeCpu, at: usize, length: usize) -> Vec<u8> {
        cpu.absolute_memory[0x8000 + at..0x8000 + at + length].to_vec()
    }

    #[test]
    fn a_condition_code_moves_on_behind_the_instruction() {
        for (ending, cc) in [(Ending::Done, 0), (Ending::NoFunction, 3)] {
            let mut cpu = cpu();
            assert_eq!(ending.perform(&mut cpu, &site()), Some(AT + 6));
            assert_eq!(cpu.mask, with_condition_code(PSW_64_DAT, cc));
            assert_eq!(ending.result().cc, Some(cc));
        }
        let mut cpu = cpu();
        cpu.gprs[2] = 0x8000_0021_AB00_0008;
        let blocked = Ending::Blocked(Gpr::new(2));
        assert_eq!(blocked.perform(&mut cpu, &site()), Some(AT + 6));
        assert_eq!(cpu.gprs[2], 0x8000_0021_0C00_0008);
        assert_eq!(cpu.mask, with_condition_code(PSW_64_DAT, 1));
        let result = blocked.result();
        assert_eq!((result.cc, result.status), (Some(1), Some(12)));
        let mut cpu = self::cpu();
        let loaded = Ending::Loaded(Gpr::new(9), 0xABCD);
        assert_eq!(loaded.perform(&mut cpu, &site()), Some(AT + 6));
        assert_eq!((cpu.gprs[9], cpu.mask), (0xABCD, PSW_64_DAT));
        assert_eq!(loaded.result().value, Some(Hex(0xABCD)));
    }

    #[test]
    fn a_suppressing_exception_goes_through_the_lowcore() {
        let mut cpu = cpu();
        let old_mask = cpu.mask;
        let ending = Ending::Exception(OPERAND);
        assert_eq!(ending.perform(&mut cpu, &site()), Some(0x77_7700));
        assert_eq!(cpu.mask, NEW_MASK);
        assert_eq!(lowcore(&cpu, 0x8C, 4), [0, 6, 0, 0x15]);
        assert_eq!(lowcore(&cpu, 0x150, 8), old_mask.to_be_bytes());
        assert_eq!(lowcore(&cpu, 0x158, 8), (AT + 6).to_be_bytes());
        assert_eq!(lowcore(&cpu, 0xA8, 8), [0; 8]);
        let result = ending.result();
        assert_eq!(result.exception.unwrap().name, "operand");
        assert_eq!(result.cc, None);
    }

    #[test]
    fn a_nullifying_exception_leaves_the_instruction_to_be_repeated() {
        let mut cpu = cpu();
        let exception = ProgramException {
            code: 0x11,
            translation: Some(0x1234_5803),
        };
        let next = Ending::Exception(exception).perform(&mut cpu, &site());
        assert_eq!(next, Some(0x77_7700));
        assert_eq!(lowcore(&cpu, 0x158, 8), AT.to_be_bytes());
        assert_eq!(lowcore(&cpu, 0xA8, 8), 0x1234_5803_u64.to_be_bytes());
        assert_eq!(lowcore(&cpu, 0x8C, 4), [0, 6, 0, 0x11]);
    }

    #[test]
    fn a_lowcore_out_of_memory_is_left_to_qemu() {
        let mut cpu = cpu();
        cpu.prefix = 0x7FFF_E000;
        assert_eq!(Ending::Exception(OPERAND).perform(&mut cpu, &site()), None);
    }
}
