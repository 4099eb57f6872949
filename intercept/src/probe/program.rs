//! The machine code: finds and enables the function, then runs the records.
//!
//! Registers: 9 mailbox, 12 record, 13 result, 10 records left, 8 record number, 11 instruction to execute, 7 link of
//! subroutines, 14 link of the instruction. The instruction under test may use 2 to 6.

mod routines;

use super::clp::REQUEST;
use super::layout::{
    CLP_FUNCTION, CLP_GROUP, CLP_LIST, CLP_SET, DMA_MEMORY, MAILBOX, RECORDS, RESULT_SIZE, RESULTS,
    SUMMARY, state, variable,
};
use super::record::{self, field, flag};
use crate::plan::FENCE_OFFSET;
use s390x_asm::{AssembleError, Assembler, Condition, Gr, Label};

/// Time to wait for an adapter interrupt, in TOD units (4,096 per microsecond): one second.
const INTERRUPT_TIME: u64 = 1_000_000 << 12;
/// Time in which earlier interrupts arrive that are to be forgotten.
const CLEARING_TIME: u64 = 3_000 << 12;

/// Lowcore addresses (z/Architecture Principles of Operation, "Assigned Storage Locations").
const PROGRAM_CODE: i32 = 0x8e;
const INTERRUPTION_WORD: i32 = 0xc0;
const PROGRAM_OLD: i32 = 0x150;
const IO_OLD: u16 = 0x170;
const EXTERNAL_NEW: i32 = 0x1b0;
const SUPERVISOR_NEW: i32 = 0x1c0;
const PROGRAM_NEW: i32 = 0x1d0;
const MACHINE_CHECK_NEW: i32 = 0x1e0;
const IO_NEW: i32 = 0x1f0;

struct Labels {
    execute: Label,
    wait: Label,
    clp: Label,
    load: Label,
    program_handler: Label,
    io_handler: Label,
    crash: Label,
}

fn var(offset: u64) -> i32 {
    i32::try_from(offset).unwrap_or(0)
}

/// The program.
///
/// # Errors
/// Only if this file is wrong about its labels.
pub fn program() -> Result<Vec<u8>, AssembleError> {
    let mut code = Assembler::new();
    let labels = Labels {
        execute: code.label(),
        wait: code.label(),
        clp: code.label(),
        load: code.label(),
        program_handler: code.label(),
        io_handler: code.label(),
        crash: code.label(),
    };
    start(&mut code, &labels);
    find_function(&mut code, &labels);
    find_msi(&mut code, &labels);
    run_records(&mut code, &labels);
    routines::subroutines(&mut code, &labels);
    routines::handlers(&mut code, &labels);
    Ok(code.finish()?.bytes().to_vec())
}

fn set_state(code: &mut Assembler, value: u64) {
    code.load_constant(Gr::R0, value);
    code.stg(Gr::R0, var(variable::STATE), Gr::R9);
}

fn stop(code: &mut Assembler, value: u64) {
    set_state(code, value);
    code.lpswe(variable::DONE_PSW as u16, Gr::R9);
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
        (PROGRAM_NEW, labels.program_handler),
        (IO_NEW, labels.io_handler),
        (EXTERNAL_NEW, labels.crash),
        (SUPERVISOR_NEW, labels.crash),
        (MACHINE_CHECK_NEW, labels.crash),
    ];
    for (at, handler) in handlers {
        code.larl(Gr::R1, handler);
        code.stg(Gr::R0, at, Gr::R0);
        code.stg(Gr::R1, at + 8, Gr::R0);
    }
    code.lctlg(Gr::R6, Gr::R6, var(variable::CONTROL_6), Gr::R9);
}

fn call_logical_processor(code: &mut Assembler, labels: &Labels, block: u64) {
    code.load_constant(Gr::R4, block);
    code.larl(Gr::R11, labels.clp);
    code.brasl(Gr::R7, labels.execute);
}

fn find_function(code: &mut Assembler, labels: &Labels) {
    let none = code.label();
    let not_enabled = code.label();
    let found = code.label();
    let on = code.label();
    let response = REQUEST as i32;

    call_logical_processor(code, labels, CLP_LIST);
    code.llgh(Gr::R1, response, Gr::R4);
    code.aghi(Gr::R1, -32);
    code.srlg(Gr::R1, Gr::R1, 4);
    code.lg(Gr::R3, var(variable::WANTED), Gr::R9);
    code.lay(Gr::R2, response + 32, Gr::R4);
    let next = code.here();
    code.cghi(Gr::R1, 0);
    code.brcl(Condition::Equal, none);
    code.brcl(Condition::Low, none);
    code.ltgr(Gr::R3, Gr::R3);
    code.brcl(Condition::Equal, found);
    code.llgf(Gr::R5, 0, Gr::R2);
    code.clgr(Gr::R5, Gr::R3);
    code.brcl(Condition::Equal, found);
    code.aghi(Gr::R2, 16);
    code.aghi(Gr::R1, -1);
    code.brcl(Condition::Always, next);
    code.bind(none);
    stop(code, state::NO_FUNCTION);

    code.bind(found);
    code.llgf(Gr::R10, 12, Gr::R2);
    code.load_constant(Gr::R4, CLP_FUNCTION);
    code.sty(Gr::R10, 16, Gr::R4);
    call_logical_processor(code, labels, CLP_FUNCTION);
    code.llgc(Gr::R1, response + 19, Gr::R4);
    code.load_constant(Gr::R4, CLP_GROUP);
    code.stc(Gr::R1, 19, Gr::R4);
    call_logical_processor(code, labels, CLP_GROUP);
    for (at, keep) in [(40, variable::MSI_HIGH), (44, variable::MSI_LOW)] {
        code.llgf(Gr::R1, response + at, Gr::R4);
        code.lghi(Gr::R2, 0);
        code.lrvr(Gr::R2, Gr::R1);
        code.stg(Gr::R2, var(keep), Gr::R9);
    }
    code.load_constant(Gr::R4, CLP_SET);
    code.sty(Gr::R10, 16, Gr::R4);
    call_logical_processor(code, labels, CLP_SET);
    code.llgf(Gr::R1, response + 16, Gr::R4);
    code.stg(Gr::R1, var(variable::HANDLE), Gr::R9);
    code.llgh(Gr::R2, response + 2, Gr::R4);
    code.cghi(Gr::R2, 0x0010);
    code.brcl(Condition::Equal, on);
    code.bind(not_enabled);
    stop(code, state::NOT_ENABLED);
    code.bind(on);
}

/// Loads the config byte at the offset in register 3 into register 6.
fn load_config_byte(code: &mut Assembler, labels: &Labels) {
    code.lg(Gr::R2, var(variable::HANDLE), Gr::R9);
    code.sllg(Gr::R2, Gr::R2, 32);
    code.load_constant(Gr::R1, (15 << 16) | 1);
    code.ogr(Gr::R2, Gr::R1);
    code.lghi(Gr::R6, 0);
    code.larl(Gr::R11, labels.load);
    code.brasl(Gr::R7, labels.execute);
}

fn find_msi(code: &mut Assembler, labels: &Labels) {
    let done = code.label();
    code.lghi(Gr::R10, 48);
    code.lghi(Gr::R3, 0x34);
    let next = code.here();
    load_config_byte(code, labels);
    code.ltgr(Gr::R3, Gr::R6);
    code.brcl(Condition::Equal, done);
    code.lgr(Gr::R5, Gr::R3);
    load_config_byte(code, labels);
    let other = code.label();
    code.cghi(Gr::R6, 5);
    code.brcl(Condition::NotEqual, other);
    code.stg(Gr::R5, var(variable::MSI), Gr::R9);
    code.brcl(Condition::Always, done);
    code.bind(other);
    code.lgr(Gr::R3, Gr::R5);
    code.aghi(Gr::R3, 1);
    code.brctg(Gr::R10, next);
    code.bind(done);
}

/// Skips to `target` unless one of the record's flags in `mask` is set.
fn unless_flag(code: &mut Assembler, mask: u64, target: Label) {
    code.lg(Gr::R0, field::FLAGS, Gr::R12);
    code.tmll(Gr::R0, mask as i16);
    code.brcl(Condition::Equal, target);
}

fn run_records(code: &mut Assembler, labels: &Labels) {
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
    code.stg(Gr::R0, 0, Gr::R13);
    fence(code, labels);
    prepare(code, labels);
    code.lay(Gr::R11, field::STUB, Gr::R12);
    code.brasl(Gr::R7, labels.execute);
    keep_results(code, labels);
    code.brcl(Condition::Always, after);
    code.bind(skip);
    code.lghi(Gr::R0, 3);
    code.stg(Gr::R0, 0, Gr::R13);
    code.bind(after);
    code.aghi(Gr::R12, record::SIZE as i16);
    code.aghi(Gr::R13, RESULT_SIZE as i16);
    code.aghi(Gr::R8, 1);
    code.brctg(Gr::R10, next);
    code.stg(Gr::R8, var(variable::PROGRESS), Gr::R9);
    fence_load(code, labels);
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

fn fence(code: &mut Assembler, labels: &Labels) {
    let none = code.label();
    unless_flag(code, flag::FENCE, none);
    fence_load(code, labels);
    code.bind(none);
}

fn fence_load(code: &mut Assembler, labels: &Labels) {
    let failed = code.label();
    code.lg(Gr::R2, var(variable::HANDLE), Gr::R9);
    code.sllg(Gr::R2, Gr::R2, 32);
    code.load_constant(Gr::R1, (15 << 16) | 4);
    code.ogr(Gr::R2, Gr::R1);
    code.load_constant(Gr::R3, FENCE_OFFSET);
    code.larl(Gr::R11, labels.load);
    code.brasl(Gr::R7, labels.execute);
    code.lg(Gr::R0, var(variable::CONDITION), Gr::R9);
    code.lg(Gr::R1, var(variable::PROGRAM_CODE), Gr::R9);
    code.ogr(Gr::R0, Gr::R1);
    code.brcl(Condition::NotEqual, failed);
    code.lg(Gr::R0, var(variable::FENCES), Gr::R9);
    code.aghi(Gr::R0, 1);
    code.stg(Gr::R0, var(variable::FENCES), Gr::R9);
    code.bind(failed);
}

/// Clears interrupts, patches the payload and fills the registers.
fn prepare(code: &mut Assembler, labels: &Labels) {
    let no_clearing = code.label();
    unless_flag(code, flag::CLEAR_INTERRUPTS, no_clearing);
    code.load_constant(Gr::R5, CLEARING_TIME);
    code.brasl(Gr::R7, labels.wait);
    code.lghi(Gr::R0, 0);
    code.stg(Gr::R0, var(variable::INTERRUPTS), Gr::R9);
    code.stg(Gr::R0, var(variable::INTERRUPT_WORD), Gr::R9);
    code.load_constant(Gr::R1, SUMMARY);
    code.stg(Gr::R0, 0, Gr::R1);
    code.stg(Gr::R0, 8, Gr::R1);
    code.load_constant(Gr::R1, DMA_MEMORY);
    code.stg(Gr::R0, 0, Gr::R1);
    code.bind(no_clearing);

    let no_patch = code.label();
    code.lg(Gr::R1, field::PATCH_TO, Gr::R12);
    code.ltgr(Gr::R1, Gr::R1);
    code.brcl(Condition::Equal, no_patch);
    code.lg(Gr::R2, field::PATCH_FROM, Gr::R12);
    code.lg(Gr::R2, 0, Gr::R2);
    code.stg(Gr::R2, 0, Gr::R1);
    code.bind(no_patch);

    code.lg(Gr::R2, var(variable::HANDLE), Gr::R9);
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

fn keep_results(code: &mut Assembler, labels: &Labels) {
    code.stg(Gr::R2, 24, Gr::R13);
    code.stg(Gr::R3, 32, Gr::R13);
    code.stg(Gr::R6, 40, Gr::R13);
    code.lg(Gr::R0, var(variable::CONDITION), Gr::R9);
    code.stg(Gr::R0, 8, Gr::R13);
    code.lg(Gr::R0, var(variable::PROGRAM_CODE), Gr::R9);
    code.stg(Gr::R0, 16, Gr::R13);
    let no_save = code.label();
    code.lg(Gr::R1, field::SAVE_TO, Gr::R12);
    code.ltgr(Gr::R1, Gr::R1);
    code.brcl(Condition::Equal, no_save);
    code.stg(Gr::R6, 0, Gr::R1);
    code.bind(no_save);
    let no_wait = code.label();
    unless_flag(code, flag::AWAIT_INTERRUPT, no_wait);
    code.load_constant(Gr::R5, INTERRUPT_TIME);
    code.brasl(Gr::R7, labels.wait);
    code.lg(Gr::R0, var(variable::INTERRUPTS), Gr::R9);
    code.stg(Gr::R0, 48, Gr::R13);
    code.lg(Gr::R0, var(variable::INTERRUPT_WORD), Gr::R9);
    code.stg(Gr::R0, 56, Gr::R13);
    code.bind(no_wait);
    code.lghi(Gr::R0, 2);
    code.stg(Gr::R0, 0, Gr::R13);
}
