//! Property tests: whatever a client does, the device does not panic, responses have valid lengths, tokens
//! are well-formed, and a refused store changes no state.

use ism::FunctionId;
use proptest::prelude::*;
use zpci_region::{Path, Severity, rule::catalogue::CATALOGUE};

use crate::driver::{DMB, GIDS, IEQ, Machine, SBA};
use crate::guests::Op;

#[derive(Clone, Debug)]
enum Access {
    Store(usize, u8, u64, Vec<u8>),
    Load(usize, u8, u64, usize),
    Command(usize, u32, u16, Vec<u8>),
    Move(usize, u64, u32, Vec<u8>),
    Config(usize, u64, Vec<u8>),
    Reset(usize),
    Detach(usize),
}

/// Chooses a value that commands treat specially, or any other value.
fn word() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(SBA),
        Just(IEQ),
        Just(DMB),
        Just(GIDS[0]),
        Just(GIDS[1]),
        Just(512),
        Just(0x1fff),
        (0xd000_u64..0xd004).prop_map(|n| n << 32),
        (32_u64..36).prop_map(|index| 4096 << 32 | index),
        any::<u64>(),
    ]
}

fn access() -> impl Strategy<Value = Access> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..80);
    let f = || 0..3_usize;
    let offset = prop_oneof![0..64_u64, 0..5000_u64, any::<u64>()];
    let payload = prop::collection::vec(word(), 0..5)
        .prop_map(|words| words.iter().flat_map(|word| word.to_be_bytes()).collect());
    prop_oneof![
        2 => (f(), 0..6_u8, offset.clone(), bytes()).prop_map(|(f, p, o, d)| Access::Store(f, p, o, d)),
        2 => (f(), 0..6_u8, offset.clone(), 0..300_usize).prop_map(|(f, p, o, l)| Access::Load(f, p, o, l)),
        4 => (f(), 0..20_u32, prop::option::of(any::<u16>()), payload).prop_map(
            |(f, code, len, payload): (_, _, _, Vec<u8>)| {
                let len = len.unwrap_or_else(|| u16::try_from(payload.len() + 8).unwrap());
                Access::Command(f, code, len, payload)
            }
        ),
        3 => (f(), 0..4_u64, any::<u32>(), bytes()).prop_map(|(f, t, o, d)| Access::Move(f, t << 32, o, d)),
        1 => (f(), 0..300_u64, bytes()).prop_map(|(f, o, d)| Access::Config(f, o, d)),
        1 => f().prop_map(Access::Reset),
        1 => f().prop_map(Access::Detach),
    ]
}

fn run(machine: &mut Machine, access: &Access) {
    match access {
        Access::Store(f, pcias, offset, data) => {
            let _ = machine.store(*f, *pcias, *offset, data);
        }
        Access::Load(f, pcias, offset, len) => {
            let _ = machine.load(*f, *pcias, *offset, *len);
        }
        Access::Command(f, code, len, payload) => {
            let _ = machine.store(*f, 2, 8, payload);
            let mut header = code.to_be_bytes().to_vec();
            header.extend([0, 0]);
            header.extend(len.to_be_bytes());
            let _ = machine.store(*f, 2, 0, &header);
        }
        Access::Move(f, token, offset, data) => {
            let _ = machine.store(*f, 0, token | u64::from(*offset), data);
        }
        Access::Config(f, offset, data) => {
            let _ = machine.fabric.config_write(FunctionId(*f), *offset, data);
            let mut out = vec![0; data.len()];
            let _ = machine
                .fabric
                .config_read(FunctionId(*f), *offset, &mut out);
        }
        Access::Reset(f) => {
            let id = FunctionId(*f);
            machine
                .fabric
                .reset(id, &mut machine.guests, &mut machine.seen);
        }
        Access::Detach(f) => {
            let id = FunctionId(*f);
            machine
                .fabric
                .detach(id, &mut machine.guests, &mut machine.seen);
        }
    }
}

fn check(machine: &mut Machine) -> Result<(), TestCaseError> {
    for f in 0..2 {
        // The Linux driver overruns its stack for any other length.
        let mut image = [0; 8];
        let load = zpci_region::Load {
            path: Path::Bar,
            pcias: 2,
            offset: 0,
            len: 8,
            gaddr: None,
        };
        let mut copy = machine.fabric.clone();
        let loaded = copy.load(FunctionId(f), &load, &mut image, &mut machine.seen);
        if loaded.is_ok() {
            let len = u16::from_be_bytes([image[6], image[7]]);
            prop_assert!([8, 16, 200].contains(&len), "{image:x?}");
            let ret = u16::from_be_bytes([image[4], image[5]]);
            prop_assert_ne!(ret, 0xffff);
        }
    }
    for (token, dmb) in machine.fabric.dmbs() {
        prop_assert!(
            token != 0 && token & 0xffff_0000_ffff_ffff == 0,
            "{token:#x}"
        );
        prop_assert!((32..=1919).contains(&dmb.index));
        prop_assert!(dmb.len > 0 && dmb.len <= 1 << 20);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 400 }) })]

    #[test]
    fn nothing_panics_and_invariants_hold(
        accesses in prop::collection::vec(access(), 1..60),
        path in prop_oneof![Just(Path::Region), Just(Path::Bar), Just(Path::BarMulti)],
        smcd in any::<bool>(),
    ) {
        let mut machine = Machine::with(2, |config| {
            for info in CATALOGUE.iter().filter(|_| smcd) {
                config.rules.set(info.rule, Severity::Note);
            }
        });
        machine.path = path;
        for access in &accesses {
            run(&mut machine, access);
            check(&mut machine)?;
        }
    }

    #[test]
    fn a_refused_store_changes_nothing(
        accesses in prop::collection::vec(access(), 1..60),
        last in access(),
    ) {
        let mut machine = Machine::with(2, |config| {
            for info in &CATALOGUE {
                config.rules.set(info.rule, Severity::Reject);
            }
        });
        for access in &accesses {
            run(&mut machine, access);
        }
        machine.guests.take();
        let before: Vec<_> = (0..2).map(|f| machine.info(f)).collect();
        let commands = machine.seen.commands.len();
        let refused = match &last {
            Access::Store(f, pcias, offset, data) => machine.store(*f, *pcias, *offset, data).is_err(),
            Access::Move(f, token, offset, data) => {
                machine.store(*f, 0, token | u64::from(*offset), data).is_err()
            }
            _ => false,
        };
        if refused {
            let after: Vec<_> = (0..2).map(|f| machine.info(f)).collect();
            prop_assert_eq!(after, before);
            prop_assert_eq!(machine.guests.take(), Vec::<Op>::new());
            prop_assert_eq!(machine.seen.commands.len(), commands);
        }
    }
}
