// SPDX-License-Identifier: GPL-2.0-or-later
//! Registers and memory of the vCPU that runs a callback.

use std::ffi::{CStr, c_uint, c_void};
use std::ptr::NonNull;

use super::Qemu;
use crate::cpu::{Cpu, GuestCpu};
use crate::decode::Gpr;
use crate::ffi::{self, Api, Array, RegisterDescriptor};

#[derive(Clone, Copy, Debug)]
struct RegisterHandle(NonNull<c_void>);

// SAFETY: the handle is an opaque number here; QEMU accesses the register of the calling vCPU.
unsafe impl Send for RegisterHandle {}

/// Handles of the registers that the plugin uses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registers {
    gprs: [RegisterHandle; 16],
    controls: [RegisterHandle; 16],
    psw_mask: RegisterHandle,
    prefix: RegisterHandle,
}

impl Registers {
    /// Finds the registers of the calling vCPU. They are valid only in that vCPU's callbacks.
    ///
    /// # Errors
    /// Names the first register that QEMU does not offer.
    pub(crate) fn of_this_vcpu(qemu: &Qemu) -> Result<Self, String> {
        // SAFETY: called in a vCPU's context; the caller owns the array.
        let array = unsafe { (qemu.api.qemu_plugin_get_registers)() };
        let array = NonNull::new(array).ok_or("QEMU has no register list for this vCPU")?;
        // SAFETY: a GArray of descriptors, alive until freed below.
        let descriptors = unsafe { elements::<RegisterDescriptor>(array.as_ref()) };
        let registers = Self::find(descriptors);
        // SAFETY: this code owns the array, and keeps only handles of it, not elements.
        unsafe { (qemu.api.g_array_free)(array.as_ptr(), 1) };
        registers
    }

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
        let row = |name: &str| {
            let mut row = [find(&format!("{name}0"))?; 16];
            for (number, register) in row.iter_mut().enumerate() {
                *register = find(&format!("{name}{number}"))?;
            }
            Ok::<_, String>(row)
        };
        Ok(Self {
            gprs: row("r")?,
            controls: row("cr")?,
            psw_mask: find("pswm")?,
            prefix: find("prefix")?,
        })
    }
}

/// A GLib byte array that is reused, so that most reads allocate nothing.
#[derive(Debug)]
pub(crate) struct Scratch {
    api: Api,
    array: NonNull<Array>,
}

// SAFETY: the array belongs to this value alone, and GLib does not tie it to a thread.
unsafe impl Send for Scratch {}

impl Scratch {
    /// Creates the byte array that carries the values of a vCPU.
    ///
    /// # Errors
    /// GLib gave no array.
    pub(crate) fn new(qemu: &Qemu) -> Result<Self, String> {
        let api = qemu.api;
        // SAFETY: makes a new, empty array.
        let array = unsafe { (api.g_byte_array_new)() };
        NonNull::new(array)
            .map(|array| Self { api, array })
            .ok_or_else(|| "GLib has no byte array".to_owned())
    }

    /// Empties the array, calls `fill` to put bytes into it, and passes them to `take`.
    fn read<R>(
        &mut self,
        fill: impl FnOnce(*mut Array) -> bool,
        take: impl FnOnce(&[u8]) -> R,
    ) -> Option<R> {
        // SAFETY: the array is ours; making it shorter keeps its memory.
        unsafe { (self.api.g_byte_array_set_size)(self.array.as_ptr(), 0) };
        if !fill(self.array.as_ptr()) {
            return None;
        }
        // SAFETY: a GByteArray, which QEMU resizes through GLib only.
        Some(take(unsafe { elements::<u8>(self.array.as_ref()) }))
    }

    /// Puts `bytes` into the array and passes the array to `use_it`.
    fn write(&mut self, bytes: &[u8], use_it: impl FnOnce(*mut Array) -> bool) -> bool {
        let Ok(length) = c_uint::try_from(bytes.len()) else {
            return false;
        };
        // SAFETY: the array is ours, and has room for `length` bytes once resized.
        unsafe {
            (self.api.g_byte_array_set_size)(self.array.as_ptr(), length);
            let data = self.array.as_ref().data;
            if data.is_null() {
                return false;
            }
            data.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
        }
        use_it(self.array.as_ptr())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // SAFETY: the array is ours and not used again.
        unsafe { (self.api.g_byte_array_free)(self.array.as_ptr(), 1) };
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
    // SAFETY: the caller guarantees it; GLib aligns its memory for any type.
    unsafe { std::slice::from_raw_parts(array.data.cast::<T>(), array.len as usize) }
}

/// The vCPU that runs the current callback.
#[derive(Debug)]
pub(crate) struct QemuCpu<'a> {
    qemu: &'a Qemu,
    registers: &'a Registers,
    scratch: std::cell::RefCell<&'a mut Scratch>,
}

impl<'a> QemuCpu<'a> {
    /// Wraps the vCPU whose callback is running; `registers` are that vCPU's.
    pub(crate) const fn new(
        qemu: &'a Qemu,
        registers: &'a Registers,
        scratch: &'a mut Scratch,
    ) -> Self {
        Self {
            qemu,
            registers,
            scratch: std::cell::RefCell::new(scratch),
        }
    }

    fn read(&self, register: RegisterHandle) -> Option<u64> {
        let number = |bytes: &[u8]| {
            // The bytes are big-endian, like the target. A register of fewer than 8 bytes is a smaller
            // number.
            let fold = |value: u64, byte: &u8| value << 8 | u64::from(*byte);
            (!bytes.is_empty()).then(|| bytes.iter().take(8).fold(0, fold))
        };
        let fill = |array| {
            // SAFETY: the handle came from QEMU, and the callbacks that get here were registered
            // for register reads.
            unsafe { (self.qemu.api.qemu_plugin_read_register)(register.0.as_ptr(), array) }
        };
        self.scratch.borrow_mut().read(fill, number).flatten()
    }

    fn write(&self, register: RegisterHandle, value: u64) -> bool {
        self.scratch
            .borrow_mut()
            .write(&value.to_be_bytes(), |array| {
                // SAFETY: the handle came from QEMU, the array holds the register's 8 bytes, and
                // QEMU refuses callbacks that were not registered for register writes.
                unsafe { (self.qemu.api.qemu_plugin_write_register)(register.0.as_ptr(), array) }
            })
    }

    fn append(&self, out: &mut Vec<u8>, fill: impl FnOnce(*mut Array) -> bool) -> bool {
        let mut scratch = self.scratch.borrow_mut();
        scratch
            .read(fill, |bytes| out.extend_from_slice(bytes))
            .is_some()
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

    fn append_virtual(&self, address: u64, length: usize, out: &mut Vec<u8>) -> bool {
        self.append(out, |array| {
            // SAFETY: called in a vCPU's context, with the array and a length above 0.
            length > 0
                && unsafe { (self.qemu.api.qemu_plugin_read_memory_vaddr)(address, array, length) }
        })
    }

    fn append_absolute(&self, address: u64, length: usize, out: &mut Vec<u8>) -> bool {
        self.append(out, |array| {
            // SAFETY: as for `append_virtual`.
            length > 0
                && unsafe { (self.qemu.api.qemu_plugin_read_memory_hwaddr)(address, array, length) }
                    == ffi::HWADDR_OK
        })
    }
}

impl GuestCpu for QemuCpu<'_> {
    fn control(&self, number: u8) -> Option<u64> {
        self.registers
            .controls
            .get(usize::from(number))
            .and_then(|&r| self.read(r))
    }

    fn set_gpr(&mut self, register: Gpr, value: u64) -> bool {
        self.registers
            .gprs
            .get(usize::from(register.number()))
            .is_some_and(|&r| self.write(r, value))
    }

    fn set_psw_mask(&mut self, mask: u64) -> bool {
        self.write(self.registers.psw_mask, mask)
    }

    fn write_absolute(&mut self, address: u64, bytes: &[u8]) -> bool {
        self.scratch.borrow_mut().write(bytes, |array| {
            // SAFETY: called in a vCPU's context, with an array that is not empty.
            !bytes.is_empty()
                && unsafe { (self.qemu.api.qemu_plugin_write_memory_hwaddr)(address, array) }
                    == ffi::HWADDR_OK
        })
    }

    fn write_virtual(&mut self, address: u64, bytes: &[u8]) -> bool {
        self.scratch.borrow_mut().write(bytes, |array| {
            // SAFETY: as for `write_absolute`.
            !bytes.is_empty()
                && unsafe { (self.qemu.api.qemu_plugin_write_memory_vaddr)(address, array) }
        })
    }
}
