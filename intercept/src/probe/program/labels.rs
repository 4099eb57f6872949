//! Labels of the program, and sequences of instructions that several of its parts use.

use crate::probe::layout::{area, function_area, variable};
use s390x_asm::{Assembler, Gr, Label};

pub(super) struct Labels {
    /// Executes the instruction at register 11 under the PSW mask in [`variable::RUN_PSW`].
    pub(super) execute: Label,
    /// The same, in supervisor state without translation.
    pub(super) execute_plainly: Label,
    pub(super) wait: Label,
    pub(super) clp: Label,
    pub(super) load: Label,
    pub(super) supervisor_handler: Label,
    pub(super) program_handler: Label,
    pub(super) io_handler: Label,
    pub(super) crash: Label,
}

impl Labels {
    pub(super) fn new(code: &mut Assembler) -> Self {
        Self {
            execute: code.label(),
            execute_plainly: code.label(),
            wait: code.label(),
            clp: code.label(),
            load: code.label(),
            supervisor_handler: code.label(),
            program_handler: code.label(),
            io_handler: code.label(),
            crash: code.label(),
        }
    }
}

pub(super) fn var(offset: u64) -> i32 {
    i32::try_from(offset).unwrap_or(0)
}

pub(super) fn set_state(code: &mut Assembler, value: u64) {
    code.load_constant(Gr::R0, value);
    code.stg(Gr::R0, var(variable::STATE), Gr::R9);
}

pub(super) fn stop(code: &mut Assembler, value: u64) {
    set_state(code, value);
    code.lpswe(variable::DONE_PSW as u16, Gr::R9);
}

/// Puts a request for this function into register 2. `low` is the low word.
pub(super) fn load_request(code: &mut Assembler, function: usize, low: u64) {
    code.load_constant(Gr::R1, function_area(function));
    code.llgf(Gr::R2, var(area::HANDLE), Gr::R1);
    code.sllg(Gr::R2, Gr::R2, 32);
    code.load_constant(Gr::R1, low);
    code.ogr(Gr::R2, Gr::R1);
}
