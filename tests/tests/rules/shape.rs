//! Cases for the rules about the shape of one access, or of a run of pieces.

use vfio_user_ism_tests::Message;
use vfio_user_ism_tests::client::ZPCI;
use vfio_user_ism_tests::driver::{FIRST_INDEX, IOVA, target, zpci_request};

use super::{Case, Rig};

const STRICT: &str = r#"{ "relaxed": false }"#;
const IOVA_CARRIER: &str = r#"{ "payload_carrier": "iova" }"#;

/// Makes a move into the function's own buffer.
fn put(rig: &mut Rig, offset: u64, len: usize) -> Message {
    rig.one.register();
    let gid = rig.one.gid();
    let token = rig.one.register_dmb(0x4000, FIRST_INDEX, gid);
    rig.one.put(target(token, 0, false, offset), &vec![1; len])
}

fn zpci(rig: &mut Rig, request: impl AsRef<[u8]>) -> Message {
    rig.one.client.write(ZPCI, 16, request.as_ref())
}

pub(crate) const CASES: &[Case] = &[
    Case::new("split-block-store", |rig| {
        rig.one.register();
        let gid = rig.one.gid();
        let token = rig.one.register_dmb(0x4000, FIRST_INDEX, gid);
        let pieces = [0, 8, 16, 24].map(|at| rig.one.put(target(token, 0, false, at), &[1; 8]));
        pieces.into_iter().last().unwrap()
    }),
    Case {
        device: r#"{ "max_store_block_length": 128 }"#,
        ..Case::new("length-over-max", |rig| put(rig, 0, 129))
    },
    Case {
        device: STRICT,
        ..Case::new("strict-length", |rig| put(rig, 0, 12))
    },
    Case {
        device: STRICT,
        ..Case::new("strict-alignment", |rig| put(rig, 4, 16))
    },
    Case::new("crosses-4k", |rig| put(rig, 4090, 16)),
    Case::new("outside-bar", |rig| rig.one.store(2, 4092, &[0; 8])),
    Case::new("plain-store", |rig| rig.one.store(2, 8, &[0; 4])),
    Case::new("pcistg-to-data-bar", |rig| {
        rig.one.register();
        let gid = rig.one.gid();
        let token = rig.one.register_dmb(0x4000, FIRST_INDEX, gid);
        zpci(rig, zpci_request(4, 0, 0, token, 8).raw(&[1; 8]))
    }),
    Case {
        device: r#"{ "contracts": ["region"] }"#,
        ..Case::new("not-legacy-path", |rig| rig.one.store(2, 8, &[0; 8]))
    },
    Case {
        device: IOVA_CARRIER,
        ..Case::new("gaddr-misaligned", |rig| {
            zpci(rig, zpci_request(2, IOVA + 4, 2, 8, 8))
        })
    },
    Case {
        device: IOVA_CARRIER,
        ..Case::new("gaddr-crosses-page", |rig| {
            zpci(rig, zpci_request(2, IOVA + 0xff8, 2, 8, 16))
        })
    },
    Case::new("load-too-long", |rig| {
        zpci(rig, zpci_request(1, 0, 2, 0, 9))
    }),
    Case::new("load-crosses-8", |rig| {
        zpci(rig, zpci_request(1, 0, 2, 4, 8))
    }),
    Case::new("load-from-data-bar", |rig| rig.one.client.read(0, 0, 8)),
    Case::new("odd-command-load", |rig| {
        rig.one.gid();
        rig.one.client.read(2, 0, 4)
    }),
];
