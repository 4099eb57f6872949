//! The facts behind a verdict. A report makes text from them, and programs read them as data.

use crate::plan::{Fact, Only, hex};
use crate::probe::Change;
use crate::recording::Stop;
use serde::Serialize;
use std::fmt;

/// The source of a load's right value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Teller {
    /// An earlier store of the guest.
    Guest,
    /// The device's answer.
    Device,
}

/// One fact about a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(
    tag = "kind",
    rename_all = "kebab-case",
    rename_all_fields = "kebab-case"
)]
pub enum Detail {
    /// QEMU crashed, or the guest hung.
    Stopped(Stop),
    /// The case is for another way of issuing commands.
    NotMeant {
        /// The condition of the case.
        only: Only,
    },
    /// The device saw a neighbour's access on the wrong side of this one.
    Overtaken,
    /// One access carried bytes of this instruction and of others.
    Shared,
    /// The device accepted the access, but the guest got an error.
    Delivered,
    /// QEMU rightly refused the instruction, but the device saw an access.
    SeenThoughRefused,
    /// The device saw an access that the guest did not make.
    OtherAccess,
    /// The guest got condition code 0, but the device saw nothing.
    NothingSeen,
    /// Another function saw an access.
    OtherFunction,
    /// One access became several.
    Split {
        /// Whether it is a store, not a load.
        store: bool,
        /// Bytes that the guest moved.
        length: u64,
        /// Accesses that the device saw.
        pieces: usize,
    },
    /// Bytes arrived at offsets outside the guest's store.
    OtherOffsets,
    /// The pieces of a store did not arrive in ascending order.
    NotAscending,
    /// Stored bytes did not arrive.
    Missing {
        /// Number of missing bytes.
        missing: usize,
        /// Bytes that the guest stored.
        of: u64,
    },
    /// Stored bytes arrived more than once.
    Doubled {
        /// Number of doubled bytes.
        doubled: usize,
        /// Bytes that the guest stored.
        of: u64,
    },
    /// Bytes of one access changed.
    Differ {
        /// Number of wrong bytes.
        wrong: usize,
        /// Bytes of the access.
        of: usize,
        /// Offset of the access.
        offset: u64,
    },
    /// Bytes arrived in reverse order.
    Reversed {
        /// Bytes of each reversed unit.
        unit: usize,
    },
    /// The guest loaded a wrong value.
    Loaded {
        /// The value in the guest's register.
        got: u64,
        /// The source of the right value.
        teller: Teller,
        /// The right value.
        value: u64,
    },
    /// The accesses loaded bytes twice, or bytes outside the load.
    LoadedTwice,
    /// The accesses left out bytes of the load.
    LeftOut,
    /// Part of the load did not reach the device.
    LoadedInPart,
    /// The accesses loaded more than the guest asked for.
    LoadedBeyond,
    /// The instruction wrote to memory after its block.
    WroteBehindBlock,
    /// No adapter interrupt came.
    NoInterrupt,
    /// The interruption word is wrong.
    InterruptionWord {
        /// The word that the guest got.
        got: u64,
        /// The word of the function's adapter.
        expected: u64,
    },
    /// The interrupt did not set the summary bit.
    NoSummaryBit,
    /// The interrupt did not set its bit in the vector.
    NoVectorBit,
    /// The interrupt set the bit of another function.
    OtherVectorBit,
    /// The function measurement block was not updated.
    NotMeasured,
    /// The counters of the function measurement block are wrong.
    Counted {
        /// Loads, stores, block stores and refreshes in the block.
        counted: [u64; 4],
        /// The right counters.
        expected: [u64; 4],
    },
    /// A general register changed that must not, or got a wrong value.
    Register(Change),
    /// The program interruption has a wrong instruction length.
    InstructionLength {
        /// The length in the interruption.
        told: u8,
        /// The instruction's length.
        expected: u8,
    },
    /// The old PSW of the program interruption has a wrong address.
    OldPsw {
        /// Bytes from the instruction to the address.
        behind: u8,
        /// The right number of bytes.
        expected: u8,
    },
    /// The block in guest memory has wrong bytes.
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
    ListGoesOn,
    /// The list of functions lacks the function as configured, with its handle.
    NotListed,
    /// The instruction ended in an exception, but wrote to its block.
    WroteThoughException,
}

/// Digits of a field.
fn digits(bytes: &[u8]) -> String {
    match bytes {
        [] => "not there".into(),
        bytes => hex::encode(bytes),
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopped(stop) => return stop.fmt(f),
            Self::NotMeant { only } => only.why_not(),
            Self::Overtaken => "arrived in another order than its neighbours were executed",
            Self::Shared => "one access carried bytes of more than one instruction",
            Self::Delivered => "the device took it, yet the guest got an error",
            Self::SeenThoughRefused => "the guest was refused, yet the device saw it",
            Self::OtherAccess => "the device saw an access that the guest did not make",
            Self::NothingSeen => "the guest got condition code 0, the device saw nothing",
            Self::OtherFunction => "another function saw an access",
            Self::Split { store, length, pieces } => {
                let what = if *store { "store" } else { "load" };
                return write!(f, "one {what} of {length} bytes became {pieces}");
            }
            Self::OtherOffsets => "bytes went to offsets that the guest did not store to",
            Self::NotAscending => "its pieces did not arrive in ascending order",
            Self::Missing { missing, of } => {
                return write!(f, "{missing} of {of} bytes did not arrive");
            }
            Self::Doubled { doubled, of } => {
                return write!(f, "{doubled} of {of} bytes arrived more than once");
            }
            Self::Differ { wrong, of, offset } => {
                return write!(f, "{wrong} of the {of} bytes at {offset:#x} differ");
            }
            Self::Reversed { unit } => return write!(f, "bytes reversed in units of {unit}"),
            Self::Loaded { got, teller, value } => {
                let teller = match teller {
                    Teller::Guest => "the guest stored",
                    Teller::Device => "the device answered",
                };
                return write!(f, "the guest got {got:#x}, {teller} {value:#x}");
            }
            Self::LoadedTwice => {
                "the accesses loaded bytes twice or outside what the guest asked for"
            }
            Self::LeftOut => "the accesses left out bytes of what the guest asked for",
            Self::LoadedInPart => "part of the load did not reach the device",
            Self::LoadedBeyond => "more was loaded than the guest asked for",
            Self::WroteBehindBlock => "the instruction wrote after its block",
            Self::NoInterrupt => "no adapter interrupt within a second",
            Self::InterruptionWord { got, expected } => {
                return write!(f, "interruption word {got:#010x}, expected {expected:#010x}");
            }
            Self::NoSummaryBit => "the interrupt did not set the summary bit",
            Self::NoVectorBit => "the interrupt did not set its bit in the vector",
            Self::OtherVectorBit => "the interrupt set the bit of another function",
            Self::NotMeasured => "the function measurement block was not updated",
            Self::Counted { counted, expected } => {
                return write!(
                    f,
                    "the function measurement block counts {counted:?} loads, stores, block stores and refreshes, expected \
                     {expected:?}"
                );
            }
            Self::Register(change) => {
                return write!(
                    f,
                    "general register {} changed from {:#x} to {:#x}",
                    change.register, change.before, change.after
                );
            }
            Self::InstructionLength { told, expected } => {
                return write!(
                    f,
                    "the program interruption has an instruction length of {told}, expected {expected}"
                );
            }
            Self::OldPsw { behind, expected } => {
                return write!(
                    f,
                    "the old PSW is {behind} bytes after the instruction, expected {expected}"
                );
            }
            Self::Field {
                fact,
                at,
                found,
                expected,
            } => {
                match fact {
                    Some(fact) => f.write_str(fact.name())?,
                    None => write!(f, "at byte {at} of the block")?,
                }
                return write!(f, " is {}, expected {}", digits(found), digits(expected));
            }
            Self::ListGoesOn => "the list says that more functions follow, but it is complete",
            Self::NotListed => "the list does not have the function, configured, with its handle",
            Self::WroteThoughException => {
                "the instruction ended in an exception and still wrote to its block"
            }
        })
    }
}
