//! Offsets and sizes in the zPCI I/O region.

/// Index of the region among the function's regions: the first device-specific one.
pub const REGION_INDEX: u32 = 9;
/// Region type in its type capability: IBM's vendor type.
pub const REGION_TYPE: u32 = 0x8000_1014;
/// Region subtype in its type capability.
pub const REGION_SUBTYPE: u32 = 2;
/// Bytes of the region's header.
pub const HEADER_LEN: usize = 16;
/// Offset of the request area in the region.
pub const REQUEST_OFFSET: u64 = 16;
/// Bytes of a request without payload.
pub const REQUEST_LEN: usize = 32;
/// Bytes of header and request, which is the region in the original patch series.
pub const ABI_LEN: u64 = 48;
/// Offset at which a client reads the register image of the last load.
pub const RESULT_OFFSET: u64 = 48;
/// Bytes of a register image.
pub const RESULT_LEN: usize = 8;
