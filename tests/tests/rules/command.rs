//! Cases for the rules about order and operands of commands.

use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, IOVA, code, dmb, header};
use vfio_user_ism_tests::{Bytes, Message};

use super::{Case, Rig};

/// Stores payload and header. Returns the reply to the header.
fn begin(rig: &mut Rig, code: u32, payload: impl AsRef<[u8]>) -> Message {
    let payload = payload.as_ref();
    if !payload.is_empty() {
        rig.one.store(2, 8, payload).ok();
    }
    rig.one.store(2, 0, &header(code, 8 + payload.len() as u16))
}

/// Sends REG_DMB with SBA and event queue registered.
fn reg_dmb(rig: &mut Rig, iova: u64, len: u32, index: u32) -> Message {
    rig.one.register();
    begin(rig, code::REG_DMB, dmb(iova, len, index, 0xa))
}

pub(crate) const CASES: &[Case] = &[
    Case::new("header-without-payload", |rig| {
        rig.one.store(2, 0, &header(code::ADD_VLAN_ID, 16))
    }),
    Case::new("payload-gap", |rig| {
        rig.one.store(2, 16, &[0; 8]).ok();
        rig.one.store(2, 0, &header(code::REG_IEQ, 24))
    }),
    Case::new("payload-after-header", |rig| {
        rig.one.store(2, 0, &header(code::ADD_VLAN_ID, 16)).ok();
        rig.one.store(2, 8, &[0; 8])
    }),
    Case::new("payload-overwritten", |rig| {
        rig.one.store(2, 8, &[1; 8]).ok();
        rig.one.store(2, 8, &[2; 16])
    }),
    Case::new("payload-mixed", |rig| {
        rig.one.store(2, 8, &[1; 16]).ok();
        rig.one.store(2, 8, &[2; 8])
    }),
    Case::new("torn-header", |rig| {
        rig.one.store(2, 0, &header(code::READ_GID, 8)[..4])
    }),
    Case::new("header-not-alone", |rig| {
        let whole = [header(code::ADD_VLAN_ID, 16), vec![0; 8]].concat();
        rig.one.store(2, 0, &whole)
    }),
    Case::new("command-overlap", |rig| {
        begin(rig, code::READ_GID, []).ok();
        begin(rig, code::READ_GID, [])
    }),
    Case::new("response-half-read", |rig| {
        begin(rig, code::READ_GID, []).ok();
        assert_eq!(rig.one.client.read(2, 0, 8).errno(), None);
        begin(rig, code::READ_GID, [])
    }),
    Case::new("response-before-command", |rig| {
        rig.one.client.read(2, 0, 8)
    }),
    Case::new("response-overread", |rig| {
        rig.one.gid();
        rig.one.client.read(2, 16, 8)
    }),
    Case::new("unknown-command", |rig| begin(rig, 0x0c, [])),
    Case::new("bad-command-length", |rig| {
        rig.one.store(2, 0, &header(code::READ_GID, 16))
    }),
    Case::new("reserved-not-zero", |rig| {
        let header = Bytes::new().be32(code::READ_GID).be16(1).be16(8);
        rig.one.store(2, 0, &header.0)
    }),
    Case::new("register-order", |rig| {
        begin(rig, code::REG_IEQ, Bytes::new().be64(IOVA).be64(512))
    }),
    Case::new("bad-sba-index", |rig| {
        reg_dmb(rig, IOVA + DMB, 4096, FIRST_INDEX - 1)
    }),
    Case::new("bad-dmb-memory", |rig| {
        reg_dmb(rig, IOVA + DMB + 4096, 1 << 20, FIRST_INDEX)
    }),
    Case::new("queue-misaligned", |rig| {
        begin(rig, code::REG_SBA, Bytes::new().be64(IOVA + 8))
    }),
    Case::new("token-as-address", |rig| {
        rig.one.register();
        let token = rig.one.register_dmb(4096, FIRST_INDEX, 0xa);
        begin(rig, code::REG_DMB, dmb(token, 4096, FIRST_INDEX + 1, 0xa))
    }),
    Case::new("outside-dma-window", |rig| {
        begin(rig, code::REG_SBA, Bytes::new().be64(IOVA - 4096))
    }),
    Case::new("unregister-not-owned", |rig| {
        rig.two.register();
        let token = rig.two.register_dmb(4096, FIRST_INDEX, 0xa);
        begin(rig, code::UNREG_DMB, Bytes::new().be64(token))
    }),
];
