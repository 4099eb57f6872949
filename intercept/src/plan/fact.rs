//! Facts about a function and its group, as CLP tells them and as the function announces them.
//!
//! Layout of the responses: Linux `arch/s390/include/asm/pci_clp.h`; the relaxed flag is that of the kernel patch series
//! "zPCI I/O region" (January 2021).

use super::hex;
use crate::probe::clp;
use serde::{Deserialize, Serialize};
use strum::{EnumIter, IntoStaticStr};
use zpci_region::clp::ClpFacts;

/// The facts that the function announces, from the profile of its server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Announced {
    /// Whether block stores may have any length and alignment.
    pub relaxed: bool,
    /// Longest block store.
    #[serde(rename = "max-store-block")]
    pub maxstbl: u16,
    /// Physical channel id, which is the CHID of SMC-D.
    pub pchid: u16,
    /// Function type.
    pub function_type: u8,
    /// BAR sizes as powers of two; 0 for none.
    pub bar_sizes: [u8; 6],
    /// First DMA address.
    pub start_dma: u64,
    /// Last DMA address.
    pub end_dma: u64,
    /// DMA address space mask.
    pub dma_mask: u64,
    /// Address of the MSI doorbell.
    pub msi_address: u64,
    /// Number of interrupts.
    pub interrupts: u16,
    /// Utility string in EBCDIC; empty if there is none.
    #[serde(with = "hex")]
    pub utility_string: Vec<u8>,
}

impl Default for Announced {
    /// The server's built-in profile.
    fn default() -> Self {
        let facts = ClpFacts::default();
        Self {
            relaxed: facts.relaxed,
            maxstbl: facts.maxstbl,
            pchid: facts.pchid,
            function_type: facts.pft,
            bar_sizes: [48, 0, 12, 0, 12, 0],
            start_dma: facts.start_dma,
            end_dma: facts.end_dma,
            dma_mask: facts.dasm,
            msi_address: facts.msi_addr,
            interrupts: facts.noi,
            utility_string: Vec::new(),
        }
    }
}

/// A fact in the response to a CLP call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, EnumIter, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Fact {
    /// The list contains the function as configured, with its handle.
    Listed,
    /// Function id, the value of `-device zpci,fid=`.
    FunctionId,
    /// User-defined id, the value of `-device zpci,uid=`.
    UserId,
    /// Function type.
    FunctionType,
    /// Physical channel id.
    ChannelId,
    /// Virtual function number.
    VirtualFunction,
    /// Sizes of the BARs.
    BarSizes,
    /// First DMA address.
    StartDma,
    /// Last DMA address.
    EndDma,
    /// The utility string, and the flag that announces it.
    UtilityString,
    /// Whether the guest must refresh translations by RPCIT.
    Refresh,
    /// Whether block stores may have any length and alignment.
    Relaxed,
    /// Longest block store.
    MaximumStoreBlock,
    /// Number of interrupts.
    Interrupts,
    /// DMA address space mask.
    DmaMask,
    /// Address of the MSI doorbell.
    MsiAddress,
}

/// Bytes of a response, and their significant bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Offset in the response.
    pub at: usize,
    /// The expected value.
    pub bytes: Vec<u8>,
    /// Significant bits, one byte for each byte.
    pub mask: Vec<u8>,
}

fn field(at: usize, bytes: &[u8]) -> Vec<Field> {
    masked(at, bytes, &vec![0xff; bytes.len()])
}

fn masked(at: usize, bytes: &[u8], mask: &[u8]) -> Vec<Field> {
    vec![Field {
        at,
        bytes: bytes.to_vec(),
        mask: mask.to_vec(),
    }]
}

impl Fact {
    /// Name in plans and reports.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The CLP command that tells the fact.
    pub const fn command(self) -> u16 {
        match self {
            Self::Listed => clp::LIST,
            Self::Refresh
            | Self::Relaxed
            | Self::MaximumStoreBlock
            | Self::Interrupts
            | Self::DmaMask
            | Self::MsiAddress => clp::QUERY_GROUP,
            _ => clp::QUERY_FUNCTION,
        }
    }

    /// The expected bytes of the response for the function with this number. For [`Fact::Listed`], they are an entry of the list.
    pub fn fields(self, announced: &Announced, function: u8, handle: u32) -> Vec<Field> {
        let function = usize::from(function);
        match self {
            Self::Listed => {
                let mut entry = vec![0x04, 0xed, 0x10, 0x14, 0x80, 0, 0, 0];
                entry.extend(fid(function).to_be_bytes());
                entry.extend(handle.to_be_bytes());
                let mut mask = vec![0xff; 16];
                // In the word with the configuration state, only the first bit has a meaning.
                mask.splice(4..8, [0x80, 0, 0, 0]);
                masked(0, &entry, &mask)
            }
            Self::FunctionId => field(20, &fid(function).to_be_bytes()),
            Self::UserId => field(124, &uid(function).to_be_bytes()),
            Self::FunctionType => field(63, &[announced.function_type]),
            Self::ChannelId => field(30, &announced.pchid.to_be_bytes()),
            Self::VirtualFunction => field(16, &[0, 0]),
            Self::BarSizes => field(24, &announced.bar_sizes),
            Self::StartDma => field(64, &announced.start_dma.to_be_bytes()),
            Self::EndDma => field(72, &announced.end_dma.to_be_bytes()),
            Self::UtilityString if announced.utility_string.is_empty() => masked(18, &[0], &[1]),
            Self::UtilityString => [
                masked(18, &[1], &[1]),
                field(128, &announced.utility_string),
            ]
            .concat(),
            Self::Refresh => masked(19, &[1], &[1]),
            Self::Relaxed => masked(19, &[u8::from(announced.relaxed) << 3], &[8]),
            Self::MaximumStoreBlock => {
                let maximum = announced.maxstbl.to_be_bytes();
                masked(20, &maximum, &[0x1f, 0xff])
            }
            Self::Interrupts => masked(16, &announced.interrupts.to_be_bytes(), &[0x0f, 0xff]),
            Self::DmaMask => field(32, &announced.dma_mask.to_be_bytes()),
            Self::MsiAddress => field(40, &announced.msi_address.to_be_bytes()),
        }
    }
}

/// Function id that QEMU gives to the guest's function with this number.
pub const fn fid(function: usize) -> u32 {
    8 + function as u32
}

/// User-defined id that QEMU gives to the guest's function with this number.
pub const fn uid(function: usize) -> u32 {
    7 + 2 * function as u32
}
