// SPDX-License-Identifier: GPL-2.0-or-later
//! The part of QEMU's plugin interface that this crate uses, version 7.
//!
//! Source of every signature: `include/plugins/qemu-plugin.h` of QEMU 11.1, which describes each
//! function in full, and GLib's reference for `g_*`. The functions live in the QEMU process; they
//! are looked up when the plugin is installed rather than by the dynamic linker, so that a QEMU
//! that lacks one still loads the plugin and can be told what is missing.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};

use thiserror::Error;

/// Version of the interface declared here.
pub(crate) const API_VERSION: c_int = 7;

/// `QEMU_PLUGIN_CB_R_REGS`: the callback reads registers.
pub(crate) const CB_R_REGS: c_int = 1;
/// `QEMU_PLUGIN_CB_RW_REGS`: the callback reads and writes registers.
pub(crate) const CB_RW_REGS: c_int = 2;
/// `QEMU_PLUGIN_CB_RW_REGS_PC`: the callback reads and writes registers and may move the PC.
pub(crate) const CB_RW_REGS_PC: c_int = 3;
/// `QEMU_PLUGIN_COND_NE`: call when the scoreboard entry differs from the immediate.
pub(crate) const COND_NE: c_int = 3;
/// `QEMU_PLUGIN_DISCON_INTERRUPT`.
pub(crate) const DISCON_INTERRUPT: c_int = 1;
/// `QEMU_PLUGIN_DISCON_EXCEPTION`.
pub(crate) const DISCON_EXCEPTION: c_int = 2;
/// `QEMU_PLUGIN_HWADDR_OPERATION_OK`.
pub(crate) const HWADDR_OK: c_int = 0;

/// `qemu_info_t`; its union is given as the system emulation member.
#[repr(C)]
#[derive(Debug)]
pub struct Info {
    /// Guest architecture, NUL-terminated.
    pub target_name: *const c_char,
    /// Oldest interface version that QEMU takes.
    pub version_min: c_int,
    /// Its own interface version.
    pub version_cur: c_int,
    /// System emulation, as opposed to user mode.
    pub system_emulation: bool,
    /// vCPUs at start.
    pub smp_vcpus: c_int,
    /// Most vCPUs the machine can have.
    pub max_vcpus: c_int,
}

/// `qemu_plugin_u64`: a 64-bit member of each vCPU's scoreboard entry.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(crate) struct ScoreboardU64 {
    /// `struct qemu_plugin_scoreboard *`.
    pub score: *mut c_void,
    /// Offset in the entry.
    pub offset: usize,
}

/// `qemu_plugin_reg_descriptor`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct RegisterDescriptor {
    /// `struct qemu_plugin_register *`.
    pub handle: *mut c_void,
    /// Name, NUL-terminated.
    pub name: *const c_char,
    /// Feature, NUL-terminated, or null.
    pub feature: *const c_char,
    /// Whether writes are refused.
    pub is_readonly: bool,
}

/// `GArray` and `GByteArray`, which share their public layout.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct Array {
    /// First element.
    pub data: *mut u8,
    /// Number of elements.
    pub len: c_uint,
}

/// `qemu_plugin_udata_cb_t`.
pub(crate) type UserDataCallback = unsafe extern "C" fn(userdata: *mut c_void);
/// `qemu_plugin_vcpu_udata_cb_t`.
pub(crate) type VcpuCallback = unsafe extern "C" fn(vcpu_index: c_uint, userdata: *mut c_void);
/// `qemu_plugin_vcpu_tb_trans_cb_t`.
pub(crate) type TranslationCallback =
    unsafe extern "C" fn(block: *mut c_void, userdata: *mut c_void);
/// `qemu_plugin_vcpu_discon_cb_t`.
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
        /// Entry points in the QEMU process, each named as in C.
        #[allow(missing_docs, reason = "described in the headers named above")]
        #[derive(Clone, Copy, Debug)]
        pub(crate) struct Api {
            $(pub(crate) $name: unsafe extern "C" fn($($type),*) $(-> $ret)?,)*
        }

        impl Api {
            /// Looks every function up in the process.
            ///
            /// # Errors
            /// Names the first one that is not there.
            pub(crate) fn resolve() -> Result<Self, MissingSymbol> {
                Ok(Self {
                    $($name: {
                        let address = symbol(concat!(stringify!($name), "\0"))?;
                        // SAFETY: a non-null address that the process exports under this name is
                        // the C function of the type declared here, for the API version that
                        // `qemu_plugin_version` announces and QEMU checks before installing.
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

/// Looks `name`, which ends in NUL, up in the whole process.
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
