//! Subroutines and interruption handlers.

use super::{INTERRUPTION_WORD, IO_OLD, Labels, PROGRAM_CODE, PROGRAM_OLD, set_state, var};
use crate::probe::layout::{MAILBOX, state, variable};
use s390x_asm::{Assembler, Condition, Gr, zpci};

pub(super) fn subroutines(code: &mut Assembler, labels: &Labels) {
    // Runs the instruction at register 11 and keeps its condition code and program interruption code.
    code.bind(labels.execute);
    code.lghi(Gr::R0, 0);
    code.stg(Gr::R0, var(variable::PROGRAM_CODE), Gr::R9);
    code.lghi(Gr::R0, 1);
    code.stg(Gr::R0, var(variable::ARMED), Gr::R9);
    code.basr(Gr::R14, Gr::R11);
    code.lghi(Gr::R0, 0);
    code.ipm(Gr::R0);
    code.srlg(Gr::R0, Gr::R0, 28);
    code.stg(Gr::R0, var(variable::CONDITION), Gr::R9);
    code.lghi(Gr::R0, 0);
    code.stg(Gr::R0, var(variable::ARMED), Gr::R9);
    code.br(Gr::R7);

    // Opens the CPU for I/O interruptions until one was taken or the time in register 5 is over.
    code.bind(labels.wait);
    code.stck(variable::CLOCK as u16, Gr::R9);
    code.lg(Gr::R1, var(variable::CLOCK), Gr::R9);
    code.agr(Gr::R5, Gr::R1);
    let over = code.label();
    let again = code.here();
    code.stosm(0x02, variable::SCRATCH as u16, Gr::R9);
    code.stnsm(0xfd, variable::SCRATCH as u16, Gr::R9);
    code.lg(Gr::R1, var(variable::INTERRUPTS), Gr::R9);
    code.ltgr(Gr::R1, Gr::R1);
    code.brcl(Condition::NotEqual, over);
    code.stck(variable::CLOCK as u16, Gr::R9);
    code.lg(Gr::R1, var(variable::CLOCK), Gr::R9);
    code.clgr(Gr::R1, Gr::R5);
    code.brcl(Condition::Low, again);
    code.bind(over);
    code.br(Gr::R7);

    code.bind(labels.clp);
    code.emit(&zpci::clp(Gr::R4));
    code.br(Gr::R14);
    code.bind(labels.load);
    code.emit(&zpci::pcilg(Gr::R6, Gr::R2));
    code.br(Gr::R14);
}

pub(super) fn handlers(code: &mut Assembler, labels: &Labels) {
    code.bind(labels.program_handler);
    code.lg(Gr::R0, var(variable::ARMED), Gr::R9);
    code.ltgr(Gr::R0, Gr::R0);
    code.brcl(Condition::Equal, labels.crash);
    code.llgh(Gr::R0, PROGRAM_CODE, Gr::R0);
    code.stg(Gr::R0, var(variable::PROGRAM_CODE), Gr::R9);
    code.lg(Gr::R0, var(variable::HANDLER_MASK), Gr::R9);
    code.stg(Gr::R0, var(variable::RETURN_PSW), Gr::R9);
    code.stg(Gr::R14, var(variable::RETURN_PSW) + 8, Gr::R9);
    code.lpswe(variable::RETURN_PSW as u16, Gr::R9);

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
