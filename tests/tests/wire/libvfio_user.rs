//! The cases of libvfio-user's own tests that a client can try, with the answers of this server.
//! `docs/foreign-tests.md` lists the differences and their reasons.

use std::os::fd::{AsFd, BorrowedFd};

use vfio_user_ism_tests::client::irq::{BOOL, EVENTFD, MASK, MSI, MSIX, NONE, TRIGGER, UNMASK};
use vfio_user_ism_tests::client::{CONFIG, access, command, dma_map, set_irqs, version};
use vfio_user_ism_tests::errno::{EINVAL, ENOTTY, EOPNOTSUPP};
use vfio_user_ism_tests::wire::{u32_at, u64_at};
use vfio_user_ism_tests::{Bytes, Client, Daemon, Eventfd};

/// Index of the error interrupt, and of the interrupt that asks for the device's return.
const ERROR: u32 = 3;
const REQUEST: u32 = 4;

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

/// Sends each request. Returns 0 or the errno of its reply.
#[track_caller]
fn all(client: &mut Client, number: u16, requests: &[(&str, Vec<u8>, u32)]) {
    for (what, body, errno) in requests {
        let reply = client.request(number, body);
        assert_eq!(reply.errno().unwrap_or(0), *errno, "{what}");
    }
}

#[test]
fn negotiate() {
    let daemon = Daemon::start();
    // The first message is not VERSION, so the connection ends.
    let mut client = Client::connect(&daemon.only());
    client
        .wire
        .send(&vfio_user_ism_tests::wire::message(1, 999, 0, &[0; 5]));
    client.wire.expect_closed();
    daemon.wait_until_free();

    let mut client = Client::connect(&daemon.only());
    let with = |text: &str| version(0, 0, text);
    let capability = |text: &str| with(&format!(r#"{{"capabilities":{{{text}}}}}"#));
    let mut without_nul = with("{}");
    without_nul.pop();
    all(
        &mut client,
        command::VERSION,
        &[
            ("no version", Vec::new(), EINVAL),
            ("major", version(999, 1, ""), EINVAL),
            ("no NUL", without_nul, EINVAL),
            ("no brace", with("{"), EINVAL),
            ("no quote", with("\""), EINVAL),
            ("capabilities", with(r#"{ "capabilities": "23" }"#), EINVAL),
            ("max_msg_fds", capability(r#""max_msg_fds": "foo""#), EINVAL),
            ("negative", capability(r#""max_msg_fds": -1"#), EINVAL),
            ("migration", capability(r#""migration": "23""#), EINVAL),
            (
                "pgsize",
                capability(r#""migration": { "pgsize": "foo" }"#),
                EINVAL,
            ),
            (
                "odd pgsize",
                capability(r#""migration": { "pgsize": 4095 }"#),
                EINVAL,
            ),
        ],
    );
    drop(client);
    for (what, body) in [
        ("no text", version(0, 1, "")),
        ("empty", with("{}")),
        (
            "more than libvfio-user takes",
            capability(r#""max_msg_fds": 1025"#),
        ),
        (
            "an older name",
            capability(r#""max_msg_fds": 8, "max_transfer_size": 1048576"#),
        ),
    ] {
        daemon.wait_until_free();
        let mut client = Client::connect(&daemon.only());
        let reply = client.request(command::VERSION, body);
        assert_eq!(reply.errno(), None, "{what}");
    }
}

#[test]
fn dma_unmap() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    client.map_without_fd(0, 4096).ok();
    let unmap = vfio_user_ism_tests::client::dma_unmap;
    all(
        &mut client,
        command::DMA_UNMAP,
        &[
            ("short", words(&[0, 0]), EINVAL),
            (
                "argsz",
                Bytes::new().u32(8).raw(&unmap(0, 0x1000, 4096)[4..]).0,
                EINVAL,
            ),
            ("unknown flags", unmap(0x2323, 0x1000, 4096), EINVAL),
            ("flag 4", unmap(4, 0x1000, 4096), EINVAL),
            ("the dirty bitmap", unmap(1, 0, 4096), EOPNOTSUPP),
            ("all with a range", unmap(2, 0x10000, 4096), EINVAL),
            ("all with the dirty bitmap", unmap(3, 0, 0), EINVAL),
        ],
    );
    // Nothing is mapped: 0 bytes, as in Linux. libvfio-user answers ENOENT.
    let nothing = client.unmap(0x10000, 4096).ok();
    assert_eq!(u64_at(&nothing, 16), 0);
    assert_eq!(u64_at(&client.unmap(0, 4096).ok(), 16), 4096);
    for region in 0..16 {
        client.map_without_fd(0x1000 * region, 0x1000).ok();
    }
    client.request(command::DMA_UNMAP, unmap(2, 0, 0)).ok();
    client.map_without_fd(0, 0x10000).ok();
}

#[test]
fn dma_map_of_any_size_and_many() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    // libvfio-user has a limit of 8 TiB for one range, and of 16 ranges.
    client.map_without_fd(1 << 50, (8 << 40) + 4096).ok();
    for region in 1..18 {
        let body = dma_map(0x1000 * region, 4096, 0);
        client.request(command::DMA_MAP, body).ok();
    }
}

#[test]
fn device_get_info() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    all(
        &mut client,
        command::GET_INFO,
        &[
            ("argsz 0", words(&[0, 0, 0, 0]), EINVAL),
            ("argsz 8", words(&[8, 0, 0, 0]), EINVAL),
            ("short", words(&[0, 0]), EINVAL),
        ],
    );
    let info = client
        .request(command::GET_INFO, words(&[16, 0, 0, 0]))
        .ok();
    // Reset, PCI, and the flag of the capabilities, which do not fit.
    assert_eq!(info.len(), 16);
    assert_eq!(u32_at(&info, 4) & 3, 3);
    assert_eq!((u32_at(&info, 8), u32_at(&info, 12)), (10, 5));
}

#[test]
fn device_get_region_info() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let request = |argsz, index| words(&[argsz, 0, index, 0, 0, 0, 0, 0]);
    all(
        &mut client,
        command::GET_REGION_INFO,
        &[
            ("short", words(&[0, 0]), EINVAL),
            ("argsz 8", request(8, 1), EINVAL),
            ("index", request(32, 10), EINVAL),
        ],
    );
    // The room is larger than the answer.
    let info = client
        .request(command::GET_REGION_INFO, request(40, 2))
        .ok();
    assert_eq!(info, Bytes(words(&[32, 3, 2, 0])).u64(4096).u64(0).0);
    // A region that does not exist has no size, flags or capabilities.
    for index in [1, 3, 5, 6, 8] {
        let info = client
            .request(command::GET_REGION_INFO, request(32, index))
            .ok();
        assert_eq!(
            info,
            words(&[32, 0, index, 0, 0, 0, 0, 0]),
            "region {index}"
        );
    }
    // Without room for the capability, the answer has the size that it needs, and no other sign of it.
    let small = client
        .request(command::GET_REGION_INFO, request(32, 9))
        .ok();
    assert_eq!(small.len(), 32);
    assert!(u32_at(&small, 0) > 32);
    assert_eq!((u32_at(&small, 4), u32_at(&small, 12)), (3, 0));
    let argsz = u32_at(&small, 0);
    let mut padded = request(argsz, 9);
    padded.resize(argsz as usize, 0);
    let whole = client.request(command::GET_REGION_INFO, padded).ok();
    assert_eq!(whole.len(), argsz as usize);
    assert_eq!((u32_at(&whole, 4), u32_at(&whole, 12)), (3 | 8, 32));
}

#[test]
fn device_get_region_io_fds() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    all(
        &mut client,
        command::GET_REGION_IO_FDS,
        &[
            ("flags", words(&[512, 1, 2, 0]), EINVAL),
            ("count", words(&[512, 0, 2, 1]), EINVAL),
            ("argsz 15", words(&[15, 0, 2, 0]), EINVAL),
            ("index", words(&[512, 0, 512, 0]), EINVAL),
        ],
    );
    for index in [0, 2, 7] {
        let answer = client
            .request(command::GET_REGION_IO_FDS, words(&[512, 0, index, 0]))
            .ok();
        assert_eq!(answer, words(&[16, 0, index, 0]));
    }
}

#[test]
fn device_get_irq_info() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    all(
        &mut client,
        command::GET_IRQ_INFO,
        &[
            ("short", words(&[0, 0]), EINVAL),
            ("argsz 8", words(&[8, 0, REQUEST, 0]), EINVAL),
            ("index", words(&[16, 0, 5, 0]), EINVAL),
            ("larger argsz", words(&[32, 0, ERROR, 0]), 0),
        ],
    );
    let info = client
        .request(command::GET_IRQ_INFO, words(&[16, 0, ERROR, 0]))
        .ok();
    assert_eq!((u32_at(&info, 0), u32_at(&info, 4) & 1), (16, 1));
    assert_eq!((u32_at(&info, 8), u32_at(&info, 12)), (ERROR, 1));
}

#[test]
fn device_set_irqs() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let set = |flags, index, start, count| set_irqs(flags, index, start, count, &[]);
    let mut argsz_3 = set(NONE | TRIGGER, REQUEST, 0, 0);
    argsz_3[..4].copy_from_slice(&3_u32.to_ne_bytes());
    // An argsz with room for fewer booleans than there are, and for more.
    let bools = |argsz: u32, bools: &[u8], count| {
        let body = set_irqs(BOOL | TRIGGER, MSIX, 0, count, bools);
        Bytes::new().u32(argsz).raw(&body[4..]).0
    };
    all(
        &mut client,
        command::SET_IRQS,
        &[
            ("no irq_set", Vec::new(), EINVAL),
            ("short", words(&[0, 0]), EINVAL),
            ("argsz", argsz_3, EINVAL),
            ("index", set(NONE | TRIGGER, 5, 0, 0), EINVAL),
            ("mask and unmask", set(MASK | UNMASK, MSIX, 0, 0), EINVAL),
            ("none and bool", set(MASK | NONE | BOOL, MSIX, 0, 0), EINVAL),
            ("range", set(MASK | NONE, MSIX, 0, 2), EINVAL),
            ("range behind", set(MASK | NONE, MSIX, 2, 1), EINVAL),
            // Linux answers ENOTTY for an action that an index does not support; libvfio-user EINVAL.
            ("mask errors", set(MASK | NONE, ERROR, 0, 1), ENOTTY),
            ("mask requests", set(MASK | NONE, REQUEST, 0, 1), EINVAL),
            ("errors' range", set(TRIGGER | NONE, ERROR, 0, 2), EINVAL),
            (
                "requests' range",
                set(TRIGGER | NONE, REQUEST, 0, 2),
                EINVAL,
            ),
            ("start for count 0", set(MASK | NONE, MSIX, 1, 0), EINVAL),
            ("action for count 0", set(MASK | NONE, MSIX, 0, 0), EINVAL),
            ("data for count 0", set(TRIGGER | BOOL, MSIX, 0, 0), EINVAL),
            ("too few booleans", bools(21, &[0], 2), EINVAL),
            ("too many booleans", bools(23, &[0, 0, 0], 1), EINVAL),
            ("disable", set(TRIGGER | NONE, REQUEST, 0, 0), 0),
            (
                "without a descriptor",
                set(TRIGGER | EVENTFD, ERROR, 0, 1),
                0,
            ),
        ],
    );
    let eventfd = Eventfd::new();
    let fd = [eventfd.as_fd()];
    let with = |client: &mut Client, body: Vec<u8>, fds: &[BorrowedFd<'_>]| {
        let reply = client.request_with(command::SET_IRQS, body, fds);
        reply.errno().unwrap_or(0)
    };
    let body = set_irqs(TRIGGER | BOOL, MSIX, 0, 1, &[0]);
    assert_eq!(with(&mut client, body, &fd), EINVAL, "for booleans");
    let body = set(TRIGGER | NONE, MSIX, 0, 1);
    assert_eq!(with(&mut client, body, &fd), EINVAL, "for nothing");
    let body = set(TRIGGER | EVENTFD, MSIX, 0, 2);
    assert_eq!(with(&mut client, body, &fd), EINVAL, "one for two vectors");
    // Enabled, updated, triggered in both ways; the eventfd counted 4 before.
    for index in [MSI, MSIX] {
        for trigger in [
            set(TRIGGER | NONE, index, 0, 1),
            set_irqs(TRIGGER | BOOL, index, 0, 1, &[1]),
        ] {
            rustix::io::write(&eventfd, &4_u64.to_ne_bytes()).unwrap();
            for _ in 0..2 {
                let enable = set(TRIGGER | EVENTFD, index, 0, 1);
                assert_eq!(with(&mut client, enable, &fd), 0);
            }
            client.request(command::SET_IRQS, trigger).ok();
            assert_eq!(eventfd.take(), 5);
        }
    }
    let masked = set(MASK | NONE, MSIX, 0, 1);
    client.request(command::SET_IRQS, masked).ok();
}

#[test]
fn a_bad_request_closes_its_descriptors() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let open = || {
        let path = format!("/proc/{}/fd", daemon.pid());
        std::fs::read_dir(path).unwrap().count()
    };
    let before = open();
    let (one, two) = (Eventfd::new(), Eventfd::new());
    let body = set_irqs(TRIGGER | BOOL, MSIX, 0, 1, &[]);
    for number in [
        command::SET_IRQS,
        command::DMA_MAP,
        command::VERSION,
        18,
        99,
    ] {
        let reply = client.request_with(number, &body, &[one.as_fd(), two.as_fd()]);
        assert!(reply.errno().is_some(), "{number}");
    }
    assert_eq!(open(), before);
}

#[test]
fn accesses_of_regions() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    client.read(CONFIG, u64::MAX, 256).refused(EINVAL);
    client.read(CONFIG, 0, (1 << 20) + 8).refused(EINVAL);
    assert!(client.read(0, 0, 0).data().is_empty());
    client.write(0, 0, &[]).ok();
    client
        .request(command::REGION_WRITE, 0_u64.to_ne_bytes())
        .refused(EINVAL);
    // Read-only bits stay, and the write succeeds, as with PCI hardware.
    let before = client.read(CONFIG, 0, 64).data();
    client.write(CONFIG, 0x34, &[1]).ok();
    client.write(CONFIG, 0, &[0xff; 4]).ok();
    // Writing 1 clears status bits; none of them is ever set here.
    client.write(CONFIG, 6, &[0xff; 2]).ok();
    assert_eq!(client.read(CONFIG, 0, 64).data(), before);
    assert_eq!(before[6] & 0x10, 0x10, "there is a list of capabilities");
    let body = access(CONFIG, 0, 4);
    client.request(command::REGION_READ, body).ok();
}

#[test]
fn dirty_pages_and_migration() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    // 14 was the number of DIRTY_PAGES; MIG_DATA_READ and MIG_DATA_WRITE are 17 and 18.
    for number in [14, 17, 18] {
        for len in [0, 4, 8, 40] {
            client.request(number, vec![0; len]).refused(EOPNOTSUPP);
        }
    }
    let probe = words(&[8, 1 | 1 << 18]);
    client.request(command::FEATURE, probe).refused(ENOTTY);
    let state = words(&[16, 2 | 1 << 16, 0, 0]);
    client.request(command::FEATURE, state).refused(ENOTTY);
    let short = words(&[16]);
    client.request(command::FEATURE, short).refused(EINVAL);
}
