//! Payload patterns that show loss, duplication, reordering and byte swaps.
//!
//! A payload is a row of 8-byte units. Byte `j` of a unit has `j` in its top three bits, so any swap inside a unit shows; the
//! low five bits of bytes 0 and 1 hold the unit's number (up to 1,024), so lost, doubled or reordered units show; the low five
//! bits of bytes 2 to 7 hold the case's tag, so bytes of another case show.

/// The byte at `position` of the payload tagged `tag`.
pub(crate) fn byte(tag: u32, position: usize) -> u8 {
    let lane = (position % 8) as u8;
    let unit = (position / 8) as u32;
    let information = match lane {
        0 => unit,
        1 => unit >> 5,
        _ => tag >> (5 * u32::from(lane - 2)),
    };
    (lane << 5) | (information as u8 & 0x1f)
}

/// The first `length` bytes of the payload tagged `tag`.
pub(crate) fn payload(tag: u32, length: usize) -> Vec<u8> {
    (0..length).map(|position| byte(tag, position)).collect()
}

#[cfg(test)]
mod tests {
    use super::payload;
    use std::collections::HashSet;

    #[test]
    fn bytes_of_a_unit_differ_so_any_swap_shows() {
        for unit in payload(77, 4096).chunks(8) {
            assert_eq!(unit.iter().collect::<HashSet<_>>().len(), 8, "{unit:02x?}");
        }
    }

    #[test]
    fn units_of_a_payload_differ_so_loss_and_reordering_show() {
        let bytes = payload(77, 4096);
        assert_eq!(bytes.chunks(8).collect::<HashSet<_>>().len(), 512);
    }

    #[test]
    fn payloads_of_two_cases_differ_from_three_bytes_on() {
        let all: HashSet<_> = (0..32).map(|tag| payload(tag, 3)).collect();
        assert_eq!(all.len(), 32);
        let all: HashSet<_> = (0..30_000).map(|tag| payload(tag, 8)).collect();
        assert_eq!(all.len(), 30_000);
    }
}
