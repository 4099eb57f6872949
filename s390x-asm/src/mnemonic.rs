//! The general instructions that the probe uses, as methods of the assembler.
//!
//! Memory operands are `displacement, base`; index registers are not used.

use super::assembler::{Assembler, Label};
use super::format::{ri, ril, rr, rre, rs, rsy, rx, rxy, s, si, ss};
use super::register::Gr;

/// The condition of a branch, after a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// The branch is always taken.
    Always,
    /// The operands are equal, or the result is zero.
    Equal,
    /// The operands are not equal, or the result is not zero.
    NotEqual,
    /// The first operand is low; after test under mask, the bits are mixed.
    Low,
    /// The first operand is high.
    High,
    /// The first operand is not low.
    NotLow,
}

impl Condition {
    const fn mask(self) -> Gr {
        match self {
            Self::Always => Gr::R15,
            Self::Equal => Gr::R8,
            Self::NotEqual => Gr::R7,
            Self::Low => Gr::R4,
            Self::High => Gr::R2,
            Self::NotLow => Gr::R11,
        }
    }
}

macro_rules! register_register {
    ($($(#[$doc:meta])* $name:ident = $op:literal;)*) => {
        $($(#[$doc])* pub fn $name(&mut self, r1: Gr, r2: Gr) { self.emit(&rre($op, r1, r2)); })*
    };
}

macro_rules! register_memory {
    ($($(#[$doc:meta])* $name:ident = $op:literal;)*) => {
        $($(#[$doc])* pub fn $name(&mut self, r1: Gr, displacement: i32, base: Gr) {
            self.emit(&rxy($op, r1, displacement, Gr::R0, base));
        })*
    };
}

macro_rules! register_immediate {
    ($($(#[$doc:meta])* $name:ident = $op:literal;)*) => {
        $($(#[$doc])* pub fn $name(&mut self, r1: Gr, immediate: i16) { self.emit(&ri($op, r1, immediate)); })*
    };
}

macro_rules! register_word {
    ($($(#[$doc:meta])* $name:ident = $op:literal;)*) => {
        $($(#[$doc])* pub fn $name(&mut self, r1: Gr, immediate: u32) { self.emit(&ril($op, r1, immediate)); })*
    };
}

impl Assembler {
    register_register! {
        /// Loads a register from a register (64 bits).
        lgr = 0xb904;
        /// Loads a register from a register (64 bits), and sets the condition code by its sign.
        ltgr = 0xb902;
        /// Adds a register to a register (64 bits).
        agr = 0xb908;
        /// Subtracts a register from a register (64 bits).
        sgr = 0xb909;
        /// ANDs a register into a register (64 bits).
        ngr = 0xb980;
        /// ORs a register into a register (64 bits).
        ogr = 0xb981;
        /// Exclusive-ORs a register into a register (64 bits).
        xgr = 0xb982;
        /// Compares two registers as unsigned numbers (64 bits).
        clgr = 0xb921;
        /// Loads a register from a register with its bytes reversed (32 bits).
        lrvr = 0xb91f;
    }

    register_memory! {
        /// Loads a register from memory (64 bits).
        lg = 0xe304;
        /// Stores a register into memory (64 bits).
        stg = 0xe324;
        /// Stores the low half of a register into memory (32 bits).
        sty = 0xe350;
        /// Loads 32 bits from memory, and zeroes the high half of the register.
        llgf = 0xe316;
        /// Loads one byte from memory, and zeroes the rest of the register.
        llgc = 0xe390;
        /// Loads 16 bits from memory, and zeroes the rest of the register.
        llgh = 0xe391;
        /// Adds 64 bits in memory to a register.
        ag = 0xe308;
        /// Loads the address of the operand, with a long displacement.
        lay = 0xe371;
        /// Compares a register with 64 bits in memory, as unsigned numbers.
        clg = 0xe321;
    }

    register_immediate! {
        /// Loads a signed 16-bit immediate (64 bits).
        lghi = 0xa79;
        /// Adds a signed 16-bit immediate (64 bits).
        aghi = 0xa7b;
        /// Compares with a signed 16-bit immediate (64 bits).
        cghi = 0xa7f;
        /// Tests bits 48-63 of a register under a mask.
        tmll = 0xa71;
    }

    register_word! {
        /// Loads an immediate into bits 32-63, and zeroes the rest.
        llilf = 0xc0f;
        /// Loads an immediate into bits 0-31, and zeroes the rest.
        llihf = 0xc0e;
        /// Inserts an immediate into bits 32-63.
        iilf = 0xc09;
        /// Inserts an immediate into bits 0-31.
        iihf = 0xc08;
        /// Loads a sign-extended 32-bit immediate.
        lgfi = 0xc01;
        /// ANDs an immediate into bits 32-63.
        nilf = 0xc0b;
        /// Compares bits 32-63 with an immediate, as unsigned numbers.
        clfi = 0xc2f;
    }

    /// Loads any 64-bit constant, with one or two instructions.
    pub fn load_constant(&mut self, r1: Gr, value: u64) {
        self.llilf(r1, value as u32);
        if value >> 32 != 0 {
            self.iihf(r1, (value >> 32) as u32);
        }
    }

    /// Loads the address of a label (LARL).
    pub fn larl(&mut self, r1: Gr, label: Label) {
        self.emit_relative_word(ril(0xc00, r1, 0), label);
    }

    /// Branches to a label if the condition holds (BRCL).
    pub fn brcl(&mut self, condition: Condition, label: Label) {
        self.emit_relative_word(ril(0xc04, condition.mask(), 0), label);
    }

    /// Calls the code at a label; `link` gets the return address (BRASL).
    pub fn brasl(&mut self, link: Gr, label: Label) {
        self.emit_relative_word(ril(0xc05, link, 0), label);
    }

    /// Counts a register down, and branches to a label unless it became 0 (BRCTG).
    pub fn brctg(&mut self, count: Gr, label: Label) {
        self.emit_relative_half(ri(0xa77, count, 0), label);
    }

    /// Branches to the address in a register (BR).
    pub fn br(&mut self, target: Gr) {
        self.emit(&rr(0x07, Gr::R15, target));
    }

    /// Calls the code at the address in a register; `link` gets the return address (BASR).
    pub fn basr(&mut self, link: Gr, target: Gr) {
        self.emit(&rr(0x0d, link, target));
    }

    /// Shifts 64 bits left by a constant (SLLG).
    pub fn sllg(&mut self, r1: Gr, r3: Gr, bits: u8) {
        self.emit(&rsy(0xeb0d, r1, r3, i32::from(bits), Gr::R0));
    }

    /// Shifts 64 bits right by a constant (SRLG).
    pub fn srlg(&mut self, r1: Gr, r3: Gr, bits: u8) {
        self.emit(&rsy(0xeb0c, r1, r3, i32::from(bits), Gr::R0));
    }

    /// Loads control registers from memory (LCTLG, 64 bits each).
    pub fn lctlg(&mut self, first: Gr, last: Gr, displacement: i32, base: Gr) {
        self.emit(&rsy(0xeb2f, first, last, displacement, base));
    }

    /// Stores control registers into memory (STCTG, 64 bits each).
    pub fn stctg(&mut self, first: Gr, last: Gr, displacement: i32, base: Gr) {
        self.emit(&rsy(0xeb25, first, last, displacement, base));
    }

    /// Stores several registers into memory (STMG, 64 bits each).
    pub fn stmg(&mut self, first: Gr, last: Gr, displacement: i32, base: Gr) {
        self.emit(&rsy(0xeb24, first, last, displacement, base));
    }

    /// Loads several registers from memory (LMG, 64 bits each).
    pub fn lmg(&mut self, first: Gr, last: Gr, displacement: i32, base: Gr) {
        self.emit(&rsy(0xeb04, first, last, displacement, base));
    }

    /// Inserts the condition code into bits 34-35 of a register (IPM).
    pub fn ipm(&mut self, r1: Gr) {
        self.emit(&rre(0xb222, r1, Gr::R0));
    }

    /// Stores the low half of a register into memory (ST, 32 bits).
    pub fn st(&mut self, r1: Gr, displacement: u16, base: Gr) {
        self.emit(&rx(0x50, r1, displacement, Gr::R0, base));
    }

    /// Stores the lowest byte of a register into memory (STC).
    pub fn stc(&mut self, r1: Gr, displacement: u16, base: Gr) {
        self.emit(&rx(0x42, r1, displacement, Gr::R0, base));
    }

    /// Loads the program status word from memory (LPSWE).
    pub fn lpswe(&mut self, displacement: u16, base: Gr) {
        self.emit(&s(0xb2b2, displacement, base));
    }

    /// Stores the time-of-day clock into memory (STCK).
    pub fn stck(&mut self, displacement: u16, base: Gr) {
        self.emit(&s(0xb205, displacement, base));
    }

    /// Stores the system mask into memory, and ORs a mask into it (STOSM).
    pub fn stosm(&mut self, mask: u8, displacement: u16, base: Gr) {
        self.emit(&si(0xad, mask, displacement, base));
    }

    /// Stores the system mask into memory, and ANDs a mask into it (STNSM).
    pub fn stnsm(&mut self, mask: u8, displacement: u16, base: Gr) {
        self.emit(&si(0xac, mask, displacement, base));
    }

    /// Sends an order to a processor (SIGP); the displacement is the order code.
    pub fn sigp(&mut self, status: Gr, cpu: Gr, order: u16) {
        self.emit(&rs(0xae, status, cpu, order, Gr::R0));
    }

    /// Moves `length` bytes of memory, 1 to 256 (MVC). Both operands are displacement and base.
    pub fn mvc(&mut self, length: u16, to: (u16, Gr), from: (u16, Gr)) {
        self.emit(&ss(0xd2, length, to, from));
    }

    /// Loads access registers from memory (LAM).
    pub fn lam(&mut self, first: Gr, last: Gr, displacement: u16, base: Gr) {
        self.emit(&rs(0x9a, first, last, displacement, base));
    }

    /// Calls the supervisor (SVC).
    pub fn svc(&mut self, number: u8) {
        self.emit(&[0x0a, number]);
    }
}
