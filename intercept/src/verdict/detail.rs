//! The facts behind a verdict. A report makes text from them, and programs read them as data.

use crate::plan::{Fact, Only, hex};
use crate::probe::Change;
use crate::recording::Stop;
use serde::Serialize;
use strum::Display;
use thiserror::Error;

/// The source of a load's right value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Display)]
#[serde(rename_all = "kebab-case")]
pub enum Teller {
    /// An earlier store of the guest.
    #[strum(to_string = "the guest stored")]
    Guest,
    /// Vendor and device of every ISM function.
    #[strum(to_string = "vendor and device are")]
    Identity,
    /// The device's answer.
    #[strum(to_string = "the device answered")]
    Device,
}

/// One fact about a case. Most of them are faults, so their words are written as those of errors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Error)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum Detail {
    /// QEMU crashed, or the guest hung.
    #[error("{0}")]
    Stopped(Stop),
    /// The case is for another way of issuing commands.
    #[error("{}", only.why_not())]
    NotMeant {
        /// The condition of the case.
        only: Only,
    },
    /// The device saw a neighbour's access on the wrong side of this one.
    #[error("arrived in another order than its neighbours were executed")]
    Overtaken,
    /// One access carried bytes of this instruction and of others.
    #[error("one access carried bytes of more than one instruction")]
    Shared,
    /// The device accepted the access, but the guest got an error.
    #[error("the device took it, yet the guest got an error")]
    Delivered,
    /// QEMU rightly refused the instruction, but the device saw an access.
    #[error("the guest was refused, yet the device saw it")]
    SeenThoughRefused,
    /// The device saw an access that the guest did not make.
    #[error("the device saw an access that the guest did not make")]
    OtherAccess,
    /// The guest got condition code 0, but the device saw nothing.
    #[error("the guest got condition code 0, the device saw nothing")]
    NothingSeen,
    /// Another function saw an access.
    #[error("another function saw an access")]
    OtherFunction,
    /// One access became several.
    #[error("one {} of {length} bytes became {pieces}", if *store { "store" } else { "load" })]
    Split {
        /// Whether it is a store, not a load.
        store: bool,
        /// Bytes that the guest moved.
        length: u64,
        /// Accesses that the device saw.
        pieces: usize,
    },
    /// Bytes arrived at offsets outside the guest's store.
    #[error("bytes went to offsets that the guest did not store to")]
    OtherOffsets,
    /// The pieces of a store did not arrive in ascending order.
    #[error("its pieces did not arrive in ascending order")]
    NotAscending,
    /// Stored bytes did not arrive.
    #[error("{missing} of {of} bytes did not arrive")]
    Missing {
        /// Number of missing bytes.
        missing: usize,
        /// Bytes that the guest stored.
        of: u64,
    },
    /// Stored bytes arrived more than once.
    #[error("{doubled} of {of} bytes arrived more than once")]
    Doubled {
        /// Number of doubled bytes.
        doubled: usize,
        /// Bytes that the guest stored.
        of: u64,
    },
    /// Bytes of one access changed.
    #[error("{wrong} of the {of} bytes at {offset:#x} differ")]
    Differ {
        /// Number of wrong bytes.
        wrong: usize,
        /// Bytes of the access.
        of: usize,
        /// Offset of the access.
        offset: u64,
    },
    /// Bytes arrived in reverse order.
    #[error("bytes reversed in units of {unit}")]
    Reversed {
        /// Bytes of each reversed unit.
        unit: usize,
    },
    /// The guest loaded a wrong value.
    #[error("the guest got {got:#x}, {teller} {value:#x}")]
    Loaded {
        /// The value in the guest's register.
        got: u64,
        /// The source of the right value.
        teller: Teller,
        /// The right value.
        value: u64,
    },
    /// The accesses loaded bytes twice, or bytes outside the load.
    #[error("the accesses loaded bytes twice or outside what the guest asked for")]
    LoadedTwice,
    /// The accesses left out bytes of the load.
    #[error("the accesses left out bytes of what the guest asked for")]
    LeftOut,
    /// Part of the load did not reach the device.
    #[error("part of the load did not reach the device")]
    LoadedInPart,
    /// The accesses loaded more than the guest asked for.
    #[error("more was loaded than the guest asked for")]
    LoadedBeyond,
    /// The instruction wrote to memory after its block.
    #[error("the instruction wrote after its block")]
    WroteBehindBlock,
    /// No adapter interrupt came.
    #[error("no adapter interrupt within a second")]
    NoInterrupt,
    /// The interruption word is wrong.
    #[error("interruption word {got:#010x}, expected {expected:#010x}")]
    InterruptionWord {
        /// The word that the guest got.
        got: u64,
        /// The word of the function's adapter.
        expected: u64,
    },
    /// The interrupt did not set the summary bit.
    #[error("the interrupt did not set the summary bit")]
    NoSummaryBit,
    /// The interrupt did not set its bit in the vector.
    #[error("the interrupt did not set its bit in the vector")]
    NoVectorBit,
    /// The interrupt set bits that no function registered.
    #[error("the interrupt set bits beside its own")]
    FurtherBits,
    /// The interrupt set the bit of another function.
    #[error("the interrupt set the bit of another function")]
    OtherVectorBit,
    /// The function measurement block was not updated.
    #[error("the function measurement block was not updated")]
    NotMeasured,
    /// The counters of the function measurement block are wrong.
    #[error(
        "the function measurement block counts {counted:?} loads, stores, block stores and refreshes, expected \
         {expected:?}"
    )]
    Counted {
        /// Loads, stores, block stores and refreshes in the block.
        counted: [u64; 4],
        /// The right counters.
        expected: [u64; 4],
    },
    /// A general register changed that must not, or got a wrong value.
    #[error("general register {} changed from {:#x} to {:#x}", .0.register, .0.before, .0.after)]
    Register(Change),
    /// The program interruption has a wrong instruction length.
    #[error("the program interruption has an instruction length of {told}, expected {expected}")]
    InstructionLength {
        /// The length in the interruption.
        told: u8,
        /// The instruction's length.
        expected: u8,
    },
    /// The old PSW of the program interruption has a wrong address.
    #[error("the old PSW is {behind} bytes after the instruction, expected {expected}")]
    OldPsw {
        /// Bytes from the instruction to the address.
        behind: u8,
        /// The right number of bytes.
        expected: u8,
    },
    /// The block in guest memory has wrong bytes.
    #[error("{} is {}, expected {}", place(*fact, *at), digits(found), digits(expected))]
    Field {
        /// The fact in these bytes, for CLP.
        fact: Option<Fact>,
        /// Offset in the block.
        at: usize,
        /// The found bytes. Empty if the block is too short.
        #[serde(with = "hex")]
        found: Vec<u8>,
        /// The right bytes.
        #[serde(with = "hex")]
        expected: Vec<u8>,
    },
    /// The list of functions says that more follow, but it is complete.
    #[error("the list says that more functions follow, but it is complete")]
    ListGoesOn,
    /// The list of functions lacks the function as configured, with its handle.
    #[error("the list does not have the function, configured, with its handle")]
    NotListed,
    /// The instruction ended in an exception, but wrote to its block.
    #[error("the instruction ended in an exception and still wrote to its block")]
    WroteThoughException,
    /// The instruction ended in a condition code other than 0, but wrote to its block.
    #[error("the instruction was refused and still wrote to its block")]
    WroteThoughRefused,
}

/// Digits of a field.
fn digits(bytes: &[u8]) -> String {
    match bytes {
        [] => "not there".into(),
        bytes => hex::encode(bytes),
    }
}

/// The name of a field.
fn place(fact: Option<Fact>, at: usize) -> String {
    match fact {
        Some(fact) => fact.name().into(),
        None => format!("at byte {at} of the block"),
    }
}
