//! Subroutines and interruption handlers.

use super::labels::{Labels, set_state, var};
use super::lowcore::{
    INTERRUPTION_WORD, IO_OLD, PROGRAM_CODE, PROGRAM_LENGTH_AND_CODE, PROGRAM_OLD, SUPERVISOR_OLD,
    TRANSLATION_EXCEPTION,
};
use crate::probe::layout::{MAILBOX, REGISTERS_AFTER, REGISTERS_BEFORE, state, variable};
use s390x_asm::{Assembler, Condition, Gr, zpci};

pub(super) fn subroutines(code: &mut Assembler, labels: &Labels) {
    code.bind(labels.execute_plainly);
    code.lg(Gr::R0, var(variable::HANDLER_MASK), Gr::R9);
    code.stg(Gr::R0, var(variable::RUN_PSW), Gr::R9);
    code.bind(labels.execute);
    code.stg(Gr::R11, var(variable::RUN_PSW) + 8, Gr::R9);
    code.lghi(Gr::R0, 1);
    code.stg(Gr::R0, var(variable::ARMED), Gr::R9);
    code.stmg(Gr::R0, Gr::R15, REGISTERS_BEFORE as i32, Gr::R0);
    code.lpswe(variable::RUN_PSW as u16, Gr::R9);

    // Opens the CPU for I/O interruptions until one was taken and the doubleword at register 6 is not zero, or the time in
    // register 5 is over.
    code.bind(labels.wait);
    code.stck(variable::CLOCK as u16, Gr::R9);
    code.lg(Gr::R1, var(variable::CLOCK), Gr::R9);
    code.agr(Gr::R5, Gr::R1);
    let over = code.label();
    let not_yet = code.label();
    let again = code.here();
    code.stosm(0x02, variable::SCRATCH as u16, Gr::R9);
    code.stnsm(0xfd, variable::SCRATCH as u16, Gr::R9);
    code.lg(Gr::R1, var(variable::INTERRUPTS), Gr::R9);
    code.ltgr(Gr::R1, Gr::R1);
    code.brcl(Condition::Equal, not_yet);
    code.lg(Gr::R1, 0, Gr::R6);
    code.ltgr(Gr::R1, Gr::R1);
    code.brcl(Condition::NotEqual, over);
    code.bind(not_yet);
    code.stck(variable::CLOCK as u16, Gr::R9);
    code.lg(Gr::R1, var(variable::CLOCK), Gr::R9);
    code.clgr(Gr::R1, Gr::R5);
    code.brcl(Condition::Low, again);
    code.bind(over);
    code.br(Gr::R7);

    code.bind(labels.clp);
    code.emit(&zpci::clp(Gr::R4));
    code.svc(0);
    code.bind(labels.load);
    code.emit(&zpci::pcilg(Gr::R6, Gr::R2));
    code.svc(0);
}

pub(super) fn handlers(code: &mut Assembler, labels: &Labels) {
    let finish = code.label();
    code.bind(labels.supervisor_handler);
    take_registers(code, labels);
    code.lghi(Gr::R0, 0);
    code.stg(Gr::R0, var(variable::PROGRAM_CODE), Gr::R9);
    code.stg(Gr::R0, var(variable::TRANSLATION_EXCEPTION), Gr::R9);
    code.lg(Gr::R1, SUPERVISOR_OLD + 8, Gr::R0);
    code.lg(Gr::R0, SUPERVISOR_OLD, Gr::R0);
    // The condition code: bits 18 and 19 of the PSW.
    code.sllg(Gr::R0, Gr::R0, 18);
    code.srlg(Gr::R0, Gr::R0, 62);
    code.brcl(Condition::Always, finish);

    code.bind(labels.program_handler);
    take_registers(code, labels);
    code.llgf(Gr::R0, PROGRAM_LENGTH_AND_CODE, Gr::R0);
    code.stg(Gr::R0, var(variable::PROGRAM_CODE), Gr::R9);
    code.lg(Gr::R0, TRANSLATION_EXCEPTION, Gr::R0);
    code.stg(Gr::R0, var(variable::TRANSLATION_EXCEPTION), Gr::R9);
    code.lg(Gr::R1, PROGRAM_OLD + 8, Gr::R0);
    code.lghi(Gr::R0, 0);

    code.bind(finish);
    code.stg(Gr::R0, var(variable::CONDITION), Gr::R9);
    code.stg(Gr::R1, var(variable::OLD_ADDRESS), Gr::R9);
    code.lmg(Gr::R2, Gr::R6, REGISTERS_AFTER as i32 + 16, Gr::R0);
    code.br(Gr::R7);

    code.bind(labels.io_handler);
    code.lg(Gr::R15, var(variable::INTERRUPTS), Gr::R9);
    code.aghi(Gr::R15, 1);
    code.stg(Gr::R15, var(variable::INTERRUPTS), Gr::R9);
    code.llgf(Gr::R15, INTERRUPTION_WORD, Gr::R0);
    code.stg(Gr::R15, var(variable::INTERRUPT_WORD), Gr::R9);
    code.lpswe(IO_OLD, Gr::R0);

    code.bind(labels.crash);
    code.load_constant(Gr::R9, MAILBOX);
    code.lg(Gr::R0, PROGRAM_OLD, Gr::R0);
    code.stg(Gr::R0, var(variable::CRASH_MASK), Gr::R9);
    code.lg(Gr::R0, PROGRAM_OLD + 8, Gr::R0);
    code.stg(Gr::R0, var(variable::CRASH_ADDRESS), Gr::R9);
    code.llgh(Gr::R0, PROGRAM_CODE, Gr::R0);
    code.stg(Gr::R0, var(variable::CRASH_CODE), Gr::R9);
    set_state(code, state::CRASHED);
    code.lpswe(variable::CRASH_PSW as u16, Gr::R9);
}

/// Saves the registers after the instruction under test, and restores the program's own registers.
fn take_registers(code: &mut Assembler, labels: &Labels) {
    code.stmg(Gr::R0, Gr::R15, REGISTERS_AFTER as i32, Gr::R0);
    code.load_constant(Gr::R9, MAILBOX);
    code.lg(Gr::R0, var(variable::ARMED), Gr::R9);
    code.ltgr(Gr::R0, Gr::R0);
    code.brcl(Condition::Equal, labels.crash);
    code.lghi(Gr::R0, 0);
    code.stg(Gr::R0, var(variable::ARMED), Gr::R9);
    // Registers 7 to 15.
    code.lmg(Gr::R7, Gr::R15, REGISTERS_BEFORE as i32 + 56, Gr::R0);
}
