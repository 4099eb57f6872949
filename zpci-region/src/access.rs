//! Loads and stores as values.

use std::fmt;

/// The page that no store block may cross: 4 KiB of PCI address space (Linux commit 80df7d6a).
pub const PAGE: u64 = 4096;

/// The path by which an access reached the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Path {
    /// A request through the zPCI I/O region: the client names the instruction.
    Region,
    /// A REGION_READ or REGION_WRITE of a BAR. One write stands for one PCISTB.
    Bar,
    /// One element of a REGION_WRITE_MULTI.
    BarMulti,
}

impl Path {
    /// The stable name of the path in events and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Path::Region => "region",
            Path::Bar => "bar",
            Path::BarMulti => "bar-multi",
        }
    }

    /// True if the access came as plain BAR traffic.
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
    /// PCISTB stores a block from memory. A BAR write stands for one too.
    Pcistb,
    /// PCISTG stores 1 to 8 bytes of a register. Only a request can name it.
    Pcistg,
}

/// A store into a BAR. The bytes are in the order in which they stand in the guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Store<'a> {
    /// The path by which the store arrived.
    pub path: Path,
    /// The instruction that the guest executed.
    pub instruction: Instruction,
    /// PCI address space: the BAR number, 0..=5.
    pub pcias: u8,
    /// Byte offset in the BAR.
    pub offset: u64,
    /// The bytes to store, in guest memory order.
    pub data: &'a [u8],
    /// Address of the source if the bytes were fetched through a request's gaddr; `None` if they came with
    /// the message ([`Carrier::gaddr`](crate::Carrier::gaddr)).
    pub gaddr: Option<u64>,
}

/// A load from a BAR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// The path by which the load arrived.
    pub path: Path,
    /// PCI address space: the BAR number, 0..=5.
    pub pcias: u8,
    /// Byte offset in the BAR.
    pub offset: u64,
    /// Number of bytes to load.
    pub len: usize,
    /// Address of the destination if the result goes through a request's gaddr; `None` if it goes with the
    /// message ([`Carrier::gaddr`](crate::Carrier::gaddr)).
    pub gaddr: Option<u64>,
}

/// The kind of error with which an access is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The function or address space does not exist: ENODEV.
    NoDevice,
    /// The instruction ends with a condition code other than 0: EIO.
    Io,
    /// The access names memory that cannot be reached: EFAULT.
    Fault,
    /// The request is invalid: EINVAL.
    Invalid,
}

impl Failure {
    /// The Linux errno of the reply (asm-generic numbers).
    pub const fn errno(self) -> u32 {
        match self {
            Failure::NoDevice => 19,
            Failure::Io => 5,
            Failure::Fault => 14,
            Failure::Invalid => 22,
        }
    }
}
