//! Lowcore addresses (z/Architecture Principles of Operation, "Assigned Storage Locations").

pub(super) const PROGRAM_LENGTH_AND_CODE: i32 = 0x8c;
pub(super) const PROGRAM_CODE: i32 = 0x8e;
pub(super) const TRANSLATION_EXCEPTION: i32 = 0xa8;
pub(super) const INTERRUPTION_WORD: i32 = 0xc0;
pub(super) const SUPERVISOR_OLD: i32 = 0x140;
pub(super) const PROGRAM_OLD: i32 = 0x150;
pub(super) const IO_OLD: u16 = 0x170;
pub(super) const EXTERNAL_NEW: i32 = 0x1b0;
pub(super) const SUPERVISOR_NEW: i32 = 0x1c0;
pub(super) const PROGRAM_NEW: i32 = 0x1d0;
pub(super) const MACHINE_CHECK_NEW: i32 = 0x1e0;
pub(super) const IO_NEW: i32 = 0x1f0;
