// SPDX-License-Identifier: GPL-2.0-or-later
//! Defects in the outcome that the guest sees, and in registers that must not change.

use zpci_region::request::Op;

use super::executed::{put_lowcore, set_status};
use super::hook::{Defect, Hook, defects};
use crate::cpu::{GuestCpu, with_condition_code};
use crate::decode::{Gpr, Instruction};
use crate::forward::access::Access;
use crate::forward::ending::{ADDRESSING, Ending, OPERAND, ProgramException};
use crate::observe::Site;

pub(crate) const DEFECTS: &[Defect] = defects![
    "success-as-cc-1",
    "the device takes the access, and the guest gets condition code 1",
    Hook::End(|ending, _, cpu, site| condition_after(ending, cpu, site, 1)),
    "success-as-cc-2",
    "the device takes the access, and the guest gets condition code 2",
    Hook::End(|ending, _, cpu, site| condition_after(ending, cpu, site, 2)),
    "success-as-cc-3",
    "the device takes the access, and the guest gets condition code 3",
    Hook::End(|ending, _, cpu, site| condition_after(ending, cpu, site, 3)),
    "success-as-exception",
    "the device takes the block, and the guest gets an operand exception",
    Hook::End(|ending, access, cpu, site| match (ending, access.op) {
        (Ending::Done, Op::StoreBlock) => Ending::Exception(OPERAND).perform(cpu, site),
        _ => ending.perform(cpu, site),
    }),
    "condition-code-kept",
    "a successful access leaves the condition code as it was",
    Hook::End(|ending, _, cpu, site| match ending {
        Ending::Done | Ending::Loaded(..) => {
            let before = cpu.psw_mask()?;
            let next = ending.perform(cpu, site)?;
            cpu.set_psw_mask(before).then_some(next)
        }
        _ => ending.perform(cpu, site),
    }),
    "exception-as-cc-0",
    "instead of an exception, the guest gets condition code 0",
    Hook::End(|ending, _, cpu, site| match ending {
        Ending::Exception(_) => Ending::Done.perform(cpu, site),
        _ => ending.perform(cpu, site),
    }),
    "exception-as-cc-1",
    "instead of an exception, the guest gets condition code 1",
    Hook::End(|ending, access, cpu, site| match ending {
        Ending::Exception(_) => {
            set_status(cpu, access.status, 16);
            condition(cpu, site, 1)
        }
        _ => ending.perform(cpu, site),
    }),
    "exception-as-cc-3",
    "instead of an exception, the guest gets condition code 3",
    Hook::End(|ending, _, cpu, site| match ending {
        Ending::Exception(_) => condition(cpu, site, 3),
        _ => ending.perform(cpu, site),
    }),
    "operand-exception-nullifies",
    "an exception that suppresses leaves the old PSW at the instruction",
    Hook::End(|ending, _, cpu, site| match ending {
        Ending::Exception(exception) if exception.translation.is_none() => {
            let nullified = ProgramException {
                translation: Some(0),
                ..exception
            };
            Ending::Exception(nullified).perform(cpu, site)
        }
        _ => ending.perform(cpu, site),
    }),
    "instruction-length-wrong",
    "an exception reports an instruction length of 2",
    Hook::End(|ending, _, cpu, site| {
        let next = ending.perform(cpu, site)?;
        if matches!(ending, Ending::Exception(_)) {
            put_lowcore(cpu, 0x8C, &[0, 2]);
        }
        Some(next)
    }),
    "exception-code-addressing",
    "every exception is an addressing exception",
    Hook::End(|ending, _, cpu, site| match ending {
        Ending::Exception(_) => Ending::Exception(ADDRESSING).perform(cpu, site),
        _ => ending.perform(cpu, site),
    }),
    "status-on-success",
    "a status is written although the access succeeded",
    Hook::End(|ending, access, cpu, site| succeed_with(16, ending, access, cpu, site)),
    "status-cleared-on-success",
    "the request register's status byte becomes 0 when the access succeeds",
    Hook::End(|ending, access, cpu, site| succeed_with(0, ending, access, cpu, site)),
    "status-on-exception",
    "a status is written before an exception",
    Hook::End(|ending, access, cpu, site| {
        if matches!(ending, Ending::Exception(_)) {
            set_status(cpu, access.status, 20);
        }
        ending.perform(cpu, site)
    }),
    "request-register-cleared",
    "the request register is 0 afterwards",
    Hook::End(|ending, access, cpu, site| {
        cpu.set_gpr(access.status, 0);
        ending.perform(cpu, site)
    }),
    "offset-register-advanced",
    "the offset register of a block store is advanced by the block's length",
    Hook::End(|ending, access, cpu, site| {
        if let Instruction::StoreBlock { offset, .. } = site.instruction {
            let length = u64::from(access.place.length);
            let value = cpu.gpr(offset)?.wrapping_add(length);
            cpu.set_gpr(offset, value);
        }
        ending.perform(cpu, site)
    }),
    "base-register-advanced",
    "the base register of a block's address is advanced by the block's length",
    Hook::End(|ending, access, cpu, site| {
        if let Instruction::StoreBlock { source, .. } = site.instruction
            && let Some(base) = source.base
        {
            let length = u64::from(access.place.length);
            let value = cpu.gpr(base)?.wrapping_add(length);
            cpu.set_gpr(base, value);
        }
        ending.perform(cpu, site)
    }),
    "offset-register-cut",
    "the offset register is cut to 32 bits afterwards",
    Hook::End(|ending, _, cpu, site| {
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
    "data-register-cleared",
    "the data register of a PCISTG is 0 afterwards",
    Hook::End(|ending, _, cpu, site| {
        if let Instruction::Store { data, .. } = site.instruction {
            cpu.set_gpr(data, 0);
        }
        ending.perform(cpu, site)
    }),
    "load-register-cleared-on-refusal",
    "the register of a load that fails becomes 0",
    Hook::End(|ending, _, cpu, site| {
        if let (Instruction::Load { result, .. }, Ending::Exception(_) | Ending::NoFunction) =
            (site.instruction, ending)
        {
            cpu.set_gpr(result, 0);
        }
        ending.perform(cpu, site)
    }),
    "other-register-changed",
    "a register that the instruction does not name changes",
    Hook::End(|ending, access, cpu, site| {
        // The instruction does not use the register nine after the request register.
        let other = Gpr::new(access.status.number() + 9);
        let value = cpu.gpr(other)? ^ 0xFF;
        cpu.set_gpr(other, value);
        ending.perform(cpu, site)
    }),
];

/// Ends as it should, but an access that succeeds leaves `status`.
fn succeed_with(
    status: u8,
    ending: Ending,
    access: &Access,
    cpu: &mut dyn GuestCpu,
    site: &Site,
) -> Option<u64> {
    if matches!(ending, Ending::Done | Ending::Loaded(..)) {
        set_status(cpu, access.status, status);
    }
    ending.perform(cpu, site)
}

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
