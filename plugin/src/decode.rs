// SPDX-License-Identifier: GPL-2.0-or-later
//! Instruction bytes to typed zPCI instructions.
//!
//! Formats and operands: Linux `arch/s390/pci/pci_insn.c` and `pci_clp.c`, QEMU
//! `target/s390x/tcg/insn-data.h.inc`. An instruction reached through EXECUTE is not seen here: its
//! bytes are never translated at its own address.

/// Number of a general register, 0 to 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gpr(u8);

impl Gpr {
    /// Takes the low four bits of `field`.
    #[must_use]
    pub(crate) const fn new(field: u8) -> Self {
        Self(field & 15)
    }

    /// The register after this one: the second of an even-odd pair, register 0 after 15.
    #[must_use]
    pub(crate) const fn next(self) -> Self {
        Self::new(self.0 + 1)
    }

    /// The number, 0 to 15.
    #[must_use]
    pub(crate) const fn number(self) -> u8 {
        self.0
    }
}

/// Storage operand: base plus optional index plus a signed 20-bit displacement.
///
/// Register 0 as base or index means no register, which is `None` here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StorageOperand {
    /// Base register.
    pub base: Option<Gpr>,
    /// Index register, RXY format only.
    pub index: Option<Gpr>,
    /// Displacement in bytes, -524288 to 524287.
    pub displacement: i32,
}

/// One zPCI instruction with the registers and storage operands it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    /// PCISTB: store block.
    StoreBlock {
        /// Handle, address space and length; receives the status.
        request: Gpr,
        /// Offset in the PCI address space.
        offset: Gpr,
        /// Bytes to store.
        source: StorageOperand,
    },
    /// PCISTG: store up to 8 bytes of a register.
    Store {
        /// Data, right-aligned.
        data: Gpr,
        /// Handle, address space and length; the next register holds the offset.
        request: Gpr,
    },
    /// PCILG: load up to 8 bytes into a register.
    Load {
        /// Receives the data, right-aligned.
        result: Gpr,
        /// Handle, address space and length; the next register holds the offset.
        request: Gpr,
    },
    /// RPCIT: refresh translations of a DMA range.
    RefreshTranslations {
        /// Handle; receives the status.
        function: Gpr,
        /// Start of the range; the next register holds its length.
        range: Gpr,
    },
    /// PCISTBI: store block through a mapped I/O address.
    StoreBlockMio {
        /// Length; receives the status.
        length: Gpr,
        /// I/O address.
        io_address: Gpr,
        /// Bytes to store.
        source: StorageOperand,
    },
    /// PCISTGI: store through a mapped I/O address.
    StoreMio {
        /// Data, right-aligned.
        data: Gpr,
        /// I/O address; the next register holds the length and receives the status.
        io_address: Gpr,
    },
    /// PCILGI: load through a mapped I/O address.
    LoadMio {
        /// Receives the data, right-aligned.
        result: Gpr,
        /// I/O address; the next register holds the length and receives the status.
        io_address: Gpr,
    },
    /// PCIWB: write barrier.
    WriteBarrier,
    /// MPCIFC: modify function controls.
    ModifyControls {
        /// Handle, DMA address space and operation; receives the status.
        control: Gpr,
        /// Function information block.
        block: StorageOperand,
    },
    /// STPCIFC: store function controls.
    StoreControls {
        /// Handle and DMA address space; receives the status.
        control: Gpr,
        /// Where the function information block goes.
        block: StorageOperand,
    },
    /// SIC: set interruption controls.
    SetInterruptionControls {
        /// Operation control.
        mode: Gpr,
        /// Interruption subclass in bits 2 to 4 of the low word.
        isc: Gpr,
        /// Adapter interruption parameters.
        block: StorageOperand,
    },
    /// CLP: call logical processor.
    CallLogicalProcessor {
        /// Receives the mask of installed processors for a query of them.
        result: Gpr,
        /// Address of the request block, the response block follows it.
        block: Gpr,
        /// R3 field; bit 8 asks which logical processors are installed.
        query: u8,
        /// Logical processor: 0 base, 2 PCI.
        processor: u8,
    },
}

impl Instruction {
    /// Decodes `bytes`, of which the first ones are the instruction.
    ///
    /// Returns `None` for anything that is not a zPCI instruction, and for too few bytes.
    #[must_use]
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        match *bytes {
            [0xB9, op, fields, registers, ..] => Self::decode_rre(op, fields, registers),
            [0xEB, registers, b, dl, dh, op, ..] => Self::decode_rsy(op, registers, [b, dl, dh]),
            [0xE3, registers, b, dl, dh, op, ..] => Self::decode_rxy(op, registers, [b, dl, dh]),
            _ => None,
        }
    }

    fn decode_rre(op: u8, fields: u8, registers: u8) -> Option<Self> {
        let (r1, r2) = (Gpr::new(registers >> 4), Gpr::new(registers));
        Some(match op {
            0xA0 => Self::CallLogicalProcessor {
                result: r1,
                block: r2,
                query: fields >> 4,
                processor: fields & 15,
            },
            0xD0 => Self::Store {
                data: r1,
                request: r2,
            },
            0xD2 => Self::Load {
                result: r1,
                request: r2,
            },
            0xD3 => Self::RefreshTranslations {
                function: r1,
                range: r2,
            },
            0xD4 => Self::StoreMio {
                data: r1,
                io_address: r2,
            },
            0xD5 => Self::WriteBarrier,
            0xD6 => Self::LoadMio {
                result: r1,
                io_address: r2,
            },
            _ => return None,
        })
    }

    fn decode_rsy(op: u8, registers: u8, storage: [u8; 3]) -> Option<Self> {
        let (r1, r3) = (Gpr::new(registers >> 4), Gpr::new(registers));
        let operand = StorageOperand::decode(storage, 0);
        Some(match op {
            0xD0 => Self::StoreBlock {
                request: r1,
                offset: r3,
                source: operand,
            },
            0xD1 => Self::SetInterruptionControls {
                mode: r1,
                isc: r3,
                block: operand,
            },
            0xD4 => Self::StoreBlockMio {
                length: r1,
                io_address: r3,
                source: operand,
            },
            _ => return None,
        })
    }

    fn decode_rxy(op: u8, registers: u8, storage: [u8; 3]) -> Option<Self> {
        let control = Gpr::new(registers >> 4);
        let block = StorageOperand::decode(storage, registers & 15);
        match op {
            0xD0 => Some(Self::ModifyControls { control, block }),
            0xD4 => Some(Self::StoreControls { control, block }),
            _ => None,
        }
    }

    /// Conventional mnemonic, lower case.
    #[must_use]
    pub(crate) const fn mnemonic(&self) -> &'static str {
        match self {
            Self::StoreBlock { .. } => "pcistb",
            Self::Store { .. } => "pcistg",
            Self::Load { .. } => "pcilg",
            Self::RefreshTranslations { .. } => "rpcit",
            Self::StoreBlockMio { .. } => "pcistbi",
            Self::StoreMio { .. } => "pcistgi",
            Self::LoadMio { .. } => "pcilgi",
            Self::WriteBarrier => "pciwb",
            Self::ModifyControls { .. } => "mpcifc",
            Self::StoreControls { .. } => "stpcifc",
            Self::SetInterruptionControls { .. } => "sic",
            Self::CallLogicalProcessor { .. } => "clp",
        }
    }

    /// Size of the instruction in bytes: 4 or 6.
    #[must_use]
    pub(crate) const fn size(&self) -> u8 {
        match self {
            Self::StoreBlock { .. }
            | Self::StoreBlockMio { .. }
            | Self::ModifyControls { .. }
            | Self::StoreControls { .. }
            | Self::SetInterruptionControls { .. } => 6,
            _ => 4,
        }
    }

    /// Whether the instruction sets the condition code.
    #[must_use]
    pub(crate) const fn sets_condition_code(&self) -> bool {
        !matches!(
            self,
            Self::SetInterruptionControls { .. } | Self::WriteBarrier
        )
    }
}

impl StorageOperand {
    fn decode([b, dl, dh]: [u8; 3], index: u8) -> Self {
        let low = i32::from(b & 15) << 8 | i32::from(dl);
        let high = i32::from(dh.cast_signed()) << 12;
        let register = |field: u8| (field != 0).then(|| Gpr::new(field));
        Self {
            base: register(b >> 4),
            index: register(index),
            displacement: high | low,
        }
    }
}

#[cfg(test)]
mod tests;
