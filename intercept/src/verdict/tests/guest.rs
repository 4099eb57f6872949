//! Tests of results that the guest sees: registers, exceptions, answers, its neighbour, counters.

use super::*;

#[test]
fn registers_change_only_as_the_instruction_may() {
    let changed = damaged(|run| {
        let change = |register, after| crate::probe::Change {
            register,
            before: 0,
            after,
        };
        // A status at condition code 0, a result without an instruction for it, a changed length, another
        // changed register.
        outcome_of(run, "pcistb-bar0-length-16")
            .changed
            .push(change(2, 8 << 24));
        outcome_of(run, "pcilg-bar2-refused-at-0-length-9")
            .changed
            .push(change(6, 1));
        outcome_of(run, "rpcit-page").changed.push(change(5, 1));
        outcome_of(run, "stpcifc").changed.push(change(7, 1));
        // These changes are right.
        outcome_of(run, "pcilg-bar2-place-at-0-length-8")
            .changed
            .push(change(6, 1));
        outcome_of(run, "stpcifc-displaced")
            .changed
            .push(change(2, 1 << 63));
    });
    assert_eq!(
        changed,
        changes([
            ("pcistb-bar0-length-16", "wrong-register"),
            ("pcilg-bar2-refused-at-0-length-9", "wrong-register"),
            ("rpcit-page", "wrong-register"),
            ("stpcifc", "wrong-register"),
        ])
    );
}

#[test]
fn exceptions_must_have_the_right_address_and_go_on_at_the_right_place() {
    let changed = damaged(|run| {
        outcome_of(run, "pcistb-bar0-length-0").resume = Some(0);
        outcome_of(run, "primary-pcistb-16-page").resume = Some(6);
        let fault = |run: &mut Recording, id, change: &dyn Fn(&mut crate::probe::Fault)| {
            change(outcome_of(run, id).fault.as_mut().expect("a fault"));
        };
        fault(run, "secondary-pcistb-16-page", &|fault| fault.space = 0);
        fault(run, "primary-pcistb-crossing-16-second-page", &|fault| {
            fault.page = 0;
        });
        fault(run, "primary-stpcifc-page", &|fault| fault.access = 2);
        // The exception need not name the kind of access.
        fault(run, "home-pcistb-16-page", &|fault| fault.access = 0);
        outcome_of(run, "primary-pcistb-16-segment").exception = Some(0x11);
        outcome_of(run, "problem-state-pcistb-0").exception = Some(0x06);
    });
    assert_eq!(
        changed,
        changes([
            ("pcistb-bar0-length-0", "refused-wrongly"),
            ("primary-pcistb-16-page", "refused-wrongly"),
            ("secondary-pcistb-16-page", "refused-wrongly"),
            ("primary-pcistb-crossing-16-second-page", "refused-wrongly"),
            ("primary-stpcifc-page", "refused-wrongly"),
            ("primary-pcistb-16-segment", "refused-wrongly"),
            ("problem-state-pcistb-0", "refused-wrongly"),
        ])
    );
}

#[test]
fn what_the_guest_is_told_must_be_so() {
    let changed = damaged(|run| {
        let mut spoil = |id: &str, at: usize| outcome_of(run, id).block[at] ^= 0x08;
        // Longest block store, channel id, response code; DMA limit and error bits of the controls; function of an event.
        spoil("clp-maximum-store-block", 32 + 20);
        spoil("clp-channel-id", 32 + 31);
        spoil("clp-query-unknown-handle", 34);
        spoil("clp-listed", 32 + 32 + 12);
        spoil("stpcifc", 31);
        spoil("event-of-error", 91);
        // Reserved bytes may be anything.
        spoil("clp-second-channel-id", 32 + 12);
    });
    assert_eq!(
        changed,
        changes([
            ("clp-maximum-store-block", "told-wrongly"),
            ("clp-channel-id", "told-wrongly"),
            ("clp-query-unknown-handle", "told-wrongly"),
            ("clp-listed", "told-wrongly"),
            ("stpcifc", "told-wrongly"),
            ("event-of-error", "told-wrongly"),
        ])
    );
}

#[test]
fn an_instruction_that_fails_writes_nothing() {
    let changed = damaged(|run| {
        let cases = run.plan.cases.clone();
        let mut block = |id: &str, at: usize| {
            let case = cases.iter().find(|case| case.id == id).expect("a case");
            let mut bytes = case.payload_bytes(0);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 0x01;
            }
            outcome_of(run, id).block = bytes;
        };
        block("stpcifc-dma-space-1", 8);
        block("stpcifc-other-handle-unknown", 79);
        block("stpcifc-block-misaligned", 0);
        block("clp-lengths-36-64", 100);
        // Nothing is changed here.
        block("clp-lengths-32-0", usize::MAX);
    });
    let wrongly = "told-wrongly";
    assert_eq!(
        changed,
        changes([
            ("stpcifc-dma-space-1", wrongly),
            ("stpcifc-other-handle-unknown", wrongly),
            ("stpcifc-block-misaligned", wrongly),
            ("clp-lengths-36-64", wrongly),
        ])
    );
}

#[test]
fn an_interrupt_sets_no_other_bits() {
    let changed = damaged(|run| {
        outcome_of(run, "second-signal-ieq-header").indicators[2] = 0xff;
        outcome_of(run, "first-again-signal-ieq-header").indicators[0] = 0x81;
    });
    assert_eq!(
        changed,
        changes([
            ("second-signal-ieq-header", "altered"),
            ("first-again-signal-ieq-header", "altered"),
        ])
    );
}

#[test]
fn an_access_of_the_neighbour_is_of_the_wrong_function() {
    let changed = damaged(|run| {
        let moved = piece_of(run, "second-plain");
        let mut piece = run.pieces.remove(moved);
        piece.function = 0;
        let batches = run.plan.batches();
        let batch = batches
            .iter()
            .filter(|batch| run.outcomes[batch.start].executed)
            .position(|batch| run.plan.cases[batch.start].id == "second-plain")
            .expect("begins a batch");
        // The pieces of the first function come first.
        let fence = run
            .pieces
            .iter()
            .enumerate()
            .filter(|(_, piece)| piece.offset == FENCE_OFFSET && piece.access.is_config())
            .nth(batch)
            .expect("a fence")
            .0;
        run.pieces.insert(fence + 1, piece);
    });
    assert_eq!(changed, changes([("second-plain", "wrong-function")]));
    let changed = damaged(|run| {
        outcome_of(run, "second-signal-ieq-header").indicators[1] = 0x80;
        outcome_of(run, "first-again-signal-ieq-header").indicators[0] = 0;
        outcome_of(run, "shared-second-signal-ieq-header").indicators[2] = 0;
    });
    assert_eq!(
        changed,
        changes([
            ("second-signal-ieq-header", "wrong-function"),
            ("first-again-signal-ieq-header", "lost"),
            ("shared-second-signal-ieq-header", "lost"),
        ])
    );
}

#[test]
fn the_measurement_block_must_count_what_succeeded() {
    let mut recording = perfect(Plan::default(), Model::Relaxed);
    let counted = outcome_of(&mut recording, "measured").counted;
    let [_, stores, blocks, refreshes] = counted.expect("it is measured");
    assert_eq!((stores, blocks, refreshes), (1, 3, 1));
    let changed = damaged(|run| outcome_of(run, "measured").counted = None);
    assert_eq!(changed, changes([("measured", "lost")]));
    for counter in 0..4 {
        let changed = damaged(|run| {
            let counted = &mut outcome_of(run, "measured").counted;
            counted.as_mut().expect("it is measured")[counter] += 1;
        });
        assert_eq!(changed, changes([("measured", "told-wrongly")]));
    }
}

#[test]
fn a_write_behind_a_block_is_seen() {
    let changed = damaged(|run| outcome_of(run, "measure-registered").behind = vec![0; 16]);
    assert_eq!(changed, changes([("measure-registered", "told-wrongly")]));
}
