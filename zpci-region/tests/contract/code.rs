//! The layouts in the project's own code. Each field gets a unique value; the position of its bytes in the
//! encoded form is its offset.
//!
//! Every Rust structure is built without `..`, so a new field does not compile here until it has an offset in
//! the header.

use std::collections::BTreeMap;

use vfio_user_protocol::message::{DeviceInfo, RegionAccess, RegionInfo, Version};
use vfio_user_protocol::{Command, Errno, Header, header};
use zpci_region::Failure;
use zpci_region::clp::{ClpFacts, device_info_capabilities};
use zpci_region::request::{self, Op, Request};

use super::layout::{Fields, Layouts};

/// Offset of the first capability in a device info.
const DEVICE_CAPS: u32 = 24;
const REGION_CAPS: u32 = 32;
const LONG: u64 = 0xC1C2_C3C4_C5C6_C7C8;

/// Returns the position of each field's bytes in `image`, where they must occur once.
#[track_caller]
fn places<const N: usize>(image: &[u8], values: [(&str, &[u8]); N]) -> Fields {
    let place = |(name, value): (&str, &[u8])| {
        let at = |at: &usize| image[*at..].starts_with(value);
        let found: Vec<usize> = (0..image.len()).filter(at).collect();
        assert_eq!(found.len(), 1, "{name} in {image:02x?}");
        (name.to_owned(), (found[0], value.len()))
    };
    values.map(place).into()
}

fn word(image: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(image[at..at + 4].try_into().unwrap())
}

fn message() -> Fields {
    let header = Header {
        message_id: 0x0102,
        command: 0x0304,
        message_size: 0x1112_1314,
        flags: 0x2122_2324,
        error: 0x3132_3334,
    };
    places(
        &header.encode(),
        [
            ("message_id", &0x0102_u16.to_ne_bytes()),
            ("command", &0x0304_u16.to_ne_bytes()),
            ("message_size", &0x1112_1314_u32.to_ne_bytes()),
            ("flags", &0x2122_2324_u32.to_ne_bytes()),
            ("error", &0x3132_3334_u32.to_ne_bytes()),
        ],
    )
}

fn version() -> Fields {
    let mut image = Vec::new();
    let version = Version {
        major: 0x0102,
        minor: 0x0304,
        text: "",
    };
    version.encode(&mut image);
    places(
        &image,
        [
            ("major", &0x0102_u16.to_ne_bytes()),
            ("minor", &0x0304_u16.to_ne_bytes()),
        ],
    )
}

/// Builds an answer to DEVICE_GET_INFO with one capability of 8 bytes.
fn device_image() -> Vec<u8> {
    let info = DeviceInfo {
        regions: 0x1112_1314,
        irqs: 0x2122_2324,
        capabilities: &[0; 8],
    };
    let mut image = Vec::new();
    info.encode(4096, &mut image);
    image
}

fn device_info() -> Fields {
    let image = device_image();
    places(
        &image,
        [
            ("argsz", &(DEVICE_CAPS + 8).to_ne_bytes()),
            ("flags", &0x83_u32.to_ne_bytes()),
            ("num_regions", &0x1112_1314_u32.to_ne_bytes()),
            ("num_irqs", &0x2122_2324_u32.to_ne_bytes()),
            ("cap_offset", &DEVICE_CAPS.to_ne_bytes()),
        ],
    )
}

/// Builds an answer about the zPCI I/O region.
fn region_image() -> Vec<u8> {
    let info = RegionInfo {
        index: 0x1112_1314,
        flags: 3,
        size: LONG,
        kind: Some((request::REGION_TYPE, 0x2122_2324)),
    };
    let mut image = Vec::new();
    info.encode(4096, &mut image);
    image
}

fn region_info() -> Fields {
    let image = region_image();
    let info = &image[..REGION_CAPS as usize];
    places(
        info,
        [
            ("argsz", &(REGION_CAPS + 16).to_ne_bytes()),
            ("flags", &0xB_u32.to_ne_bytes()),
            ("index", &0x1112_1314_u32.to_ne_bytes()),
            ("cap_offset", &REGION_CAPS.to_ne_bytes()),
            ("size", &LONG.to_ne_bytes()),
            ("offset", &[0; 8]),
        ],
    )
}

fn region_type() -> Fields {
    let image = region_image();
    let chain = &image[REGION_CAPS as usize..];
    let mut header = [2_u16.to_ne_bytes(), 1_u16.to_ne_bytes()].concat();
    header.extend([0; 4]);
    places(
        chain,
        [
            ("header", &header),
            ("type", &request::REGION_TYPE.to_ne_bytes()),
            ("subtype", &0x2122_2324_u32.to_ne_bytes()),
        ],
    )
}

fn access() -> Fields {
    let access = RegionAccess {
        offset: LONG,
        region: 0x1112_1314,
        count: 0x2122_2324,
    };
    let mut image = Vec::new();
    access.encode(&mut image);
    places(
        &image,
        [
            ("offset", &LONG.to_ne_bytes()),
            ("region", &0x1112_1314_u32.to_ne_bytes()),
            ("count", &0x2122_2324_u32.to_ne_bytes()),
        ],
    )
}

#[track_caller]
fn zpci_header() -> Fields {
    let mut image = [0xFF; request::HEADER_LEN];
    request::read_header(0x0102, 0, &mut image).unwrap();
    let fields = [("max", &0x0102_u16.to_ne_bytes()[..])];
    let mut fields = places(&image, fields);
    assert_eq!(image[..8], [0; 8]);
    fields.insert("flags".to_owned(), (0, 8));
    fields
}

#[track_caller]
fn zpci_request() -> Fields {
    let request = Request {
        op: Op::StoreBlock,
        gaddr: LONG,
        offset: 0xD1D2_D3D4_D5D6_D7D8,
        len: 0x1112,
        pcias: 0x13,
        payload: None,
    };
    let image = request.encode();
    assert_eq!(image.len(), request::REQUEST_LEN);
    places(
        &image,
        [
            ("flags", &2_u64.to_ne_bytes()),
            ("gaddr", &LONG.to_ne_bytes()),
            ("offset", &0xD1D2_D3D4_D5D6_D7D8_u64.to_ne_bytes()),
            ("len", &0x1112_u16.to_ne_bytes()),
            ("pcias", &[0x13]),
        ],
    )
}

/// Returns the four capabilities of a function, one by one.
fn capabilities(relaxed: bool) -> Vec<Vec<u8>> {
    let facts = ClpFacts {
        maxstbl: 0x0102,
        relaxed,
        pchid: 0x1112,
        vfn: 0x1314,
        fh: 0x2122_2324,
        pft: 0x15,
        gid: 0x16,
        start_dma: LONG,
        end_dma: 0xD1D2_D3D4_D5D6_D7D8,
        dasm: 0xE1E2_E3E4_E5E6_E7E8,
        msi_addr: 0xF1F2_F3F4_F5F6_F7F8,
        mui: 0x3132,
        noi: 0x3334,
        fmb_length: 0x3536,
        version: 0x37,
        util_str: std::array::from_fn(|at| 0x40 + at as u8),
        pfip: [0x91, 0x92, 0x93, 0x94],
    };
    let chain = device_info_capabilities(&facts, DEVICE_CAPS);
    let mut rest = &chain[..];
    let mut list = Vec::new();
    let mut start = DEVICE_CAPS;
    loop {
        let next = word(rest, 4);
        let length = match next {
            0 => rest.len(),
            next => (next - start) as usize,
        };
        let (this, behind) = rest.split_at(length);
        list.push(this.to_vec());
        if next == 0 {
            return list;
        }
        (rest, start) = (behind, next);
    }
}

#[track_caller]
fn with_header(image: &[u8], mut fields: Fields) -> Fields {
    assert!(fields.values().all(|(offset, _)| *offset >= 8));
    assert_eq!(image.len() % 8, 0);
    fields.insert("header".to_owned(), (0, 8));
    fields
}

fn base(image: &[u8]) -> Fields {
    let fields = [
        ("start_dma", &LONG.to_ne_bytes()[..]),
        ("end_dma", &0xD1D2_D3D4_D5D6_D7D8_u64.to_ne_bytes()),
        ("pchid", &0x1112_u16.to_ne_bytes()),
        ("vfn", &0x1314_u16.to_ne_bytes()),
        ("fmb_length", &0x3536_u16.to_ne_bytes()),
        ("pft", &[0x15]),
        ("gid", &[0x16]),
        ("fh", &0x2122_2324_u32.to_ne_bytes()),
    ];
    with_header(image, places(image, fields))
}

fn group(image: &[u8]) -> Fields {
    // The maximum occurs twice: as the kernel's and as the hardware's own.
    let mut first = image.to_vec();
    first[40..42].fill(0);
    let mut second = image.to_vec();
    second[36..38].fill(0);
    let fields = [
        ("dasm", &0xE1E2_E3E4_E5E6_E7E8_u64.to_ne_bytes()[..]),
        ("msi_addr", &0xF1F2_F3F4_F5F6_F7F8_u64.to_ne_bytes()),
        ("flags", &3_u64.to_ne_bytes()),
        ("mui", &0x3132_u16.to_ne_bytes()),
        ("noi", &0x3334_u16.to_ne_bytes()),
        ("maxstbl", &0x0102_u16.to_ne_bytes()),
        ("version", &[0x37]),
    ];
    let mut all = places(&first, fields);
    all.extend(places(
        &second,
        [("imaxstbl", &0x0102_u16.to_ne_bytes()[..])],
    ));
    with_header(image, all)
}

fn util(image: &[u8]) -> Fields {
    let string: [u8; 64] = std::array::from_fn(|at| 0x40 + at as u8);
    let size = &64_u32.to_ne_bytes()[..];
    let fields = places(&image[..12], [("size", size)]);
    let string = places(image, [("util_str", &string[..])]);
    with_header(image, fields.into_iter().chain(string).collect())
}

fn pfip(image: &[u8]) -> Fields {
    let fields = places(
        &image[8..],
        [
            ("size", &4_u32.to_ne_bytes()[..]),
            ("pfip", &[0x91, 0x92, 0x93, 0x94]),
        ],
    );
    let moved = fields
        .into_iter()
        .map(|(name, (at, size))| (name, (at + 8, size)));
    with_header(image, moved.collect())
}

fn capability(image: &[u8]) -> Fields {
    let header = &image[..8];
    let next = word(header, 4).to_ne_bytes();
    places(
        header,
        [
            ("id", &1_u16.to_ne_bytes()),
            ("version", &2_u16.to_ne_bytes()),
            ("next", &next),
        ],
    )
}

/// Returns the layouts of all structures.
pub(crate) fn layouts() -> Layouts {
    let chain = capabilities(true);
    let list = [
        ("vui_message", message()),
        ("vui_version", version()),
        ("vui_device_info", device_info()),
        ("vui_region_info", region_info()),
        ("vui_capability", capability(&chain[0])),
        ("vui_region_type", region_type()),
        ("vui_access", access()),
        ("vui_zpci_header", zpci_header()),
        ("vui_zpci_request", zpci_request()),
        ("vui_zpci_base", base(&chain[0])),
        ("vui_zpci_group", group(&chain[1])),
        ("vui_zpci_util", util(&chain[2])),
        ("vui_zpci_pfip", pfip(&chain[3])),
    ];
    list.map(|(name, fields)| (name.to_owned(), fields)).into()
}

/// Returns the sizes of structures that are sent whole.
pub(crate) fn sizes() -> BTreeMap<String, usize> {
    let chain = capabilities(true);
    let region = region_image();
    let list = [
        ("vui_message", vfio_user_protocol::HEADER_LEN),
        ("vui_version", 4),
        ("vui_device_info", device_image().len() - 8),
        ("vui_region_info", REGION_CAPS as usize),
        ("vui_capability", 8),
        ("vui_region_type", region.len() - REGION_CAPS as usize),
        ("vui_access", 16),
        ("vui_zpci_header", request::HEADER_LEN),
        ("vui_zpci_request", request::REQUEST_LEN),
        ("vui_zpci_base", chain[0].len()),
        ("vui_zpci_group", chain[1].len()),
        ("vui_zpci_util", chain[2].len()),
        ("vui_zpci_pfip", chain[3].len()),
    ];
    list.map(|(name, size)| (name.to_owned(), size)).into()
}

pub(crate) fn constants() -> BTreeMap<String, u64> {
    let header = Header::command(1, Command::Version, 16);
    let refused = header.error_reply(Errno::EINVAL);
    let reply = header.reply(16).flags;
    let device = u64::from(word(&device_image(), 4));
    let region = u64::from(word(&region_image(), 4));
    let id = |image: &[u8]| u64::from(u16::from_ne_bytes([image[0], image[1]]));
    let chain = capabilities(true);
    let group_flags =
        |chain: &[Vec<u8>]| u64::from_ne_bytes(*chain[1][24..].first_chunk().unwrap());
    let strict = group_flags(&capabilities(false));
    let flag = |op| {
        let request = Request {
            op,
            gaddr: 0,
            offset: 0,
            len: 1,
            pcias: 0,
            payload: None,
        };
        u64::from_ne_bytes(*request.encode().first_chunk().unwrap())
    };
    let list = [
        ("VUI_FLAG_REPLY", reply.into()),
        ("VUI_FLAG_NO_REPLY", header::NO_REPLY.into()),
        ("VUI_FLAG_ERROR", (refused.flags & !reply).into()),
        ("VUI_VERSION", Command::Version as u64),
        ("VUI_DEVICE_GET_INFO", Command::DeviceGetInfo as u64),
        (
            "VUI_DEVICE_GET_REGION_INFO",
            Command::DeviceGetRegionInfo as u64,
        ),
        ("VUI_REGION_READ", Command::RegionRead as u64),
        ("VUI_REGION_WRITE", Command::RegionWrite as u64),
        (
            "VUI_DEVICE_REQUEST_SIZE",
            vfio_user_protocol::message::device::INFO_LEN.into(),
        ),
        ("VUI_DEVICE_RESET", device & 1),
        ("VUI_DEVICE_PCI", device & 2),
        ("VUI_DEVICE_CAPS", device & !3),
        (
            "VUI_REGION_READABLE",
            vfio_user_protocol::message::region_info::FLAG_READ.into(),
        ),
        (
            "VUI_REGION_WRITABLE",
            vfio_user_protocol::message::region_info::FLAG_WRITE.into(),
        ),
        ("VUI_REGION_CAPS", region & !3),
        ("VUI_BAR0", 0),
        ("VUI_BAR2", 2),
        ("VUI_BAR4", 4),
        ("VUI_CONFIG", 7),
        ("VUI_ZPCI", request::REGION_INDEX.into()),
        (
            "VUI_REGION_CAP_TYPE",
            id(&region_image()[REGION_CAPS as usize..]),
        ),
        ("VUI_ZPCI_TYPE", request::REGION_TYPE.into()),
        ("VUI_ZPCI_SUBTYPE", request::REGION_SUBTYPE.into()),
        ("VUI_ZPCI_HEADER", 0),
        ("VUI_ZPCI_REQUEST", request::REQUEST_OFFSET),
        ("VUI_ZPCI_RESULT", request::RESULT_OFFSET),
        ("VUI_ZPCI_RESULT_SIZE", request::RESULT_LEN as u64),
        ("VUI_ZPCI_READ", flag(Op::Load)),
        ("VUI_ZPCI_BLOCKW", flag(Op::StoreBlock)),
        ("VUI_ZPCI_STORE", flag(Op::Store)),
        ("VUI_CAP_ZPCI_BASE", id(&chain[0])),
        ("VUI_CAP_ZPCI_GROUP", id(&chain[1])),
        ("VUI_CAP_ZPCI_UTIL", id(&chain[2])),
        ("VUI_CAP_ZPCI_PFIP", id(&chain[3])),
        ("VUI_GROUP_REFRESH", strict),
        ("VUI_GROUP_RELAXED", group_flags(&chain) & !strict),
        ("VUI_EPERM", Errno::EPERM.0.into()),
        ("VUI_EIO", Failure::Io.errno().into()),
        ("VUI_EFAULT", Failure::Fault.errno().into()),
        ("VUI_EBUSY", Errno::EBUSY.0.into()),
        ("VUI_ENODEV", Failure::NoDevice.errno().into()),
        ("VUI_EINVAL", Failure::Invalid.errno().into()),
    ];
    list.map(|(name, value)| (name.to_owned(), value)).into()
}
