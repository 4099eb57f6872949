// SPDX-License-Identifier: GPL-2.0-or-later
//! Defects in the outcome that the guest sees, and in registers that must not change.

use zpci_region::request::Op;

use super::executed::{put_lowcore, set_status};
use super::hook::{Defect, Hook};
use crate::cpu::{GuestCpu, with_condition_code};
use crate::decode::{Gpr, Instruction};
use crate::forward::ending::{ADDRESSING, Ending, OPERAND, ProgramException};
use crate::observe::Site;

pub(crate) const DEFECTS: &[Defect] = &[
    Defect {
        name: "success-as-cc-1",
        what: "the device takes the access, and the guest gets condition code 1",
        hook: Hook::End(|ending, _, cpu, site| condition_after(ending, cpu, site, 1)),
    },
    Defect {
        name: "success-as-cc-2",
        what: "the device takes the access, and the guest gets condition code 2",
        hook: Hook::End(|ending, _, cpu, site| condition_after(ending, cpu, site, 2)),
    },
    Defect {
        name: "success-as-cc-3",
        what: "the device takes the access, and the guest gets condition code 3",
        hook: Hook::End(|ending, _, cpu, site| condition_after(ending, cpu, site, 3)),
    },
    Defect {
        name: "success-as-exception",
        what: "the device takes the block, and the guest gets an operand exception",
        hook: Hook::End(|ending, access, cpu, site| match (ending, access.op) {
            (Ending::Done, Op::StoreBlock) => Ending::Exception(OPERAND).perform(cpu, site),
            _ => ending.perform(cpu, site),
        }),
    },
    Defect {
        name: "condition-code-kept",
        what: "a successful access leaves the condition code as it was",
        hook: Hook::End(|ending, _, cpu, site| match ending {
            Ending::Done | Ending::Loaded(..) => {
                let before = cpu.psw_mask()?;
                let next = ending.perform(cpu, site)?;
                cpu.set_psw_mask(before).then_some(next)
            }
            _ => ending.perform(cpu, site),
        }),
    },
    Defect {
        name: "exception-as-cc-0",
        what: "instead of an exception, the guest gets condition code 0",
        hook: Hook::End(|ending, _, cpu, site| match ending {
            Ending::Exception(_) => Ending::Done.perform(cpu, site),
            _ => ending.perform(cpu, site),
        }),
    },
    Defect {
        name: "exception-as-cc-1",
        what: "instead of an exception, the guest gets condition code 1",
        hook: Hook::End(|ending, access, cpu, site| match ending {
            Ending::Exception(_) => {
                set_status(cpu, access.status, 16);
                condition(cpu, site, 1)
            }
            _ => ending.perform(cpu, site),
        }),
    },
    Defect {
        name: "exception-as-cc-3",
        what: "instead of an exception, the guest gets condition code 3",
        hook: Hook::End(|ending, _, cpu, site| match ending {
            Ending::Exception(_) => condition(cpu, site, 3),
            _ => ending.perform(cpu, site),
        }),
    },
    Defect {
        name: "operand-exception-nullifies",
        what: "an exception that suppresses leaves the old PSW at the instruction",
        hook: Hook::End(|ending, _, cpu, site| match ending {
            Ending::Exception(exception) if exception.translation.is_none() => {
                let nullified = ProgramException {
                    translation: Some(0),
                    ..exception
                };
                Ending::Exception(nullified).perform(cpu, site)
            }
            _ => ending.perform(cpu, site),
        }),
    },
    Defect {
        name: "instruction-length-wrong",
        what: "an exception reports an instruction length of 2",
        hook: Hook::End(|ending, _, cpu, site| {
            let next = ending.perform(cpu, site)?;
            if matches!(ending, Ending::Exception(_)) {
                put_lowcore(cpu, 0x8C, &[0, 2]);
            }
            Some(next)
        }),
    },
    Defect {
        name: "exception-code-addressing",
        what: "every exception is an addressing exception",
        hook: Hook::End(|ending, _, cpu, site| match ending {
            Ending::Exception(_) => Ending::Exception(ADDRESSING).perform(cpu, site),
            _ => ending.perform(cpu, site),
        }),
    },
    Defect {
        name: "status-on-success",
        what: "a status is written although the access succeeded",
        hook: Hook::End(|ending, access, cpu, site| {
            if matches!(ending, Ending::Done | Ending::Loaded(..)) {
                set_status(cpu, access.status, 16);
            }
            ending.perform(cpu, site)
        }),
    },
    Defect {
        name: "status-cleared-on-success",
        what: "the request register's status byte becomes 0 when the access succeeds",
        hook: Hook::End(|ending, access, cpu, site| {
            if matches!(ending, Ending::Done | Ending::Loaded(..)) {
                set_status(cpu, access.status, 0);
            }
            ending.perform(cpu, site)
        }),
    },
    Defect {
        name: "status-on-exception",
        what: "a status is written before an exception",
        hook: Hook::End(|ending, access, cpu, site| {
            if matches!(ending, Ending::Exception(_)) {
                set_status(cpu, access.status, 20);
            }
            ending.perform(cpu, site)
        }),
    },
    Defect {
        name: "request-register-cleared",
        what: "the request register is 0 afterwards",
        hook: Hook::End(|ending, access, cpu, site| {
            cpu.set_gpr(access.status, 0);
            ending.perform(cpu, site)
        }),
    },
    Defect {
        name: "offset-register-advanced",
        what: "the offset register of a block store is advanced by the block's length",
        hook: Hook::End(|ending, access, cpu, site| {
            if let Instruction::StoreBlock { offset, .. } = site.instruction {
                let length = u64::from(access.place.length);
                let value = cpu.gpr(offset)?.wrapping_add(length);
                cpu.set_gpr(offset, value);
            }
            ending.perform(cpu, site)
        }),
    },
    Defect {
        name: "base-register-advanced",
        what: "the base register of a block's address is advanced by the block's length",
        hook: Hook::End(|ending, access, cpu, site| {
            if let Instruction::StoreBlock { source, .. } = site.instruction
                && let Some(base) = source.base
            {
                let length = u64::from(access.place.length);
                let value = cpu.gpr(base)?.wrapping_add(length);
                cpu.set_gpr(base, value);
            }
            ending.perform(cpu, site)
        }),
    },
    Defect {
        name: "offset-register-cut",
        what: "the offset register is cut to 32 bits afterwards",
        hook: Hook::End(|ending, _, cpu, site| {
            let register = match site.instruction {
                Instruction::StoreBlock { offset, .. } => offset,
                Instruction::Store { request, .. } | Instruction::Load { request, .. } => {
                    request.next()
                }
                _ => return ending.perform(cpu, site),
            };
            let value = cpu.gpr(register)? & 0xFFFF_FFFF;
            cpu.set_gpr(register, value);
            ending.perform(cpu, site)
        }),
    },
    Defect {
        name: "data-register-cleared",
        what: "the data register of a PCISTG is 0 afterwards",
        hook: Hook::End(|ending, _, cpu, site| {
            if let Instruction::Store { data, .. } = site.instruction {
                cpu.set_gpr(data, 0);
            }
            ending.perform(cpu, site)
        }),
    },
    Defect {
        name: "load-register-cleared-on-refusal",
        what: "the register of a load that fails becomes 0",
        hook: Hook::End(|ending, _, cpu, site| {
            if let (Instruction::Load { result, .. }, Ending::Exception(_) | Ending::NoFunction) =
                (site.instruction, ending)
            {
                cpu.set_gpr(result, 0);
            }
            ending.perform(cpu, site)
        }),
    },
    Defect {
        name: "other-register-changed",
        what: "a register that the instruction does not name changes",
        hook: Hook::End(|ending, access, cpu, site| {
            // The instruction does not use the register nine after the request register.
            let other = Gpr::new(access.status.number() + 9);
            let value = cpu.gpr(other)? ^ 0xFF;
            cpu.set_gpr(other, value);
            ending.perform(cpu, site)
        }),
    },
];

fn condition(cpu: &mut dyn GuestCpu, site: &Site, cc: u8) -> Option<u64> {
    let mask = with_condition_code(cpu.psw_mask()?, cc);
    cpu.set_psw_mask(mask).then(|| site.next_address())
}

/// Ends a successful access with another condition code.
fn condition_after(ending: Ending, cpu: &mut dyn GuestCpu, site: &Site, cc: u8) -> Option<u64> {
    let next = ending.perform(cpu, site)?;
    match ending {
        Ending::Done | Ending::Loaded(..) => condition(cpu, site, cc),
        _ => Some(next),
    }
}
