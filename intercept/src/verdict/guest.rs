//! Judges the guest's state after an instruction: interrupts, registers, memory blocks, next instruction.

use super::detail::Detail;
use super::findings::Findings;
use super::kind::Verdict;
use crate::expect::{Expectation, nullifies};
use crate::plan::{Case, Fact, Field, Instruction, Payload};
use crate::probe::{Outcome, clp, layout};
use crate::recording::{Recording, Source};

/// The status byte of a request register.
const STATUS: u64 = 0xff << 24;
/// The enable bit of a handle in a request register.
const ENABLED: u64 = 1 << 63;
/// First bit of an indicator byte.
const FIRST: u8 = 0x80;

/// For each case, one bit for each function that raised an interrupt since interrupts were cleared, including
/// the case itself.
pub(super) fn raised(recording: &Recording) -> Vec<u8> {
    let mut bits = 0;
    let cases = recording.plan.cases.iter().zip(&recording.outcomes);
    cases
        .map(|(case, outcome)| {
            if outcome.executed && case.clear_interrupts {
                bits = 0;
            }
            if outcome.executed && case.await_interrupt {
                bits |= 1 << case.function;
            }
            bits
        })
        .collect()
}

/// Judges one case. `raised` is its value from [`raised`].
pub(super) fn judge(
    findings: &mut Findings,
    recording: &Recording,
    case: &Case,
    outcome: &Outcome,
    expectation: &Expectation,
    raised: u8,
) {
    if recording.source == Source::Guest {
        return;
    }
    await_interrupt(findings, case, outcome, raised);
    if case.await_measurement {
        measured(findings, outcome, expectation);
    }
    if !outcome.behind.is_empty() {
        findings.add(Verdict::ToldWrongly, Detail::WroteBehindBlock);
    }
    registers(findings, case, outcome);
    resume(findings, case, outcome);
    if outcome.succeeded() {
        told(findings, recording, case, outcome, expectation);
    } else {
        untouched(findings, case, outcome);
    }
}

fn await_interrupt(findings: &mut Findings, case: &Case, outcome: &Outcome, raised: u8) {
    if !case.await_interrupt {
        return;
    }
    let adapter = 0x8000_0000 | (layout::ISC << 27);
    if outcome.interrupts == 0 {
        findings.add(Verdict::Lost, Detail::NoInterrupt);
        return;
    }
    if u64::from(outcome.interrupt_word) != adapter {
        findings.add(
            Verdict::Altered,
            Detail::InterruptionWord {
                got: u64::from(outcome.interrupt_word),
                expected: adapter,
            },
        );
    }
    let [summary, vectors @ ..] = outcome.indicators;
    if summary & FIRST == 0 {
        findings.add(Verdict::Lost, Detail::NoSummaryBit);
    }
    // Each function registered one bit, so all others must stay as they were: 0.
    if outcome.indicators.iter().any(|byte| byte & !FIRST != 0) {
        findings.add(Verdict::Altered, Detail::FurtherBits);
    }
    for (function, vector) in (0..).zip(vectors) {
        let set = vector & FIRST != 0;
        if function == case.function && !set {
            findings.add(Verdict::Lost, Detail::NoVectorBit);
        }
        if set && raised & (1 << function) == 0 {
            findings.add(Verdict::WrongFunction, Detail::OtherVectorBit);
        }
    }
}

fn measured(findings: &mut Findings, outcome: &Outcome, expectation: &Expectation) {
    match (outcome.counted, expectation.counted) {
        (None, _) => findings.add(Verdict::Lost, Detail::NotMeasured),
        (Some(counted), Some(expected)) if counted != expected => {
            findings.add(Verdict::ToldWrongly, Detail::Counted { counted, expected });
        }
        _ => {}
    }
}

/// The parts of the operand registers that an instruction may change: the status at condition code 1, a
/// loaded register at condition code 0, and the enable bit of a handle by STPCIFC.
fn registers(findings: &mut Findings, case: &Case, outcome: &Outcome) {
    let completed = outcome.exception.is_none();
    for change in &outcome.changed {
        let bits = change.before ^ change.after;
        let status = completed && outcome.condition == 1 && bits & !STATUS == 0;
        let enabled = outcome.succeeded()
            && case.instruction == Instruction::Stpcifc
            && bits == ENABLED
            && change.after & ENABLED != 0;
        let allowed = match change.register {
            2 => status || enabled,
            6 => case.instruction == Instruction::Pcilg && outcome.succeeded(),
            _ => false,
        };
        if !allowed {
            findings.add(Verdict::WrongRegister, Detail::Register(*change));
        }
    }
}

/// Checks the guest's next instruction after a program interruption.
fn resume(findings: &mut Findings, case: &Case, outcome: &Outcome) {
    let (Some(code), Some(resume)) = (outcome.exception, outcome.resume) else {
        return;
    };
    let expected = if nullifies(code) {
        0
    } else {
        case.instruction.size()
    };
    let size = case.instruction.size();
    if let Some(length) = outcome.instruction_length.filter(|length| *length != size) {
        findings.add(
            Verdict::RefusedWrongly,
            Detail::InstructionLength {
                told: length,
                expected: size,
            },
        );
    }
    if resume != expected {
        findings.add(
            Verdict::RefusedWrongly,
            Detail::OldPsw {
                behind: resume,
                expected,
            },
        );
    }
}

fn told(
    findings: &mut Findings,
    recording: &Recording,
    case: &Case,
    outcome: &Outcome,
    expectation: &Expectation,
) {
    if !case.instruction.writes_block() {
        return;
    }
    for field in &expectation.fields {
        if let Some(found) = differs(&outcome.block, field) {
            findings.add(
                Verdict::ToldWrongly,
                Detail::Field {
                    fact: case.fact,
                    at: field.at,
                    found: found.to_vec(),
                    expected: field.bytes.clone(),
                },
            );
        }
    }
    if case.fact == Some(Fact::Listed) {
        let handle = recording.facts.of(case.function).handle;
        let fields = Fact::Listed.fields(&recording.announced, case.function, handle);
        let list = outcome.block.get(clp::REQUEST + 32..).unwrap_or_default();
        let listed = list
            .chunks(16)
            .any(|entry| fields.iter().all(|field| differs(entry, field).is_none()));
        let resume = clp::REQUEST + 16;
        if outcome.block.get(resume..resume + 8) != Some(&[0; 8]) {
            findings.add(Verdict::ToldWrongly, Detail::ListGoesOn);
        }
        if !listed {
            findings.add(Verdict::ToldWrongly, Detail::NotListed);
        }
    }
}

/// The bytes at a field's place, if they differ from the field.
fn differs<'a>(block: &'a [u8], field: &Field) -> Option<&'a [u8]> {
    let found = block
        .get(field.at..field.at + field.bytes.len())
        .unwrap_or_default();
    let equal = found.len() == field.bytes.len()
        && found
            .iter()
            .zip(&field.bytes)
            .zip(&field.mask)
            .all(|((found, wanted), mask)| (found ^ wanted) & mask == 0);
    (!equal).then_some(found)
}

/// Checks that an instruction that failed did not change its block.
fn untouched(findings: &mut Findings, case: &Case, outcome: &Outcome) {
    let before = match (&case.payload, case.patch) {
        // The guest patched this block of CLP.
        (_, Some(_)) => return,
        (Payload::Bytes(bytes), None) => bytes.clone(),
        (Payload::Pattern, None) if case.instruction == Instruction::Stpcifc => {
            case.payload_bytes(0)
        }
        (Payload::Pattern, None) => return,
    };
    let mut bytes = outcome.block.iter().zip(&before);
    if bytes.any(|(now, then)| now != then) {
        let detail = match outcome.exception {
            Some(_) => Detail::WroteThoughException,
            None => Detail::WroteThoughRefused,
        };
        findings.add(Verdict::ToldWrongly, detail);
    }
}
