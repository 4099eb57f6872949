//! Tests a perfect run of the stand-in, and the effect of each damage to it. Its function only records
//! accesses.

use super::{CaseVerdict, Verdict, classify};
use crate::attribute::FenceError;
use crate::expect::{Expectation, Model, Reference, Seen};
use crate::plan::{Announced, Carrier, Case, FENCE_OFFSET, Instruction, Plan};
use crate::probe::{FunctionFacts, OtherFunction};
use crate::recording::{
    Access, Environment, Piece, Place, Recording, SCHEMA_VERSION, Source, Start, Stop, Times,
};
use crate::stand_in::{Function, Machine, execute};
use std::collections::BTreeMap;
use std::convert::Infallible;

mod guest;
mod stops;

/// The accesses that each function sees, in order.
#[derive(Default)]
struct Notebook([Vec<Piece>; 2]);

impl Notebook {
    fn note(&mut self, seen: &Seen, bytes: Vec<u8>) {
        self.0[usize::from(seen.function)].push(Piece {
            function: seen.function,
            access: seen.access,
            path: "bar".into(),
            space: seen.space,
            offset: seen.offset,
            bytes,
            result: "accepted".into(),
        });
    }
}

impl Function for Notebook {
    type Error = Infallible;

    fn store(&mut self, seen: &Seen) -> Result<bool, Infallible> {
        self.note(seen, seen.bytes.clone());
        Ok(true)
    }

    fn load(&mut self, seen: &Seen) -> Result<Option<Vec<u8>>, Infallible> {
        let bytes: Vec<u8> = (0x41..).take(seen.length as usize).collect();
        self.note(seen, bytes.clone());
        Ok(Some(bytes))
    }

    fn fence(&mut self, function: u8) -> Result<(), Infallible> {
        let seen = Seen {
            function,
            access: Access::ConfigRead,
            space: 15,
            offset: FENCE_OFFSET,
            length: 4,
            bytes: Vec::new(),
            block: false,
            optional: true,
            answer: None,
        };
        self.note(&seen, vec![0; 4]);
        Ok(())
    }

    fn clear_interrupts(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn take_interrupt(&mut self, _: u8) -> Result<bool, Infallible> {
        Ok(true)
    }
}

fn facts() -> FunctionFacts {
    FunctionFacts {
        bar_sizes: [48, 0, 12, 0, 0, 0],
        maxstbl: 128,
        start_dma: 0x1_0000_0000,
        end_dma: 0x01ff_ffff_ffff_ffff,
        handle: 0x8001_0001,
        others: vec![OtherFunction {
            handle: 0x8002_0002,
            gid: 0x1122_3344_5566_7799,
            token: 0x6_0000_0000,
        }],
        gid: 0x1122_3344_5566_7788,
        token: 0x5_0000_0000,
        carrier: Some(Carrier::Block),
        ..FunctionFacts::default()
    }
}

fn perfect(plan: Plan, model: Model) -> Recording {
    let facts = facts();
    let mut notebook = Notebook::default();
    let announced = Announced::default();
    let machine = Machine {
        model,
        maximum: 4096,
        facts: &facts,
        announced: &announced,
    };
    let Ok(outcomes) = execute(&plan, machine, &mut notebook);
    Recording {
        schema_version: SCHEMA_VERSION,
        source: Source::Probe,
        environment: Environment::default(),
        times: Times::default(),
        plan,
        model,
        maxstbl: 4096,
        announced,
        facts,
        setup: Vec::new(),
        outcomes,
        starts: Vec::new(),
        last_fences_failed: 0,
        pieces: notebook.0.concat(),
        lengths: None,
    }
}

fn labels(recording: &Recording) -> BTreeMap<String, String> {
    let verdicts = classify(recording, Model::Relaxed).expect("fences are there");
    recording
        .plan
        .cases
        .iter()
        .map(|case| case.id.clone())
        .zip(verdicts.iter().map(CaseVerdict::label))
        .collect()
}

/// The built-in plan's cases for the first function.
fn first_function() -> Plan {
    let mut plan = Plan::default();
    plan.cases.retain(|case| case.function == 0);
    plan
}

/// The labels that change if `damage` is applied to a perfect run.
fn damaged(damage: impl FnOnce(&mut Recording)) -> BTreeMap<String, String> {
    let mut recording = perfect(Plan::default(), Model::Relaxed);
    let before = labels(&recording);
    damage(&mut recording);
    labels(&recording)
        .into_iter()
        .filter(|(id, label)| before.get(id) != Some(label))
        .collect()
}

fn changes<const N: usize>(expected: [(&str, &str); N]) -> BTreeMap<String, String> {
    expected
        .into_iter()
        .map(|(id, label)| (id.to_owned(), label.to_owned()))
        .collect()
}

/// The index of the access that carries the whole store of a case.
fn piece_of(recording: &Recording, id: &str) -> usize {
    let index = recording
        .plan
        .cases
        .iter()
        .position(|case| case.id == id)
        .expect("case is in the plan");
    let verdicts = classify(recording, Model::Relaxed).expect("fences are there");
    *verdicts[index].pieces.first().expect("has a piece")
}

fn outcome_of<'a>(recording: &'a mut Recording, id: &str) -> &'a mut crate::probe::Outcome {
    let index = recording
        .plan
        .cases
        .iter()
        .position(|case| case.id == id)
        .expect("case is in the plan");
    &mut recording.outcomes[index]
}

fn cut(recording: &mut Recording, at: usize, size: usize, change: impl Fn(&mut Vec<u8>)) {
    let whole = recording.pieces.remove(at);
    for (index, chunk) in whole.bytes.chunks(size).enumerate().rev() {
        let mut bytes = chunk.to_vec();
        change(&mut bytes);
        recording.pieces.insert(
            at,
            Piece {
                offset: whole.offset + (index * size) as u64,
                bytes,
                ..whole.clone()
            },
        );
    }
}

#[test]
fn a_perfect_run_is_all_whole_or_as_specified() {
    for model in [Model::Relaxed, Model::Strict] {
        let recording = perfect(Plan::default(), model);
        let verdicts = classify(&recording, model).expect("fences are there");
        for (case, verdict) in recording.plan.cases.iter().zip(&verdicts) {
            assert!(
                verdict.is_good(),
                "{}: {} ({:?})",
                case.id,
                verdict.label(),
                verdict.details
            );
        }
        assert!(
            verdicts
                .iter()
                .filter(|v| v.verdicts == [Verdict::Whole])
                .count()
                > 30
        );
        assert!(verdicts.iter().any(|v| v.verdicts == [Verdict::NotRun]));
    }
}

#[test]
fn random_plans_pass_too() {
    for seed in 0..20 {
        let recording = perfect(Plan::random(200, seed), Model::Relaxed);
        assert!(
            classify(&recording, Model::Relaxed)
                .expect("fences")
                .iter()
                .all(CaseVerdict::is_good)
        );
    }
}

#[test]
fn one_changed_byte_alters_one_case() {
    let changed = damaged(|run| {
        let at = piece_of(run, "pcistb-bar2-length-64");
        run.pieces[at].bytes[17] ^= 0x10;
    });
    assert_eq!(changed, changes([("pcistb-bar2-length-64", "altered")]));
}

#[test]
fn a_dropped_piece_is_lost() {
    let changed = damaged(|run| {
        let at = piece_of(run, "pcistg-bar2-place-at-0-length-4");
        run.pieces.remove(at);
    });
    assert_eq!(
        changed,
        changes([("pcistg-bar2-place-at-0-length-4", "lost")])
    );
}

#[test]
fn a_doubled_piece_is_altered() {
    let changed = damaged(|run| {
        let at = piece_of(run, "pcistb-bar0-length-16");
        let again = run.pieces[at].clone();
        run.pieces.insert(at, again);
    });
    assert_eq!(
        changed,
        changes([("pcistb-bar0-length-16", "altered + split 2x16")])
    );
}

#[test]
fn stock_qemu_splits_and_reverses() {
    let changed = damaged(|run| {
        let at = piece_of(run, "pcistb-bar0-length-32");
        cut(run, at, 8, |bytes| bytes.reverse());
    });
    assert_eq!(
        changed,
        changes([("pcistb-bar0-length-32", "split 4x8 + reversed")])
    );
}

#[test]
fn a_clean_split_with_a_short_end_has_no_single_size() {
    let changed = damaged(|run| {
        let at = piece_of(run, "pcistb-bar0-length-255");
        cut(run, at, 128, |_| {});
    });
    assert_eq!(changed, changes([("pcistb-bar0-length-255", "split 2")]));
}

#[test]
fn losing_one_piece_of_a_split_shows_both() {
    let changed = damaged(|run| {
        let at = piece_of(run, "pcistb-bar0-length-64");
        cut(run, at, 16, |_| {});
        run.pieces.remove(at + 2);
    });
    assert_eq!(
        changed,
        changes([("pcistb-bar0-length-64", "lost + split 3x16")])
    );
}

#[test]
fn swapped_pieces_of_one_store_are_reordered() {
    let changed = damaged(|run| {
        let at = piece_of(run, "pcistb-bar0-length-32");
        cut(run, at, 16, |_| {});
        run.pieces.swap(at, at + 1);
    });
    assert_eq!(
        changed,
        changes([("pcistb-bar0-length-32", "reordered + split 2x16")])
    );
}

#[test]
fn a_reversed_plain_store_is_reversed_and_one_of_a_byte_cannot_be() {
    let changed = damaged(|run| {
        for id in [
            "pcistg-bar2-place-at-0-length-8",
            "pcistg-bar2-place-at-0-length-1",
        ] {
            let at = piece_of(run, id);
            run.pieces[at].bytes.reverse();
        }
    });
    assert_eq!(
        changed,
        changes([("pcistg-bar2-place-at-0-length-8", "reversed")])
    );
}

#[test]
fn accesses_of_two_cases_that_change_places_are_reordered() {
    let changed = damaged(|run| {
        let store = piece_of(run, "plain-then-load");
        run.pieces.swap(store, store + 1);
    });
    assert_eq!(
        changed,
        changes([
            ("plain-then-load", "reordered"),
            ("load-after-plain", "reordered")
        ])
    );
}

#[test]
fn stores_that_become_one_access_are_merged() {
    let changed = damaged(|run| {
        let at = piece_of(run, "plain-neighbour-1");
        let second = run.pieces.remove(at + 1);
        run.pieces[at].bytes.extend(second.bytes);
    });
    assert_eq!(
        changed,
        changes([
            ("plain-neighbour-1", "merged"),
            ("plain-neighbour-2", "merged")
        ])
    );
}

#[test]
fn refusals_and_acceptances_that_should_not_be() {
    let changed = damaged(|run| {
        let at = piece_of(run, "pcistb-bar2-length-8");
        run.pieces.remove(at);
        outcome_of(run, "pcistb-bar2-length-8").exception = Some(6);
        outcome_of(run, "pcistb-handle-disabled").condition = 0;
        outcome_of(run, "pcistb-space-6").status = 8;
        outcome_of(run, "pcistbi").exception = None;
    });
    assert_eq!(
        changed,
        changes([
            ("pcistb-bar2-length-8", "refused-wrongly"),
            ("pcistb-handle-disabled", "accepted-wrongly"),
            ("pcistb-space-6", "refused-wrongly"),
            ("pcistbi", "accepted-wrongly"),
        ])
    );
}

#[test]
fn a_store_that_the_device_refused_may_be_refused_to_the_guest() {
    let changed = damaged(|run| {
        let at = piece_of(run, "pcistb-bar0-length-24");
        run.pieces[at].result = "refused".into();
        outcome_of(run, "pcistb-bar0-length-24").exception = Some(0x15);
    });
    assert_eq!(changed, changes([]));
}

#[test]
fn what_the_device_refused_must_end_in_an_operand_exception() {
    let refused = |outcome: fn(&mut crate::probe::Outcome)| {
        damaged(|run| {
            let at = piece_of(run, "pcistb-bar0-length-24");
            run.pieces[at].result = "rejected".into();
            outcome(outcome_of(run, "pcistb-bar0-length-24"));
        })
    };
    let wrongly = changes([("pcistb-bar0-length-24", "refused-wrongly")]);
    assert_eq!(refused(|outcome| outcome.condition = 3), wrongly);
    assert_eq!(refused(|outcome| outcome.condition = 2), wrongly);
    assert_eq!(refused(|outcome| outcome.exception = Some(6)), wrongly);
    assert_eq!(
        refused(|outcome| outcome.exception = Some(0x15)),
        changes([])
    );
}

#[test]
fn where_both_are_right_the_device_may_refuse_but_not_take_what_the_guest_was_refused() {
    // The stand-in already refuses this case.
    let (id, next) = (
        "pcistg-bar0-place-at-1-length-2",
        "pcistg-bar0-place-at-2-length-2",
    );
    let refused = |result: &str| {
        damaged(|run| {
            let verdicts = classify(run, Model::Relaxed).expect("fences are there");
            let cases = run.plan.cases.iter().zip(&verdicts);
            let (_, verdict) = cases.clone().find(|(case, _)| case.id == id).expect("case");
            let seen = verdict.expectation.seen.as_ref().expect("a store");
            let at = piece_of(run, next);
            let piece = Piece {
                offset: seen.offset,
                bytes: seen.bytes.clone(),
                result: result.into(),
                ..run.pieces[at].clone()
            };
            // The access comes before the fence of the next case.
            run.pieces.insert(at - 1, piece);
        })
    };
    assert_eq!(refused("rejected"), changes([]));
    assert_eq!(
        refused("accepted"),
        changes([(id, "delivered-but-refused")])
    );
}

#[test]
fn the_loaded_register_must_be_the_answer() {
    let changed = damaged(|run| {
        let loaded = &mut outcome_of(run, "pcilg-bar2-place-at-0-length-4").loaded;
        *loaded = u64::from((*loaded as u32).swap_bytes());
        outcome_of(run, "pcilg-bar2-place-at-0-length-8").loaded ^= 1;
        let at = piece_of(run, "pcilg-bar2-place-at-0-length-2");
        cut(run, at, 1, |_| {});
    });
    assert_eq!(
        changed,
        changes([
            ("pcilg-bar2-place-at-0-length-4", "reversed"),
            ("pcilg-bar2-place-at-0-length-8", "altered"),
            ("pcilg-bar2-place-at-0-length-2", "split 2x1"),
        ])
    );
}

#[test]
fn vendor_and_device_must_be_right_even_if_the_device_is_not_asked() {
    let loaded = |value: u64| {
        damaged(|run| {
            let at = piece_of(run, "pcilg-config-0x00-length-4");
            run.pieces.remove(at);
            outcome_of(run, "pcilg-config-0x00-length-4").loaded = value;
        })
    };
    let verdict = |label| changes([("pcilg-config-0x00-length-4", label)]);
    assert_eq!(loaded(0x1410_ed04), changes([]));
    assert_eq!(loaded(0x04ed_1014), verdict("reversed"));
    assert_eq!(loaded(0xffff_ffff), verdict("altered"));
}

#[test]
fn an_interrupt_that_does_not_come_is_lost() {
    let changed = damaged(|run| outcome_of(run, "signalled-move").interrupts = 0);
    assert_eq!(changed, changes([("signalled-move", "lost")]));
}

#[test]
fn a_missing_fence_is_an_error_and_no_verdict() {
    let mut recording = perfect(first_function(), Model::Relaxed);
    let expected = recording
        .pieces
        .iter()
        .filter(|piece| piece.offset == FENCE_OFFSET && piece.access.is_config())
        .count();
    recording.pieces.remove(0);
    assert_eq!(
        classify(&recording, Model::Relaxed).expect_err("cannot be told apart"),
        FenceError {
            expected,
            seen: expected - 1
        }
    );
}

#[test]
fn the_strict_model_refuses_what_only_a_relaxed_function_takes() {
    let recording = perfect(first_function(), Model::Relaxed);
    let strict = classify(&recording, Model::Strict).expect("fences are there");
    let verdict = |id: &str| {
        let index = recording
            .plan
            .cases
            .iter()
            .position(|case| case.id == id)
            .expect("case");
        strict[index].label()
    };
    assert_eq!(verdict("pcistb-bar0-length-8"), "accepted-wrongly");
    assert_eq!(verdict("pcistb-bar0-length-136"), "accepted-wrongly");
    assert_eq!(verdict("pcistb-bar0-length-128"), "whole");
}

#[test]
fn a_recording_survives_the_way_through_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("run.json");
    let recording = perfect(Plan::random(20, 3), Model::Relaxed);
    recording.write(&path).expect("writes");
    assert_eq!(Recording::read(&path).expect("reads"), recording);
}

#[test]
fn a_function_is_as_after_the_set_up_when_a_new_qemu_begins() {
    let off = |id: &str| Case {
        operation: 3,
        ..Case::new(id, "mpcifc", Instruction::Mpcifc)
    };
    let plan = Plan {
        cases: vec![off("first"), off("second"), off("third")],
        ..Plan::default()
    };
    let mut recording = perfect(plan, Model::Relaxed);
    let told = |recording: &Recording| {
        Reference::expectations(Model::Relaxed, recording)
            .iter()
            .map(Expectation::describe)
            .collect::<Vec<_>>()
    };
    let again = "cc 1 status 24";
    assert_eq!(told(&recording), ["cc 0", again, again]);
    let start = |begin| Start {
        begin,
        pieces: 0,
        stopped: None,
    };
    recording.starts = vec![start(0), start(1)];
    recording.outcomes[1].condition = 0;
    assert_eq!(told(&recording), ["cc 0", "cc 0", again]);
}
