//! Errno values as the protocol carries them (asm-generic numbers).
#![allow(missing_docs, reason = "named as in errno(3)")]

pub const EPERM: u32 = 1;
pub const EIO: u32 = 5;
pub const ENXIO: u32 = 6;
pub const EACCES: u32 = 13;
pub const EFAULT: u32 = 14;
pub const EBUSY: u32 = 16;
pub const EEXIST: u32 = 17;
pub const EINVAL: u32 = 22;
pub const ENOTTY: u32 = 25;
pub const ENOSPC: u32 = 28;
pub const EOPNOTSUPP: u32 = 95;
