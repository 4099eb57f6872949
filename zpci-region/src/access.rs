//! One load or store as a value.

use std::fmt;

/// The page that no store block may cross: 4 KiB of PCI address space (Linux commit 80df7d6a).
pub const PAGE: u64 = 4096;

/// The way an access reached the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// A request through the zPCI I/O region: the client names the instruction.
    Region,
    /// A REGION_READ or REGION_WRITE of a BAR: one write stands for one PCISTB.
    Bar,
    /// One element of a REGION_WRITE_MULTI.
    BarMulti,
}

impl Path {
    /// Stable name used in events and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Path::Region => "region",
            Path::Bar => "bar",
            Path::BarMulti => "bar-multi",
        }
    }

    /// Whether the access came as plain BAR traffic.
    pub const fn is_bar(self) -> bool {
        matches!(self, Path::Bar | Path::BarMulti)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The instruction that a store stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Instruction {
    /// A block from memory. A BAR write stands for one, too.
    Pcistb,
    /// A register, of which 1 to 8 bytes are stored. Only a request can name it.
    Pcistg,
}

/// A store into a BAR: bytes in the order in which they stand in the guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store<'a> {
    /// The way in which it arrived.
    pub path: Path,
    /// The instruction that the guest executed.
    pub instruction: Instruction,
    /// PCI address space: the BAR number, 0..=5.
    pub pcias: u8,
    /// Byte offset in the BAR.
    pub offset: u64,
    /// The bytes stored.
    pub data: &'a [u8],
    /// Address of the source, when the bytes were fetched through a request's gaddr; `None` when
    /// they came with the message ([`Carrier::gaddr`](crate::Carrier::gaddr)).
    pub gaddr: Option<u64>,
}

/// A load from a BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// The way in which it arrived.
    pub path: Path,
    /// PCI address space: the BAR number, 0..=5.
    pub pcias: u8,
    /// Byte offset in the BAR.
    pub offset: u64,
    /// Number of bytes.
    pub len: usize,
    /// Address of the destination, when the result goes through a request's gaddr; `None` when it
    /// goes with the message ([`Carrier::gaddr`](crate::Carrier::gaddr)).
    pub gaddr: Option<u64>,
}

/// The kind of error that a refused access gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// No such function or register space.
    NoDevice,
    /// The instruction ends with a condition code other than 0.
    Io,
    /// The access names memory that cannot be reached.
    Fault,
    /// The request makes no sense.
    Invalid,
}

impl Failure {
    /// The Linux errno of the answer (asm-generic numbers).
    pub const fn errno(self) -> u32 {
        match self {
            Failure::NoDevice => 19,
            Failure::Io => 5,
            Failure::Fault => 14,
            Failure::Invalid => 22,
        }
    }
}
