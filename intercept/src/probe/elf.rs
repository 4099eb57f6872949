//! The file for QEMU: a big-endian 64-bit ELF executable for s390x with program headers only (System V ABI,
//! ELF-64 object file format).

const HEADER: u16 = 64;
const PROGRAM_HEADER: u16 = 56;
const MACHINE_S390: u16 = 22;

/// Bytes to load at an address.
#[derive(Debug)]
pub(super) struct Segment {
    pub address: u64,
    pub bytes: Vec<u8>,
}

/// An executable that loads `segments` and starts at `entry`.
pub(super) fn executable(entry: u64, segments: &[Segment]) -> Vec<u8> {
    let count = segments.len() as u16;
    let mut file = vec![0x7f, b'E', b'L', b'F', 2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    for half in [2, MACHINE_S390] {
        file.extend(half.to_be_bytes());
    }
    file.extend(1_u32.to_be_bytes());
    for word in [entry, u64::from(HEADER), 0] {
        file.extend(word.to_be_bytes());
    }
    file.extend(0_u32.to_be_bytes());
    for half in [HEADER, PROGRAM_HEADER, count, 0, 0, 0] {
        file.extend(half.to_be_bytes());
    }
    let mut offset = u64::from(HEADER) + u64::from(PROGRAM_HEADER) * u64::from(count);
    for segment in segments {
        let size = segment.bytes.len() as u64;
        let load: u32 = 1;
        let all_access: u32 = 7;
        file.extend(load.to_be_bytes());
        file.extend(all_access.to_be_bytes());
        for word in [offset, segment.address, segment.address, size, size, 8] {
            file.extend(word.to_be_bytes());
        }
        offset += size;
    }
    for segment in segments {
        file.extend(&segment.bytes);
    }
    file
}

#[cfg(test)]
mod tests {
    use super::{Segment, executable};

    #[test]
    fn headers_and_contents_lie_where_the_format_says() {
        let file = executable(
            0x2_0000,
            &[
                Segment {
                    address: 0x2_0000,
                    bytes: vec![1, 2, 3, 4],
                },
                Segment {
                    address: 0x10_0000,
                    bytes: vec![5; 8],
                },
            ],
        );
        assert_eq!(&file[..8], b"\x7fELF\x02\x02\x01\x00");
        assert_eq!(&file[16..24], [0, 2, 0, 22, 0, 0, 0, 1]);
        assert_eq!(&file[24..32], [0, 0, 0, 0, 0, 2, 0, 0]);
        assert_eq!(&file[52..58], [0, 64, 0, 56, 0, 2]);
        let first = 64 + 2 * 56;
        assert_eq!(&file[72..80], (first as u64).to_be_bytes());
        assert_eq!(&file[first..first + 4], [1, 2, 3, 4]);
        assert_eq!(&file[first + 4..], [5; 8]);
        assert_eq!(
            &file[64 + 56 + 16..64 + 56 + 24],
            0x10_0000_u64.to_be_bytes()
        );
    }
}
