//! One case: an instruction, its operands and its payload.

use super::fact::Fact;
use super::instruction::Instruction;
use super::payload::Payload;
use crate::probe::fib;
use serde::{Deserialize, Serialize};

/// Bytes of a CHSC command block.
pub const CHSC_BLOCK: usize = 4096;

/// The origin of a case's offset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// The start of the address space.
    #[default]
    Space,
    /// The token of the DMB that the probe registered: where its first byte lies in BAR 0.
    Dmb,
}

/// The function handle that the instruction names.
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
    /// A handle that differs from the enabled one in its instance bits only: of the same function before it was plugged
    /// in again.
    Stale,
    /// Zero.
    Zero,
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
    /// The function's handle, in the first four bytes.
    Handle,
    /// The number of the function's group, in the fourth byte.
    Group,
}

/// The address space in which the instruction's block is found, and the mode of the CPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Translation {
    /// Dynamic address translation is off: addresses are real.
    #[default]
    Off,
    /// Primary space.
    Primary,
    /// Access registers; the block's register names the secondary space.
    AccessRegister,
    /// Secondary space.
    Secondary,
    /// Home space.
    Home,
}

impl Translation {
    /// The address-space control of the PSW, if translation is on.
    #[must_use]
    pub const fn control(self) -> Option<u8> {
        match self {
            Self::Off => None,
            Self::Primary => Some(0),
            Self::AccessRegister => Some(1),
            Self::Secondary => Some(2),
            Self::Home => Some(3),
        }
    }
}

/// The fault of the instruction's block in guest memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operand {
    /// Nothing.
    #[default]
    Present,
    /// It lies beyond the end of guest memory.
    Absent,
    /// Its page is invalid. Needs translation.
    PageMissing,
    /// Its segment is invalid. Needs translation.
    SegmentMissing,
    /// It crosses a page, and the second one is not there.
    SecondPageMissing,
    /// Its page must not be written to. Needs translation.
    WriteProtected,
}

/// Puts a variable in the place of eight bytes of a payload before the instruction runs. What the payload has there behind
/// a handle or a group stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// The value.
    pub value: Variable,
    /// At which byte of the payload.
    pub at: usize,
}

/// The time when a case runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Only {
    /// PCISTB of 8 bytes works.
    Block,
    /// It does not.
    Plain,
    /// QEMU itself executes the instructions, not a plugin in its place.
    Unforwarded,
    /// The CPU has access-register mode. QEMU's software emulation does not: it ends when a guest enters that mode.
    AccessRegisters,
}

impl Only {
    /// The reason why such a case did not run.
    #[must_use]
    pub fn why_not(self) -> &'static str {
        match self {
            Self::Block => "commands go by PCISTG here, as PCISTB of 8 bytes does not work",
            Self::Plain => "commands go by PCISTB here",
            Self::Unforwarded => "the plugin executes such instructions in the place of QEMU",
            Self::AccessRegisters => {
                "it needs access-register mode, and QEMU's software emulation aborts when a guest enters it, saying \
                 \"guest switched to unknown asc mode\" (KVM has the mode; --access-registers tries it anyway)"
            }
        }
    }
}

/// The way of issuing commands that worked during set-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Carrier {
    /// PCISTB of 8 bytes reached the device as it should.
    Block,
    /// It did not; commands go by PCISTG.
    Plain,
}

/// One instruction of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Case {
    /// Name, unique in the plan.
    pub id: String,
    /// The group in reports.
    pub group: String,
    /// The instruction.
    pub instruction: Instruction,
    /// The function, by its number in the guest, from 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub function: u8,
    /// Address space: a BAR number, or 15 for config space; the DMA address space of an MPCIFC or STPCIFC.
    #[serde(default, skip_serializing_if = "is_default")]
    pub space: u8,
    /// The origin of `offset`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub base: Base,
    /// Offset in the address space; the start of an RPCIT; the I/O address of an MIO form.
    #[serde(default, skip_serializing_if = "is_default")]
    pub offset: u64,
    /// Bytes to move; the range of an RPCIT.
    #[serde(default, skip_serializing_if = "is_default")]
    pub length: u64,
    /// The place where the block starts within its 4 KiB guest page.
    #[serde(default, skip_serializing_if = "is_default")]
    pub source: u16,
    /// The displacement that the instruction adds to the block's address, -524,288 to 524,287.
    #[serde(default, skip_serializing_if = "is_default")]
    pub displacement: i32,
    /// The place where the block's address leads.
    #[serde(default, skip_serializing_if = "is_default")]
    pub translation: Translation,
    /// The fault of the block.
    #[serde(default, skip_serializing_if = "is_default")]
    pub operand: Operand,
    /// Runs in problem state, in which no zPCI instruction may be executed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub problem_state: bool,
    /// Function handle.
    #[serde(default, skip_serializing_if = "is_default")]
    pub handle: Handle,
    /// Bytes to store: `"pattern"`, or hexadecimal digits.
    #[serde(default, skip_serializing_if = "is_default")]
    pub payload: Payload,
    /// Part of the payload that only the running probe knows.
    #[serde(default, skip_serializing_if = "is_default")]
    pub patch: Option<Patch>,
    /// MPCIFC operation code.
    #[serde(default, skip_serializing_if = "is_default")]
    pub operation: u8,
    /// The facts that the response to a CLP call must contain.
    #[serde(default, skip_serializing_if = "is_default")]
    pub fact: Option<Fact>,
    /// Response code of a CLP call [default: 16, carried out].
    #[serde(default, skip_serializing_if = "is_default")]
    pub response: Option<u16>,
    /// Uses an odd register where an even one of a pair is due.
    #[serde(default, skip_serializing_if = "is_default")]
    pub odd_register: bool,
    /// Runs right after the case before it, with no fence between.
    #[serde(default, skip_serializing_if = "is_default")]
    pub joined: bool,
    /// Runs only then.
    #[serde(default, skip_serializing_if = "is_default")]
    pub only: Option<Only>,
    /// Keeps the loaded register as the variable `saved`; of a CLP call, the handle in the response as the function's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub save: bool,
    /// Takes and forgets earlier adapter interrupts before the instruction runs.
    #[serde(default, skip_serializing_if = "is_default")]
    pub clear_interrupts: bool,
    /// Opens the guest for adapter interrupts afterwards and expects one.
    #[serde(default, skip_serializing_if = "is_default")]
    pub await_interrupt: bool,
    /// Waits for an update of the function measurement block afterwards, and compares its counters.
    #[serde(default, skip_serializing_if = "is_default")]
    pub await_measurement: bool,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Case {
    /// The machine code's displacement of the block, if the instruction has one.
    #[must_use]
    pub fn block_displacement(&self) -> i32 {
        if self.instruction.size() == 6 {
            self.displacement
        } else {
            0
        }
    }

    /// The special features of function, CPU and block, in words for a report. Empty if there are none.
    #[must_use]
    pub fn surroundings(&self) -> String {
        let mut text = String::new();
        if self.function > 0 {
            text.push_str(", second function");
        }
        if self.problem_state {
            text.push_str(", problem state");
        }
        text.push_str(match self.translation {
            Translation::Off => "",
            Translation::Primary => ", primary space",
            Translation::AccessRegister => ", access register",
            Translation::Secondary => ", secondary space",
            Translation::Home => ", home space",
        });
        text.push_str(match self.operand {
            Operand::Present => "",
            Operand::Absent => ", block beyond memory",
            Operand::PageMissing => ", page invalid",
            Operand::SegmentMissing => ", segment invalid",
            Operand::SecondPageMissing => ", second page not there",
            Operand::WriteProtected => ", page protected",
        });
        if self.displacement != 0 {
            text.push_str(&format!(", displacement {}", self.displacement));
        }
        text
    }

    /// A case with everything but its name, group and instruction at the default.
    #[must_use]
    pub fn new(id: impl Into<String>, group: impl Into<String>, instruction: Instruction) -> Self {
        Self {
            id: id.into(),
            group: group.into(),
            instruction,
            ..Self::default()
        }
    }

    /// The number of the case's bytes in guest memory or a register.
    #[must_use]
    pub fn payload_length(&self) -> usize {
        match (&self.payload, self.instruction) {
            (Payload::Bytes(bytes), _) => bytes.len(),
            (Payload::Pattern, Instruction::Mpcifc | Instruction::Stpcifc) => fib::LENGTH,
            (Payload::Pattern, Instruction::Sic) => 8,
            (Payload::Pattern, Instruction::Chsc) => CHSC_BLOCK,
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
            // What STPCIFC does not write shows by these bytes.
            Payload::Pattern if self.instruction == Instruction::Stpcifc => vec![0xee; fib::LENGTH],
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
