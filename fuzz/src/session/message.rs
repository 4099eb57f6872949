//! Messages as bytes, built from the protocol's description and not by the project's codec.
//!
//! Layouts: QEMU's `docs/interop/vfio-user.rst` and Linux `include/uapi/linux/vfio.h`.

pub(super) const NO_REPLY: u32 = 0x10;
pub(super) const REPLY: u32 = 1;
pub(super) const ERROR: u32 = 0x20;

pub(super) const VERSION: u16 = 1;
pub(super) const DMA_MAP: u16 = 2;
pub(super) const DMA_UNMAP: u16 = 3;
pub(super) const GET_INFO: u16 = 4;
pub(super) const SET_IRQS: u16 = 8;
pub(super) const REGION_READ: u16 = 9;
pub(super) const REGION_WRITE: u16 = 10;
pub(super) const DMA_READ: u16 = 11;
pub(super) const DMA_WRITE: u16 = 12;
pub(super) const RESET: u16 = 13;
pub(super) const WRITE_MULTI: u16 = 15;

/// Builds a message with the right size.
pub(super) fn message(id: u16, command: u16, flags: u32, body: &[u8]) -> Vec<u8> {
    let size = (16 + body.len()) as u32;
    let mut bytes = [id.to_ne_bytes(), command.to_ne_bytes()].concat();
    for word in [size, flags, 0] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend(body);
    bytes
}

/// Encodes 4-byte words in host order.
pub(super) fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Encodes 8-byte words in host order.
pub(super) fn longs(longs: &[u64]) -> Vec<u8> {
    longs.iter().flat_map(|long| long.to_ne_bytes()).collect()
}

/// Builds VERSION 0.0 without capabilities.
pub(super) fn hello() -> Vec<u8> {
    message(0, VERSION, 0, &[0; 4])
}

/// Builds the body of REGION_READ, with which REGION_WRITE also begins.
pub(super) fn access(region: u32, offset: u64, count: u32) -> Vec<u8> {
    [longs(&[offset]), words(&[region, count])].concat()
}

/// Builds the body of REGION_WRITE.
pub(super) fn write(region: u32, offset: u64, data: &[u8]) -> Vec<u8> {
    [&access(region, offset, data.len() as u32), data].concat()
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes(bytes[at..at + 2].try_into().expect("2 bytes"))
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}
