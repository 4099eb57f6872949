// SPDX-License-Identifier: GPL-2.0-or-later
//! Defects in the answers to the guest's CLP calls.
//!
//! Commands and layouts: Linux `arch/s390/include/asm/pci_clp.h`.

use super::hook::{Defect, Hook, defects};
use super::undo::Ended;
use crate::cpu::{GuestCpu, read_logical, write_logical};
use crate::decode::Instruction;
use crate::forward::access::PSW_PROBLEM;
use crate::forward::ending::Ending;
use records::instruction::{Hex, Record};

/// Command codes of CLP.
const LIST: u16 = 2;
const QUERY: u16 = 3;
const GROUP: u16 = 4;
const SET: u16 = 5;
/// Logical processor of the PCI calls.
const PCI: u8 = 2;

macro_rules! answers {
    ($($name:literal $what:literal $command:ident $at:literal $bytes:expr;)*) => {
        &[$(Defect {
            name: $name,
            what: $what,
            hook: Hook::After(|cpu, record, ended| put(cpu, record, ended, $command, $at, &$bytes)),
        }),*]
    };
}

/// Defects that change bytes of an answer.
pub(crate) const ANSWERS: &[Defect] = answers! {
    "clp-maximum-128" "CLP reports 128 as the longest block store" GROUP 20 [0, 128];
    "clp-maximum-0" "CLP reports 0 as the longest block store" GROUP 20 [0, 0];
    "clp-not-relaxed" "CLP does not tell that the group is relaxed" GROUP 19 [0];
    "clp-dma-mask" "CLP reports a DMA mask of 0" GROUP 32 [0; 8];
    "clp-doorbell" "CLP reports an interrupt doorbell at 0" GROUP 40 [0; 8];
    "clp-no-interrupts" "CLP reports that functions of the group have no interrupts" GROUP 16 [0, 0];
    "clp-channel-0" "CLP reports channel id 0" QUERY 30 [0, 0];
    "clp-channel-wrong" "CLP reports another channel id" QUERY 30 [0x12, 0x34];
    "clp-function-type" "CLP reports another function type" QUERY 63 [9];
    "clp-group-wrong" "CLP reports another group of the function" QUERY 19 [0x77];
    "clp-fid-wrong" "a query reports another function id" QUERY 20 [0, 0, 0, 99];
    "clp-uid-wrong" "a query reports another user-defined id" QUERY 124 [0, 0, 0, 99];
    "clp-bar-0-missing" "CLP reports that there is no BAR 0" QUERY 24 [0];
    "clp-bar-0-small" "CLP reports 2^32 bytes as the size of BAR 0" QUERY 24 [32];
    "clp-bar-2-missing" "CLP reports that there is no BAR 2" QUERY 26 [0];
    "clp-dma-start" "CLP reports a DMA window from 0" QUERY 64 [0; 8];
    "clp-dma-end" "CLP reports a DMA window that ends at 0" QUERY 72 [0; 8];
    "clp-query-fails" "a query ends with response code 0x20" QUERY 2 [0, 0x20];
    "clp-group-fails" "a query of the group ends with response code 0x20" GROUP 2 [0, 0x20];
    "clp-list-vendor" "the list reports another vendor for the first function" LIST 34 [0x11, 0x22];
    "clp-list-fid" "the list reports another function id for the first function" LIST 40 [0, 0, 0, 99];
    "clp-list-handle" "the list reports another handle for the first function" LIST 44 [0x7F, 0, 0, 9];
    "clp-list-resumes" "the list reports that it is not complete" LIST 16 [0, 0, 0, 0, 0, 0, 0, 1];
    "clp-set-handle" "enabling a function gives a handle without its enable bit" SET 16 [0];
    "clp-set-fails" "enabling a function ends with response code 0x101" SET 2 [1, 1];
};

/// All other defects of CLP calls.
pub(crate) const DEFECTS: &[Defect] = defects![
    "clp-refused",
    "every CLP call ends with condition code 3",
    Hook::Instead(|_, site| call(site).map(|_| Ending::NoFunction)),
    "clp-privileged-unchecked",
    "a CLP call ends with condition code 0 in problem state",
    Hook::Instead(|cpu, site| {
        let problem = cpu.psw_mask()? & PSW_PROBLEM != 0;
        call(site).filter(|_| problem).map(|_| Ending::Done)
    }),
    "clp-length-unchecked",
    "a CLP call with a request of a wrong length ends with condition code 0",
    Hook::Instead(|cpu, site| {
        let address = cpu.gpr(call(site)?)?;
        let length = half(&read_logical(cpu, address, 2)?, 0)?;
        let wrong = length != 32 && cpu.psw_mask()? & PSW_PROBLEM == 0;
        wrong.then_some(Ending::Done)
    }),
    "clp-command-unchecked",
    "a CLP call with an unknown command is answered as carried out",
    Hook::After(|cpu, record, ended| {
        let command = record.operands.command.map(|Hex(command)| command);
        if command.is_some_and(|command| !(2..=5).contains(&command)) {
            put_response(cpu, record, ended, 2, &[0, 0x10]);
        }
    }),
    "clp-disable-ignored",
    "disabling a function gives a handle with its enable bit",
    Hook::After(|cpu, record, ended| {
        let disables = record.operands.clp_request.as_ref();
        if disables.is_some_and(|request| request.0.get(22) == Some(&1)) {
            put(cpu, record, ended, SET, 16, &[0x80]);
        }
    }),
];

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes
        .get(at..)?
        .first_chunk()
        .copied()
        .map(u16::from_be_bytes)
}

/// Returns the register with the address of a PCI call.
fn call(site: &crate::observe::Site) -> Option<crate::decode::Gpr> {
    match site.instruction {
        Instruction::CallLogicalProcessor {
            block,
            processor: PCI,
            ..
        } => Some(block),
        _ => None,
    }
}

/// Writes bytes into the response to a command.
fn put(cpu: &mut dyn GuestCpu, record: &Record, ended: Ended, command: u16, at: u64, bytes: &[u8]) {
    if record.operands.command.map(|Hex(command)| command) == Some(command.into()) {
        put_response(cpu, record, ended, at, bytes);
    }
}

fn put_response(cpu: &mut dyn GuestCpu, record: &Record, ended: Ended, at: u64, bytes: &[u8]) {
    if let (Some(Hex(address)), Some(request), Some(_), Ended::Here) = (
        record.operands.address,
        &record.operands.clp_request,
        &record.operands.clp_response,
        ended,
    ) {
        let response = address.wrapping_add(request.0.len() as u64);
        write_logical(cpu, response.wrapping_add(at), bytes);
    }
}
