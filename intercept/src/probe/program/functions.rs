//! Finds the guest's functions by CLP, then by their config space.

use super::labels::{Labels, load_request, stop, var};
use crate::probe::clp::REQUEST;
use crate::probe::layout::{CLP_LIST, area, function_area, state, variable};
use s390x_asm::{Assembler, Condition, Gr};

fn call_logical_processor(code: &mut Assembler, labels: &Labels, block: u64) {
    code.load_constant(Gr::R4, block);
    code.larl(Gr::R11, labels.clp);
    code.brasl(Gr::R7, labels.execute_plainly);
}

/// Finds the function with the host's vendor, device and function id. Asks for its facts, and enables it.
pub(super) fn find(code: &mut Assembler, labels: &Labels, function: usize) {
    let none = code.label();
    let found = code.label();
    let other = code.label();
    let on = code.label();
    let response = REQUEST as i32;
    let at = function_area(function);

    call_logical_processor(code, labels, CLP_LIST);
    code.llgh(Gr::R1, response, Gr::R4);
    code.aghi(Gr::R1, -32);
    code.srlg(Gr::R1, Gr::R1, 4);
    code.lg(Gr::R3, var(variable::WANTED), Gr::R9);
    code.load_constant(Gr::R12, at);
    code.lg(Gr::R6, var(area::FID), Gr::R12);
    code.lay(Gr::R2, response + 32, Gr::R4);
    let next = code.here();
    code.cghi(Gr::R1, 0);
    code.brcl(Condition::Equal, none);
    code.brcl(Condition::Low, none);
    code.llgf(Gr::R5, 0, Gr::R2);
    code.clgr(Gr::R5, Gr::R3);
    code.brcl(Condition::NotEqual, other);
    code.llgf(Gr::R5, 8, Gr::R2);
    code.clgr(Gr::R5, Gr::R6);
    code.brcl(Condition::Equal, found);
    code.bind(other);
    code.aghi(Gr::R2, 16);
    code.aghi(Gr::R1, -1);
    code.brcl(Condition::Always, next);
    code.bind(none);
    stop(code, state::NO_FUNCTION);

    code.bind(found);
    code.llgf(Gr::R10, 12, Gr::R2);
    code.load_constant(Gr::R4, at + area::CLP_FUNCTION);
    code.sty(Gr::R10, 16, Gr::R4);
    call_logical_processor(code, labels, at + area::CLP_FUNCTION);
    code.llgc(Gr::R1, response + 19, Gr::R4);
    code.load_constant(Gr::R4, at + area::CLP_GROUP);
    code.stc(Gr::R1, 19, Gr::R4);
    code.sllg(Gr::R1, Gr::R1, 32);
    code.stg(Gr::R1, var(area::GROUP), Gr::R12);
    call_logical_processor(code, labels, at + area::CLP_GROUP);
    for (offset, keep) in [(40, area::MSI_HIGH), (44, area::MSI_LOW)] {
        code.llgf(Gr::R1, response + offset, Gr::R4);
        code.lghi(Gr::R2, 0);
        code.lrvr(Gr::R2, Gr::R1);
        code.stg(Gr::R2, var(keep), Gr::R12);
    }
    code.load_constant(Gr::R4, at + area::CLP_SET);
    code.sty(Gr::R10, 16, Gr::R4);
    call_logical_processor(code, labels, at + area::CLP_SET);
    code.llgf(Gr::R1, response + 16, Gr::R4);
    code.sllg(Gr::R1, Gr::R1, 32);
    code.stg(Gr::R1, var(area::HANDLE), Gr::R12);
    code.llgh(Gr::R2, response + 2, Gr::R4);
    code.cghi(Gr::R2, 0x0010);
    code.brcl(Condition::Equal, on);
    stop(code, state::NOT_ENABLED);
    code.bind(on);
}

/// Loads the config byte at the offset in register 3 into register 6.
fn load_config_byte(code: &mut Assembler, labels: &Labels, function: usize) {
    load_request(code, function, (15 << 16) | 1);
    code.lghi(Gr::R6, 0);
    code.larl(Gr::R11, labels.load);
    code.brasl(Gr::R7, labels.execute_plainly);
}

/// Follows the chain of capabilities to MSI.
pub(super) fn find_msi(code: &mut Assembler, labels: &Labels, function: usize) {
    let done = code.label();
    code.lghi(Gr::R10, 48);
    code.lghi(Gr::R3, 0x34);
    let next = code.here();
    load_config_byte(code, labels, function);
    code.ltgr(Gr::R3, Gr::R6);
    code.brcl(Condition::Equal, done);
    code.lgr(Gr::R5, Gr::R3);
    load_config_byte(code, labels, function);
    let other = code.label();
    code.cghi(Gr::R6, 5);
    code.brcl(Condition::NotEqual, other);
    code.load_constant(Gr::R1, function_area(function));
    code.stg(Gr::R5, var(area::MSI), Gr::R1);
    code.brcl(Condition::Always, done);
    code.bind(other);
    code.lgr(Gr::R3, Gr::R5);
    code.aghi(Gr::R3, 1);
    code.brctg(Gr::R10, next);
    code.bind(done);
}
