// SPDX-License-Identifier: GPL-2.0-or-later
//! The error state of a function after a refused posted move, and how the guest leaves it.
//!
//! QEMU does not know about this state, so the plugin completes MPCIFC and STPCIFC as QEMU does in its own
//! error state (`hw/s390x/s390-pci-inst.c`).

use std::sync::PoisonError;

use super::access::PSW_PROBLEM;
use super::channel::ErrorState;
use super::ending::Ending;
use super::settings::Moves;
use super::{Forwarder, Function};
use crate::cpu::{GuestCpu, effective_address, read_logical, write_logical};
use crate::decode::Instruction;
use crate::observe::Site;
use records::instruction::{Hex, HexBytes, Record};

/// Operations of MPCIFC that leave the error state, or a part of it.
const RESET_ERROR: u8 = 7;
const RESET_BLOCK: u8 = 9;
/// Length of a function information block in bytes.
const BLOCK: usize = 80;
/// Offset of the function controls in the block, and two bits there.
const CONTROLS: usize = 8;
const IN_ERROR: u8 = 0x20;
const BLOCKED: u8 = 0x40;

impl Forwarder {
    /// Carries out an MPCIFC that resets the error state of a forwarded function. `None` leaves the
    /// instruction to QEMU. All posted moves must have ended before ([`Forwarder::settle`]).
    pub(crate) fn reset_error(&self, cpu: &dyn GuestCpu, site: &Site) -> Option<Ending> {
        let Instruction::ModifyControls { control, block } = site.instruction else {
            return None;
        };
        if self.moves == Moves::Waited || cpu.psw_mask()? & PSW_PROBLEM != 0 {
            return None;
        }
        let control = cpu.gpr(control)?;
        let address = effective_address(cpu, block)?;
        let function = self.functions.get(self.find((control >> 32) as u32)?)?;
        let state = function.error_state();
        let next = match (control as u8, state) {
            (RESET_ERROR, ErrorState::Error | ErrorState::Unblocked) => ErrorState::None,
            (RESET_BLOCK, ErrorState::Error) => ErrorState::Unblocked,
            _ => return None,
        };
        // QEMU refuses a block that is not aligned, or of another format.
        let format = read_logical(cpu, address, BLOCK)?.first().copied();
        if !address.is_multiple_of(8) || format != Some(0) {
            return None;
        }
        function.set_error_state(next);
        Some(Ending::Done)
    }

    /// Completes the block of an STPCIFC. Returns false if guest memory cannot be changed.
    pub(crate) fn complete_controls(&self, record: &mut Record, cpu: &mut dyn GuestCpu) -> bool {
        let operands = &mut record.operands;
        if self.moves == Moves::Waited || record.insn != "stpcifc" || record.result.cc != Some(0) {
            return true;
        }
        let (Some(Hex(handle)), Some(Hex(address)), Some(HexBytes(block))) =
            (operands.handle, operands.address, &mut operands.bytes)
        else {
            return true;
        };
        let function = self
            .find(handle as u32)
            .and_then(|at| self.functions.get(at));
        let bits = match function.map(Function::error_state) {
            Some(ErrorState::Error) => IN_ERROR | BLOCKED,
            Some(ErrorState::Unblocked) => BLOCKED,
            _ => return true,
        };
        let Some(controls) = block.get_mut(CONTROLS) else {
            return true;
        };
        *controls |= bits;
        write_logical(cpu, address.wrapping_add(CONTROLS as u64), &[*controls])
    }

    /// Waits for all posted moves, before an instruction that QEMU executes and before the end. Returns
    /// messages for the user.
    pub(crate) fn settle(&self) -> Vec<String> {
        if self.moves == Moves::Waited {
            return Vec::new();
        }
        let settled = |function: &Function| {
            if function.is_gone() {
                return None;
            }
            let (_, problem) = function.talk(|channel| {
                channel.settle()?;
                Ok(Ending::Done)
            });
            problem
        };
        self.functions.iter().filter_map(settled).collect()
    }
}

impl Function {
    /// True if the server is gone.
    pub(super) fn is_gone(&self) -> bool {
        let channel = self.channel.lock();
        channel.unwrap_or_else(PoisonError::into_inner).is_none()
    }

    /// The error state to which a late refusal has led.
    pub(super) fn error_state(&self) -> ErrorState {
        let channel = self.channel.lock();
        let channel = channel.unwrap_or_else(PoisonError::into_inner);
        channel
            .as_ref()
            .map_or(ErrorState::None, |channel| channel.error_state())
    }

    /// Sets the error state, because the guest leaves it or a part of it.
    pub(super) fn set_error_state(&self, state: ErrorState) {
        let mut channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = channel.as_mut() {
            channel.set_error_state(state);
            channel.forget_accepted();
        }
    }
}

#[cfg(test)]
mod tests;
