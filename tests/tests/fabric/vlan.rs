//! Tests of VLAN membership, and of reachability by QUERY_RGID.

use vfio_user_ism_tests::driver::code;
use vfio_user_ism_tests::{Bytes, Daemon, Driver, Via};

fn pair(daemon: &Daemon) -> (Driver, Driver) {
    let attach = |name| Driver::attach(&daemon.socket(name), Via::Region);
    (attach("ism0"), attach("ism1"))
}

fn add(driver: &mut Driver, id: u64) -> bool {
    driver.run(code::ADD_VLAN_ID, Bytes::new().be64(id)).code == 0
}

fn delete(driver: &mut Driver, id: u64) -> bool {
    driver.run(code::DEL_VLAN_ID, Bytes::new().be64(id)).code == 0
}

fn reaches(driver: &mut Driver, gid: u64, vlan: Option<u32>) -> bool {
    let (valid, id) = (u32::from(vlan.is_some()), vlan.unwrap_or(0));
    let payload = Bytes::new().be64(gid).be32(valid).be32(id);
    driver.run(code::QUERY_RGID, payload).code == 0
}

#[test]
fn vlan_ids_have_12_bits_or_are_the_one_of_smc_d_v2() {
    let daemon = Daemon::start();
    let mut driver = Driver::attach(&daemon.only(), Via::Bar);
    for id in [0, 1, 0xfff, 0x1fff] {
        assert!(add(&mut driver, id), "{id:#x}");
        assert!(add(&mut driver, id), "{id:#x} again");
        assert!(delete(&mut driver, id));
        assert!(!delete(&mut driver, id), "{id:#x} is gone");
    }
    for id in [0x1000, 0x1ffe, 0x2000, 0x1_0000_0001, u64::MAX] {
        assert!(!add(&mut driver, id), "{id:#x}");
    }
}

#[test]
fn a_function_is_in_at_most_64_vlans() {
    let daemon = Daemon::start();
    let mut driver = Driver::attach(&daemon.only(), Via::Bar);
    for id in 1..=64 {
        assert!(add(&mut driver, id));
    }
    assert!(!add(&mut driver, 65));
    assert!(add(&mut driver, 64));
    let info = driver.run(code::QUERY_INFO, []).ok();
    let ids: Vec<_> = info[64..192]
        .chunks(2)
        .map(|id| u64::from(id[0]) << 8 | u64::from(id[1]))
        .collect();
    assert_eq!(ids, (1..=64).collect::<Vec<_>>());
    assert!(delete(&mut driver, 1) && add(&mut driver, 65));
}

#[test]
fn functions_of_one_fabric_reach_each_other_and_themselves() {
    let daemon = Daemon::with_profile("pair");
    let (mut one, mut two) = pair(&daemon);
    let (own, other) = (one.gid(), two.gid());
    assert!(reaches(&mut one, own, None));
    assert!(reaches(&mut one, other, None));
    assert!(!reaches(&mut one, 0x1234, None));
}

#[test]
fn both_functions_must_be_members_of_a_vlan() {
    let daemon = Daemon::with_profile("pair");
    let (mut one, mut two) = pair(&daemon);
    let other = two.gid();
    for vlan in [7, 0x1fff] {
        assert!(!reaches(&mut one, other, Some(vlan)));
        assert!(add(&mut one, u64::from(vlan)));
        assert!(!reaches(&mut one, other, Some(vlan)));
        assert!(add(&mut two, u64::from(vlan)));
        assert!(reaches(&mut one, other, Some(vlan)));
        assert!(!reaches(&mut one, other, Some(8)));
    }
}

#[test]
fn set_vlan_requires_a_vlan_until_reset_vlan() {
    let daemon = Daemon::with_profile("pair");
    let (mut one, mut two) = pair(&daemon);
    let other = two.gid();
    two.run(code::SET_VLAN, []).ok();
    assert!(!reaches(&mut one, other, None));
    two.run(code::RESET_VLAN, []).ok();
    assert!(reaches(&mut one, other, None));
}

#[test]
fn a_guest_that_has_gone_is_not_reachable() {
    let daemon = Daemon::with_profile("pair");
    let (mut one, mut two) = pair(&daemon);
    let other = two.gid();
    drop(two);
    vfio_user_ism_tests::patience::eventually("the other is gone", || {
        (!reaches(&mut one, other, None)).then_some(())
    });
    let mut back = Driver::attach(&daemon.socket("ism1"), Via::Bar);
    back.gid();
    assert!(reaches(&mut one, other, None));
}
