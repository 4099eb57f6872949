//! The general registers of s390x.

/// A general register, 0 to 15.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gr(u8);

impl Gr {
    /// Register 0. As a base or index register it means "none".
    pub const R0: Self = Self(0);
    /// Register 1, free for scratch values by convention.
    pub const R1: Self = Self(1);
    /// Register 2, the first argument and the result by convention.
    pub const R2: Self = Self(2);
    /// Register 3, the second argument by convention.
    pub const R3: Self = Self(3);
    /// Register 4, the third argument by convention.
    pub const R4: Self = Self(4);
    /// Register 5, the fourth argument by convention.
    pub const R5: Self = Self(5);
    /// Register 6, the fifth argument by convention; a callee preserves it.
    pub const R6: Self = Self(6);
    /// Register 7; a callee preserves it by convention.
    pub const R7: Self = Self(7);
    /// Register 8; a callee preserves it by convention.
    pub const R8: Self = Self(8);
    /// Register 9; a callee preserves it by convention.
    pub const R9: Self = Self(9);
    /// Register 10; a callee preserves it by convention.
    pub const R10: Self = Self(10);
    /// Register 11; a callee preserves it by convention.
    pub const R11: Self = Self(11);
    /// Register 12; a callee preserves it by convention.
    pub const R12: Self = Self(12);
    /// Register 13; a callee preserves it by convention.
    pub const R13: Self = Self(13);
    /// Register 14, the link register by convention.
    pub const R14: Self = Self(14);
    /// Register 15, the stack pointer by convention.
    pub const R15: Self = Self(15);

    /// The register's number, 0 to 15.
    pub const fn number(self) -> u8 {
        self.0
    }
}
