// SPDX-License-Identifier: GPL-2.0-or-later
//! Safe faces of QEMU's objects, for use inside its callbacks.

use std::ffi::{CStr, c_int, c_uint, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;

use crate::cpu::Cpu;
use crate::decode::Gpr;
use crate::ffi::{self, Api, Array, RegisterDescriptor, ScoreboardU64};

/// Longest s390x instruction in bytes.
const MAX_INSTRUCTION: usize = 6;

/// The QEMU process.
#[derive(Clone, Copy, Debug)]
pub struct Qemu {
    api: Api,
}

/// One flag for each vCPU that translated code itself can test.
#[derive(Clone, Copy, Debug)]
pub struct Flag(ScoreboardU64);

// SAFETY: a scoreboard is never freed here, and QEMU keeps one entry for each vCPU, written only
// through its own functions by the vCPU the entry belongs to.
unsafe impl Send for Flag {}
// SAFETY: as for `Send`.
unsafe impl Sync for Flag {}

/// Callbacks of the whole plugin.
#[derive(Clone, Copy, Debug)]
pub struct Callbacks {
    /// A vCPU came up.
    pub vcpu_init: ffi::VcpuCallback,
    /// Guest code is translated.
    pub translate: ffi::TranslationCallback,
    /// A vCPU took an interruption or exception.
    pub discontinuity: ffi::DiscontinuityCallback,
    /// QEMU ends.
    pub exit: ffi::UserDataCallback,
}

impl Qemu {
    /// Wraps the interface of the process the plugin is loaded into.
    #[must_use]
    pub const fn new(api: Api) -> Self {
        Self { api }
    }

    /// Registers the plugin's callbacks under the id that `qemu_plugin_install` received.
    pub fn register(&self, id: u64, callbacks: &Callbacks) {
        let none = std::ptr::null_mut();
        let discontinuities = ffi::DISCON_INTERRUPT | ffi::DISCON_EXCEPTION;
        // SAFETY: the callbacks are functions of a plugin that is never unloaded, and none of them
        // looks at its user data.
        unsafe {
            (self.api.qemu_plugin_register_vcpu_init_cb)(id, callbacks.vcpu_init, none);
            (self.api.qemu_plugin_register_vcpu_tb_trans_cb)(id, callbacks.translate, none);
            (self.api.qemu_plugin_register_vcpu_discon_cb)(
                id,
                discontinuities,
                callbacks.discontinuity,
                none,
            );
            (self.api.qemu_plugin_register_atexit_cb)(id, callbacks.exit, none);
        }
    }

    /// Makes a flag that is clear for every vCPU.
    #[must_use]
    pub fn new_flag(&self) -> Flag {
        // SAFETY: any size is valid; QEMU fills new entries with zeros.
        let score = unsafe { (self.api.qemu_plugin_scoreboard_new)(size_of::<u64>()) };
        Flag(ScoreboardU64 { score, offset: 0 })
    }

    /// Sets or clears the flag of `vcpu`.
    pub fn set_flag(&self, flag: Flag, vcpu: c_uint, on: bool) {
        // SAFETY: the scoreboard is alive, and `vcpu` is an index QEMU gave to a callback.
        unsafe { (self.api.qemu_plugin_u64_set)(flag.0, vcpu, u64::from(on)) }
    }

    /// Finds the registers of the calling vCPU; only valid in its own callbacks.
    ///
    /// # Errors
    /// Names the first register that QEMU does not offer.
    pub fn registers(&self) -> Result<Registers, String> {
        // SAFETY: called in a vCPU's context; the caller owns the array.
        let array = unsafe { (self.api.qemu_plugin_get_registers)() };
        let array = NonNull::new(array).ok_or("QEMU has no register list for this vCPU")?;
        // SAFETY: a GArray of descriptors, alive until freed below.
        let descriptors = unsafe { elements::<RegisterDescriptor>(array.as_ref()) };
        let registers = Registers::find(descriptors);
        // SAFETY: the array is ours, and what was kept of it are handles, not elements.
        unsafe { (self.api.g_array_free)(array.as_ptr(), 1) };
        registers
    }

    fn with_bytes(&self, fill: impl FnOnce(*mut Array) -> bool) -> Option<Vec<u8>> {
        // SAFETY: makes a new, empty array.
        let array = NonNull::new(unsafe { (self.api.g_byte_array_new)() })?;
        let filled = fill(array.as_ptr());
        // SAFETY: a GByteArray, which QEMU resizes through GLib only.
        let bytes = filled.then(|| unsafe { elements::<u8>(array.as_ref()) }.to_vec());
        // SAFETY: the array is ours, and its bytes were copied.
        unsafe { (self.api.g_byte_array_free)(array.as_ptr(), 1) };
        bytes
    }
}

/// Elements of a GLib array.
///
/// # Safety
/// `array` holds `len` elements of type `T`, or none.
unsafe fn elements<T>(array: &Array) -> &[T] {
    if array.data.is_null() || array.len == 0 {
        return &[];
    }
    // SAFETY: promised by the caller; GLib aligns its memory for any type.
    unsafe { std::slice::from_raw_parts(array.data.cast::<T>(), array.len as usize) }
}

#[derive(Clone, Copy, Debug)]
struct RegisterHandle(NonNull<c_void>);

// SAFETY: the handle is an opaque number to us; QEMU reads the register of the calling vCPU.
unsafe impl Send for RegisterHandle {}

/// Handles of the registers the plugin reads.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    gprs: [RegisterHandle; 16],
    psw_mask: RegisterHandle,
    prefix: RegisterHandle,
}

impl Registers {
    fn find(descriptors: &[RegisterDescriptor]) -> Result<Self, String> {
        let find = |wanted: &str| {
            descriptors
                .iter()
                // SAFETY: names are NUL-terminated strings that live as long as QEMU.
                .find(|entry| unsafe { CStr::from_ptr(entry.name) }.to_bytes() == wanted.as_bytes())
                .and_then(|entry| NonNull::new(entry.handle))
                .map(RegisterHandle)
                .ok_or_else(|| format!("QEMU offers no register {wanted:?} to plugins"))
        };
        let mut gprs = [find("r0")?; 16];
        for (number, gpr) in gprs.iter_mut().enumerate() {
            *gpr = find(&format!("r{number}"))?;
        }
        Ok(Self {
            gprs,
            psw_mask: find("pswm")?,
            prefix: find("prefix")?,
        })
    }
}

/// The vCPU of the running callback.
#[derive(Debug)]
pub struct QemuCpu<'a> {
    qemu: &'a Qemu,
    registers: &'a Registers,
}

impl<'a> QemuCpu<'a> {
    /// `registers` are those of the vCPU whose callback is running.
    #[must_use]
    pub const fn new(qemu: &'a Qemu, registers: &'a Registers) -> Self {
        Self { qemu, registers }
    }

    fn read(&self, register: RegisterHandle) -> Option<u64> {
        let bytes = self.qemu.with_bytes(|array| {
            // SAFETY: the handle came from QEMU, and the callbacks that get here were registered
            // for register reads.
            unsafe { (self.qemu.api.qemu_plugin_read_register)(register.0.as_ptr(), array) }
        })?;
        // Target byte order; a register of fewer than 8 bytes is a smaller number.
        let mut value = 0;
        for byte in bytes.iter().take(8) {
            value = value << 8 | u64::from(*byte);
        }
        (!bytes.is_empty()).then_some(value)
    }
}

impl Cpu for QemuCpu<'_> {
    fn gpr(&self, register: Gpr) -> Option<u64> {
        self.registers
            .gprs
            .get(usize::from(register.number()))
            .and_then(|&r| self.read(r))
    }

    fn psw_mask(&self) -> Option<u64> {
        self.read(self.registers.psw_mask)
    }

    fn prefix(&self) -> Option<u64> {
        self.read(self.registers.prefix)
    }

    fn read_virtual(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        self.qemu.with_bytes(|array| {
            // SAFETY: called in a vCPU's context, with the array and a length above 0.
            length > 0
                && unsafe { (self.qemu.api.qemu_plugin_read_memory_vaddr)(address, array, length) }
        })
    }

    fn read_absolute(&self, address: u64, length: usize) -> Option<Vec<u8>> {
        self.qemu.with_bytes(|array| {
            // SAFETY: as for `read_virtual`.
            length > 0
                && unsafe { (self.qemu.api.qemu_plugin_read_memory_hwaddr)(address, array, length) }
                    == ffi::HWADDR_OK
        })
    }
}

/// A block of guest code being translated.
#[derive(Debug)]
pub struct Block<'a> {
    qemu: &'a Qemu,
    raw: *mut c_void,
}

/// One instruction of a [`Block`].
#[derive(Debug)]
pub struct BlockInstruction<'a> {
    qemu: &'a Qemu,
    raw: *mut c_void,
    block: PhantomData<&'a Block<'a>>,
}

impl<'a> Block<'a> {
    /// Wraps the argument of a translation callback.
    ///
    /// # Safety
    /// `raw` is that argument, and the value does not outlive the callback.
    #[must_use]
    pub const unsafe fn new(qemu: &'a Qemu, raw: *mut c_void) -> Self {
        Self { qemu, raw }
    }

    /// Virtual address of the first instruction.
    #[must_use]
    pub fn address(&self) -> u64 {
        // SAFETY: the block is alive, as `new` was promised.
        unsafe { (self.qemu.api.qemu_plugin_tb_vaddr)(self.raw) }
    }

    /// The instructions in storage order.
    pub fn instructions(&self) -> impl Iterator<Item = BlockInstruction<'_>> {
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
    pub fn on_enter_if(&self, flag: Flag, callback: ffi::VcpuCallback, number: usize) {
        // SAFETY: the block is alive, and the user data is a number that nobody follows.
        unsafe {
            (self.qemu.api.qemu_plugin_register_vcpu_tb_exec_cond_cb)(
                self.raw,
                callback,
                ffi::CB_R_REGS,
                ffi::COND_NE,
                flag.0,
                0,
                std::ptr::without_provenance_mut(number),
            );
        }
    }
}

impl BlockInstruction<'_> {
    /// Virtual address.
    #[must_use]
    pub fn address(&self) -> u64 {
        // SAFETY: the instruction lives as long as its block.
        unsafe { (self.qemu.api.qemu_plugin_insn_vaddr)(self.raw) }
    }

    /// The bytes, as many as the instruction has.
    #[must_use]
    pub fn bytes(&self) -> ([u8; MAX_INSTRUCTION], usize) {
        let mut bytes = [0; MAX_INSTRUCTION];
        // SAFETY: the instruction is alive, and QEMU writes no more than the given length.
        let length = unsafe {
            (self.qemu.api.qemu_plugin_insn_data)(self.raw, bytes.as_mut_ptr().cast(), bytes.len())
        };
        (bytes, length.min(MAX_INSTRUCTION))
    }

    /// Calls `callback` with `number` each time before the instruction executes.
    pub fn on_execute(&self, callback: ffi::VcpuCallback, number: usize) {
        // SAFETY: the instruction is alive, and the user data is a number that nobody follows.
        unsafe {
            (self.qemu.api.qemu_plugin_register_vcpu_insn_exec_cb)(
                self.raw,
                callback,
                ffi::CB_R_REGS,
                std::ptr::without_provenance_mut(number),
            );
        }
    }
}

/// Kind of discontinuity as QEMU numbers it.
#[must_use]
pub const fn is_exception(kind: c_int) -> bool {
    kind == ffi::DISCON_EXCEPTION
}
