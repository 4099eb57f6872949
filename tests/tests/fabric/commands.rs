//! Tests of the fourteen commands, by both contracts.

use vfio_user_ism_tests::driver::{
    DMB, FIRST_INDEX, IEQ, IOVA, Response, SBA, code, dmb, header, target,
};
use vfio_user_ism_tests::errno::EIO;
use vfio_user_ism_tests::{Bytes, Daemon, Driver, Via};

/// Runs a test with a driver, by the BAR contract and by the region contract. It must break no rule.
#[track_caller]
fn both(test: impl Fn(&mut Driver)) {
    for via in [Via::Bar, Via::Region] {
        let daemon = Daemon::start();
        let mut driver = Driver::attach(&daemon.only(), via);
        test(&mut driver);
        drop(driver);
        let stopped = daemon.stop();
        assert_eq!(stopped.rules(), [""; 0], "{via:?}");
    }
}

/// Like [`both`], for a test that breaks rules.
fn both_whatever_the_rules(test: impl Fn(&mut Driver)) {
    for via in [Via::Bar, Via::Region] {
        let daemon = Daemon::start();
        test(&mut Driver::attach(&daemon.only(), via));
    }
}

/// The response to QUERY_INFO.
struct Info(Vec<u8>);

impl Info {
    fn query(driver: &mut Driver) -> Self {
        Self(driver.run(code::QUERY_INFO, []).ok())
    }

    /// Returns the field at an offset in the response, whose header has 8 bytes.
    fn u32(&self, at: usize) -> u32 {
        u32::from_be_bytes(self.0[at - 8..at - 4].try_into().unwrap())
    }

    fn u64(&self, at: usize) -> u64 {
        u64::from(self.u32(at)) << 32 | u64::from(self.u32(at + 4))
    }
}

#[test]
fn a_probe_and_a_remove_as_linux_does_them() {
    both(|driver| {
        driver.register();
        let gid = driver.gid();
        driver
            .run(code::ADD_VLAN_ID, Bytes::new().be64(0x1fff))
            .ok();
        let info = Info::query(driver);
        assert_eq!(info.u64(24), gid);
        let token = driver.register_dmb(0x4000, FIRST_INDEX, gid);
        driver.run(code::UNREG_DMB, Bytes::new().be64(token)).ok();
        driver
            .run(code::DEL_VLAN_ID, Bytes::new().be64(0x1fff))
            .ok();
        driver.run(code::UNREG_IEQ, []).ok();
        driver.run(code::UNREG_SBA, []).ok();
    });
}

#[test]
fn responses_echo_the_command_and_have_valid_lengths() {
    both_whatever_the_rules(|driver| {
        for code in [0, 0x0c, 0x0d, 0x0f, 0x10, 0x13, 0x7fff_ffff] {
            let response = driver.run(code, []);
            assert_eq!(response.command, code);
            response.failed();
        }
        for known in 1..=0x12 {
            // These headers lack the payload or have a wrong length. No command may leave a malformed
            // response.
            for len in [0, 7, 8, 9, 16, 0xffff] {
                driver.store(2, 0, &header(known, len)).ok();
                driver.response();
            }
        }
        for (code, len) in [
            (code::READ_GID, 16),
            (code::QUERY_INFO, 200),
            (code::SET_VLAN, 8),
        ] {
            assert_eq!(driver.run(code, []).len, len);
        }
    });
}

#[test]
fn before_any_command_the_response_is_valid_too() {
    both_whatever_the_rules(|driver| driver.response().failed());
}

#[test]
fn read_gid_returns_the_first_functions_gid() {
    both(|driver| assert_eq!(driver.gid(), 0x1500_0000_0000_0001));
}

#[test]
fn query_info_reports_what_the_driver_registered() {
    both(|driver| {
        let info = Info::query(driver);
        assert_eq!((info.u64(32), info.u64(40), info.u32(48)), (0, 0, 0));
        driver.register();
        let gid = driver.gid();
        driver.register_dmb(4096, FIRST_INDEX, gid);
        driver.run(code::ADD_VLAN_ID, Bytes::new().be64(0x123)).ok();
        driver.run(code::SET_VLAN, []).ok();
        let info = Info::query(driver);
        assert_eq!(info.u32(12), 1 << 20, "the largest buffer");
        assert_eq!(
            (info.u64(32), info.u64(40), info.u32(48)),
            (IOVA + SBA, IOVA + IEQ, 512)
        );
        assert_eq!(
            (info.u32(56), info.u32(60)),
            (1, 1),
            "buffers owned, buffers used"
        );
        assert_eq!(
            (info.u32(64), info.u32(68)),
            (1, 1),
            "a VLAN is required, there is one"
        );
        assert_eq!(info.u32(72) >> 16, 0x123);
    });
}

#[test]
fn reg_sba_refuses_bad_addresses_and_a_second_sba() {
    both_whatever_the_rules(|driver| {
        let at = |iova: u64| Bytes::new().be64(iova);
        driver.run(code::REG_SBA, at(IOVA + 8)).failed();
        driver.run(code::REG_SBA, at(0xdead_0000_0000)).failed();
        driver.run(code::REG_SBA, at(IOVA)).ok();
        driver.run(code::REG_SBA, at(IOVA + 4096)).failed();
        driver.run(code::UNREG_SBA, []).ok();
        driver.run(code::UNREG_SBA, []).ok();
        driver.run(code::REG_SBA, at(IOVA + 4096)).ok();
    });
}

#[test]
fn reg_ieq_refuses_bad_queues_and_a_second_queue() {
    both_whatever_the_rules(|driver| {
        let at = |iova: u64, len: u64| Bytes::new().be64(iova).be64(len);
        driver.run(code::REG_SBA, Bytes::new().be64(IOVA)).ok();
        driver.run(code::REG_IEQ, at(IOVA + IEQ + 8, 512)).failed();
        driver.run(code::REG_IEQ, at(IOVA + IEQ, 256)).failed();
        driver
            .run(code::REG_IEQ, at(0xdead_0000_0000, 512))
            .failed();
        driver.run(code::REG_IEQ, at(IOVA + IEQ, 512)).ok();
        driver.run(code::REG_IEQ, at(IOVA + IEQ, 512)).failed();
        driver.run(code::UNREG_IEQ, []).ok();
        driver.run(code::UNREG_IEQ, []).ok();
    });
}

#[test]
fn reg_dmb_hands_out_tokens_that_leave_room_for_an_offset() {
    both(|driver| {
        driver.register();
        let gid = driver.gid();
        let mut tokens: Vec<u64> = (0..16)
            .map(|n| {
                let payload = dmb(IOVA + DMB + n * 4096, 4096, FIRST_INDEX + n as u32, gid);
                driver.run(code::REG_DMB, payload).number()
            })
            .collect();
        for token in &tokens {
            assert_eq!(token & 0xffff_ffff, 0);
            assert!(
                (1..=0xffff).contains(&(token >> 32)),
                "{token:#x} is not inside BAR 0"
            );
        }
        tokens.dedup();
        tokens.sort_unstable();
        tokens.dedup();
        assert_eq!(tokens.len(), 16);
    });
}

#[test]
fn reg_dmb_refuses_what_cannot_be_a_buffer() {
    both_whatever_the_rules(|driver| {
        driver.register();
        let gid = driver.gid();
        for (iova, len, index) in [
            (IOVA + DMB + 8, 4096, 32),
            (IOVA + DMB, 0, 32),
            (IOVA + DMB, (1 << 20) + 1, 32),
            (u64::MAX - 4095, 4096, 32),
            (0xdead_0000_0000, 4096, 32),
            (IOVA + DMB, 4096, 31),
            (IOVA + DMB, 4096, 1920),
            (IOVA + DMB, 4096, u32::MAX),
        ] {
            driver
                .run(code::REG_DMB, dmb(iova, len, index, gid))
                .failed();
        }
        driver.register_dmb(1 << 20, 1919, gid);
        driver
            .run(code::REG_DMB, dmb(IOVA + DMB, 4096, 1919, gid))
            .failed();
        assert_eq!(Info::query(driver).u32(56), 1);
    });
}

#[test]
fn unreg_dmb_ends_moves_and_accepts_an_unknown_token() {
    both_whatever_the_rules(|driver| {
        driver.register();
        let gid = driver.gid();
        let token = driver.register_dmb(4096, FIRST_INDEX, gid);
        driver.put(target(token, 0, false, 0), &[1; 8]).ok();
        driver.run(code::UNREG_DMB, Bytes::new().be64(token)).ok();
        driver.put(target(token, 0, false, 0), &[2; 8]).refused(EIO);
        // An unknown token must not make the driver keep its memory.
        driver.run(code::UNREG_DMB, Bytes::new().be64(token)).ok();
        let again = driver.register_dmb(4096, FIRST_INDEX, gid);
        assert_ne!(again, token, "a token is not used again at once");
    });
}

#[test]
fn a_command_runs_with_its_own_payload_only() {
    both_whatever_the_rules(|driver| {
        driver.run(code::ADD_VLAN_ID, Bytes::new().be64(0x42)).ok();
        driver.store(2, 0, &header(code::ADD_VLAN_ID, 16)).ok();
        driver.response().failed();
        assert_eq!(Info::query(driver).u32(68), 1);
    });
}

#[test]
fn a_response_stays_until_the_next_command() {
    both(|driver| {
        let first: Response = driver.run(code::READ_GID, []);
        assert_eq!(driver.response(), first);
    });
}
