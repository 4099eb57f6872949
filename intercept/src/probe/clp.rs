//! Call logical processor blocks (Linux `arch/s390/include/asm/pci_clp.h`): a 32-byte request, its response right behind.

/// Bytes of every request.
pub const REQUEST: usize = 32;

/// Room for so many functions in the list.
const LISTED: usize = 24;

const LIST: u16 = 2;
const QUERY_FUNCTION: u16 = 3;
const QUERY_GROUP: u16 = 4;
const SET_FUNCTION: u16 = 5;

fn block(command: u16, response: usize, request: &[(usize, u8)]) -> Vec<u8> {
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

/// List PCI functions.
pub fn list() -> Vec<u8> {
    block(LIST, 32 + 16 * LISTED, &[])
}

/// Query function; the program fills in the handle.
pub fn query_function() -> Vec<u8> {
    block(QUERY_FUNCTION, 192, &[])
}

/// Query function group; the program fills in the group.
pub fn query_group() -> Vec<u8> {
    block(QUERY_GROUP, 64, &[])
}

/// Enable the function, one DMA address space; the program fills in the handle.
pub fn enable() -> Vec<u8> {
    block(SET_FUNCTION, 32, &[(23, 1)])
}
