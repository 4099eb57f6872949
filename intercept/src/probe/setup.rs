//! The instructions before the plan: bus master, interrupts, translation, a DMB.
//!
//! Commands go by PCISTB if a READ_GID issued that way is answered as it should be, else by PCISTG of 8 bytes.

use super::layout::{
    DMA_ADDRESS, DMA_LENGTH, DMB_ADDRESS, DMB_INDEX, DMB_LENGTH, IEQ_ADDRESS, IEQ_LENGTH, MAILBOX,
    SBA_ADDRESS, SETUP_BLOCKS, area, function_area, variable,
};
use super::record::{Record, flag};
use crate::plan::{Case, Instruction};

/// One step: its purpose and its record.
pub(super) struct Step {
    pub name: String,
    pub record: Record,
}

/// All steps of all functions, and the blocks of their PCISTB, for [`SETUP_BLOCKS`].
pub(super) struct Setup {
    /// Number of the function of the present steps.
    function: usize,
    pub steps: Vec<Step>,
    pub blocks: Vec<u8>,
}

enum Operand {
    Known(u64),
    Gid,
}

impl Setup {
    fn area(&self) -> u64 {
        function_area(self.function)
    }

    fn case(&self, instruction: Instruction) -> Case {
        Case {
            function: self.function as u8,
            ..Case::new("", "", instruction)
        }
    }

    fn plain(
        &self,
        instruction: Instruction,
        space: u8,
        offset: u64,
        length: u64,
        data: u64,
    ) -> Record {
        let case = Case {
            space,
            offset,
            length,
            ..self.case(instruction)
        };
        Record {
            data,
            flags: 0,
            ..Record::of_case(&case, 0, 0, 0)
        }
    }

    fn step(&mut self, name: impl Into<String>, record: Record) {
        let mut name = name.into();
        if self.function > 0 {
            name.push_str(" of the second function");
        }
        self.steps.push(Step { name, record });
    }

    fn msi(&mut self) {
        let capability = self.area() + area::MSI;
        let registers = [
            ("address low", 4, 4, self.area() + area::MSI_LOW, 0),
            ("address high", 8, 4, self.area() + area::MSI_HIGH, 0),
            ("data", 12, 2, MAILBOX + variable::ZERO, 0),
            ("enable", 2, 1, MAILBOX + variable::ZERO, 1),
        ];
        for (name, offset, length, data_base, data) in registers {
            self.step(
                format!("MSI {name}"),
                Record {
                    base: capability,
                    data_base,
                    condition: capability,
                    flags: flag::UNLESS_EQUAL,
                    ..self.plain(Instruction::Pcistg, 15, offset, length, data)
                },
            );
        }
    }

    fn controls(&mut self) {
        for (name, operation, source) in [
            ("interrupts", 2, self.area() + area::FIB_INTERRUPTS),
            ("translation", 4, self.area() + area::FIB_TRANSLATION),
        ] {
            let case = Case {
                operation,
                ..self.case(Instruction::Mpcifc)
            };
            self.step(
                format!("MPCIFC {name}"),
                Record {
                    flags: 0,
                    ..Record::of_case(&case, 0, source, source)
                },
            );
        }
        let case = Case {
            offset: DMA_ADDRESS,
            length: DMA_LENGTH,
            ..self.case(Instruction::Rpcit)
        };
        self.step(
            "RPCIT",
            Record {
                flags: 0,
                ..Record::of_case(&case, 0, 0, 0)
            },
        );
    }

    fn block(&mut self, name: &str, offset: u64, operands: &[Operand]) -> Record {
        let at = SETUP_BLOCKS + self.blocks.len() as u64;
        let mut patch_to = 0;
        for (index, operand) in operands.iter().enumerate() {
            let value = match operand {
                Operand::Known(value) => *value,
                Operand::Gid => {
                    patch_to = at + 8 * index as u64;
                    0
                }
            };
            self.blocks.extend(value.to_be_bytes());
        }
        debug_assert!(!name.is_empty());
        let length = 8 * operands.len() as u64;
        Record {
            source: at,
            patch_to,
            patch_from: self.area() + area::GID,
            ..self.plain(Instruction::Pcistb, 2, offset, length, 0)
        }
    }

    fn command(&mut self, name: &str, code: u64, operands: &[Operand]) {
        let header = (code << 32) | (8 + 8 * operands.len() as u64);
        if !operands.is_empty() {
            let mut record = self.block(name, 8, operands);
            record.run_with_blocks(self.function, true);
            self.step(format!("{name} payload"), record);
        }
        let mut record = self.block(name, 0, &[Operand::Known(header)]);
        record.run_with_blocks(self.function, true);
        self.step(format!("{name} header"), record);
        for (index, operand) in operands.iter().enumerate() {
            let mut record = self.plain(Instruction::Pcistg, 2, 8 + 8 * index as u64, 8, 0);
            match operand {
                Operand::Known(value) => record.data = *value,
                Operand::Gid => record.data_base = self.area() + area::GID,
            }
            record.run_with_blocks(self.function, false);
            self.step(format!("{name} payload {index} by PCISTG"), record);
        }
        let mut record = self.plain(Instruction::Pcistg, 2, 0, 8, header);
        record.run_with_blocks(self.function, false);
        self.step(format!("{name} header by PCISTG"), record);
        self.load(name, 0, area::SETUP_RESPONSE);
    }

    fn load(&mut self, name: &str, offset: u64, keep: u64) {
        let record = Record {
            save_to: self.area() + keep,
            ..self.plain(Instruction::Pcilg, 2, offset, 8, 0)
        };
        self.step(format!("{name} response {offset}"), record);
    }
}

/// The set-up of this many functions.
pub(super) fn setup(functions: usize) -> Setup {
    let mut setup = Setup {
        function: 0,
        steps: Vec::new(),
        blocks: Vec::new(),
    };
    for function in 0..functions {
        setup.function = function;
        setup.steps();
    }
    setup
}

impl Setup {
    fn steps(&mut self) {
        // Memory space and bus master, first byte of the command register.
        let command = self.plain(Instruction::Pcistg, 15, 4, 1, 0x06);
        self.step("command register", command);
        self.controls();
        self.msi();
        let probe = self.block("READ_GID", 0, &[Operand::Known((3 << 32) | 8)]);
        self.step("READ_GID by PCISTB", probe);
        self.load("READ_GID by PCISTB", 0, area::BLOCK_RESPONSE);
        self.command("READ_GID", 0x03, &[]);
        self.load("READ_GID", 8, area::GID);
        self.command("REG_SBA", 0x01, &[Operand::Known(SBA_ADDRESS)]);
        self.command(
            "REG_IEQ",
            0x02,
            &[Operand::Known(IEQ_ADDRESS), Operand::Known(IEQ_LENGTH)],
        );
        let dmb = [
            Operand::Known(DMB_ADDRESS),
            Operand::Known((DMB_LENGTH << 32) | DMB_INDEX),
            Operand::Known(0),
            Operand::Gid,
        ];
        self.command("REG_DMB", 0x0a, &dmb);
        self.load("REG_DMB", 8, area::TOKEN);
    }
}
