use super::*;

const BARS: [(u8, u64); 3] = [(0, 1 << 48), (2, 4096), (4, 4096)];

fn space() -> ConfigSpace {
    ConfigSpace::new(0, &BARS, Some(4))
}

fn read<const N: usize>(space: &ConfigSpace, offset: u64) -> [u8; N] {
    let mut out = [0; N];
    space.read(offset, &mut out).unwrap();
    out
}

#[test]
fn it_is_an_ism_of_no_class_and_no_revision() {
    let space = space();
    assert_eq!(read(&space, 0), [0x14, 0x10, 0xed, 0x04]);
    assert_eq!(read(&space, 8), [0; 4]);
    let network = ConfigSpace::new(0xff02_8001, &BARS, Some(4));
    assert_eq!(read(&network, 8), [0, 0x01, 0x80, 0x02], "24 bits count");
    assert_eq!(read(&network, 12), [0; 4]);
    assert_eq!(read(&space, 0x0e), [0]);
    assert_eq!(read(&space, 0x2c), [0x14, 0x10, 0xed, 0x04]);
}

#[test]
fn bars_are_sized_by_writing_ones() {
    let mut space = space();
    space.write(0x10, &[0xff; 24]).unwrap();
    assert_eq!(read(&space, 0x10), 0xffff_0000_0000_0004_u64.to_le_bytes());
    assert_eq!(read(&space, 0x18), 0xffff_ffff_ffff_f004_u64.to_le_bytes());
    assert_eq!(read(&space, 0x20), 0xffff_ffff_ffff_f004_u64.to_le_bytes());
    space
        .write(0x10, &0x0001_2345_6789_abcd_u64.to_le_bytes())
        .unwrap();
    assert_eq!(read(&space, 0x10), 0x0001_0000_0000_0004_u64.to_le_bytes());
}

#[test]
fn read_only_fields_ignore_writes() {
    let mut space = space();
    for at in (0..4).chain(6..0x0c).chain(0x28..0x3c).chain(0x3d..0x42) {
        let before: [u8; 1] = read(&space, at);
        space.write(at, &[!before[0]]).unwrap();
        assert_eq!(read(&space, at), before, "offset {at:#x}");
    }
}

#[test]
fn command_keeps_memory_master_and_intx_disable() {
    let mut space = space();
    space.write(4, &[0xff, 0xff]).unwrap();
    assert_eq!(read(&space, 4), [0x06, 0x04]);
    space.write(4, &[0x02]).unwrap();
    assert_eq!(read(&space, 4), [0x02, 0x04]);
    space.write(0x3c, &[9]).unwrap();
    assert_eq!(read(&space, 0x3c), [9]);
}

#[test]
fn msi_has_64_bit_addresses_and_one_vector() {
    let mut space = space();
    assert_eq!(read(&space, 0x34), [0x40]);
    assert_eq!(read(&space, 0x40), [0x05, 0x50, 0x80, 0x00]);
    space.write(0x42, &[0xff; 12]).unwrap();
    let after: [u8; 12] = read(&space, 0x42);
    assert_eq!(
        after,
        [
            0x81, 0, 0xfc, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff
        ]
    );
}

#[test]
fn msix_table_and_pending_bits_lie_in_its_bar() {
    let mut space = space();
    assert_eq!(read(&space, 0x50), [0x11, 0, 0, 0, 4, 0, 0, 0, 4, 8, 0, 0]);
    space.write(0x50, &[0xff; 12]).unwrap();
    assert_eq!(
        read(&space, 0x50),
        [0x11, 0, 0, 0xc0, 4, 0, 0, 0, 4, 8, 0, 0]
    );
}

#[test]
fn without_msix_the_list_ends_after_msi_and_bar_4_is_absent() {
    let mut space = ConfigSpace::new(0, &BARS[..2], None);
    assert_eq!(read(&space, 0x40), [0x05, 0x00]);
    assert_eq!(read(&space, 0x50), [0; 12]);
    space.write(0x20, &[0xff; 8]).unwrap();
    assert_eq!(read(&space, 0x20), [0; 8]);
}

#[test]
fn an_access_of_any_size_inside_is_served_and_one_that_leaves_is_refused() {
    let mut space = space();
    assert_eq!(read(&space, 1), [0x10, 0xed, 0x04]);
    let _: [u8; 256] = read(&space, 0);
    space.read(256, &mut []).unwrap();
    assert_eq!(
        space.read(255, &mut [0; 2]),
        Err(ConfigError {
            offset: 255,
            len: 2
        })
    );
    assert!(space.write(256, &[0]).is_err());
    assert!(space.write(u64::MAX, &[0]).is_err());
}

#[test]
fn reset_restores_the_defaults() {
    let mut space = space();
    let before: [u8; 256] = read(&space, 0);
    space.write(0, &[0xff; 256]).unwrap();
    assert_ne!(read::<256>(&space, 0), before);
    space.reset();
    assert_eq!(read::<256>(&space, 0), before);
}
