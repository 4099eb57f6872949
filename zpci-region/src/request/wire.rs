//! Bytes of the region: header, request fields and register image.

use super::carrier::CarrierPolicy;
use super::error::RequestError;
use super::layout::{ABI_LEN, HEADER_LEN, REQUEST_OFFSET, RESULT_LEN, RESULT_OFFSET};

/// Returns the size to report for the region: 48 bytes, and room for `maxstbl` appended bytes or a load's
/// result if the policy allows them.
pub const fn region_size(policy: CarrierPolicy, maxstbl: u16) -> u64 {
    let behind = if maxstbl as usize > RESULT_LEN {
        maxstbl as u64
    } else {
        RESULT_LEN as u64
    };
    match policy {
        CarrierPolicy::Auto | CarrierPolicy::Appended => ABI_LEN + behind,
        CarrierPolicy::Iova | CarrierPolicy::Process => ABI_LEN,
    }
}

/// Reads `out.len()` bytes of the header at `offset`; `maxstbl` is the maximum store block length.
///
/// The header is flags u64 = 0, maxstbl u16 and 6 reserved zero bytes, in host byte order.
///
/// # Errors
/// EFAULT for a read that touches the request area, EINVAL for one that starts after it, as in the series.
pub fn read_header(maxstbl: u16, offset: u64, out: &mut [u8]) -> Result<(), RequestError> {
    let len = out.len();
    if offset >= ABI_LEN {
        return Err(RequestError::OutsideRegion { offset, len });
    }
    let mut header = [0; HEADER_LEN];
    for (slot, byte) in header.iter_mut().skip(8).zip(maxstbl.to_ne_bytes()) {
        *slot = byte;
    }
    copy(&header, offset, out).ok_or(RequestError::NotReadable { offset, len })
}

/// Reads the region: the header, or the register image of the last load at [`RESULT_OFFSET`] if there is one.
///
/// # Errors
/// As for [`read_header`]; EINVAL for a read after the request area, or of a result that no load has left.
pub fn read(
    maxstbl: u16,
    result: Option<&[u8; RESULT_LEN]>,
    offset: u64,
    out: &mut [u8],
) -> Result<(), RequestError> {
    let Some(behind) = offset.checked_sub(RESULT_OFFSET) else {
        return read_header(maxstbl, offset, out);
    };
    let len = out.len();
    result
        .and_then(|image| copy(image, behind, out))
        .ok_or(RequestError::OutsideRegion { offset, len })
}

/// Copies `out.len()` bytes at `offset` of `from`, if all of them are inside.
fn copy(from: &[u8], offset: u64, out: &mut [u8]) -> Option<()> {
    let start = usize::try_from(offset).ok()?;
    let end = start.checked_add(out.len())?;
    out.copy_from_slice(from.get(start..end)?);
    Some(())
}

/// Returns the register after a load of `value`: 8 bytes, big-endian, the value right-aligned and the rest
/// zero. `value` is in memory order. If it has more than 8 bytes, the last 8 count.
pub fn register_image(value: &[u8]) -> [u8; RESULT_LEN] {
    let mut image = [0; RESULT_LEN];
    for (slot, byte) in image.iter_mut().rev().zip(value.iter().rev()) {
        *slot = *byte;
    }
    image
}

const _: () = assert!(REQUEST_OFFSET as usize == HEADER_LEN);
