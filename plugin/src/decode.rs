// SPDX-License-Identifier: GPL-2.0-or-later
//! Decodes instruction bytes into typed zPCI instructions.
//!
//! Formats and operands: Linux `arch/s390/pci/pci_insn.c` and `pci_clp.c`, QEMU
//! `target/s390x/tcg/insn-data.h.inc`. The plugin does not see an instruction that EXECUTE runs, because QEMU
//! never translates its bytes at its own address.

/// The number of a general register, 0 to 15.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Gpr(u8);

impl Gpr {
    /// Takes the low four bits of `field`.
    pub(crate) const fn new(field: u8) -> Self {
        Self(field & 15)
    }

    /// The next register, which is the second of an even-odd pair; register 0 after 15.
    #[must_use]
    pub(crate) const fn next(self) -> Self {
        Self::new(self.0 + 1)
    }

    /// The register's number, 0 to 15.
    pub(crate) const fn number(self) -> u8 {
        self.0
    }
}

/// A storage operand: base plus optional index plus a signed 20-bit displacement.
///
/// Register 0 as base or index means no register, which is `None` here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StorageOperand {
    /// Base register, if any.
    pub base: Option<Gpr>,
    /// Index register, if any; only in the RXY format.
    pub index: Option<Gpr>,
    /// Displacement in bytes, -524288 to 524287.
    pub displacement: i32,
}

/// One zPCI instruction, with its registers and storage operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Instruction {
    /// PCISTB: stores a block.
    StoreBlock {
        /// Register with handle, address space and length. It receives the status.
        request: Gpr,
        /// Register with the offset in the PCI address space.
        offset: Gpr,
        /// The bytes to store.
        source: StorageOperand,
    },
    /// PCISTG: stores up to 8 bytes of a register.
    Store {
        /// Register with the data, right-aligned.
        data: Gpr,
        /// Register with handle, address space and length. The next register holds the offset.
        request: Gpr,
    },
    /// PCILG: loads up to 8 bytes into a register.
    Load {
        /// Register that receives the data, right-aligned.
        result: Gpr,
        /// Register with handle, address space and length. The next register holds the offset.
        request: Gpr,
    },
    /// RPCIT: refreshes translations of a DMA range.
    RefreshTranslations {
        /// Register with the handle. It receives the status.
        function: Gpr,
        /// Register with the start of the range. The next register holds its length.
        range: Gpr,
    },
    /// PCISTBI: stores a block through a mapped I/O address.
    StoreBlockMio {
        /// Register with the length. It receives the status.
        length: Gpr,
        /// Register with the I/O address.
        io_address: Gpr,
        /// The bytes to store.
        source: StorageOperand,
    },
    /// PCISTGI: stores a register through a mapped I/O address.
    StoreMio {
        /// Register with the data, right-aligned.
        data: Gpr,
        /// Register with the I/O address. The next register holds the length and receives the status.
        io_address: Gpr,
    },
    /// PCILGI: loads a register through a mapped I/O address.
    LoadMio {
        /// Register that receives the data, right-aligned.
        result: Gpr,
        /// Register with the I/O address. The next register holds the length and receives the status.
        io_address: Gpr,
    },
    /// PCIWB: waits for earlier writes.
    WriteBarrier,
    /// MPCIFC: modifies function controls.
    ModifyControls {
        /// Register with handle, DMA address space and operation. It receives the status.
        control: Gpr,
        /// The function information block.
        block: StorageOperand,
    },
    /// STPCIFC: stores function controls.
    StoreControls {
        /// Register with handle and DMA address space. It receives the status.
        control: Gpr,
        /// Destination of the function information block.
        block: StorageOperand,
    },
    /// SIC: sets interruption controls.
    SetInterruptionControls {
        /// Register with the operation.
        mode: Gpr,
        /// Register with the interruption subclass in bits 2 to 4 of its low word.
        isc: Gpr,
        /// The adapter interruption parameters.
        block: StorageOperand,
    },
    /// CLP: calls a logical processor.
    CallLogicalProcessor {
        /// Register that receives the mask of installed processors, if the instruction asks for them.
        result: Gpr,
        /// Register with the address of the request block. The response block follows it.
        block: Gpr,
        /// The R3 field. Bit 8 asks which logical processors are installed.
        query: u8,
        /// The logical processor: 0 base, 2 PCI.
        processor: u8,
    },
}

impl Instruction {
    /// Decodes the instruction at the beginning of `bytes`.
    ///
    /// Returns `None` for any other instruction, and if bytes are missing.
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

    /// The usual mnemonic, in lower case.
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

    /// True if the instruction sets the condition code.
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
