//! Call logical processor (CLP) blocks (Linux `arch/s390/include/asm/pci_clp.h`): a 32-byte request, directly
//! followed by its response.

/// Bytes of every request.
pub(crate) const REQUEST: usize = 32;

/// Number of functions that the list has room for.
const LISTED: usize = 24;

/// List the functions.
pub(crate) const LIST: u16 = 2;
/// Query a function.
pub(crate) const QUERY_FUNCTION: u16 = 3;
/// Query a function group.
pub(crate) const QUERY_GROUP: u16 = 4;
/// Enable or disable a function.
pub(crate) const SET_FUNCTION: u16 = 5;

/// Response code: success.
pub(crate) const OK: u16 = 0x0010;

/// Number of bytes of the responses to [`LIST`], [`QUERY_FUNCTION`], [`QUERY_GROUP`] and [`SET_FUNCTION`].
pub(crate) const fn response_length(command: u16) -> usize {
    match command {
        LIST => 32 + 16 * LISTED,
        QUERY_FUNCTION => 192,
        QUERY_GROUP => 64,
        _ => 32,
    }
}

/// A block with this command, and with room for a response of `response` bytes.
pub(crate) fn block(command: u16, response: usize, request: &[(usize, u8)]) -> Vec<u8> {
    let mut bytes = vec![0; REQUEST + response];
    let length = (REQUEST as u16).to_be_bytes();
    let answer = (response as u16).to_be_bytes();
    let words = [(0, length), (2, command.to_be_bytes()), (REQUEST, answer)];
    let fields = words
        .iter()
        .flat_map(|(at, word)| [(*at, word[0]), (at + 1, word[1])]);
    for (at, byte) in fields.chain(request.iter().copied()) {
        if let Some(slot) = bytes.get_mut(at) {
            *slot = byte;
        }
    }
    bytes
}

/// The bytes of a block at this offset. Zeros if the block is too short.
pub(crate) fn bytes<const N: usize>(block: &[u8], at: usize) -> [u8; N] {
    let bytes = block.get(at..at + N);
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .unwrap_or([0; N])
}

/// A block with this command and room for its whole response. The program fills in the handle or the group.
pub(crate) fn whole(command: u16) -> Vec<u8> {
    block(command, response_length(command), &[])
}

/// Enables the function with one DMA address space. The program fills in the handle.
pub(crate) fn enable() -> Vec<u8> {
    block(
        SET_FUNCTION,
        response_length(SET_FUNCTION),
        &[(22, 0), (23, 1)],
    )
}

/// Disables the function. The program fills in the handle.
pub(crate) fn disable() -> Vec<u8> {
    block(SET_FUNCTION, response_length(SET_FUNCTION), &[(22, 1)])
}
