//! Tests of faults in the pure device: the same accesses of a function meet the same faults.

use ism::FunctionId;
use ism::fault::{Fault, FaultRecord};
use proptest::prelude::*;

use crate::driver::{GIDS, Machine, request};
use crate::guests::{Guests, Seen};

/// An observer that records each fault with its time.
#[derive(Default)]
struct Faults {
    seen: Seen,
    faults: Vec<(usize, String, u64)>,
}

impl zpci_region::Observer for Faults {
    fn violation(&mut self, violation: &zpci_region::Violation) {
        self.seen.violation(violation);
    }
}

impl ism::DeviceObserver for Faults {
    fn command(&mut self, record: &ism::CommandRecord<'_>) {
        // A fault may have falsified the length in the header.
        let _ = record;
    }
    fn data_move(&mut self, record: &ism::MoveRecord) {
        self.seen.data_move(record);
    }
    fn event(&mut self, record: &ism::EventRecord) {
        self.seen.event(record);
    }
    fn interrupt(&mut self, function: FunctionId, vector: u16) {
        self.seen.interrupt(function, vector);
    }
    fn fault(&mut self, record: &FaultRecord<'_>) {
        let FaultRecord {
            function,
            id,
            number,
            ..
        } = *record;
        self.faults.push((function.0, id.to_owned(), number));
    }
}

fn fault(text: &str) -> Fault {
    serde_json::from_str(text).unwrap()
}

/// Returns the command with this number, which each function may issue at any time.
fn command(number: u8, function: usize) -> Vec<u8> {
    let peer = GIDS[1 - function].to_be_bytes();
    match number % 5 {
        0 => request(3, &[]),
        1 => request(6, &[]),
        2 => request(4, &[&5_u64.to_be_bytes()]),
        3 => request(9, &[&peer, &[0; 8]]),
        _ => request(0x0e, &[&peer, &[0, 0, 0, 1], &[0; 12]]),
    }
}

/// Returns the faults and the responses of each function for this sequence of accesses.
#[track_caller]
fn run(faults: &[Fault], accesses: &[(usize, u8)]) -> [Vec<String>; 2] {
    let mut machine = Machine::new(2);
    machine.probe(0);
    machine.probe(1);
    for fault in faults {
        machine.fabric.set_fault(fault.clone()).unwrap();
    }
    let mut outcome = [Vec::new(), Vec::new()];
    for (function, number) in accesses {
        let mut observer = Faults::default();
        let whole = command(*number, *function);
        let (header, payload) = whole.split_at(8);
        for (offset, bytes) in [(8, payload), (0, header)] {
            if bytes.is_empty() {
                continue;
            }
            let store = zpci_region::Store {
                path: zpci_region::Path::Region,
                instruction: zpci_region::Instruction::Pcistb,
                pcias: 2,
                offset,
                data: bytes,
                gaddr: None,
            };
            let stored = machine.fabric.store(
                FunctionId(*function),
                &store,
                &mut machine.guests,
                &mut observer,
            );
            assert!(stored.is_ok());
        }
        let response = machine.load(*function, 2, 0, 8).unwrap();
        let own = observer.faults.iter().filter(|(of, ..)| of == function);
        let own: Vec<_> = own.collect();
        outcome[*function].push(format!("{own:?} {:x?}", &response[..8]));
    }
    outcome
}

/// Creates faults that depend only on the function's own commands.
fn faults(seed: u64, every: u64, nth: u64) -> Vec<Fault> {
    vec![
        fault(&format!(
            r#"{{"id": "code", "when": {{"probability": 0.4, "seed": {seed}}}, "do": {{"respond": {{"code": 77}}}}}}"#
        )),
        fault(&format!(
            r#"{{"id": "length", "on": {{"command": "READ_GID"}}, "when": {{"every": {every}}}, "do": {{"response-length": {{"length": 9}}}}}}"#
        )),
        fault(&format!(
            r#"{{"id": "drop", "when": {{"nth": {nth}}}, "do": "drop-command"}}"#
        )),
    ]
}

proptest! {
    #[test]
    fn the_same_accesses_have_the_same_faults(
        seed: u64,
        every in 1..5_u64,
        nth in 1..20_u64,
        accesses in proptest::collection::vec((0..2_usize, 0..5_u8), 1..60),
    ) {
        let faults = faults(seed, every, nth);
        let first = run(&faults, &accesses);
        prop_assert_eq!(&run(&faults, &accesses), &first);
        // One function runs after the other, each in its own order. An effect on the other function (a VLAN
        // that it demands) is no fault, so the test compares only the faults.
        let mut parted = accesses.clone();
        parted.sort_by_key(|(function, _)| *function);
        let told = |outcome: [Vec<String>; 2]| {
            outcome.map(|of| of.iter().map(|text| text.split("] ").next().unwrap().to_owned()).collect::<Vec<_>>())
        };
        prop_assert_eq!(told(run(&faults, &parted)), told(first));
    }
}

#[test]
fn a_fault_that_is_cleared_leaves_nothing_behind() {
    let mut machine = Machine::new(1);
    machine
        .fabric
        .set_fault(fault(r#"{"id": "it", "do": {"respond": {"code": 5}}}"#))
        .unwrap();
    assert_eq!(machine.command(0, &request(3, &[])).0, 5);
    assert!(machine.fabric.has_faults());
    assert_eq!(machine.fabric.clear_faults(None), 1);
    assert!(!machine.fabric.has_faults());
    assert_eq!(machine.command(0, &request(3, &[])).0, 0);
}

#[test]
fn a_storm_of_orders_without_a_clock_comes_to_nothing() {
    let mut machine = Machine::new(2);
    machine.probe(0);
    machine.probe(1);
    machine
        .fabric
        .set_fault(fault(
            r#"{"id": "it", "on": {"function": "ism1"}, "do": {"delay-interrupt": {"ms": 5}}}"#,
        ))
        .unwrap();
    let mut guests = Guests::default();
    std::mem::swap(&mut guests, &mut machine.guests);
    let peer = GIDS[1].to_be_bytes();
    machine.done(0, &request(0x0e, &[&peer, &[0, 0, 0, 1], &[0; 12]]));
    assert_eq!(machine.seen.interrupts, 0);
    assert_eq!(machine.seen.events.len(), 1);
}
