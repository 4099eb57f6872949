use super::{Model, Reference, Refusal, exception};
use crate::plan::{Announced, Base, Case, Handle, Instruction, Payload};
use crate::probe::FunctionFacts;

fn facts() -> FunctionFacts {
    FunctionFacts {
        bar_sizes: [48, 0, 12, 0, 0, 0],
        maxstbl: 128,
        start_dma: 0x1_0000_0000,
        end_dma: 0x01ff_ffff_ffff_ffff,
        token: 0x5_0000_0000,
        ..FunctionFacts::default()
    }
}

fn expected(model: Model, case: &Case) -> String {
    let facts = facts();
    Reference::new(model, 4096, &facts, &Announced::default())
        .expect(case, 0)
        .describe()
}

fn block(space: u8, offset: u64, length: u64) -> Case {
    Case {
        space,
        offset,
        length,
        ..Case::new("", "", Instruction::Pcistb)
    }
}

#[test]
fn a_relaxed_function_takes_every_length_and_alignment_within_a_page() {
    for (offset, length) in [(0, 1), (3, 5), (0, 8), (0, 4096), (4095, 1), (1, 4095)] {
        let told = expected(
            Model::Relaxed,
            &Case {
                base: Base::Dmb,
                ..block(0, offset, length)
            },
        );
        assert!(
            told.starts_with("one store of"),
            "{offset} {length}: {told}"
        );
    }
    for (offset, length) in [(0, 0), (0, 4097), (4095, 2), (1, 4096)] {
        let told = expected(
            Model::Relaxed,
            &Case {
                base: Base::Dmb,
                ..block(0, offset, length)
            },
        );
        assert_eq!(told, "specification exception", "{offset} {length}");
    }
}

#[test]
fn a_strict_function_takes_aligned_multiples_of_eight_above_eight() {
    for (offset, length, source) in [(0, 8, 0), (0, 12, 0), (4, 16, 0), (0, 16, 4), (0, 136, 0)] {
        assert_eq!(
            expected(
                Model::Strict,
                &Case {
                    source,
                    ..block(2, offset, length)
                }
            ),
            "specification exception",
            "{offset} {length} {source}"
        );
    }
    assert_eq!(
        expected(Model::Strict, &block(2, 8, 128)),
        "one store of 128 bytes"
    );
}

#[test]
fn the_ends_of_bars_are_operand_exceptions() {
    assert_eq!(
        expected(Model::Relaxed, &block(2, 4080, 16)),
        "one store of 16 bytes"
    );
    assert_eq!(
        expected(Model::Relaxed, &block(2, 4096, 16)),
        "operand exception"
    );
    assert_eq!(
        expected(Model::Relaxed, &block(2, 4088, 16)),
        "specification exception or operand exception"
    );
    assert_eq!(
        expected(Model::Relaxed, &block(0, (1 << 48) - 8, 8)),
        "one store of 8 bytes"
    );
    assert_eq!(
        expected(Model::Relaxed, &block(0, 1 << 48, 8)),
        "operand exception"
    );
    assert_eq!(
        expected(Model::Relaxed, &block(1, 0, 8)),
        "cc 1 status 20 or operand exception"
    );
    assert_eq!(expected(Model::Relaxed, &block(7, 0, 8)), "cc 1 status 20");
    assert_eq!(expected(Model::Relaxed, &block(15, 0, 8)), "cc 1 status 20");
}

#[test]
fn registers_move_powers_of_two_within_a_doubleword() {
    let load = |space, offset, length| Case {
        space,
        offset,
        length,
        ..Case::new("", "", Instruction::Pcilg)
    };
    assert_eq!(
        expected(Model::Relaxed, &load(2, 6, 2)),
        "one load of 2 bytes"
    );
    assert_eq!(
        expected(Model::Relaxed, &load(2, 7, 2)),
        "operand exception"
    );
    assert_eq!(
        expected(Model::Relaxed, &load(2, 0, 0)),
        "operand exception"
    );
    assert_eq!(
        expected(Model::Relaxed, &load(2, 0, 3)),
        "one load of 3 bytes, or operand exception"
    );
    assert_eq!(
        expected(Model::Relaxed, &load(2, 1, 2)),
        "one load of 2 bytes, or operand exception"
    );
    assert_eq!(
        expected(Model::Relaxed, &load(15, 2, 4)),
        "operand exception"
    );
    assert_eq!(
        expected(Model::Relaxed, &load(15, 0, 3)),
        "operand exception"
    );
    assert_eq!(
        expected(Model::Relaxed, &load(15, 0, 4)),
        "cc 0, answered by config space"
    );
    let odd = Case {
        odd_register: true,
        ..load(2, 0, 8)
    };
    assert_eq!(expected(Model::Relaxed, &odd), "specification exception");
    let closed = Case {
        handle: Handle::Disabled,
        ..load(2, 0, 8)
    };
    assert_eq!(expected(Model::Relaxed, &closed), "cc 3");
}

#[test]
fn controls_follow_what_was_registered_before() {
    let facts = facts();
    let announced = Announced::default();
    let mut reference = Reference::new(Model::Relaxed, 4096, &facts, &announced);
    let mut control = |operation| {
        let case = Case {
            operation,
            payload: Payload::Bytes(crate::probe::fib::translation(0).to_vec()),
            ..Case::new("", "", Instruction::Mpcifc)
        };
        let accept = reference.expect(&case, 0).accept;
        let outcome = crate::probe::Outcome {
            executed: true,
            condition: u8::from(!accept),
            ..crate::probe::Outcome::default()
        };
        reference.settle(&case, 0, &outcome);
        accept
    };
    assert_eq!(
        [2, 3, 3, 2, 4, 5, 5, 6, 4, 6].map(&mut control),
        [
            false, true, false, true, false, true, false, false, true, true
        ]
    );
}

#[test]
fn refusals_match_only_their_own_kind() {
    let outcome = |exception, condition, status| crate::probe::Outcome {
        executed: true,
        exception,
        condition,
        status,
        ..crate::probe::Outcome::default()
    };
    let specification = Refusal::Exception(exception::SPECIFICATION);
    assert!(specification.matches(&outcome(Some(6), 0, 0)));
    assert!(!specification.matches(&outcome(Some(0x15), 0, 0)));
    assert!(!specification.matches(&outcome(None, 3, 0)));
    assert!(Refusal::Condition(1, Some(20)).matches(&outcome(None, 1, 20)));
    assert!(!Refusal::Condition(1, Some(20)).matches(&outcome(None, 1, 8)));
    assert!(Refusal::Condition(1, None).matches(&outcome(None, 1, 8)));
    assert!(!Refusal::Condition(1, None).matches(&outcome(Some(6), 1, 8)));
}
