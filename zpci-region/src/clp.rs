//! The CLP facts of a function and its group, and the VFIO device-info capabilities that carry them,
//! written and read.
//!
//! Layouts: Linux include/uapi/linux/vfio_zdev.h, version 2 of base and group. The relaxed flag comes from
//! the kernel patch series zPCI I/O region (Jan 2021 v1). Fields are in host byte order.

/// PCI function type of ISM (Linux 6.12 arch/s390/include/asm/pci_clp.h).
pub const PFT_ISM: u8 = 5;

/// Longest store block in bytes that a function can announce.
pub const MAXSTBL_LIMIT: u16 = 4096;

const CAP_BASE: u16 = 1;
const CAP_GROUP: u16 = 2;
const CAP_UTIL: u16 = 3;
const CAP_PFIP: u16 = 4;
const GROUP_REFRESH: u64 = 1;
const GROUP_RELAXED: u64 = 2;

/// The facts that CLP reports of a function and its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClpFacts {
    /// Maximum store block length in bytes, 1..=4096.
    pub maxstbl: u16,
    /// True if PCISTB accepts any length and alignment.
    pub relaxed: bool,
    /// Physical channel id; for ISM also the fabric's id (CHID). Neither 0 nor above 0xfeff.
    pub pchid: u16,
    /// Virtual function number (VFN).
    pub vfn: u16,
    /// Function handle (FH), with which instructions name the function.
    pub fh: u32,
    /// PCI function type; [`PFT_ISM`].
    pub pft: u8,
    /// Number of the function's group.
    pub gid: u8,
    /// First usable DMA address (SDMA).
    pub start_dma: u64,
    /// Last usable DMA address (EDMA).
    pub end_dma: u64,
    /// DMA address space mask (DASM).
    pub dasm: u64,
    /// Address of the MSI doorbell.
    pub msi_addr: u64,
    /// Measurement update interval, in milliseconds.
    pub mui: u16,
    /// Number of interrupts that the function may use.
    pub noi: u16,
    /// Length of the function measurement block in bytes; 0 for none.
    pub fmb_length: u16,
    /// PCI version of the group.
    pub version: u8,
    /// Utility string in EBCDIC; see [`pnetid_util_str`].
    pub util_str: [u8; 64],
    /// Internal path of the function (PFIP).
    pub pfip: [u8; 4],
}

impl ClpFacts {
    /// The facts of a function of which nothing is told: all 0.
    pub const UNTOLD: Self = Self {
        maxstbl: 0,
        relaxed: false,
        pchid: 0,
        vfn: 0,
        fh: 0,
        pft: 0,
        gid: 0,
        start_dma: 0,
        end_dma: 0,
        dasm: 0,
        msi_addr: 0,
        mui: 0,
        noi: 0,
        fmb_length: 0,
        version: 0,
        util_str: [0; 64],
        pfip: [0; 4],
    };
}

impl Default for ClpFacts {
    /// A relaxed ISM function with one interrupt, and with the DMA window that QEMU gives to a function if
    /// the host reports none.
    fn default() -> Self {
        Self {
            maxstbl: MAXSTBL_LIMIT,
            relaxed: true,
            pchid: 0x07c0,
            pft: PFT_ISM,
            gid: 1,
            start_dma: 0x1_0000_0000,
            end_dma: 0x01ff_ffff_ffff_ffff,
            dasm: u64::MAX,
            msi_addr: 0xfe00_0000_0000_0000,
            mui: 4000,
            noi: 1,
            ..Self::UNTOLD
        }
    }
}

/// Builds the utility string of a function whose first port has this PNETID: 16 EBCDIC characters for each
/// port, padded with blanks, first port first. Only the first port is filled in; the rest of the string is
/// zero. Returns `None` if the id is empty, longer than 16 characters, or has characters other than `A-Z` and
/// `0-9`.
pub fn pnetid_util_str(pnetid: &str) -> Option<[u8; 64]> {
    const BLANK: u8 = 0x40;
    if pnetid.is_empty() || pnetid.len() > 16 {
        return None;
    }
    let mut util_str = [0; 64];
    for (slot, byte) in util_str
        .iter_mut()
        .take(16)
        .zip(pnetid.bytes().map(Some).chain(std::iter::repeat(None)))
    {
        *slot = byte.map_or(Some(BLANK), ebcdic)?;
    }
    Some(util_str)
}

/// Converts a capital letter or digit to EBCDIC (code page 037 and its relatives).
const fn ebcdic(ascii: u8) -> Option<u8> {
    match ascii {
        b'A'..=b'I' => Some(0xc1 + (ascii - b'A')),
        b'J'..=b'R' => Some(0xd1 + (ascii - b'J')),
        b'S'..=b'Z' => Some(0xe2 + (ascii - b'S')),
        b'0'..=b'9' => Some(0xf0 + (ascii - b'0')),
        _ => None,
    }
}

/// Builds the four capabilities of VFIO_DEVICE_GET_INFO, in the order base, group, util, pfip.
///
/// `chain_start` is the offset of the first capability from the start of the device-info structure, to be
/// reported as `cap_offset`. The `next` fields count from the same start. Each capability is padded with
/// zeros to a multiple of 8.
pub fn device_info_capabilities(facts: &ClpFacts, chain_start: u32) -> Vec<u8> {
    let bodies = [
        (CAP_BASE, 2, base(facts)),
        (CAP_GROUP, 2, group(facts)),
        (CAP_UTIL, 1, sized(&facts.util_str)),
        (CAP_PFIP, 1, sized(&facts.pfip)),
    ];
    let mut chain = Vec::new();
    let mut left = bodies.len();
    for (id, version, body) in bodies {
        left -= 1;
        let padded = (8 + body.len()).next_multiple_of(8);
        let end = chain.len() + padded;
        // The chain has only a few hundred bytes.
        let next = if left == 0 {
            0
        } else {
            chain_start.saturating_add(end as u32)
        };
        chain.extend(u16::to_ne_bytes(id));
        chain.extend(u16::to_ne_bytes(version));
        chain.extend(u32::to_ne_bytes(next));
        chain.extend(body);
        chain.resize(end, 0);
    }
    chain
}

fn base(facts: &ClpFacts) -> Vec<u8> {
    let mut body = Vec::with_capacity(32);
    body.extend(facts.start_dma.to_ne_bytes());
    body.extend(facts.end_dma.to_ne_bytes());
    body.extend(facts.pchid.to_ne_bytes());
    body.extend(facts.vfn.to_ne_bytes());
    body.extend(facts.fmb_length.to_ne_bytes());
    body.extend([facts.pft, facts.gid]);
    body.extend(facts.fh.to_ne_bytes());
    body
}

fn group(facts: &ClpFacts) -> Vec<u8> {
    let flags = GROUP_REFRESH | if facts.relaxed { GROUP_RELAXED } else { 0 };
    let mut body = Vec::with_capacity(40);
    body.extend(facts.dasm.to_ne_bytes());
    body.extend(facts.msi_addr.to_ne_bytes());
    body.extend(flags.to_ne_bytes());
    body.extend(facts.mui.to_ne_bytes());
    body.extend(facts.noi.to_ne_bytes());
    body.extend(facts.maxstbl.to_ne_bytes());
    body.extend([facts.version, 0]);
    body.extend(facts.maxstbl.to_ne_bytes());
    body
}

/// Builds a body from a length and that many bytes.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(4 + bytes.len());
    // The strings have 64 and 4 bytes.
    body.extend((bytes.len() as u32).to_ne_bytes());
    body.extend(bytes);
    body
}

/// An error in the capabilities of a device info.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CapabilityError {
    /// A `next` field points outside the device info, or in front of the first capability.
    #[error("a capability lies outside the device info")]
    Outside,
    /// The device info ends within the 8 bytes that start a capability.
    #[error("a capability is cut short")]
    NoHeader,
    /// The device info ends within a capability that is known.
    #[error("the capability with id {id} is cut short")]
    CutShort {
        /// Id of the capability.
        id: u16,
    },
    /// The chain leads back to itself.
    #[error("the chain of capabilities has no end")]
    Endless,
    /// The group capability, which has the limits of the function, is missing.
    #[error("the device info has no group capability (id 2)")]
    NoGroup,
}

/// Reads the capabilities that [`device_info_capabilities`] writes. It also reads base and group of
/// version 1, which lack the handle and the second maximum.
///
/// `info` is the whole device-info structure, and its first capability is at `chain_start`. Facts
/// without a capability are 0, and unknown capabilities are skipped.
///
/// # Errors
/// The chain is broken, a capability is cut short, or there is no group capability.
pub fn read_device_info(info: &[u8], chain_start: usize) -> Result<ClpFacts, CapabilityError> {
    let mut facts = ClpFacts::UNTOLD;
    let mut has_group = false;
    let mut at = chain_start;
    // Each capability starts at an offset of its own.
    for _ in 0..info.len() {
        let capability = info
            .get(at..)
            .filter(|_| at >= chain_start)
            .ok_or(CapabilityError::Outside)?;
        let head = capability.first_chunk().ok_or(CapabilityError::NoHeader)?;
        let [id0, id1, version0, version1, next @ ..]: [u8; 8] = *head;
        let id = u16::from_ne_bytes([id0, id1]);
        let version = u16::from_ne_bytes([version0, version1]);
        let fields = Fields(capability);
        let read = match id {
            CAP_BASE => fields.base(version, &mut facts),
            CAP_GROUP => {
                has_group = true;
                fields.group(version, &mut facts)
            }
            CAP_UTIL => fields.bytes(12).map(|string| facts.util_str = string),
            CAP_PFIP => fields.bytes(12).map(|path| facts.pfip = path),
            _ => Some(()),
        };
        read.ok_or(CapabilityError::CutShort { id })?;
        at = u32::from_ne_bytes(next) as usize;
        if at == 0 {
            return has_group.then_some(facts).ok_or(CapabilityError::NoGroup);
        }
    }
    Err(CapabilityError::Endless)
}

/// A capability from its header on. Offsets count from there.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn bytes<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..)?.first_chunk().copied()
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }

    fn u16(&self, at: usize) -> Option<u16> {
        self.bytes(at).map(u16::from_ne_bytes)
    }

    fn u64(&self, at: usize) -> Option<u64> {
        self.bytes(at).map(u64::from_ne_bytes)
    }

    fn base(&self, version: u16, facts: &mut ClpFacts) -> Option<()> {
        facts.start_dma = self.u64(8)?;
        facts.end_dma = self.u64(16)?;
        facts.pchid = self.u16(24)?;
        facts.vfn = self.u16(26)?;
        facts.fmb_length = self.u16(28)?;
        facts.pft = self.byte(30)?;
        facts.gid = self.byte(31)?;
        if version >= 2 {
            facts.fh = self.bytes(32).map(u32::from_ne_bytes)?;
        }
        Some(())
    }

    fn group(&self, version: u16, facts: &mut ClpFacts) -> Option<()> {
        facts.dasm = self.u64(8)?;
        facts.msi_addr = self.u64(16)?;
        facts.relaxed = self.u64(24)? & GROUP_RELAXED != 0;
        facts.mui = self.u16(32)?;
        facts.noi = self.u16(34)?;
        // Version 2 has the hardware's own maximum after it.
        facts.maxstbl = self.u16(if version >= 2 { 40 } else { 36 })?;
        facts.version = self.byte(38)?;
        Some(())
    }
}

#[cfg(test)]
mod tests;
