//! Tests of runs whose QEMU stops and starts again.

use super::*;

/// A perfect run whose QEMU stops at case `at`, and starts again after it.
fn stopped_at(at: usize, stop: Stop) -> Recording {
    let mut recording = perfect(first_function(), Model::Relaxed);
    let fences: Vec<usize> = (0..recording.pieces.len())
        .filter(|&index| {
            let piece = &recording.pieces[index];
            piece.access == Access::ConfigRead && piece.offset == FENCE_OFFSET
        })
        .collect();
    let batches = recording.plan.batches();
    let batch = batches
        .iter()
        .position(|batch| batch.contains(&at))
        .expect("is in the plan");
    // The device saw the fence of the stopped case, but no access of the case. The next case begins with
    // its own fence.
    let from = fences[batch] + 1;
    let until = fences[batch + 1];
    recording.pieces.drain(from..until);
    recording.outcomes[at] = crate::probe::Outcome {
        executed: true,
        ..Default::default()
    };
    recording.starts = vec![
        Start {
            begin: 0,
            pieces: from,
            stopped: Some((Place::Case(at), stop)),
        },
        Start {
            begin: at + 1,
            pieces: recording.pieces.len() - from,
            stopped: None,
        },
    ];
    recording
}

#[test]
fn a_case_at_which_qemu_stops_is_named_and_the_others_are_judged() {
    let crash = Stop::Crashed {
        signal: Some(11),
        exit_code: None,
        words: vec!["qemu: last".into()],
        backtrace: vec!["pcistb at a.c:1".into()],
    };
    let hang = Stop::Hung {
        seconds: 6,
        psw: None,
    };
    let good = perfect(first_function(), Model::Relaxed);
    let alone = |index: &usize| {
        let next = good.plan.cases.get(index + 1);
        !good.plan.cases[*index].joined && next.is_none_or(|next| !next.joined)
    };
    let at = (100..good.plan.cases.len()).find(alone).expect("a case");
    let id = good.plan.cases[at].id.clone();
    for (stop, label) in [(crash, "crashed"), (hang, "hung")] {
        let recording = stopped_at(at, stop);
        assert_eq!(labels(&recording)[&id], label);
        let before = labels(&good);
        let now = labels(&recording);
        let others: Vec<_> = now.iter().filter(|(key, _)| **key != id).collect();
        assert!(others.iter().all(|(key, value)| before[*key] == **value));
    }
    let verdicts = classify(
        &stopped_at(
            at,
            Stop::Crashed {
                signal: Some(11),
                exit_code: None,
                words: vec!["qemu: last".into()],
                backtrace: vec!["pcistb at a.c:1".into()],
            },
        ),
        Model::Relaxed,
    )
    .expect("fences are there");
    assert_eq!(
        verdicts[at].details[0].to_string(),
        "QEMU was ended by SIGSEGV in pcistb at a.c:1, saying: qemu: last"
    );
}

#[test]
fn a_missing_fence_of_a_start_that_stopped_is_an_error_too() {
    let mut recording = stopped_at(
        150,
        Stop::Hung {
            seconds: 1,
            psw: None,
        },
    );
    for _ in 0..2 {
        let fence = recording
            .pieces
            .iter()
            .position(|piece| piece.access == Access::ConfigRead && piece.offset == FENCE_OFFSET);
        recording.pieces.remove(fence.expect("a fence"));
    }
    recording.starts[0].pieces -= 2;
    assert!(classify(&recording, Model::Relaxed).is_err());
}
