//! The machine code: finds and enables the functions, then runs the records.
//!
//! Registers: 9 mailbox, 12 record, 13 result, 10 records left, 8 record number, 11 instruction to execute, 7 link of
//! subroutines. The instruction under test uses 2 to 6.
//!
//! The instruction under test runs under a PSW of its own: in problem state, or with translation on. A supervisor call
//! follows it, and the handler takes the condition code from the old PSW.

mod functions;
mod labels;
mod lowcore;
mod routines;

use super::layout::{
    FUNCTIONS, INDICATORS, MAILBOX, MEASUREMENT, RECORDS, REGISTERS_AFTER, REGISTERS_BEFORE,
    RESULT_SIZE, RESULTS, SUMMARY, dma_memory, result, state, variable,
};
use super::record::{self, field, flag};
use crate::plan::FENCE_OFFSET;
use labels::{Labels, load_request, set_state, stop, var};
use lowcore::{EXTERNAL_NEW, IO_NEW, MACHINE_CHECK_NEW, PROGRAM_NEW, SUPERVISOR_NEW};
use s390x_asm::{AssembleError, Assembler, Condition, Gr, Label};

/// Time to wait for an adapter interrupt, in TOD units (4,096 per microsecond): one second.
const INTERRUPT_TIME: u64 = 1_000_000 << 12;
/// Time to wait for an update of the function measurement block: twice the interval that QEMU's CLP announces.
const MEASUREMENT_TIME: u64 = 8_000_000 << 12;
/// Offsets in the block of the time of its last update, whose last bit is set during an update, and of its counters (Linux
/// `arch/s390/include/asm/pci.h`, `struct zpci_fmb`).
const LAST_UPDATE: u64 = MEASUREMENT + 8;
const COUNTERS: u64 = MEASUREMENT + 16;
/// Time for earlier interrupts to arrive before they are forgotten.
const CLEARING_TIME: u64 = 3_000 << 12;

/// The program for a guest with this many functions.
///
/// # Errors
/// Only if this file is wrong about its labels.
pub(super) fn program(functions: usize) -> Result<Vec<u8>, AssembleError> {
    let functions = functions.clamp(1, FUNCTIONS);
    let mut code = Assembler::new();
    let labels = Labels::new(&mut code);
    start(&mut code, &labels);
    for function in 0..functions {
        functions::find(&mut code, &labels, function);
        functions::find_msi(&mut code, &labels, function);
    }
    run_records(&mut code, &labels, functions);
    routines::subroutines(&mut code, &labels);
    routines::handlers(&mut code, &labels);
    code.finish()
}

fn start(code: &mut Assembler, labels: &Labels) {
    // Set architecture: z/Architecture, for a CPU that starts in ESA/390 mode.
    code.lghi(Gr::R0, 0);
    code.lghi(Gr::R1, 1);
    code.sigp(Gr::R1, Gr::R0, 0x12);
    code.load_constant(Gr::R9, MAILBOX);
    set_state(code, state::STARTED);
    code.lg(Gr::R0, var(variable::HANDLER_MASK), Gr::R9);
    let handlers = [
        (SUPERVISOR_NEW, labels.supervisor_handler),
        (PROGRAM_NEW, labels.program_handler),
        (IO_NEW, labels.io_handler),
        (EXTERNAL_NEW, labels.crash),
        (MACHINE_CHECK_NEW, labels.crash),
    ];
    for (at, handler) in handlers {
        code.larl(Gr::R1, handler);
        code.stg(Gr::R0, at, Gr::R0);
        code.stg(Gr::R1, at + 8, Gr::R0);
    }
    code.lctlg(Gr::R6, Gr::R6, var(variable::CONTROL_6), Gr::R9);
    for (register, space) in [Gr::R1, Gr::R7, Gr::R13].into_iter().zip(variable::SPACES) {
        code.lctlg(register, register, var(space), Gr::R9);
    }
    code.lam(Gr::R4, Gr::R4, variable::ACCESS_REGISTER as u16, Gr::R9);
}

/// Skips to `target` unless a flag of `mask` is set in the record.
fn unless_flag(code: &mut Assembler, mask: u64, target: Label) {
    code.lg(Gr::R0, field::FLAGS, Gr::R12);
    code.tmll(Gr::R0, mask as i16);
    code.brcl(Condition::Equal, target);
}

fn run_records(code: &mut Assembler, labels: &Labels, functions: usize) {
    set_state(code, state::RUNNING);
    code.lg(Gr::R10, var(variable::COUNT), Gr::R9);
    code.load_constant(Gr::R12, RECORDS);
    code.load_constant(Gr::R13, RESULTS);
    code.lghi(Gr::R8, 0);
    let next = code.here();
    let run = code.label();
    let skip = code.label();
    let after = code.label();
    code.stg(Gr::R8, var(variable::PROGRESS), Gr::R9);
    condition(code, run, skip);
    code.bind(run);
    code.lghi(Gr::R0, 1);
    code.stg(Gr::R0, var(result::STATE), Gr::R13);
    fence(code, labels, functions);
    prepare(code, functions, labels);
    code.lay(Gr::R11, field::STUB, Gr::R12);
    code.lg(Gr::R0, field::PSW_MASK, Gr::R12);
    code.stg(Gr::R0, var(variable::RUN_PSW), Gr::R9);
    code.brasl(Gr::R7, labels.execute);
    keep_results(code, labels);
    code.brcl(Condition::Always, after);
    code.bind(skip);
    code.lghi(Gr::R0, 3);
    code.stg(Gr::R0, var(result::STATE), Gr::R13);
    code.bind(after);
    code.aghi(Gr::R12, record::SIZE as i16);
    code.aghi(Gr::R13, RESULT_SIZE as i16);
    code.aghi(Gr::R8, 1);
    code.brctg(Gr::R10, next);
    code.stg(Gr::R8, var(variable::PROGRESS), Gr::R9);
    load_fences(code, labels, functions);
    code.lg(Gr::R0, var(variable::FENCES_FAILED), Gr::R9);
    code.stg(Gr::R0, var(variable::LAST_FENCES_FAILED), Gr::R9);
    stop(code, state::DONE);
}

fn condition(code: &mut Assembler, run: Label, skip: Label) {
    let equal = code.label();
    code.lg(Gr::R1, field::CONDITION, Gr::R12);
    code.ltgr(Gr::R1, Gr::R1);
    code.brcl(Condition::Equal, run);
    code.lg(Gr::R2, 0, Gr::R1);
    code.clg(Gr::R2, field::CONDITION_VALUE, Gr::R12);
    code.brcl(Condition::Equal, equal);
    unless_flag(code, flag::UNLESS_EQUAL, skip);
    code.brcl(Condition::Always, run);
    code.bind(equal);
    unless_flag(code, flag::IF_EQUAL, skip);
}

fn fence(code: &mut Assembler, labels: &Labels, functions: usize) {
    let none = code.label();
    code.lghi(Gr::R0, 0);
    code.stg(Gr::R0, var(variable::FENCES_FAILED), Gr::R9);
    unless_flag(code, flag::FENCE, none);
    load_fences(code, labels, functions);
    code.bind(none);
    code.lg(Gr::R0, var(variable::FENCES_FAILED), Gr::R9);
    code.stg(Gr::R0, var(result::FENCES_FAILED), Gr::R13);
}

/// Loads four bytes of each function's config space. The load fails for a function that is disabled or in
/// error.
fn load_fences(code: &mut Assembler, labels: &Labels, functions: usize) {
    code.lghi(Gr::R0, 0);
    code.stg(Gr::R0, var(variable::FENCES_FAILED), Gr::R9);
    for function in 0..functions {
        let loaded = code.label();
        load_request(code, function, (15 << 16) | 4);
        code.load_constant(Gr::R3, FENCE_OFFSET);
        code.larl(Gr::R11, labels.load);
        code.brasl(Gr::R7, labels.execute_plainly);
        code.lg(Gr::R0, var(variable::CONDITION), Gr::R9);
        code.lg(Gr::R1, var(variable::PROGRAM_CODE), Gr::R9);
        code.ogr(Gr::R0, Gr::R1);
        code.brcl(Condition::Equal, loaded);
        code.lg(Gr::R0, var(variable::FENCES_FAILED), Gr::R9);
        code.lghi(Gr::R1, 1 << function);
        code.ogr(Gr::R0, Gr::R1);
        code.stg(Gr::R0, var(variable::FENCES_FAILED), Gr::R9);
        code.bind(loaded);
    }
}

/// Clears interrupts, patches the payload and fills the registers.
fn prepare(code: &mut Assembler, functions: usize, labels: &Labels) {
    let no_clearing = code.label();
    unless_flag(code, flag::CLEAR_INTERRUPTS, no_clearing);
    code.load_constant(Gr::R5, CLEARING_TIME);
    code.lay(Gr::R6, var(variable::INTERRUPTS), Gr::R9);
    code.brasl(Gr::R7, labels.wait);
    code.lghi(Gr::R0, 0);
    code.stg(Gr::R0, var(variable::INTERRUPTS), Gr::R9);
    code.stg(Gr::R0, var(variable::INTERRUPT_WORD), Gr::R9);
    code.load_constant(Gr::R1, SUMMARY);
    code.stg(Gr::R0, 0, Gr::R1);
    for function in 0..functions {
        code.load_constant(Gr::R1, INDICATORS + 8 * function as u64);
        code.stg(Gr::R0, 0, Gr::R1);
        // The summary bit area begins with the bits for events.
        code.load_constant(Gr::R1, dma_memory(function));
        code.stg(Gr::R0, 0, Gr::R1);
    }
    code.bind(no_clearing);

    let no_patch = code.label();
    code.lg(Gr::R1, field::PATCH_TO, Gr::R12);
    code.ltgr(Gr::R1, Gr::R1);
    code.brcl(Condition::Equal, no_patch);
    code.lg(Gr::R2, field::PATCH_FROM, Gr::R12);
    code.lg(Gr::R2, 0, Gr::R2);
    code.ag(Gr::R2, field::PATCH_ADD, Gr::R12);
    code.stg(Gr::R2, 0, Gr::R1);
    code.bind(no_patch);

    code.lg(Gr::R1, field::HANDLE_FROM, Gr::R12);
    code.llgf(Gr::R2, 0, Gr::R1);
    code.llgf(Gr::R1, field::HANDLE_KEEP, Gr::R12);
    code.ngr(Gr::R2, Gr::R1);
    code.llgf(Gr::R1, field::HANDLE_FLIP, Gr::R12);
    code.xgr(Gr::R2, Gr::R1);
    code.sllg(Gr::R2, Gr::R2, 32);
    code.lg(Gr::R1, field::REQUEST, Gr::R12);
    code.ogr(Gr::R2, Gr::R1);
    code.lg(Gr::R1, field::BASE, Gr::R12);
    code.lg(Gr::R3, field::OFFSET, Gr::R12);
    code.ag(Gr::R3, 0, Gr::R1);
    code.lg(Gr::R4, field::SOURCE, Gr::R12);
    code.lg(Gr::R5, field::EXTRA, Gr::R12);
    code.lg(Gr::R1, field::DATA_BASE, Gr::R12);
    code.lg(Gr::R6, field::DATA, Gr::R12);
    code.ag(Gr::R6, 0, Gr::R1);
}

/// Waits until the function measurement block has been updated, and keeps its counters.
fn await_measurement(code: &mut Assembler) {
    let updated = code.label();
    let done = code.label();
    let again = code.label();
    code.load_constant(Gr::R5, MEASUREMENT_TIME);
    code.stck(variable::CLOCK as u16, Gr::R9);
    code.ag(Gr::R5, var(variable::CLOCK), Gr::R9);
    code.load_constant(Gr::R2, LAST_UPDATE);
    code.bind(again);
    code.lg(Gr::R1, 0, Gr::R2);
    code.tmll(Gr::R1, 1);
    let during = code.label();
    code.brcl(Condition::NotEqual, during);
    code.ltgr(Gr::R1, Gr::R1);
    code.brcl(Condition::NotEqual, updated);
    code.bind(during);
    code.stck(variable::CLOCK as u16, Gr::R9);
    code.lg(Gr::R1, var(variable::CLOCK), Gr::R9);
    code.clgr(Gr::R1, Gr::R5);
    code.brcl(Condition::Low, again);
    code.lghi(Gr::R0, -1);
    for counter in 0..4 {
        code.stg(Gr::R0, var(result::COUNTERS + 8 * counter), Gr::R13);
    }
    code.brcl(Condition::Always, done);
    code.bind(updated);
    code.load_constant(Gr::R2, COUNTERS);
    code.mvc(32, (result::COUNTERS as u16, Gr::R13), (0, Gr::R2));
    code.bind(done);
}

fn keep_results(code: &mut Assembler, labels: &Labels) {
    for (to, from) in [
        (result::AFTER, REGISTERS_AFTER),
        (result::BEFORE, REGISTERS_BEFORE),
    ] {
        code.mvc(128, (to as u16, Gr::R13), (from as u16, Gr::R0));
    }
    code.stg(Gr::R11, var(result::ADDRESS), Gr::R13);
    for (to, from) in [
        (result::CONDITION, variable::CONDITION),
        (result::PROGRAM_CODE, variable::PROGRAM_CODE),
        (
            result::TRANSLATION_EXCEPTION,
            variable::TRANSLATION_EXCEPTION,
        ),
        (result::OLD_ADDRESS, variable::OLD_ADDRESS),
    ] {
        code.lg(Gr::R0, var(from), Gr::R9);
        code.stg(Gr::R0, var(to), Gr::R13);
    }
    let no_save = code.label();
    code.lg(Gr::R1, field::SAVE_TO, Gr::R12);
    code.ltgr(Gr::R1, Gr::R1);
    code.brcl(Condition::Equal, no_save);
    let of_register = code.label();
    code.lg(Gr::R2, field::SAVE_FROM, Gr::R12);
    code.ltgr(Gr::R2, Gr::R2);
    code.brcl(Condition::Equal, of_register);
    code.lg(Gr::R6, 0, Gr::R2);
    code.bind(of_register);
    code.stg(Gr::R6, 0, Gr::R1);
    code.bind(no_save);
    let no_wait = code.label();
    unless_flag(code, flag::AWAIT_INTERRUPT, no_wait);
    code.load_constant(Gr::R5, INTERRUPT_TIME);
    code.lg(Gr::R6, field::VECTOR, Gr::R12);
    code.brasl(Gr::R7, labels.wait);
    code.lg(Gr::R0, var(variable::INTERRUPTS), Gr::R9);
    code.stg(Gr::R0, var(result::INTERRUPTS), Gr::R13);
    code.lg(Gr::R0, var(variable::INTERRUPT_WORD), Gr::R9);
    code.stg(Gr::R0, var(result::INTERRUPT_WORD), Gr::R13);
    code.bind(no_wait);
    let no_measurement = code.label();
    unless_flag(code, flag::AWAIT_MEASUREMENT, no_measurement);
    await_measurement(code);
    code.bind(no_measurement);
    code.load_constant(Gr::R1, SUMMARY);
    code.mvc(24, (result::INDICATORS as u16, Gr::R13), (0, Gr::R1));
    code.lghi(Gr::R0, 2);
    code.stg(Gr::R0, var(result::STATE), Gr::R13);
}
