// SPDX-License-Identifier: GPL-2.0-or-later
//! The entry points for QEMU: two exported symbols and the callbacks.
//!
//! No panic reaches QEMU. After a panic, the plugin reports it and does nothing more: it observes nothing,
//! and forwarded functions are gone.

use std::ffi::{CStr, c_char, c_int, c_uint, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use crate::args::{Args, ArgsError, RING};
use crate::defects;
use crate::ffi::{API_VERSION, Api, Info};
use crate::forward::Forwarder;
use crate::journal::Journal;
use crate::observe::Discontinuity;
use crate::plugin::{CodeCallbacks, Flow, Plugin};
use crate::qemu::block::Block;
use crate::qemu::{Callbacks, Qemu, is_exception};
use crate::qemu_info::QemuInfo;
use crate::records::Records;
use crate::report::report;

static PLUGIN: OnceLock<Plugin> = OnceLock::new();

/// The plugin API version of this plugin. QEMU reads it first.
// SAFETY: QEMU's plugin interface reserves this name for it.
#[unsafe(no_mangle)]
#[allow(
    non_upper_case_globals,
    reason = "QEMU's plugin interface names this symbol"
)]
pub static qemu_plugin_version: c_int = API_VERSION;

/// Installs the plugin. QEMU calls this once. Returns 0, or 1 after a message on stderr.
///
/// # Safety
/// Only QEMU calls this, with the arguments that its plugin interface defines.
// SAFETY: QEMU's plugin interface reserves this name for it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: u64,
    info: *const Info,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    let installed = catch_unwind(|| {
        // SAFETY: QEMU gives a valid description for the duration of the call.
        let info = unsafe { read_info(info) }?;
        // SAFETY: QEMU gives `argc` strings.
        let arguments = unsafe { read_arguments(argc, argv) };
        install(id, &info, &arguments)
    });
    match installed {
        Ok(Ok(())) => 0,
        Ok(Err(message)) => {
            report(&message);
            1
        }
        Err(_) => 1,
    }
}

fn install(id: u64, info: &QemuInfo, arguments: &[String]) -> Result<(), String> {
    info.check().map_err(|error| error.to_string())?;
    let args = Args::parse(arguments.iter().map(String::as_str)).map_err(|error| match error {
        ArgsError::List(Some(path)) => match std::fs::write(&path, defects::list_as_json()) {
            Ok(()) => format!("the defects are listed in {}", path.display()),
            Err(error) => format!("cannot write {}: {error}", path.display()),
        },
        error => error.to_string(),
    })?;
    let qemu = Qemu::new(Api::resolve().map_err(|error| error.to_string())?);
    let callbacks = CodeCallbacks {
        issue: on_issue,
        reach: on_reach,
    };
    let records = args.out.as_ref().map(|out| {
        Journal::create(out)
            .and_then(|journal| Records::start(info, journal))
            .map_err(|error| format!("cannot write {}: {error}", out.display()))
    });
    let forwarder = match args.forwards.as_slice() {
        [] => None,
        forwards => Some(Forwarder::connect(
            forwards,
            args.clp,
            args.moves,
            args.ring.unwrap_or(RING),
        )?),
    };
    let plugin = Plugin::new(
        qemu,
        info,
        callbacks,
        records.transpose()?,
        forwarder,
        args.broken,
    );
    PLUGIN
        .set(plugin)
        .map_err(|_| "QEMU loads the plugin twice; load it once".to_owned())?;
    qemu.register(
        id,
        &Callbacks {
            vcpu_init: on_vcpu_init,
            translate: on_translate,
            discontinuity: on_discontinuity,
            exit: on_exit,
        },
    );
    Ok(())
}

/// # Safety
/// `info` is null or the pointer that QEMU passes to `qemu_plugin_install`.
unsafe fn read_info(info: *const Info) -> Result<QemuInfo, String> {
    // SAFETY: the caller guarantees that the pointer is null or valid.
    let info = unsafe { info.as_ref() }.ok_or("QEMU gave no description of itself")?;
    // SAFETY: the plugin interface defines this as a NUL-terminated string.
    let target = unsafe { CStr::from_ptr(info.target_name) };
    Ok(QemuInfo {
        target: target.to_string_lossy().into_owned(),
        api_min: info.version_min,
        api_cur: info.version_cur,
        system: info.system_emulation,
        max_vcpus: u32::try_from(info.max_vcpus).unwrap_or(0),
    })
}

/// # Safety
/// `argv` points to `argc` NUL-terminated strings.
unsafe fn read_arguments(argc: c_int, argv: *const *const c_char) -> Vec<String> {
    let count = usize::try_from(argc).unwrap_or(0);
    (0..count)
        .map(|index| {
            // SAFETY: the caller guarantees it.
            let argument = unsafe { CStr::from_ptr(*argv.add(index)) };
            argument.to_string_lossy().into_owned()
        })
        .collect()
}

/// Runs `step` if the plugin still works. A panic in `step` stops the plugin.
fn guard<R: Default>(step: impl FnOnce(&'static Plugin) -> R) -> R {
    let Some(plugin) = PLUGIN.get().filter(|plugin| !plugin.is_idle()) else {
        return R::default();
    };
    catch_unwind(AssertUnwindSafe(|| step(plugin))).unwrap_or_else(|_| {
        // After a second panic there is nothing left to do.
        let _ = catch_unwind(AssertUnwindSafe(|| plugin.stop("a callback panicked")));
        R::default()
    })
}

extern "C" fn on_vcpu_init(vcpu: c_uint, _: *mut c_void) {
    guard(|plugin| plugin.vcpu_init(vcpu));
}

unsafe extern "C" fn on_translate(block: *mut c_void, _: *mut c_void) {
    guard(|plugin| {
        // SAFETY: the argument of this callback, used within it.
        let block = unsafe { Block::new(plugin.qemu(), block) };
        plugin.translate(&block);
    });
}

extern "C" fn on_issue(vcpu: c_uint, site: *mut c_void) {
    let flow = guard(|plugin| plugin.issue(vcpu, site.addr()));
    if let (Flow::Resumes(address), Some(plugin)) = (flow, PLUGIN.get()) {
        // SAFETY: instructions that are carried out have registered a callback with this right. This frame
        // has only plain values, and the values of `guard` are dropped.
        unsafe { plugin.qemu().resume_at(address) }
    }
}

extern "C" fn on_reach(vcpu: c_uint, address: *mut c_void) {
    guard(|plugin| plugin.reach(vcpu, address.addr() as u64));
}

extern "C" fn on_discontinuity(vcpu: c_uint, kind: c_int, from: u64, to: u64, _: *mut c_void) {
    let kind = if is_exception(kind) {
        Discontinuity::Exception
    } else {
        Discontinuity::Interrupt
    };
    guard(|plugin| plugin.discontinuity(vcpu, kind, from, to));
}

extern "C" fn on_exit(_: *mut c_void) {
    guard(Plugin::exit);
}
