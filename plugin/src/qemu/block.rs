// SPDX-License-Identifier: GPL-2.0-or-later
//! A block of guest code during its translation.

use std::ffi::{c_int, c_void};
use std::marker::PhantomData;

use super::{Flag, Qemu};
use crate::ffi;

/// Longest s390x instruction in bytes.
const MAX_INSTRUCTION: usize = 6;

/// The rights of a callback before an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// The callback may read registers.
    Read,
    /// The callback may read and write registers.
    Change,
    /// The callback may read and write registers, and resume the vCPU elsewhere.
    Divert,
}

impl Access {
    const fn flags(self) -> c_int {
        match self {
            Self::Read => ffi::CB_R_REGS,
            Self::Change => ffi::CB_RW_REGS,
            Self::Divert => ffi::CB_RW_REGS_PC,
        }
    }
}

/// A block of guest code during its translation.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    qemu: &'a Qemu,
    raw: *mut c_void,
}

/// One instruction of a [`Block`].
#[derive(Debug)]
pub(crate) struct BlockInstruction<'a> {
    qemu: &'a Qemu,
    raw: *mut c_void,
    block: PhantomData<&'a Block<'a>>,
}

impl<'a> Block<'a> {
    /// Wraps the argument of a translation callback.
    ///
    /// # Safety
    /// `raw` is that argument, and this value does not outlive the callback.
    pub(crate) const unsafe fn new(qemu: &'a Qemu, raw: *mut c_void) -> Self {
        Self { qemu, raw }
    }

    /// Virtual address of the first instruction.
    pub(crate) fn address(&self) -> u64 {
        // SAFETY: the block is alive, as the caller of `new` guarantees.
        unsafe { (self.qemu.api.qemu_plugin_tb_vaddr)(self.raw) }
    }

    /// The instructions in storage order.
    pub(crate) fn instructions(&self) -> impl Iterator<Item = BlockInstruction<'_>> {
        // SAFETY: the block is alive.
        let count = unsafe { (self.qemu.api.qemu_plugin_tb_n_insns)(self.raw) };
        (0..count).map(|index| BlockInstruction {
            qemu: self.qemu,
            // SAFETY: the block is alive, and the index is below the count.
            raw: unsafe { (self.qemu.api.qemu_plugin_tb_get_insn)(self.raw, index) },
            block: PhantomData,
        })
    }

    /// Calls `callback` with `number` whenever a vCPU whose `flag` is set enters the block.
    pub(crate) fn on_enter_if(
        &self,
        flag: Flag,
        callback: ffi::VcpuCallback,
        access: Access,
        number: usize,
    ) {
        // SAFETY: the block is alive, and the user data is a number that nobody dereferences.
        unsafe {
            (self.qemu.api.qemu_plugin_register_vcpu_tb_exec_cond_cb)(
                self.raw,
                callback,
                access.flags(),
                ffi::COND_NE,
                flag.0,
                0,
                std::ptr::without_provenance_mut(number),
            );
        }
    }
}

impl BlockInstruction<'_> {
    /// Virtual address of the instruction.
    pub(crate) fn address(&self) -> u64 {
        // SAFETY: the instruction lives as long as its block.
        unsafe { (self.qemu.api.qemu_plugin_insn_vaddr)(self.raw) }
    }

    /// The bytes of the instruction, and their number.
    pub(crate) fn bytes(&self) -> ([u8; MAX_INSTRUCTION], usize) {
        let mut bytes = [0; MAX_INSTRUCTION];
        // SAFETY: the instruction is alive, and QEMU writes no more than the given length.
        let length = unsafe {
            (self.qemu.api.qemu_plugin_insn_data)(self.raw, bytes.as_mut_ptr().cast(), bytes.len())
        };
        (bytes, length.min(MAX_INSTRUCTION))
    }

    /// Calls `callback` with `number` each time before the instruction executes.
    pub(crate) fn on_execute(&self, callback: ffi::VcpuCallback, access: Access, number: usize) {
        // SAFETY: the instruction is alive, and the user data is a number that nobody dereferences.
        unsafe {
            (self.qemu.api.qemu_plugin_register_vcpu_insn_exec_cb)(
                self.raw,
                callback,
                access.flags(),
                std::ptr::without_provenance_mut(number),
            );
        }
    }
}
