// SPDX-License-Identifier: GPL-2.0-or-later
//! A defect: a name, and the step of the interception that it replaces.

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
use crate::record::Record;

/// A way to be wrong.
#[derive(Debug)]
pub(crate) struct Defect {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its effect, for people.
    pub what: &'static str,
    /// The step that it replaces.
    pub hook: Hook,
}

impl PartialEq for Defect {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Defect {}

/// Bytes of a block, by logical address and length.
pub(crate) type Fetch =
    fn(&dyn GuestCpu, u64, usize, &mut Memory) -> Result<Vec<u8>, ProgramException>;

/// A step of the interception, as a defect has it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Hook {
    /// The PSW mask as the operands and the block are read with it.
    Mask(fn(u64) -> u64),
    /// The number of the function with a handle.
    Handle(fn(&Forwarder, u32) -> Option<usize>),
    /// The operands, once they are read.
    Operands(fn(&mut Access, &dyn Cpu, &Instruction)),
    /// Whether QEMU is to execute the access in its own way.
    Leave(fn(&Access) -> bool),
    Check(fn(&Access, &FunctionFacts) -> Result<(), ProgramException>),
    /// The bytes of a block, from a logical address.
    Block(Fetch),
    /// How a store's bytes go to the server.
    Store(fn(&mut Wire<'_>, &Access, &[u8]) -> Result<Ending, ChannelError>),
    /// How a load goes to the server.
    Load(fn(&mut Wire<'_>, &Access) -> Result<Ending, ChannelError>),
    /// How the guest comes to know the outcome; gives the address at which it goes on.
    End(fn(Ending, &Access, &mut dyn GuestCpu, &Site) -> Option<u64>),
    /// An instruction that is not forwarded: gives an ending if QEMU is not to execute it.
    Instead(fn(&dyn Cpu, &Site) -> Option<Ending>),
    /// How an MPCIFC or STPCIFC ends whose block cannot be reached; `None` leaves it to QEMU.
    Refuse(fn(Ending) -> Option<Ending>),
    /// Changes what QEMU reads of such an instruction.
    Before(fn(&mut dyn GuestCpu, &Site, &mut Undo)),
    /// Changes what such an instruction left in the guest.
    After(fn(&mut dyn GuestCpu, &Record, Ended)),
}
