// SPDX-License-Identifier: GPL-2.0-or-later
//! Safe wrappers of QEMU's objects, for use inside its callbacks.

use std::ffi::{c_int, c_uint};

use crate::ffi::{self, Api, ScoreboardU64};

pub(crate) mod block;
pub(crate) mod vcpu;

/// The QEMU process, through its plugin interface.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Qemu {
    api: Api,
}

/// A flag for each vCPU, which translated code can test.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag(ScoreboardU64);

// SAFETY: a scoreboard is never freed here. QEMU keeps one entry for each vCPU, which only that vCPU writes,
// through QEMU's own functions.
unsafe impl Send for Flag {}
// SAFETY: as for `Send`.
unsafe impl Sync for Flag {}

/// The callbacks of the plugin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Callbacks {
    /// Runs when a vCPU has started.
    pub vcpu_init: ffi::VcpuCallback,
    /// Runs when guest code is translated.
    pub translate: ffi::TranslationCallback,
    /// Runs when a vCPU takes an interruption or exception.
    pub discontinuity: ffi::DiscontinuityCallback,
    /// Runs when QEMU ends.
    pub exit: ffi::UserDataCallback,
}

impl Qemu {
    /// Wraps the interface of the process that has loaded the plugin.
    pub(crate) const fn new(api: Api) -> Self {
        Self { api }
    }

    /// Registers the plugin's callbacks under the id that `qemu_plugin_install` received.
    pub(crate) fn register(&self, id: u64, callbacks: &Callbacks) {
        let none = std::ptr::null_mut();
        let discontinuities = ffi::DISCON_INTERRUPT | ffi::DISCON_EXCEPTION;
        // SAFETY: the callbacks are functions of a plugin that is never unloaded, and none of them uses its
        // user data.
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

    /// Creates a flag that is clear for every vCPU.
    pub(crate) fn new_flag(&self) -> Flag {
        // SAFETY: any size is valid; QEMU fills new entries with zeros.
        let score = unsafe { (self.api.qemu_plugin_scoreboard_new)(size_of::<u64>()) };
        Flag(ScoreboardU64 { score, offset: 0 })
    }

    /// Sets or clears the flag of `vcpu`.
    pub(crate) fn set_flag(&self, flag: Flag, vcpu: c_uint, on: bool) {
        // SAFETY: the scoreboard is alive, and `vcpu` is an index QEMU gave to a callback.
        unsafe { (self.api.qemu_plugin_u64_set)(flag.0, vcpu, u64::from(on)) }
    }

    /// Resumes the calling vCPU at `address`. Does not return.
    ///
    /// # Safety
    /// Call it only in a callback with [`block::Access::Divert`]. QEMU jumps out of the callback: no frame in
    /// between may hold a lock or a value with a destructor, or catch unwinding.
    pub(crate) unsafe fn resume_at(&self, address: u64) {
        // SAFETY: the caller guarantees it.
        unsafe { (self.api.qemu_plugin_set_pc)(address) }
    }
}

/// True if QEMU's number of the kind of discontinuity means an exception.
pub(crate) const fn is_exception(kind: c_int) -> bool {
    kind == ffi::DISCON_EXCEPTION
}
