//! ISM commands, in the exact instruction sequence of the Linux driver (Linux `drivers/s390/net/ism_drv.c`, `ism_cmd`):
//! the payload at offset 8, the header at offset 0, then loads of the response in ascending doublewords.

use crate::plan::case::{Case, Only, Patch, Variable};
use crate::plan::instruction::Instruction;
use crate::plan::payload::Payload;
use crate::probe::layout::{IEQ_ADDRESS, IEQ_LENGTH, SBA_ADDRESS, SECOND_DMB_ADDRESS};

const GROUP: &str = "linux-command";

struct Command {
    name: &'static str,
    code: u32,
    payload: Vec<u8>,
    patch: Option<Patch>,
    response: u64,
}

fn words(values: &[u64]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_be_bytes())
        .collect()
}

fn command(name: &'static str, code: u32, payload: &[u64], response: u64) -> Command {
    Command {
        name,
        code,
        payload: words(payload),
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
    fn cases(&self, group: &str) -> Vec<Case> {
        let mut cases = Vec::new();
        if !self.payload.is_empty() {
            cases.push(Case {
                space: 2,
                offset: 8,
                length: self.payload.len() as u64,
                payload: Payload::Bytes(self.payload.clone()),
                patch: self.patch,
                ..Case::new(format!("{}-payload", self.name), group, Instruction::Pcistb)
            });
        }
        cases.push(Case {
            space: 2,
            length: 8,
            payload: Payload::Bytes(header(self.code, self.payload.len())),
            joined: !self.payload.is_empty(),
            ..Case::new(format!("{}-header", self.name), group, Instruction::Pcistb)
        });
        cases.extend((0..self.response).step_by(8).map(|offset| Case {
            space: 2,
            offset,
            length: 8,
            joined: true,
            ..Case::new(
                format!("{}-response-{offset}", self.name),
                group,
                Instruction::Pcilg,
            )
        }));
        cases
    }

    /// The same command in 8-byte PCISTG, for a QEMU that cannot carry its PCISTB; loads are not repeated.
    fn plain_cases(&self, group: &str) -> Vec<Case> {
        let mut bytes = header(self.code, self.payload.len());
        bytes.extend(&self.payload);
        let mut offsets: Vec<usize> = (8..bytes.len()).step_by(8).collect();
        offsets.push(0);
        offsets
            .into_iter()
            .enumerate()
            .map(|(index, at)| Case {
                space: 2,
                offset: at as u64,
                length: 8,
                payload: Payload::Bytes(bytes.iter().skip(at).take(8).copied().collect()),
                patch: self
                    .patch
                    .filter(|patch| patch.at + 8 == at)
                    .map(|patch| Patch { at: 0, ..patch }),
                joined: index > 0,
                only: Some(Only::Plain),
                ..Case::new(
                    format!("{}-plain-{at}", self.name),
                    group,
                    Instruction::Pcistg,
                )
            })
            .collect()
    }
}

fn dmb(name: &'static str) -> Command {
    let length_and_index = (0x4000_u64 << 32) | 33;
    command(
        name,
        0x0a,
        &[SECOND_DMB_ADDRESS, length_and_index, 0, 0],
        16,
    )
    .patched(Variable::Gid, 24)
}

/// The driver's instructions when it probes, and when a connection comes and goes.
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
        cases.extend(command.cases(GROUP));
        if name == "query-info" {
            // The low byte of the first VLAN id has its highest bit set: 0x1fff.
            cases.push(Case {
                space: 2,
                offset: 73,
                length: 1,
                ..Case::new("query-info-vlan-byte", GROUP, Instruction::Pcilg)
            });
        }
    }
    cases.extend(dmb("reg-dmb").cases(GROUP));
    if let Some(token) = cases.last_mut() {
        token.save = true;
    }
    cases.extend(
        command("unreg-dmb", 0x0b, &[0], 8)
            .patched(Variable::Saved, 0)
            .cases(GROUP),
    );
    cases.extend(
        command("signal-ieq-quiet", 0x0e, &[0, 0x80, 0], 8)
            .patched(Variable::Gid, 0)
            .cases(GROUP),
    );
    cases.extend(command("del-vlan", 0x05, &[0x1fff], 8).cases(GROUP));
    cases
}

/// READ_GID by the way that works.
pub(super) fn read_gid(group: &str) -> Vec<Case> {
    let command = command("prepare-read-gid", 0x03, &[], 0);
    let mut cases = command.cases(group);
    for case in &mut cases {
        case.only = Some(Only::Block);
    }
    cases.extend(command.plain_cases(group));
    cases
}

/// SIGNAL_IEQ to the function's own GID with the trigger set: an MSI, which the guest takes as an adapter interrupt. By the
/// way that works, and with or without earlier interrupts forgotten first.
pub(super) fn interrupt_of(function: u8, name: &'static str, clear: bool) -> Vec<Case> {
    let group = "interrupt";
    let signal = command(
        name,
        0x0e,
        &[0, (1_u64 << 32) | 0x83, 0x0102_0304_0506_0708],
        0,
    )
    .patched(Variable::Gid, 0);
    let mut block = signal.cases(group);
    for case in &mut block {
        case.only = Some(Only::Block);
    }
    let mut plain = signal.plain_cases(group);
    for sequence in [&mut block, &mut plain] {
        if let Some(first) = sequence.first_mut() {
            first.clear_interrupts = clear;
        }
        if let Some(last) = sequence.last_mut() {
            last.await_interrupt = true;
        }
        for case in sequence {
            case.function = function;
        }
    }
    [block, plain].concat()
}

/// An interrupt of a command, and one of a move.
pub(super) fn interrupt() -> Vec<Case> {
    let mut cases = interrupt_of(0, "signal-ieq", true);
    cases.push(Case {
        only: Some(Only::Block),
        clear_interrupts: true,
        await_interrupt: true,
        ..super::block::into_dmb(
            "signalled-move".into(),
            "interrupt",
            super::moves::SIGNAL,
            32,
        )
    });
    cases
}

/// The driver's instructions when it is removed.
pub(super) fn removal() -> Vec<Case> {
    let mut cases = command("unreg-ieq", 0x12, &[], 8).cases("linux-remove");
    cases.extend(command("unreg-sba", 0x11, &[], 8).cases("linux-remove"));
    cases
}
