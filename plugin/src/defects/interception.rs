// SPDX-License-Identifier: GPL-2.0-or-later
//! The steps of a forwarded instruction, one of them replaced, and the changes around instructions that QEMU
//! executes.

use std::sync::{Mutex, PoisonError};

use zpci_region::request::Op;

use super::Break;
use super::blocks::block;
use super::executed::change_block;
use super::hook::{Defect, Hook};
use super::undo::Ended;
use super::wire::{Memory, Wire};
use crate::cpu::{Cpu, GuestCpu};
use crate::decode::Gpr;
use crate::forward::access::{Access, Operand, request_register};
use crate::forward::channel::Answer;
use crate::forward::channel_error::ChannelError;
use crate::forward::check::check;
use crate::forward::ending::Ending;
use crate::forward::{Done, FORWARDED_BARS, Forwarder, refused, stored};
use crate::observe::Site;
use crate::operands::read_operands;
use records::instruction::Record;

/// An interception with one defect.
#[derive(Debug)]
pub(crate) struct Broken {
    choice: Break,
    memory: Mutex<Memory>,
}

impl Broken {
    /// Creates an interception that is correct except for `choice`.
    pub(crate) fn new(choice: Break) -> Self {
        Self {
            choice,
            memory: Mutex::default(),
        }
    }

    fn hook(&self) -> Option<Hook> {
        match &self.choice {
            Break::Defect(Defect { hook, .. }) => Some(*hook),
            Break::Stop(_) => None,
        }
    }

    /// Handles an instruction that is about to execute. `None` leaves it to QEMU.
    pub(crate) fn issue(
        &self,
        forwarder: &Forwarder,
        cpu: &mut dyn GuestCpu,
        site: &Site,
    ) -> Option<Done> {
        if let Break::Stop(stop) = &self.choice {
            let mnemonic = site.instruction.mnemonic();
            stop.reached(mnemonic, &read_operands(cpu, &site.instruction));
        }
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let memory = &mut *memory;
        if let Some(Hook::Instead(instead)) = self.hook()
            && let Some(ending) = instead(cpu, site)
        {
            return Done::ending(ending, cpu, site);
        }
        let taken = self.take(forwarder, cpu, site);
        let is_store = |(_, access): &(usize, Access)| access.op != Op::Load;
        Self::release(forwarder, memory, taken.as_ref().is_some_and(is_store));
        if let Some((function, access)) = taken {
            memory.count += 1;
            return self.carry_out(forwarder, function, &access, cpu, site, memory);
        }
        let refused = forwarder.refuse(cpu, site);
        let refused = match self.hook() {
            Some(Hook::Refuse(wrong)) => refused.and_then(wrong),
            _ => refused,
        };
        if let Some(ending) = refused {
            return Done::ending(ending, cpu, site);
        }
        let undo = &mut memory.undo;
        match self.hook() {
            Some(Hook::Before(before)) => before(cpu, site, undo),
            Some(Hook::ControlBlock(due, change)) => change_block(cpu, site, undo, due, change),
            _ => {}
        }
        None
    }

    /// Handles an instruction that QEMU has executed.
    pub(crate) fn ended(&self, cpu: &mut dyn GuestCpu, record: &Record, ended: Ended) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut memory.undo).restore(cpu, record, ended);
        if let Some(Hook::After(after)) = self.hook() {
            after(cpu, record, ended);
        }
    }

    fn take(
        &self,
        forwarder: &Forwarder,
        cpu: &dyn GuestCpu,
        site: &Site,
    ) -> Option<(usize, Access)> {
        let instruction = &site.instruction;
        let request = cpu.gpr(request_register(instruction)?)?;
        let handle = (request >> 32) as u32;
        let function = match self.hook() {
            Some(Hook::Handle(find)) => find(forwarder, handle),
            _ => forwarder.find(handle),
        }?;
        let mut access = match self.hook() {
            Some(Hook::Mask(mask)) => Access::read(&Masked { cpu, mask }, instruction, request),
            _ => Access::read(cpu, instruction, request),
        }?;
        if let Some(Hook::Operands(misread)) = self.hook() {
            misread(&mut access, cpu, instruction);
        }
        let left = matches!(self.hook(), Some(Hook::Leave(leave)) if leave(&access));
        (FORWARDED_BARS.contains(&access.place.pcias) && !left).then_some((function, access))
    }

    fn carry_out(
        &self,
        forwarder: &Forwarder,
        number: usize,
        access: &Access,
        cpu: &mut dyn GuestCpu,
        site: &Site,
        memory: &mut Memory,
    ) -> Option<Done> {
        let function = forwarder.functions().get(number)?;
        let checked = match self.hook() {
            Some(Hook::Check(wrong)) => wrong(access, function.facts()),
            _ => check(access, function.facts()),
        };
        let (ending, problem) = match checked {
            Err(exception) => (Ending::Exception(exception), None),
            Ok(()) => function.talk(|channel| {
                let wire = Wire {
                    function: number,
                    channel,
                    memory,
                };
                self.exchange(wire, cpu, access)
            }),
        };
        let next = match self.hook() {
            Some(Hook::End(end)) => end(ending, access, cpu, site),
            _ => ending.perform(cpu, site),
        }?;
        Some(Done {
            next,
            ending,
            problem,
        })
    }

    fn exchange(
        &self,
        mut wire: Wire<'_>,
        cpu: &mut dyn GuestCpu,
        access: &Access,
    ) -> Result<Ending, ChannelError> {
        let length = usize::from(access.place.length);
        let bytes = match access.operand {
            Operand::Result(register) => {
                return match self.hook() {
                    Some(Hook::Load(wrong)) => wrong(&mut wire, access),
                    _ => Ok(loaded(register, wire.load(access.place)?)),
                };
            }
            Operand::Block { source } => {
                let block = match self.hook() {
                    Some(Hook::Block(wrong)) => wrong(cpu, source, length, wire.memory),
                    Some(Hook::Mask(mask)) => block(&Masked { cpu, mask }, source, length),
                    _ => block(cpu, source, length),
                };
                match block {
                    Ok(block) => block,
                    Err(exception) => return Ok(Ending::Exception(exception)),
                }
            }
            Operand::Data(value) => low_bytes(value, length),
        };
        match self.hook() {
            Some(Hook::Store(wrong)) => wrong(&mut wire, access, &bytes),
            _ => Ok(stored(wire.store(access.op, access.place, &bytes)?)),
        }
    }

    /// Sends the held-back store, unless the next store must see it first or it must wait longer.
    fn release(forwarder: &Forwarder, memory: &mut Memory, is_store: bool) {
        let Some(held) = &mut memory.held else {
            return;
        };
        if held.late > 0 {
            held.late -= 1;
            return;
        }
        let function = held.function;
        if let Some(place) = forwarder.functions().get(function).filter(|_| !is_store) {
            place.talk(|channel| {
                Wire {
                    function,
                    channel,
                    memory,
                }
                .flush()?;
                Ok(Ending::Done)
            });
        }
    }
}

/// Returns the low `length` bytes of a register, big-endian.
pub(crate) fn low_bytes(value: u64, length: usize) -> Vec<u8> {
    let bytes = value.to_be_bytes();
    let low = bytes.get(bytes.len().saturating_sub(length)..);
    low.unwrap_or_default().to_vec()
}

/// Returns the ending of a load for this answer of the server.
pub(crate) fn loaded(register: Gpr, answer: Answer<u64>) -> Ending {
    answer.map_or_else(refused, |value| Ending::Loaded(register, value))
}

/// A vCPU that reports another PSW mask.
struct Masked<'a> {
    cpu: &'a dyn GuestCpu,
    mask: fn(u64) -> u64,
}

impl Cpu for Masked<'_> {
    fn gpr(&self, register: Gpr) -> Option<u64> {
        self.cpu.gpr(register)
    }

    fn psw_mask(&self) -> Option<u64> {
        self.cpu.psw_mask().map(self.mask)
    }

    fn prefix(&self) -> Option<u64> {
        self.cpu.prefix()
    }

    fn append_virtual(&self, address: u64, length: usize, out: &mut Vec<u8>) -> bool {
        self.cpu.append_virtual(address, length, out)
    }

    fn append_absolute(&self, address: u64, length: usize, out: &mut Vec<u8>) -> bool {
        self.cpu.append_absolute(address, length, out)
    }
}

impl GuestCpu for Masked<'_> {
    fn control(&self, number: u8) -> Option<u64> {
        self.cpu.control(number)
    }

    fn set_gpr(&mut self, _: Gpr, _: u64) -> bool {
        false
    }

    fn set_psw_mask(&mut self, _: u64) -> bool {
        false
    }

    fn write_absolute(&mut self, _: u64, _: &[u8]) -> bool {
        false
    }

    fn write_virtual(&mut self, _: u64, _: &[u8]) -> bool {
        false
    }
}
