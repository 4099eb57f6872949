//! One case: an instruction, its operands and its payload.

use serde::{Deserialize, Serialize};

/// Which instruction a case executes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Instruction {
    /// Store block.
    Pcistb,
    /// Store 1 to 8 bytes of a register.
    Pcistg,
    /// Load 1 to 8 bytes into a register.
    Pcilg,
    /// Store block, MIO form.
    Pcistbi,
    /// Store, MIO form.
    Pcistgi,
    /// Load, MIO form.
    Pcilgi,
    /// MIO write barrier.
    Pciwb,
    /// Refresh translations.
    Rpcit,
    /// Modify function controls.
    Mpcifc,
}

impl Instruction {
    /// The conventional mnemonic, in lower case.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcistb => "pcistb",
            Self::Pcistg => "pcistg",
            Self::Pcilg => "pcilg",
            Self::Pcistbi => "pcistbi",
            Self::Pcistgi => "pcistgi",
            Self::Pcilgi => "pcilgi",
            Self::Pciwb => "pciwb",
            Self::Rpcit => "rpcit",
            Self::Mpcifc => "mpcifc",
        }
    }

    /// Whether it belongs to the memory I/O facility, which ISM functions do not offer.
    #[must_use]
    pub const fn is_mio(self) -> bool {
        matches!(
            self,
            Self::Pcistbi | Self::Pcistgi | Self::Pcilgi | Self::Pciwb
        )
    }

    /// Whether its second operand is a block in guest memory.
    #[must_use]
    pub const fn has_block(self) -> bool {
        matches!(self, Self::Pcistb | Self::Pcistbi | Self::Mpcifc)
    }
}

/// What a case's offset counts from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// The start of the address space.
    #[default]
    Space,
    /// The token of the DMB that the probe registered: where its first byte lies in BAR 0.
    Dmb,
}

/// Which function handle the instruction names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Handle {
    /// The enabled handle that CLP returned.
    #[default]
    Enabled,
    /// The same with its enable bit clear.
    Disabled,
    /// An enabled handle of no function.
    Unknown,
    /// Zero.
    Zero,
}

/// The bytes a store carries, or the control block of MPCIFC.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Payload {
    /// The pattern of [`crate::pattern`], tagged with the case's place in the plan.
    #[default]
    Pattern,
    /// These bytes.
    Bytes(Vec<u8>),
}

/// A value known only when the probe runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variable {
    /// The function's own GID, as READ_GID told.
    Gid,
    /// The token of the DMB that the set-up registered.
    Token,
    /// A value that an earlier case kept with `save`.
    Saved,
}

/// Replaces eight bytes of a payload by a variable before the instruction runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// Which value.
    pub value: Variable,
    /// At which byte of the payload.
    pub at: usize,
}

/// Which way of issuing commands worked during set-up; a case can be limited to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Carrier {
    /// PCISTB of 8 bytes reached the device as it should.
    Block,
    /// It did not; commands go by PCISTG.
    Plain,
}

/// One instruction of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Case {
    /// Name, unique in the plan.
    pub id: String,
    /// What it is a case of; reports group by it.
    pub group: String,
    /// What to execute.
    pub instruction: Instruction,
    /// Address space: a BAR number, or 15 for config space.
    #[serde(default, skip_serializing_if = "is_default")]
    pub space: u8,
    /// What `offset` counts from.
    #[serde(default, skip_serializing_if = "is_default")]
    pub base: Base,
    /// Offset in the address space; the start of an RPCIT; the I/O address of an MIO form.
    #[serde(default, skip_serializing_if = "is_default")]
    pub offset: u64,
    /// Bytes to move; the range of an RPCIT.
    #[serde(default, skip_serializing_if = "is_default")]
    pub length: u64,
    /// Where the block starts within its 4 KiB guest page.
    #[serde(default, skip_serializing_if = "is_default")]
    pub source: u16,
    /// Function handle.
    #[serde(default, skip_serializing_if = "is_default")]
    pub handle: Handle,
    /// Bytes to store: `"pattern"`, or hexadecimal digits.
    #[serde(default, skip_serializing_if = "is_default", with = "super::hex")]
    pub payload: Payload,
    /// Part of the payload that only the running probe knows.
    #[serde(default, skip_serializing_if = "is_default")]
    pub patch: Option<Patch>,
    /// MPCIFC operation code.
    #[serde(default, skip_serializing_if = "is_default")]
    pub operation: u8,
    /// Uses an odd register where an even one of a pair is due.
    #[serde(default, skip_serializing_if = "is_default")]
    pub odd_register: bool,
    /// Runs right after the case before it, with no fence between.
    #[serde(default, skip_serializing_if = "is_default")]
    pub joined: bool,
    /// Runs only when commands go this way.
    #[serde(default, skip_serializing_if = "is_default")]
    pub only: Option<Carrier>,
    /// Keeps the loaded register as the variable `saved`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub save: bool,
    /// Takes and forgets earlier adapter interrupts before the instruction runs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub clear_interrupts: bool,
    /// Opens the guest for adapter interrupts afterwards and expects one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub await_interrupt: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Case {
    /// A case with everything but its name, group and instruction at the default.
    #[must_use]
    pub fn new(id: impl Into<String>, group: impl Into<String>, instruction: Instruction) -> Self {
        Self {
            id: id.into(),
            group: group.into(),
            instruction,
            space: 0,
            base: Base::Space,
            offset: 0,
            length: 0,
            source: 0,
            handle: Handle::Enabled,
            payload: Payload::Pattern,
            patch: None,
            operation: 0,
            odd_register: false,
            joined: false,
            only: None,
            save: false,
            clear_interrupts: false,
            await_interrupt: false,
        }
    }

    /// How many bytes of the case lie in guest memory or a register.
    #[must_use]
    pub fn payload_length(&self) -> usize {
        match (&self.payload, self.instruction) {
            (Payload::Bytes(bytes), _) => bytes.len(),
            (Payload::Pattern, Instruction::Mpcifc) => 80,
            (Payload::Pattern, Instruction::Pcistb | Instruction::Pcistbi) => {
                usize::try_from(self.length.min(8192)).unwrap_or(8192)
            }
            (Payload::Pattern, Instruction::Pcistg | Instruction::Pcistgi) => 8,
            (Payload::Pattern, _) => 0,
        }
    }

    /// The payload before patching; `tag` is the case's place in the plan.
    #[must_use]
    pub fn payload_bytes(&self, tag: u32) -> Vec<u8> {
        match &self.payload {
            Payload::Bytes(bytes) => bytes.clone(),
            Payload::Pattern => crate::pattern::payload(tag, self.payload_length()),
        }
    }

    /// The register a plain store takes its value from: the payload's first `length` bytes, right-aligned, below bytes that
    /// must not reach the device.
    #[must_use]
    pub fn register_value(&self, tag: u32) -> u64 {
        let bytes = self.payload_bytes(tag);
        let length = usize::try_from(self.length.min(8)).unwrap_or(8);
        bytes
            .iter()
            .take(length)
            .fold(0xeeee_eeee_eeee_eeee, |value: u64, byte| {
                (value << 8) | u64::from(*byte)
            })
    }
}
