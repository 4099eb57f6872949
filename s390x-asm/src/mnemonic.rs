//! The general instructions the probe uses, as methods of the assembler.
//!
//! Memory operands are `displacement, base`; index registers are not used.

use super::assembler::{Assembler, Label};
use super::format::{ri, ril, rr, rre, rs, rsy, rx, rxy, s, si, ss};
use super::register::Gr;

/// The mask of a conditional branch, by what a compare before it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Always.
    Always,
    /// Equal, or zero.
    Equal,
    /// Not equal, or not zero.
    NotEqual,
    /// First operand low, or mixed for test under mask.
    Low,
    /// First operand high.
    High,
    /// First operand not low.
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
        /// Load (64).
        lgr = 0xb904;
        /// Load and test (64).
        ltgr = 0xb902;
        /// Add (64).
        agr = 0xb908;
        /// Subtract (64).
        sgr = 0xb909;
        /// And (64).
        ngr = 0xb980;
        /// Or (64).
        ogr = 0xb981;
        /// Exclusive or (64).
        xgr = 0xb982;
        /// Compare logical (64).
        clgr = 0xb921;
        /// Load reversed (32).
        lrvr = 0xb91f;
    }

    register_memory! {
        /// Load (64).
        lg = 0xe304;
        /// Store (64).
        stg = 0xe324;
        /// Store (32).
        sty = 0xe350;
        /// Load logical (32 to 64).
        llgf = 0xe316;
        /// Load logical character (8 to 64).
        llgc = 0xe390;
        /// Load logical halfword (16 to 64).
        llgh = 0xe391;
        /// Add (64).
        ag = 0xe308;
        /// Load address with a long displacement.
        lay = 0xe371;
        /// Compare logical (64).
        clg = 0xe321;
    }

    register_immediate! {
        /// Load halfword immediate (64).
        lghi = 0xa79;
        /// Add halfword immediate (64).
        aghi = 0xa7b;
        /// Compare halfword immediate (64).
        cghi = 0xa7f;
        /// Test under mask, bits 48-63.
        tmll = 0xa71;
    }

    register_word! {
        /// Load logical immediate into bits 32-63, zeroing the rest.
        llilf = 0xc0f;
        /// Load logical immediate into bits 0-31, zeroing the rest.
        llihf = 0xc0e;
        /// Insert immediate into bits 32-63.
        iilf = 0xc09;
        /// Insert immediate into bits 0-31.
        iihf = 0xc08;
        /// Load immediate, sign-extended.
        lgfi = 0xc01;
        /// And immediate, bits 32-63.
        nilf = 0xc0b;
        /// Compare logical immediate (32).
        clfi = 0xc2f;
    }

    /// Loads any 64-bit constant.
    pub fn load_constant(&mut self, r1: Gr, value: u64) {
        self.llilf(r1, value as u32);
        if value >> 32 != 0 {
            self.iihf(r1, (value >> 32) as u32);
        }
    }

    /// Load address relative long.
    pub fn larl(&mut self, r1: Gr, label: Label) {
        self.emit_relative_word(ril(0xc00, r1, 0), label);
    }

    /// Branch relative on condition, long.
    pub fn brcl(&mut self, condition: Condition, label: Label) {
        self.emit_relative_word(ril(0xc04, condition.mask(), 0), label);
    }

    /// Branch relative and save, long.
    pub fn brasl(&mut self, link: Gr, label: Label) {
        self.emit_relative_word(ril(0xc05, link, 0), label);
    }

    /// Branch relative on count (64).
    pub fn brctg(&mut self, count: Gr, label: Label) {
        self.emit_relative_half(ri(0xa77, count, 0), label);
    }

    /// Branch to the address in a register.
    pub fn br(&mut self, target: Gr) {
        self.emit(&rr(0x07, Gr::R15, target));
    }

    /// Branch and save to the address in a register.
    pub fn basr(&mut self, link: Gr, target: Gr) {
        self.emit(&rr(0x0d, link, target));
    }

    /// Shift left logical (64) by a constant.
    pub fn sllg(&mut self, r1: Gr, r3: Gr, bits: u8) {
        self.emit(&rsy(0xeb0d, r1, r3, i32::from(bits), Gr::R0));
    }

    /// Shift right logical (64) by a constant.
    pub fn srlg(&mut self, r1: Gr, r3: Gr, bits: u8) {
        self.emit(&rsy(0xeb0c, r1, r3, i32::from(bits), Gr::R0));
    }

    /// Load control registers (64).
    pub fn lctlg(&mut self, first: Gr, last: Gr, displacement: i32, base: Gr) {
        self.emit(&rsy(0xeb2f, first, last, displacement, base));
    }

    /// Store control registers (64).
    pub fn stctg(&mut self, first: Gr, last: Gr, displacement: i32, base: Gr) {
        self.emit(&rsy(0xeb25, first, last, displacement, base));
    }

    /// Store multiple (64).
    pub fn stmg(&mut self, first: Gr, last: Gr, displacement: i32, base: Gr) {
        self.emit(&rsy(0xeb24, first, last, displacement, base));
    }

    /// Load multiple (64).
    pub fn lmg(&mut self, first: Gr, last: Gr, displacement: i32, base: Gr) {
        self.emit(&rsy(0xeb04, first, last, displacement, base));
    }

    /// Insert program mask: the condition code goes to bits 34-35.
    pub fn ipm(&mut self, r1: Gr) {
        self.emit(&rre(0xb222, r1, Gr::R0));
    }

    /// Store (32).
    pub fn st(&mut self, r1: Gr, displacement: u16, base: Gr) {
        self.emit(&rx(0x50, r1, displacement, Gr::R0, base));
    }

    /// Store character.
    pub fn stc(&mut self, r1: Gr, displacement: u16, base: Gr) {
        self.emit(&rx(0x42, r1, displacement, Gr::R0, base));
    }

    /// Load PSW extended.
    pub fn lpswe(&mut self, displacement: u16, base: Gr) {
        self.emit(&s(0xb2b2, displacement, base));
    }

    /// Store clock.
    pub fn stck(&mut self, displacement: u16, base: Gr) {
        self.emit(&s(0xb205, displacement, base));
    }

    /// Store then OR system mask.
    pub fn stosm(&mut self, mask: u8, displacement: u16, base: Gr) {
        self.emit(&si(0xad, mask, displacement, base));
    }

    /// Store then AND system mask.
    pub fn stnsm(&mut self, mask: u8, displacement: u16, base: Gr) {
        self.emit(&si(0xac, mask, displacement, base));
    }

    /// Signal processor: order code in `displacement`.
    pub fn sigp(&mut self, status: Gr, cpu: Gr, order: u16) {
        self.emit(&rs(0xae, status, cpu, order, Gr::R0));
    }

    /// Move `length` bytes, 1 to 256; both operands are displacement and base.
    pub fn mvc(&mut self, length: u16, to: (u16, Gr), from: (u16, Gr)) {
        self.emit(&ss(0xd2, length, to, from));
    }

    /// Load access registers.
    pub fn lam(&mut self, first: Gr, last: Gr, displacement: u16, base: Gr) {
        self.emit(&rs(0x9a, first, last, displacement, base));
    }

    /// Supervisor call.
    pub fn svc(&mut self, number: u8) {
        self.emit(&[0x0a, number]);
    }
}
