// SPDX-License-Identifier: GPL-2.0-or-later
//! The part of QEMU's plugin interface, version 7, that this crate uses.
//!
//! Source of every signature: `include/plugins/qemu-plugin.h` of QEMU 11.1, which describes each function in
//! full, and GLib's reference for `g_*`. The functions are in the QEMU process. The plugin looks them up when
//! it is installed, instead of the dynamic linker, so that a QEMU that lacks one still loads the plugin and
//! gets a message.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

use thiserror::Error;

/// The version of the interface that is declared here.
pub(crate) const API_VERSION: c_int = 7;

/// `QEMU_PLUGIN_CB_R_REGS`: the callback may read registers.
pub(crate) const CB_R_REGS: c_int = 1;
/// `QEMU_PLUGIN_CB_RW_REGS`: the callback may read and write registers.
pub(crate) const CB_RW_REGS: c_int = 2;
/// `QEMU_PLUGIN_CB_RW_REGS_PC`: the callback may read and write registers and change the PC.
pub(crate) const CB_RW_REGS_PC: c_int = 3;
/// `QEMU_PLUGIN_COND_NE`: QEMU calls if the scoreboard entry differs from the immediate.
pub(crate) const COND_NE: c_int = 3;
/// `QEMU_PLUGIN_DISCON_INTERRUPT`: an interruption.
pub(crate) const DISCON_INTERRUPT: c_int = 1;
/// `QEMU_PLUGIN_DISCON_EXCEPTION`: an exception.
pub(crate) const DISCON_EXCEPTION: c_int = 2;
/// `QEMU_PLUGIN_HWADDR_OPERATION_OK`: the memory access succeeded.
pub(crate) const HWADDR_OK: c_int = 0;

/// `qemu_info_t`; its union is declared as the member for system emulation.
#[repr(C)]
#[derive(Debug)]
pub struct Info {
    /// Guest architecture, NUL-terminated.
    pub target_name: *const c_char,
    /// Oldest interface version that QEMU accepts.
    pub version_min: c_int,
    /// QEMU's own interface version.
    pub version_cur: c_int,
    /// True for system emulation, false for user mode.
    pub system_emulation: bool,
    /// Number of vCPUs at start.
    pub smp_vcpus: c_int,
    /// Largest number of vCPUs of the machine.
    pub max_vcpus: c_int,
}

/// `qemu_plugin_u64`: a 64-bit member of each vCPU's scoreboard entry.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScoreboardU64 {
    /// Pointer to a `struct qemu_plugin_scoreboard`.
    pub score: *mut c_void,
    /// Offset in the entry, in bytes.
    pub offset: usize,
}

/// `qemu_plugin_reg_descriptor`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct RegisterDescriptor {
    /// Pointer to a `struct qemu_plugin_register`.
    pub handle: *mut c_void,
    /// Name of the register, NUL-terminated.
    pub name: *const c_char,
    /// Name of its feature, NUL-terminated, or null.
    pub feature: *const c_char,
    /// True if QEMU refuses writes.
    pub is_readonly: bool,
}

/// `GArray` and `GByteArray`, which share their public layout.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Array {
    /// Pointer to the first element.
    pub data: *mut u8,
    pub len: c_uint,
}

/// C type `qemu_plugin_udata_cb_t`.
pub(crate) type UserDataCallback = unsafe extern "C" fn(userdata: *mut c_void);
/// C type `qemu_plugin_vcpu_udata_cb_t`.
pub(crate) type VcpuCallback = unsafe extern "C" fn(vcpu_index: c_uint, userdata: *mut c_void);
/// C type `qemu_plugin_vcpu_tb_trans_cb_t`.
pub(crate) type TranslationCallback =
    unsafe extern "C" fn(block: *mut c_void, userdata: *mut c_void);
/// C type `qemu_plugin_vcpu_discon_cb_t`.
pub(crate) type DiscontinuityCallback =
    unsafe extern "C" fn(vcpu: c_uint, kind: c_int, from: u64, to: u64, userdata: *mut c_void);

/// A function that the running QEMU does not export.
#[derive(Debug, Error)]
#[error("this QEMU does not export {0}, which plugin API version {API_VERSION} has")]
pub(crate) struct MissingSymbol(String);

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, symbol: *const c_char) -> *mut c_void;
}

macro_rules! api {
    ($(fn $name:ident($($type:ty),* $(,)?) $(-> $ret:ty)?;)*) => {
        /// Functions in the QEMU process, named as in C.
        #[allow(missing_docs, reason = "described in the headers named above")]
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct Api {
            $(pub(crate) $name: unsafe extern "C" fn($($type),*) $(-> $ret)?,)*
        }

        impl Api {
            /// Looks up every function in the process.
            ///
            /// # Errors
            /// Names the first function that is missing.
            pub(crate) fn resolve() -> Result<Self, MissingSymbol> {
                Ok(Self {
                    $($name: {
                        let address = symbol(concat!(stringify!($name), "\0"))?;
                        // SAFETY: a non-null address that the process exports under this name is the C
                        // function of the type declared here, in the API version that `qemu_plugin_version`
                        // announces. QEMU checks that version before it installs the plugin.
                        unsafe {
                            std::mem::transmute::<
                                *mut c_void,
                                unsafe extern "C" fn($($type),*) $(-> $ret)?,
                            >(address)
                        }
                    },)*
                })
            }
        }
    };
}

api! {
    fn qemu_plugin_register_vcpu_init_cb(u64, VcpuCallback, *mut c_void);
    fn qemu_plugin_register_vcpu_tb_trans_cb(u64, TranslationCallback, *mut c_void);
    fn qemu_plugin_register_vcpu_discon_cb(u64, c_int, DiscontinuityCallback, *mut c_void);
    fn qemu_plugin_register_atexit_cb(u64, UserDataCallback, *mut c_void);
    fn qemu_plugin_register_vcpu_insn_exec_cb(*mut c_void, VcpuCallback, c_int, *mut c_void);
    fn qemu_plugin_register_vcpu_tb_exec_cond_cb(
        *mut c_void, VcpuCallback, c_int, c_int, ScoreboardU64, u64, *mut c_void,
    );
    fn qemu_plugin_tb_n_insns(*const c_void) -> usize;
    fn qemu_plugin_tb_vaddr(*const c_void) -> u64;
    fn qemu_plugin_tb_get_insn(*const c_void, usize) -> *mut c_void;
    fn qemu_plugin_insn_data(*const c_void, *mut c_void, usize) -> usize;
    fn qemu_plugin_insn_vaddr(*const c_void) -> u64;
    fn qemu_plugin_get_registers() -> *mut Array;
    fn qemu_plugin_read_register(*mut c_void, *mut Array) -> bool;
    fn qemu_plugin_write_register(*mut c_void, *mut Array) -> bool;
    fn qemu_plugin_set_pc(u64);
    fn qemu_plugin_read_memory_vaddr(u64, *mut Array, usize) -> bool;
    fn qemu_plugin_read_memory_hwaddr(u64, *mut Array, usize) -> c_int;
    fn qemu_plugin_write_memory_vaddr(u64, *mut Array) -> bool;
    fn qemu_plugin_write_memory_hwaddr(u64, *mut Array) -> c_int;
    fn qemu_plugin_scoreboard_new(usize) -> *mut c_void;
    fn qemu_plugin_u64_set(ScoreboardU64, c_uint, u64);
    fn g_array_free(*mut Array, c_int) -> *mut c_char;
    fn g_byte_array_new() -> *mut Array;
    fn g_byte_array_set_size(*mut Array, c_uint) -> *mut Array;
    fn g_byte_array_free(*mut Array, c_int) -> *mut u8;
}

/// Looks up `name`, which ends in NUL, in the whole process.
fn symbol(name: &'static str) -> Result<*mut c_void, MissingSymbol> {
    let missing = || MissingSymbol(name.trim_end_matches('\0').to_owned());
    let c_name = CStr::from_bytes_with_nul(name.as_bytes()).map_err(|_| missing())?;
    // SAFETY: a null handle is RTLD_DEFAULT on Linux, and the name is NUL-terminated.
    let address = unsafe { dlsym(std::ptr::null_mut(), c_name.as_ptr()) };
    if address.is_null() {
        Err(missing())
    } else {
        Ok(address)
    }
}
