//! Tests a recorded probe of the Linux ism driver under Debian's QEMU 11.1.3, with the records of the plugin
//! and of the device. Also tests the verdicts if QEMU passed the driver's command to the device.

use intercept::expect::Model;
use intercept::recording::{Access, Piece, Recording};
use intercept::verdict::classify;
use std::path::Path;

const PAYLOAD: &str = "00113-pcistb-bar2";
const HEADER: &str = "00114-pcistb-bar2";

fn recorded() -> Recording {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/linux-ism-qemu-11.1.3.json");
    Recording::read(&path).expect("the recording in the repository")
}

/// The wrong cases, with their labels.
#[track_caller]
fn faults(recording: &Recording, model: Model) -> Vec<(String, String)> {
    let verdicts = classify(recording, model).expect("a guest has no fences to miss");
    assert_eq!(verdicts.len(), recording.plan.cases.len());
    let cases = recording.plan.cases.iter().zip(verdicts);
    cases
        .filter(|(_, verdict)| !verdict.is_good())
        .map(|(case, verdict)| (case.id.clone(), verdict.label()))
        .collect()
}

/// The recording for a QEMU that accepts both stores. `carry` changes the bytes on their way.
#[track_caller]
fn carried(carry: impl Fn(Vec<u8>) -> Vec<u8>) -> Recording {
    let mut recording = recorded();
    let header_load = recording
        .pieces
        .iter()
        .position(|piece| piece.access == Access::Load)
        .expect("the load of the response header");
    let mut stores = Vec::new();
    for (case, outcome) in recording.plan.cases.iter().zip(&mut recording.outcomes) {
        if case.id == PAYLOAD || case.id == HEADER {
            outcome.exception = None;
            stores.push(Piece {
                function: 0,
                access: Access::Store,
                path: "bar".into(),
                space: case.space,
                offset: case.offset,
                bytes: carry(case.payload_bytes(0)),
                result: "accepted".into(),
            });
        }
    }
    assert_eq!(stores.len(), 2, "REG_SBA is two stores");
    recording.pieces.splice(header_load..header_load, stores);
    recording
}

fn both(label: &str) -> Vec<(String, String)> {
    [PAYLOAD, HEADER]
        .map(|id| (id.to_owned(), label.to_owned()))
        .into()
}

#[test]
fn the_driver_is_refused_its_first_command_and_nothing_else() {
    let recording = recorded();
    assert_eq!(recording.plan.cases.len(), 119);
    assert_eq!(faults(&recording, Model::Relaxed), both("refused-wrongly"));
}

#[test]
fn a_strict_function_is_right_to_refuse_it() {
    assert_eq!(faults(&recorded(), Model::Strict), []);
}

#[test]
fn the_driver_under_a_qemu_that_passes_its_stores_has_no_faults() {
    assert_eq!(faults(&carried(|bytes| bytes), Model::Relaxed), []);
}

#[test]
fn the_driver_under_a_qemu_that_reverses_its_stores_is_found() {
    let reversed = carried(|bytes| bytes.into_iter().rev().collect());
    assert_eq!(faults(&reversed, Model::Relaxed), both("reversed"));
}
