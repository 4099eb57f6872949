// SPDX-License-Identifier: GPL-2.0-or-later
//! Defects that change QEMU's answer for wrong handles, spaces, states and registers, and for config space.

use super::executed::{
    CONFIG, config_load, is_access, is_control, problem, put_lowcore, recode, request, restatus,
};
use super::hook::{Defect, Hook, defects};
use crate::decode::Instruction;
use crate::forward::ending::{Ending, OPERAND, SPECIFICATION};
use crate::observe::Site;

/// Real address of the program interruption code.
const PROGRAM_CODE: u64 = 0x8E;
/// Interruption code of a privileged-operation exception.
const PRIVILEGED: u16 = 2;
/// Status of a load or store to a function in the error state.
const IN_ERROR: u8 = 12;

pub(crate) const DEFECTS: &[Defect] = defects![
    "no-function-as-cc-0",
    "condition code 0 if no function has the handle",
    Hook::After(|cpu, record, ended| recode(cpu, record, ended, 3, 0)),
    "no-function-as-cc-1",
    "condition code 1 if no function has the handle",
    Hook::After(|cpu, record, ended| recode(cpu, record, ended, 3, 1)),
    "no-function-as-exception",
    "an operand exception if no enabled function has the handle of a block store",
    Hook::Instead(|cpu, site| {
        let disabled = request(cpu, site)? >> 63 == 0;
        let is_block = matches!(site.instruction, Instruction::StoreBlock { .. });
        (is_block && disabled).then_some(Ending::Exception(OPERAND))
    }),
    "space-unchecked",
    "a block store to config space ends with condition code 0",
    Hook::Instead(|cpu, site| {
        let is_block = matches!(site.instruction, Instruction::StoreBlock { .. });
        (is_block && request(cpu, site)? >> 16 & 15 > 5 && !problem(cpu)).then_some(Ending::Done)
    }),
    "space-as-exception",
    "an operand exception if the address space does not exist",
    Hook::Instead(|cpu, site| {
        let space = request(cpu, site)? >> 16 & 15;
        (6..15)
            .contains(&space)
            .then_some(Ending::Exception(OPERAND))
    }),
    "space-status-wrong",
    "status 4 if the address space does not exist",
    Hook::After(|cpu, record, ended| {
        if is_access(record) {
            restatus(cpu, record, ended, 20, 4);
        }
    }),
    "error-state-as-cc-3",
    "condition code 3 if the function is in the error state",
    Hook::After(|cpu, record, ended| {
        if record.result.status == Some(IN_ERROR) {
            recode(cpu, record, ended, 1, 3);
        }
    }),
    "error-state-status-wrong",
    "status 40 if loads and stores find the function in the error state",
    Hook::After(|cpu, record, ended| restatus(cpu, record, ended, IN_ERROR, 40)),
    "odd-register-taken",
    "PCISTG and PCILG with an odd register pair end with condition code 0",
    Hook::Instead(|cpu, site| {
        let odd = matches!(
            site.instruction,
            Instruction::Store { request, .. } | Instruction::Load { request, .. }
                if !request.number().is_multiple_of(2)
        );
        (odd && !problem(cpu)).then_some(Ending::Done)
    }),
    "odd-register-as-operand",
    "an operand exception if a register pair is odd",
    Hook::Instead(|cpu, site| {
        let pair = match site.instruction {
            Instruction::Store { request, .. } | Instruction::Load { request, .. } => request,
            Instruction::RefreshTranslations { range, .. } => range,
            _ => return None,
        };
        (pair.number() % 2 == 1 && !problem(cpu)).then_some(Ending::Exception(OPERAND))
    }),
    "mio-taken",
    "the memory I/O forms end with condition code 0",
    Hook::Instead(|_, site| {
        let barrier = matches!(site.instruction, Instruction::WriteBarrier);
        (barrier || is_mio_access(site)).then_some(Ending::Done)
    }),
    "mio-as-operand",
    "the memory I/O forms end in an operand exception",
    Hook::Instead(|_, site| is_mio_access(site).then_some(Ending::Exception(OPERAND))),
    "control-privileged-unchecked",
    "RPCIT, MPCIFC and STPCIFC end with condition code 0 in problem state",
    Hook::Instead(|cpu, site| (is_control(site) && problem(cpu)).then_some(Ending::Done)),
    "control-privileged-late",
    "RPCIT, MPCIFC and STPCIFC check the handle before the privilege: condition code 3",
    Hook::Instead(|cpu, site| (is_control(site) && problem(cpu)).then_some(Ending::NoFunction)),
    "privileged-as-specification",
    "a specification exception instead of a privileged-operation exception",
    Hook::After(|cpu, record, _| {
        let code = record
            .result
            .exception
            .as_ref()
            .and_then(|exception| exception.code);
        if code == Some(PRIVILEGED) {
            put_lowcore(cpu, PROGRAM_CODE, &SPECIFICATION.code.to_be_bytes());
        }
    }),
    "config-swapped",
    "the bytes of a value loaded from config space are reversed",
    Hook::After(|cpu, record, ended| {
        if let Some((register, bits)) = config_load(record, ended) {
            let value = cpu.gpr(register).unwrap_or_default();
            cpu.set_gpr(register, value.swap_bytes() >> (64 - bits));
        }
    }),
    "config-high-bytes-kept",
    "the bytes of the register before a value from config space are ones",
    Hook::After(|cpu, record, ended| {
        if let Some((register, bits)) = config_load(record, ended) {
            let value = cpu.gpr(register).unwrap_or_default();
            cpu.set_gpr(register, value | u64::MAX.unbounded_shl(bits));
        }
    }),
    "config-stores-lost",
    "a store to config space does nothing and ends with condition code 0",
    Hook::Instead(|cpu, site| {
        let is_store = matches!(site.instruction, Instruction::Store { .. });
        let config = request(cpu, site)? >> 16 & 15 == u64::from(CONFIG);
        (is_store && config && !problem(cpu)).then_some(Ending::Done)
    }),
];

/// True for the loads and stores of the memory I/O forms.
fn is_mio_access(site: &Site) -> bool {
    matches!(
        site.instruction,
        Instruction::StoreBlockMio { .. }
            | Instruction::StoreMio { .. }
            | Instruction::LoadMio { .. }
    )
}
