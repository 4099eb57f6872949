// SPDX-License-Identifier: GPL-2.0-or-later
//! Deliberate defects, chosen by `break=NAME`: each makes a correct interception wrong in one way.
//!
//! They show that `vfio-user-ism intercept` tells each of them from the correct one, and what its
//! report looks like then. Without `break=` nothing here runs.
//!
//! - [`operands`], [`checks`], [`blocks`], [`pieces`], [`stores`], [`loads`], [`endings`]: steps of a
//!   forwarded instruction, each replaced by a wrong one; [`interception`] runs the steps;
//! - [`refusals`], [`controls`], [`calls`]: instructions that QEMU executes, changed before, after, or
//!   instead, with what they share in [`executed`];
//! - [`stop`]: QEMU crashes or hangs at a chosen instruction.

use std::collections::HashMap;

use crate::cpu::{Cpu, GuestCpu};
use crate::decode::Instruction;
use crate::forward::Forwarder;
use crate::forward::access::Access;
use crate::forward::channel::{Channel, ChannelError};
use crate::forward::ending::{Ending, ProgramException};
use crate::forward::facts::FunctionFacts;
use crate::forward::message::{Op, Place};
use crate::observe::Site;
use crate::record::Record;

pub mod blocks;
pub mod calls;
pub mod checks;
pub mod controls;
pub mod endings;
pub mod executed;
pub mod interception;
pub mod loads;
pub mod operands;
pub mod pieces;
pub mod refusals;
pub mod stop;
pub mod stores;

use stop::Stop;

/// What `break=` asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Break {
    /// QEMU ends, or stands still.
    Stop(Stop),
    /// One step is wrong.
    Defect(&'static Defect),
}

/// A way to be wrong.
#[derive(Debug)]
pub struct Defect {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, for people.
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
pub type Fetch = fn(&dyn GuestCpu, u64, usize, &mut Memory) -> Result<Vec<u8>, ProgramException>;

/// A step of the interception, as a defect has it.
#[derive(Clone, Copy, Debug)]
pub enum Hook {
    /// The PSW mask as the operands and the block are read with it.
    Mask(fn(u64) -> u64),
    /// The number of the function with a handle.
    Handle(fn(&Forwarder, u32) -> Option<usize>),
    /// The operands, once they are read.
    Operands(fn(&mut Access, &dyn Cpu, &Instruction)),
    /// Whether QEMU is to execute the access in its own way.
    Leave(fn(&Access) -> bool),
    /// The checks.
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
    /// Changes what QEMU reads of such an instruction.
    Before(fn(&mut dyn GuestCpu, &Site, &mut Undo)),
    /// Changes what such an instruction left in the guest.
    After(fn(&mut dyn GuestCpu, &Record, Ended)),
}

/// How the guest got to the point where the outcome of an instruction is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It is at the next instruction; registers and PSW are its own.
    Here,
    /// It is in the handler of an exception or interruption.
    InHandler,
}

/// What to put back after QEMU has executed an instruction whose operands were changed.
#[derive(Debug, Default)]
pub struct Undo {
    registers: Vec<(crate::decode::Gpr, u64)>,
    memory: Vec<(u64, Vec<u8>)>,
}

/// What a defect remembers from one instruction to the next.
#[derive(Debug, Default)]
pub struct Memory {
    /// The block before this one.
    block: Vec<u8>,
    /// A store that is held back.
    held: Option<Held>,
    /// Values loaded, by address space and offset.
    loaded: HashMap<(u8, u64), u64>,
    /// Instructions carried out.
    count: u64,
    /// Of an instruction that QEMU executes now.
    undo: Undo,
}

#[derive(Debug)]
struct Held {
    function: usize,
    op: Op,
    place: Place,
    bytes: Vec<u8>,
    /// Instructions that it waits for beyond the next one.
    late: u32,
}

/// The way to one function's server.
#[derive(Debug)]
pub struct Wire<'a> {
    function: usize,
    channel: &'a mut Channel,
    memory: &'a mut Memory,
}

/// All defects, by kind.
pub const KINDS: [(&str, &[Defect]); 13] = [
    ("operands", operands::DEFECTS),
    ("limits", checks::LIMITS),
    ("checks", checks::DEFECTS),
    ("blocks", blocks::DEFECTS),
    ("splits", pieces::SPLITS),
    ("pieces", pieces::DEFECTS),
    ("stores", stores::DEFECTS),
    ("loads", loads::DEFECTS),
    ("endings", endings::DEFECTS),
    ("refusals", refusals::DEFECTS),
    ("controls", controls::DEFECTS),
    ("answers", calls::ANSWERS),
    ("calls", calls::DEFECTS),
];

/// What `break=list` prints: a line each, name and description.
#[must_use]
pub fn list() -> String {
    let mut text = format!("break=NAME takes one of these defects:\n{}", stop::HELP);
    for (kind, defects) in KINDS {
        text.push_str(&format!("\n{kind}:"));
        for defect in defects {
            text.push_str(&format!("\n  {:<28} {}", defect.name, defect.what));
        }
    }
    text
}

impl Break {
    /// Parses the value of `break=`.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(value: &str) -> Result<Self, String> {
        if let Some(stop) = Stop::parse(value) {
            return stop.map(Self::Stop);
        }
        let mut all = KINDS.iter().flat_map(|(_, defects)| *defects);
        all.find(|defect| defect.name == value)
            .map(Self::Defect)
            .ok_or_else(|| "there is no such defect; break=list lists them".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_described() {
        let mut names = std::collections::BTreeSet::new();
        for defect in KINDS.iter().flat_map(|(_, defects)| *defects) {
            assert!(names.insert(defect.name), "{} is there twice", defect.name);
            assert!(
                !defect.what.is_empty() && defect.what.len() < 100,
                "{}",
                defect.what
            );
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(defect.name.chars().all(plain), "{}", defect.name);
            assert_eq!(Break::parse(defect.name), Ok(Break::Defect(defect)));
        }
        assert!(names.len() >= 60, "{}", names.len());
    }
}
