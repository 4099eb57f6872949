//! ISM commands, in the exact instruction sequence of the Linux driver (Linux `drivers/s390/net/ism_drv.c`,
//! `ism_cmd`): the payload at offset 8, the header at offset 0, then loads of the response in ascending
//! doublewords.

use super::make::{case, grouped, into_dmb};
use super::moves::SIGNAL;
use crate::plan::case::{Case, Only, Patch, Variable};
use crate::plan::instruction::Instruction::{Pcilg, Pcistb, Pcistg};
use crate::probe::layout::{IEQ_ADDRESS, IEQ_LENGTH, SBA_ADDRESS, SECOND_DMB_ADDRESS};

struct Command {
    name: &'static str,
    code: u32,
    payload: Vec<u8>,
    patch: Option<Patch>,
    response: u64,
}

fn command(name: &'static str, code: u32, payload: &[u64], response: u64) -> Command {
    Command {
        name,
        code,
        payload: payload.iter().flat_map(|word| word.to_be_bytes()).collect(),
        patch: None,
        response,
    }
}

fn header(code: u32, payload: usize) -> Vec<u8> {
    let length = 8 + payload as u64;
    ((u64::from(code) << 32) | length).to_be_bytes().to_vec()
}

impl Command {
    fn patched(self, value: Variable, at: usize) -> Self {
        Self {
            patch: Some(Patch { value, at }),
            ..self
        }
    }

    /// The driver's instructions for this command.
    fn cases(&self) -> Vec<Case> {
        let name = self.name;
        let mut cases = Vec::new();
        if !self.payload.is_empty() {
            let payload = case(Pcistb, format!("{name}-payload"));
            let payload = payload.at(2, 8, self.payload.len() as u64);
            cases.push(Case {
                patch: self.patch,
                ..payload.with_bytes(self.payload.clone())
            });
        }
        let header = header(self.code, self.payload.len());
        let store = case(Pcistb, format!("{name}-header")).at(2, 0, 8);
        cases.push(store.with_bytes(header).joined(!self.payload.is_empty()));
        cases.extend((0..self.response).step_by(8).map(|offset| {
            let load = case(Pcilg, format!("{name}-response-{offset}"));
            load.at(2, offset, 8).joined(true)
        }));
        cases
    }

    /// The same command by PCISTG of 8 bytes, for a QEMU without working PCISTB. It does not repeat the
    /// loads.
    fn plain_cases(&self) -> Vec<Case> {
        let mut bytes = header(self.code, self.payload.len());
        bytes.extend(&self.payload);
        let payload = (8..bytes.len()).step_by(8);
        let cases = payload.chain([0]).enumerate().map(|(index, at)| {
            let part: Vec<u8> = bytes.iter().skip(at).take(8).copied().collect();
            let patch = self.patch.filter(|patch| patch.at + 8 == at);
            let store = case(Pcistg, format!("{}-plain-{at}", self.name));
            let store = store.at(2, at as u64, 8).with_bytes(part);
            Case {
                patch: patch.map(|patch| Patch { at: 0, ..patch }),
                ..store.joined(index > 0).limited(Only::Plain)
            }
        });
        cases.collect()
    }

    /// The driver's instructions if block stores work.
    fn block_cases(&self) -> Vec<Case> {
        let cases = self.cases().into_iter();
        cases.map(|case| case.limited(Only::Block)).collect()
    }
}

fn dmb(name: &'static str) -> Command {
    let length_and_index = (0x4000_u64 << 32) | 33;
    let payload = [SECOND_DMB_ADDRESS, length_and_index, 0, 0];
    command(name, 0x0a, &payload, 16).patched(Variable::Gid, 24)
}

/// The driver's instructions at its probe, and at the start and end of a connection.
pub(super) fn driver() -> Vec<Case> {
    let mut cases = Vec::new();
    for command in [
        command("reg-sba", 0x01, &[SBA_ADDRESS], 8),
        command("reg-ieq", 0x02, &[IEQ_ADDRESS, IEQ_LENGTH], 8),
        command("read-gid", 0x03, &[], 16),
        command("add-vlan", 0x04, &[0x1fff], 8),
        command("query-info", 0x08, &[], 200),
        command("query-rgid", 0x09, &[0, 0], 8).patched(Variable::Gid, 0),
    ] {
        let name = command.name;
        cases.extend(command.cases());
        if name == "query-info" {
            // The low byte of the first VLAN id has its highest bit set: 0x1fff.
            cases.push(case(Pcilg, "query-info-vlan-byte").at(2, 73, 1));
        }
    }
    cases.extend(dmb("reg-dmb").cases());
    if let Some(token) = cases.last_mut() {
        token.save = true;
    }
    for command in [
        command("unreg-dmb", 0x0b, &[0], 8).patched(Variable::Saved, 0),
        command("signal-ieq-quiet", 0x0e, &[0, 0x80, 0], 8).patched(Variable::Gid, 0),
        command("del-vlan", 0x05, &[0x1fff], 8),
    ] {
        cases.extend(command.cases());
    }
    grouped("linux-command", cases)
}

/// READ_GID in the way that works.
pub(super) fn read_gid(group: &str) -> Vec<Case> {
    let command = command("prepare-read-gid", 0x03, &[], 0);
    grouped(
        group,
        [command.block_cases(), command.plain_cases()].concat(),
    )
}

/// SIGNAL_IEQ to the function's own GID, with the trigger set. The guest gets an MSI as an adapter interrupt.
/// There is a variant for each way of issuing commands. `clear` makes the guest forget earlier interrupts first.
pub(super) fn interrupt_of(function: u8, name: &'static str, clear: bool) -> Vec<Case> {
    let payload = [0, (1_u64 << 32) | 0x83, 0x0102_0304_0506_0708];
    let signal = command(name, 0x0e, &payload, 0).patched(Variable::Gid, 0);
    let mut sequences = [signal.block_cases(), signal.plain_cases()];
    for sequence in &mut sequences {
        if let Some(first) = sequence.first_mut() {
            first.clear_interrupts = clear;
        }
        if let Some(last) = sequence.last_mut() {
            last.await_interrupt = true;
        }
    }
    let cases = sequences.concat().into_iter();
    grouped("interrupt", cases.map(|case| case.of_function(function)))
}

/// An interrupt from a command, and one from a move.
pub(super) fn interrupt() -> Vec<Case> {
    let moved = Case {
        clear_interrupts: true,
        await_interrupt: true,
        ..into_dmb("signalled-move", SIGNAL, 32).limited(Only::Block)
    };
    [
        interrupt_of(0, "signal-ieq", true),
        grouped("interrupt", [moved]),
    ]
    .concat()
}

/// The driver's instructions at its removal.
pub(super) fn removal() -> Vec<Case> {
    let commands = [
        command("unreg-ieq", 0x12, &[], 8),
        command("unreg-sba", 0x11, &[], 8),
    ];
    grouped("linux-remove", commands.iter().flat_map(Command::cases))
}
