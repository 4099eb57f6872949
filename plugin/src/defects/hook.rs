// SPDX-License-Identifier: GPL-2.0-or-later
//! The definition of a defect: a name, and the step of the interception that it replaces.

use super::undo::{Ended, Undo};
use super::wire::{Memory, Wire};
use crate::cpu::{Cpu, GuestCpu};
use crate::decode::Instruction;
use crate::forward::Forwarder;
use crate::forward::access::Access;
use crate::forward::channel_error::ChannelError;
use crate::forward::ending::{Ending, ProgramException};
use crate::forward::facts::FunctionFacts;
use crate::observe::Site;
use records::instruction::Record;

#[derive(Debug)]
pub(crate) struct Defect {
    /// Name on the command line.
    pub name: &'static str,
    /// Description of the effect.
    pub what: &'static str,
    /// The step of the interception that it replaces.
    pub hook: Hook,
}

impl PartialEq for Defect {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Defect {}

/// A table of defects: for each its name, its effect, and the step that it replaces.
macro_rules! defects {
    ($($name:expr, $what:expr, $hook:expr),* $(,)?) => {
        &[$(Defect { name: $name, what: $what, hook: $hook }),*]
    };
}
pub(crate) use defects;

/// Reads the bytes of a block at a logical address, with a length.
pub(crate) type Fetch =
    fn(&dyn GuestCpu, u64, usize, &mut Memory) -> Result<Vec<u8>, ProgramException>;

/// The step of the interception that a defect replaces.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hook {
    /// Changes the PSW mask with which the operands and the block are read.
    Mask(fn(u64) -> u64),
    /// Returns the number of the function with a handle.
    Handle(fn(&Forwarder, u32) -> Option<usize>),
    /// Changes the operands after they were read.
    Operands(fn(&mut Access, &dyn Cpu, &Instruction)),
    /// Returns true if QEMU executes the access in its own way.
    Leave(fn(&Access) -> bool),
    Check(fn(&Access, &FunctionFacts) -> Result<(), ProgramException>),
    /// Reads the bytes of a block.
    Block(Fetch),
    /// Sends the bytes of a store to the server.
    Store(fn(&mut Wire<'_>, &Access, &[u8]) -> Result<Ending, ChannelError>),
    /// Sends a load to the server.
    Load(fn(&mut Wire<'_>, &Access) -> Result<Ending, ChannelError>),
    /// Shows the outcome to the guest. Returns the address at which the guest goes on.
    End(fn(Ending, &Access, &mut dyn GuestCpu, &Site) -> Option<u64>),
    /// Handles an instruction that is not forwarded. Returns an ending if QEMU must not execute it.
    Instead(fn(&dyn Cpu, &Site) -> Option<Ending>),
    /// Ends an MPCIFC or STPCIFC whose block cannot be reached; `None` leaves it to QEMU.
    Refuse(fn(Ending) -> Option<Ending>),
    /// Changes operands before QEMU executes such an instruction.
    Before(fn(&mut dyn GuestCpu, &Site, &mut Undo)),
    /// Changes the block of an MPCIFC with this operation (0: any) before QEMU executes it.
    ControlBlock(u16, fn(&mut [u8; 80])),
    /// Changes the guest after QEMU executed such an instruction.
    After(fn(&mut dyn GuestCpu, &Record, Ended)),
}
