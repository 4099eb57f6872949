// SPDX-License-Identifier: GPL-2.0-or-later
//! Reads the operands of an instruction from the vCPU that is about to execute it.
//!
//! Register layouts: Linux `arch/s390/include/asm/pci_io.h` and `pci_insn.c`.

use crate::cpu::{Cpu, effective_address, read_logical, wrap_address};
use crate::decode::{Gpr, Instruction, StorageOperand};
use records::instruction::{Hex, HexBytes, Operands};

/// Longest payload read for a store block. No instruction accepts a longer one.
const MAX_BLOCK: u64 = 8192;
/// Length of a function information block.
pub(crate) const FIB_LENGTH: usize = 80;
/// CLP blocks begin with a 16-bit length and a 16-bit command or response code.
const CLP_HEADER: usize = 4;
/// Most bytes of a CLP request and response together: two pages.
const MAX_CLP_BLOCK: usize = 8192;

/// Reads all operands of `instruction` from the guest.
pub(crate) fn read_operands(cpu: &dyn Cpu, instruction: &Instruction) -> Operands {
    match *instruction {
        Instruction::StoreBlock {
            request,
            offset,
            source,
        } => {
            let mut operands = request_operands(cpu, request);
            operands.offset = cpu.gpr(offset).map(Hex);
            with_block(cpu, operands, source)
        }
        Instruction::Store { data, request } => {
            let mut operands = request_operands(cpu, request);
            operands.offset = cpu.gpr(request.next()).map(Hex);
            operands.bytes = register_bytes(cpu, data, operands.length);
            operands
        }
        Instruction::Load { request, .. } => {
            let mut operands = request_operands(cpu, request);
            operands.offset = cpu.gpr(request.next()).map(Hex);
            operands
        }
        Instruction::RefreshTranslations { function, range } => Operands {
            handle: cpu.gpr(function).map(handle),
            offset: cpu.gpr(range).map(Hex),
            length: cpu.gpr(range.next()),
            request: cpu.gpr(function).map(Hex),
            ..Operands::default()
        },
        Instruction::StoreBlockMio {
            length,
            io_address,
            source,
        } => {
            let operands = mio_operands(cpu, io_address, length);
            with_block(cpu, operands, source)
        }
        Instruction::StoreMio { data, io_address } => {
            let mut operands = mio_operands(cpu, io_address, io_address.next());
            operands.bytes = register_bytes(cpu, data, operands.length);
            operands
        }
        Instruction::LoadMio { io_address, .. } => mio_operands(cpu, io_address, io_address.next()),
        Instruction::WriteBarrier => Operands::default(),
        Instruction::ModifyControls { control, block } => {
            let mut operands = control_operands(cpu, control, block);
            operands.bytes = operands
                .address
                .and_then(|address| read_logical(cpu, address.0, FIB_LENGTH))
                .map(HexBytes);
            operands
        }
        Instruction::StoreControls { control, block } => control_operands(cpu, control, block),
        Instruction::SetInterruptionControls { mode, isc, block } => Operands {
            operation: cpu.gpr(mode).map(low_16),
            isc: cpu.gpr(isc).map(|value| ((value >> 27) & 7) as u8),
            address: effective_address(cpu, block).map(Hex),
            ..Operands::default()
        },
        Instruction::CallLogicalProcessor {
            block,
            query,
            processor,
            ..
        } => clp_operands(cpu, block, query, processor),
    }
}

/// Reads the CLP response block that follows a request block of `request_length` bytes.
pub(crate) fn read_clp_response(
    cpu: &dyn Cpu,
    address: u64,
    request_length: usize,
) -> Option<Vec<u8>> {
    read_clp_block(cpu, address.checked_add(request_length as u64)?)
}

fn handle(register: u64) -> Hex<8> {
    Hex(register >> 32)
}

fn low_16(register: u64) -> u16 {
    (register & 0xFFFF) as u16
}

fn request_operands(cpu: &dyn Cpu, request: Gpr) -> Operands {
    let Some(register) = cpu.gpr(request) else {
        return Operands::default();
    };
    Operands {
        handle: Some(handle(register)),
        pcias: Some(((register >> 16) & 15) as u8),
        length: Some(u64::from(low_16(register))),
        request: Some(Hex(register)),
        ..Operands::default()
    }
}

fn mio_operands(cpu: &dyn Cpu, io_address: Gpr, length: Gpr) -> Operands {
    Operands {
        io_address: cpu.gpr(io_address).map(Hex),
        length: cpu.gpr(length).map(|register| u64::from(low_16(register))),
        request: cpu.gpr(length).map(Hex),
        ..Operands::default()
    }
}

fn control_operands(cpu: &dyn Cpu, control: Gpr, block: StorageOperand) -> Operands {
    let mut operands = request_operands(cpu, control);
    operands.operation = operands.length.take().map(|low| (low & 0xFF) as u16);
    operands.address = effective_address(cpu, block).map(Hex);
    operands
}

fn with_block(cpu: &dyn Cpu, mut operands: Operands, source: StorageOperand) -> Operands {
    let Some(address) = effective_address(cpu, source) else {
        return operands;
    };
    operands.address = Some(Hex(address));
    operands.bytes = operands
        .length
        .and_then(|length| usize::try_from(length.min(MAX_BLOCK)).ok())
        .and_then(|length| read_logical(cpu, address, length))
        .map(HexBytes);
    operands
}

fn register_bytes(cpu: &dyn Cpu, data: Gpr, length: Option<u64>) -> Option<HexBytes> {
    let bytes = cpu.gpr(data)?.to_be_bytes();
    let kept = match usize::try_from(length?) {
        Ok(kept @ 1..=8) => kept,
        _ => bytes.len(),
    };
    bytes
        .get(bytes.len() - kept..)
        .map(|low| HexBytes(low.to_vec()))
}

fn clp_operands(cpu: &dyn Cpu, block: Gpr, query: u8, processor: u8) -> Operands {
    let mut operands = Operands {
        processor: Some(processor),
        ..Operands::default()
    };
    if query & 8 != 0 {
        return operands;
    }
    operands.address = cpu
        .gpr(block)
        .and_then(|address| wrap_address(cpu, address))
        .map(Hex);
    let request = operands
        .address
        .and_then(|address| read_clp_block(cpu, address.0));
    operands.command = match request.as_deref() {
        Some([_, _, high, low, ..]) => Some(Hex(u64::from(u16::from_be_bytes([*high, *low])))),
        _ => None,
    };
    operands.clp_request = request.map(HexBytes);
    operands
}

/// Reads a CLP block by the length in its header, or only the header if that length is impossible.
fn read_clp_block(cpu: &dyn Cpu, address: u64) -> Option<Vec<u8>> {
    let header = read_logical(cpu, address, CLP_HEADER)?;
    let length = match header.as_slice() {
        [high, low, ..] => usize::from(u16::from_be_bytes([*high, *low])),
        _ => return None,
    };
    if (CLP_HEADER..=MAX_CLP_BLOCK).contains(&length) {
        read_logical(cpu, address, length)
    } else {
        Some(header)
    }
}
