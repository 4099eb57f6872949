//! Random drivers use the real device and the [model](crate::model). After every step, both give the same
//! answers, memory and interrupts.

use std::collections::BTreeSet;

use ism::FunctionId;
use proptest::prelude::*;

use crate::driver::{GIDS, Machine, query_rgid, reg_dmb, request, signal_ieq, target};
use crate::guests::Op;
use crate::model::{Answer, Model, Ram};

const FUNCTIONS: usize = 3;
const MIB: u64 = 1 << 20;
/// Number of memory windows: page of bits and queue in the first, one buffer in each other.
const WINDOWS: u64 = 5;

#[derive(Clone, Debug)]
enum Step {
    Command(Vec<u8>),
    /// Unregisters the token with this age, or one that does not exist.
    Unregister(usize),
    /// Moves data: token, element, signal, offset, length, first byte.
    Move(usize, u8, bool, u32, usize, u8),
    /// Moves data, like `Move`, but by the function that may write.
    ProperMove(usize, u8, bool, u32, usize, u8),
    /// Moves so many bytes up to the end of a buffer, or one byte further.
    Edge(usize, u32, bool),
    /// Sends so many events to the function with this GID: more than its queue holds.
    Burst(u64, usize),
    /// Removes a window of memory, or restores it.
    Toggle(u64),
    /// Runs the interrupt handler.
    Handle,
    Detach,
    Reset,
}

fn gid() -> impl Strategy<Value = u64> {
    prop_oneof![9 => prop::sample::select(GIDS.to_vec()), 1 => Just(0x99)]
}

/// Chooses a page in one of the windows; sometimes anywhere, or an address that is no page.
fn page() -> impl Strategy<Value = u64> {
    prop_oneof![
        9 => (1..=WINDOWS, 0..3_u64).prop_map(|(window, page)| window * MIB + page * 4096),
        1 => (1..=WINDOWS, 1..4096_u64).prop_map(|(window, byte)| window * MIB + byte),
        1 => Just(u64::MAX - 4095),
    ]
}

fn vlan() -> impl Strategy<Value = u64> {
    prop_oneof![4 => 1..4_u64, 3 => 0xffe..0x1002_u64, 2 => Just(0x1fff), 1 => any::<u64>()]
}

fn command() -> impl Strategy<Value = Vec<u8>> {
    let no_payload = prop::sample::select(vec![3, 6, 7, 8, 0x11, 0x12, 0x0c, 0]);
    let buffer = prop_oneof![
        Just(0x4000_u32),
        Just(101),
        Just(1 << 20),
        Just((1 << 20) + 1),
        Just(0)
    ];
    let index = prop_oneof![9 => 32..36_u32, 1 => prop::sample::select(vec![31, 1919, 1920])];
    let wild = (0..0x14_u32, prop::collection::vec(any::<u8>(), 0..48));
    prop_oneof![
        2 => no_payload.prop_map(|code| request(code, &[])),
        3 => page().prop_map(|page| request(1, &[&page.to_be_bytes()])),
        3 => (page(), prop_oneof![9 => Just(512_u64), 1 => any::<u64>()])
            .prop_map(|(page, len)| request(2, &[&page.to_be_bytes(), &len.to_be_bytes()])),
        2 => (4..=5_u32, vlan()).prop_map(|(code, id)| request(code, &[&id.to_be_bytes()])),
        2 => (gid(), 0..2_u32, 0..4_u32).prop_map(|(gid, valid, id)| query_rgid(gid, valid, id)),
        6 => (page(), buffer, index, gid())
            .prop_map(|(iova, len, index, gid)| reg_dmb(iova, len, index, gid)),
        4 => (gid(), 0..2_u32, any::<u32>(), any::<u64>())
            .prop_map(|(gid, now, code, info)| signal_ieq(gid, now, code, info)),
        1 => wild.prop_map(|(code, payload): (_, Vec<u8>)| request(code, &[&payload])),
    ]
}

fn step() -> impl Strategy<Value = (usize, Step)> {
    let offset = prop_oneof![8 => 0..4_u32, 1 => 0..0x800_u32]
        .prop_flat_map(|page| (0..4000_u32).prop_map(move |at| page * 4096 + at));
    let element = prop_oneof![9 => 0..16_u8, 1 => any::<u8>()];
    let len = prop_oneof![8 => 1..80_usize, 2 => 0..4097_usize];
    let data = (0..4_usize, element, any::<bool>(), offset, len, any::<u8>());
    let what = prop_oneof![
        10 => command().prop_map(Step::Command),
        1 => (0..6_usize).prop_map(Step::Unregister),
        3 => data.clone().prop_map(|(token, element, signal, at, len, byte)| {
            Step::Move(token, element, signal, at, len, byte)
        }),
        9 => data.prop_map(|(token, element, signal, at, len, byte)| {
            Step::ProperMove(token, element, signal, at, len, byte)
        }),
        2 => (0..4_usize, 1..70_u32, any::<bool>())
            .prop_map(|(token, len, past)| Step::Edge(token, len, past)),
        1 => (gid(), 1..20_usize).prop_map(|(gid, count)| Step::Burst(gid, count)),
        1 => (1..=WINDOWS).prop_map(Step::Toggle),
        1 => Just(Step::Handle),
        1 => Just(Step::Detach),
        1 => Just(Step::Reset),
    ];
    (0..FUNCTIONS, what)
}

/// Both devices, and the memory of the real device's guests.
struct Both {
    real: Machine,
    model: Model,
    ram: Ram,
    interrupts: Vec<usize>,
    /// All tokens that the device gave, the latest last.
    tokens: Vec<u64>,
    missing: BTreeSet<(usize, u64)>,
}

impl Both {
    fn new() -> Self {
        let mut both = Self {
            real: Machine::new(FUNCTIONS),
            model: Model::new(&GIDS),
            ram: Ram::default(),
            interrupts: vec![0; FUNCTIONS],
            tokens: Vec::new(),
            missing: BTreeSet::new(),
        };
        // Most drivers have a page of bits and a queue.
        for f in 0..FUNCTIONS {
            let queue = [(MIB + 4096).to_be_bytes(), 512_u64.to_be_bytes()].concat();
            both.command(f, &request(1, &[&MIB.to_be_bytes()])).unwrap();
            both.command(f, &request(2, &[&queue])).unwrap();
        }
        both
    }

    fn token(&self, age: usize) -> u64 {
        let at = self.tokens.len().checked_sub(age + 1);
        at.map_or(7 << 32, |at| self.tokens[at])
    }

    fn command(&mut self, f: usize, request: &[u8]) -> Result<(), TestCaseError> {
        let expected = self.model.command(f, request);
        let (code, payload) = self.real.command(f, request);
        match expected {
            Answer::Done(bytes) => prop_assert_eq!((code, payload), (0, bytes)),
            Answer::Fails(codes) => {
                prop_assert!(codes.contains(&code), "{} is none of {:?}", code, codes);
                prop_assert!(payload.is_empty());
            }
            Answer::Token(buffer) => {
                prop_assert_eq!((code, payload.len()), (0, 8));
                let token = u64::from_be_bytes(payload.try_into().unwrap());
                prop_assert!(
                    token != 0 && token & 0xffff_0000_ffff_ffff == 0,
                    "{:#x}",
                    token
                );
                prop_assert!(
                    !self.model.buffers.contains_key(&token),
                    "{:#x} again",
                    token
                );
                self.model.took(token, buffer);
                self.tokens.push(token);
            }
            Answer::Info { head, vlans } => {
                prop_assert_eq!((code, payload.len()), (0, 192));
                prop_assert_eq!(&payload[4..8], &head[4..8]);
                prop_assert_eq!(&payload[16..64], &head[16..64]);
                let ids = payload[64..].chunks_exact(2);
                let ids: Vec<u16> = ids.map(|id| u16::from_be_bytes([id[0], id[1]])).collect();
                let (members, rest) = ids.split_at(vlans.len());
                prop_assert_eq!(members.iter().copied().collect::<BTreeSet<_>>(), vlans);
                prop_assert!(rest.iter().all(|id| *id == 0));
            }
        }
        Ok(())
    }

    fn step(&mut self, f: usize, step: &Step) -> Result<(), TestCaseError> {
        let id = FunctionId(f);
        match step {
            Step::Command(request) => self.command(f, request)?,
            Step::Unregister(age) => {
                let token = self.token(*age);
                self.command(f, &request(0x0b, &[&token.to_be_bytes()]))?;
            }
            Step::Move(age, element, signal, at, len, byte) => {
                let offset = target(self.token(*age), *element, *signal, *at);
                self.store(f, offset, *len, *byte)?;
            }
            Step::ProperMove(age, element, signal, at, len, byte) => {
                let (writer, token, _) = self.writer(*age, f);
                let offset = target(token, *element, *signal, *at);
                self.store(writer, offset, *len, *byte)?;
            }
            Step::Edge(age, len, past) => {
                let (writer, token, end) = self.writer(*age, f);
                let at = (end + u32::from(*past)).saturating_sub(*len);
                self.store(writer, target(token, 0, *past, at), *len as usize, 7)?;
            }
            Step::Burst(gid, count) => {
                for n in 0..*count {
                    self.command(f, &signal_ieq(*gid, 1, 9, n as u64))?;
                    self.compare()?;
                }
            }
            Step::Toggle(window) => {
                self.model.toggle(f, *window);
                let hole = (f, *window);
                if !self.missing.remove(&hole) {
                    self.missing.insert(hole);
                }
                let iovas = |window: u64| window * MIB..(window + 1) * MIB;
                let holes = self.missing.iter().map(|(f, window)| (*f, iovas(*window)));
                self.real.guests.holes = holes.collect();
            }
            Step::Handle => {
                if let Some(bits) = self.model.handle(f) {
                    self.ram.clear(f, bits, 4096);
                }
            }
            Step::Detach => {
                self.model.detach(f);
                let Machine {
                    fabric,
                    guests,
                    seen,
                    ..
                } = &mut self.real;
                fabric.detach(id, guests, seen);
            }
            Step::Reset => {
                self.model.reset(f);
                let Machine {
                    fabric,
                    guests,
                    seen,
                    ..
                } = &mut self.real;
                fabric.reset(id, guests, seen);
                // No command ran, but loads get a response all the same: one with an error.
                self.model.heard(f);
                let header = self.real.load(f, 2, 0, 8).unwrap();
                prop_assert_eq!(&header[6..], [0, 8]);
                prop_assert_ne!(&header[4..6], [0, 0]);
            }
        }
        self.compare()
    }

    /// Returns the function that may write into a buffer (`f` if nobody may), the token and the length.
    fn writer(&self, age: usize, f: usize) -> (usize, u64, u32) {
        let token = self.token(age);
        let Some(buffer) = self.model.buffers.get(&token) else {
            return (f, token, 0);
        };
        let writer = GIDS.iter().position(|gid| buffer.writer == *gid);
        (writer.unwrap_or(f), token, buffer.len as u32)
    }

    fn store(&mut self, f: usize, offset: u64, len: usize, first: u8) -> Result<(), TestCaseError> {
        let data: Vec<u8> = (0..len).map(|n| first.wrapping_add(n as u8)).collect();
        let done = self.real.store(f, 0, offset, &data);
        prop_assert_eq!(
            done.is_ok(),
            self.model.data(f, offset, &data),
            "{:?}",
            done
        );
        Ok(())
    }

    fn compare(&mut self) -> Result<(), TestCaseError> {
        for op in self.real.guests.take() {
            match op {
                Op::Write(f, iova, bytes) => self.ram.write(f, iova, &bytes),
                Op::Bits(f, iova, bits) => self.ram.or(f, iova, &[bits]),
                Op::Mask(f, iova, bits) => self.ram.or(f, iova, &bits.to_be_bytes()),
                Op::Interrupt(f) => self.interrupts[f] += 1,
            }
        }
        prop_assert_eq!(&self.ram, &self.model.ram);
        prop_assert_eq!(&self.interrupts, &self.model.interrupts);
        prop_assert_eq!(self.real.fabric.dmbs().count(), self.model.buffers.len());
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(if cfg!(miri) { 2 } else { 400 }) })]

    #[test]
    fn the_device_does_what_the_model_does(steps in prop::collection::vec(step(), 1..100)) {
        let mut both = Both::new();
        for (f, step) in &steps {
            both.step(*f, step)?;
        }
    }
}

/// The random steps cover what they compare: otherwise two idle devices would agree.
#[test]
#[cfg_attr(miri, ignore = "too many steps for Miri")]
fn random_steps_reach_moves_signals_events_and_failures() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let (mut moves, mut signals, mut events, mut departures, mut failures) =
        (0, 0, 0, 0, BTreeSet::new());
    for _ in 0..100 {
        let tree = prop::collection::vec(step(), 100).new_tree(&mut runner);
        let mut both = Both::new();
        for (f, step) in &tree.unwrap().current() {
            both.step(*f, step).unwrap();
        }
        let seen = &both.real.seen;
        moves += seen.moves.len();
        signals += seen.moves.iter().filter(|one| one.signalled).count();
        events += seen
            .events
            .iter()
            .filter(|one| one.delivered && one.event_type == 2)
            .count();
        departures += seen
            .events
            .iter()
            .filter(|one| one.delivered && one.event_type == 1)
            .count();
        failures.extend(seen.commands.iter().map(|(_, code, _)| *code));
    }
    assert!(
        moves > 500 && signals > 150,
        "{moves} moves, {signals} signals"
    );
    assert!(
        events > 300 && departures > 30,
        "{events} events, {departures} departures"
    );
    // Codes 1 and 4 need incomplete requests; code 12 takes 65 VLANs.
    let expected = BTreeSet::from([0, 2, 3, 5, 6, 7, 8, 9, 10, 11, 13, 14]);
    assert_eq!(failures, expected);
}
