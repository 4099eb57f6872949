use super::{
    CapabilityError, ClpFacts, device_info_capabilities, pnetid_util_str, read_device_info,
};

fn facts() -> ClpFacts {
    ClpFacts {
        maxstbl: 0x0102,
        relaxed: true,
        pchid: 0x0304,
        vfn: 0x0506,
        fh: 0x0708_090a,
        pft: 0x0b,
        gid: 0x0c,
        start_dma: 0x0d0e_0f10_1112_1314,
        end_dma: 0x1516_1718_191a_1b1c,
        dasm: 0x1d1e_1f20_2122_2324,
        msi_addr: 0x2526_2728_292a_2b2c,
        mui: 0x2d2e,
        noi: 0x2f30,
        fmb_length: 0x3132,
        version: 0x33,
        util_str: std::array::from_fn(|index| 0x40 + index as u8),
        pfip: [0xa0, 0xa1, 0xa2, 0xa3],
    }
}

/// A chain of capabilities, read at the offsets of Linux include/uapi/linux/vfio_zdev.h.
struct Chain(Vec<u8>);

impl Chain {
    fn u16(&self, at: usize) -> u16 {
        u16::from_ne_bytes(self.0[at..at + 2].try_into().unwrap())
    }
    fn u32(&self, at: usize) -> u32 {
        u32::from_ne_bytes(self.0[at..at + 4].try_into().unwrap())
    }
    fn u64(&self, at: usize) -> u64 {
        u64::from_ne_bytes(self.0[at..at + 8].try_into().unwrap())
    }
    fn header(&self, at: usize) -> (u16, u16, u32) {
        (self.u16(at), self.u16(at + 2), self.u32(at + 4))
    }
}

const START: u32 = 24;
const BASE: usize = 0;
const GROUP: usize = 40;
const UTIL: usize = 88;
const PFIP: usize = 168;

#[test]
fn the_chain_links_four_capabilities() {
    let chain = Chain(device_info_capabilities(&facts(), START));
    assert_eq!(chain.header(BASE), (1, 2, START + GROUP as u32));
    assert_eq!(chain.header(GROUP), (2, 2, START + UTIL as u32));
    assert_eq!(chain.header(UTIL), (3, 1, START + PFIP as u32));
    assert_eq!(chain.header(PFIP), (4, 1, 0));
    assert_eq!(chain.0.len(), PFIP + 16);
    let moved = Chain(device_info_capabilities(&facts(), 32));
    assert_eq!(moved.header(BASE).2, 32 + GROUP as u32);
    assert_eq!(moved.0[8..40], chain.0[8..40]);
}

#[test]
fn base_is_version_2() {
    let chain = Chain(device_info_capabilities(&facts(), START));
    assert_eq!(chain.u64(BASE + 8), 0x0d0e_0f10_1112_1314);
    assert_eq!(chain.u64(BASE + 16), 0x1516_1718_191a_1b1c);
    assert_eq!(chain.u16(BASE + 24), 0x0304);
    assert_eq!(chain.u16(BASE + 26), 0x0506);
    assert_eq!(chain.u16(BASE + 28), 0x3132);
    assert_eq!(chain.0[BASE + 30..BASE + 32], [0x0b, 0x0c]);
    assert_eq!(chain.u32(BASE + 32), 0x0708_090a);
    assert_eq!(chain.0[BASE + 36..GROUP], [0; 4]);
}

#[test]
fn group_is_version_2_with_the_relaxed_bit() {
    let chain = Chain(device_info_capabilities(&facts(), START));
    assert_eq!(chain.u64(GROUP + 8), 0x1d1e_1f20_2122_2324);
    assert_eq!(chain.u64(GROUP + 16), 0x2526_2728_292a_2b2c);
    assert_eq!(chain.u64(GROUP + 24), 3);
    assert_eq!(chain.u16(GROUP + 32), 0x2d2e);
    assert_eq!(chain.u16(GROUP + 34), 0x2f30);
    assert_eq!(chain.u16(GROUP + 36), 0x0102);
    assert_eq!(chain.0[GROUP + 38..GROUP + 40], [0x33, 0]);
    assert_eq!(chain.u16(GROUP + 40), 0x0102);
    assert_eq!(chain.0[GROUP + 42..UTIL], [0; 6]);
    let strict = ClpFacts {
        relaxed: false,
        ..facts()
    };
    assert_eq!(
        Chain(device_info_capabilities(&strict, START)).u64(GROUP + 24),
        1
    );
}

#[test]
fn util_and_pfip_are_sized() {
    let facts = facts();
    let chain = Chain(device_info_capabilities(&facts, START));
    assert_eq!(chain.u32(UTIL + 8), 64);
    assert_eq!(chain.0[UTIL + 12..UTIL + 76], facts.util_str);
    assert_eq!(chain.0[UTIL + 76..PFIP], [0; 4]);
    assert_eq!(chain.u32(PFIP + 8), 4);
    assert_eq!(chain.0[PFIP + 12..], facts.pfip);
}

#[test]
fn defaults_are_an_ism_function() {
    let facts = ClpFacts::default();
    assert_eq!((facts.maxstbl, facts.relaxed, facts.pft), (4096, true, 5));
    // A CHID of 0 hides the device from SMC-D, and one from 0xff00 up means an emulated device.
    assert!((1..0xff00).contains(&facts.pchid));
    assert!(facts.start_dma < facts.end_dma);
}

#[test]
fn pnetids_are_blank_padded_ebcdic() {
    let util_str = pnetid_util_str("AIJRSZ09").unwrap();
    assert_eq!(
        util_str[..8],
        [0xc1, 0xc9, 0xd1, 0xd9, 0xe2, 0xe9, 0xf0, 0xf9]
    );
    assert_eq!(util_str[8..16], [0x40; 8]);
    assert_eq!(util_str[16..], [0; 48]);
    assert!(pnetid_util_str("A234567890123456").is_some());
    for bad in ["", "A2345678901234567", "net1", "NET 1", "N\u{c4}"] {
        assert_eq!(pnetid_util_str(bad), None, "{bad}");
    }
}

/// A device info of 24 bytes followed by the capabilities.
fn info(facts: &ClpFacts) -> Vec<u8> {
    let mut info = vec![0xaa; START as usize];
    info.extend(device_info_capabilities(facts, START));
    info
}

#[test]
fn the_facts_that_were_written_are_read() {
    for facts in [facts(), ClpFacts::default()] {
        assert_eq!(read_device_info(&info(&facts), 24), Ok(facts));
    }
}

#[test]
fn version_1_of_the_group_has_one_maximum() {
    let mut info = vec![0; 24];
    info.extend([2_u16, 1].map(u16::to_ne_bytes).concat());
    info.resize(64, 0);
    info[24 + 36..24 + 38].copy_from_slice(&96_u16.to_ne_bytes());
    let expected = ClpFacts {
        maxstbl: 96,
        ..ClpFacts::UNTOLD
    };
    assert_eq!(read_device_info(&info, 24), Ok(expected));
}

#[test]
fn broken_chains_are_refused() {
    let whole = info(&ClpFacts::default());
    for length in 0..whole.len() {
        assert!(read_device_info(&whole[..length], 24).is_err(), "{length}");
    }
    let broken = |change: fn(&mut Vec<u8>)| {
        let mut info = whole.clone();
        change(&mut info);
        read_device_info(&info, 24)
    };
    let alone = broken(|info| info[28..32].fill(0));
    assert_eq!(alone, Err(CapabilityError::NoGroup));
    let back = broken(|info| info[28..32].copy_from_slice(&8_u32.to_ne_bytes()));
    assert_eq!(back, Err(CapabilityError::Outside));
    let ring = broken(|info| info[28..32].copy_from_slice(&24_u32.to_ne_bytes()));
    assert_eq!(ring, Err(CapabilityError::Endless));
    assert_eq!(
        read_device_info(&whole[..80], 24),
        Err(CapabilityError::CutShort { id: 2 })
    );
}

proptest::proptest! {
    #[test]
    fn no_device_info_is_read_for_ever_or_panics(
        info in proptest::collection::vec(0_u8..48, 0..200),
        start in 0_usize..64,
    ) {
        let _ = read_device_info(&info, start);
    }
}
