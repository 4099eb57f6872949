//! One case: an instruction, its operands and its payload.

use super::fact::Fact;
use super::instruction::Instruction;
use super::payload::Payload;
use crate::probe::fib;
use serde::{Deserialize, Serialize};

/// Bytes of a CHSC command block.
pub const CHSC_BLOCK: usize = 4096;

/// The start of a case's offset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Base {
    /// The start of the address space.
    #[default]
    Space,
    /// The token of the DMB that the probe registered, which is the offset of its first byte in BAR 0.
    Dmb,
}

/// The function handle that the instruction names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Handle {
    /// The enabled handle that CLP returned.
    #[default]
    Enabled,
    /// The enabled handle with its enable bit cleared.
    Disabled,
    /// An enabled handle of no function.
    Unknown,
    /// The enabled handle with other instance bits: the same function before it was plugged in again.
    Stale,
    /// Zero.
    Zero,
}

/// A value that is known only while the probe runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Variable {
    /// The function's own GID, from READ_GID.
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

/// The address space of the instruction's block, and the mode of the CPU.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Translation {
    /// Dynamic address translation is off, so addresses are real.
    #[default]
    Off,
    /// Primary space.
    Primary,
    /// Access registers. The block's register names the secondary space.
    AccessRegister,
    /// Secondary space.
    Secondary,
    /// Home space.
    Home,
}

impl Translation {
    /// The address-space control of the PSW, if translation is on.
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

/// The state of the block's guest memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operand {
    /// The memory is there.
    #[default]
    Present,
    /// The memory lies after the end of guest memory.
    Absent,
    /// The page is invalid. Needs translation.
    PageMissing,
    /// The segment is invalid. Needs translation.
    SegmentMissing,
    /// The block crosses a page, and the second page is missing.
    SecondPageMissing,
    /// The page is write-protected. Needs translation.
    WriteProtected,
}

/// Puts a variable into eight bytes of a payload before the instruction runs. A handle or a group replaces
/// only its own bytes, not those after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// The value.
    pub value: Variable,
    /// Offset in the payload.
    pub at: usize,
}

/// The condition for a case to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Only {
    /// PCISTB of 8 bytes works.
    Block,
    /// PCISTB of 8 bytes does not work.
    Plain,
    /// QEMU itself executes the instructions, not a plugin in its place.
    Unforwarded,
    /// The CPU has access-register mode. QEMU's software emulation lacks it, and aborts when a guest enters
    /// that mode.
    AccessRegisters,
}

impl Only {
    /// The reason why a case with this condition did not run.
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

/// The way of issuing commands that worked in the set-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Carrier {
    /// PCISTB of 8 bytes, which reached the device correctly.
    Block,
    /// PCISTG, because PCISTB did not work.
    Plain,
}

/// One instruction of a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Case {
    /// Name of the case, unique in the plan.
    pub id: String,
    /// Group of the case in reports.
    pub group: String,
    /// The instruction.
    pub instruction: Instruction,
    /// Number of the function in the guest, from 0.
    #[serde(default, skip_serializing_if = "is_default")]
    pub function: u8,
    /// Address space: a BAR number, or 15 for config space. For an MPCIFC or STPCIFC, the DMA address space.
    #[serde(default, skip_serializing_if = "is_default")]
    pub space: u8,
    /// The start of `offset`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub base: Base,
    /// Offset in the address space. For an RPCIT, the start of the range. For an MIO form, the I/O address.
    #[serde(default, skip_serializing_if = "is_default")]
    pub offset: u64,
    /// Number of bytes. For an RPCIT, the length of the range.
    #[serde(default, skip_serializing_if = "is_default")]
    pub length: u64,
    /// Offset of the block within its 4 KiB guest page.
    #[serde(default, skip_serializing_if = "is_default")]
    pub source: u16,
    /// The displacement that the instruction adds to the block's address, -524,288 to 524,287.
    #[serde(default, skip_serializing_if = "is_default")]
    pub displacement: i32,
    /// The mode of address translation for the block.
    #[serde(default, skip_serializing_if = "is_default")]
    pub translation: Translation,
    /// The state of the block's memory.
    #[serde(default, skip_serializing_if = "is_default")]
    pub operand: Operand,
    /// Whether the instruction runs in problem state, in which no zPCI instruction is permitted.
    #[serde(default, skip_serializing_if = "is_default")]
    pub problem_state: bool,
    /// The function handle.
    #[serde(default, skip_serializing_if = "is_default")]
    pub handle: Handle,
    /// Bytes to store: `"pattern"`, or hexadecimal digits.
    #[serde(default, skip_serializing_if = "is_default")]
    pub payload: Payload,
    /// A value that only the running probe knows, for a part of the payload.
    #[serde(default, skip_serializing_if = "is_default")]
    pub patch: Option<Patch>,
    /// MPCIFC operation code.
    #[serde(default, skip_serializing_if = "is_default")]
    pub operation: u8,
    /// The fact that the response to a CLP call must tell.
    #[serde(default, skip_serializing_if = "is_default")]
    pub fact: Option<Fact>,
    /// Expected response code of a CLP call [default: 16, success].
    #[serde(default, skip_serializing_if = "is_default")]
    pub response: Option<u16>,
    /// Whether the instruction uses an odd register in place of the even one of a pair.
    #[serde(default, skip_serializing_if = "is_default")]
    pub odd_register: bool,
    /// Whether the case follows the previous one directly, without a fence.
    #[serde(default, skip_serializing_if = "is_default")]
    pub joined: bool,
    /// The condition for the case to run.
    #[serde(default, skip_serializing_if = "is_default")]
    pub only: Option<Only>,
    /// Whether to keep the loaded register as the variable `saved`. For a CLP call, keeps the handle of the
    /// response as the function's handle.
    #[serde(default, skip_serializing_if = "is_default")]
    pub save: bool,
    /// Whether to take and forget earlier adapter interrupts before the instruction.
    #[serde(default, skip_serializing_if = "is_default")]
    pub clear_interrupts: bool,
    /// Whether to expect an adapter interrupt after the instruction.
    #[serde(default, skip_serializing_if = "is_default")]
    pub await_interrupt: bool,
    /// Whether to wait for an update of the function measurement block after the instruction, and to compare
    /// its counters.
    #[serde(default, skip_serializing_if = "is_default")]
    pub await_measurement: bool,
}

/// Whether a field is as by default, so that a file leaves it out.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl Case {
    /// The displacement of the block in the machine code, if the instruction has one.
    pub fn block_displacement(&self) -> i32 {
        if self.instruction.size() == 6 {
            self.displacement
        } else {
            0
        }
    }

    /// Text about the special features of function, CPU and block. Empty if there are none.
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

    /// A case with defaults for everything except its name, group and instruction.
    pub fn new(id: impl Into<String>, group: impl Into<String>, instruction: Instruction) -> Self {
        Self {
            id: id.into(),
            group: group.into(),
            instruction,
            ..Self::default()
        }
    }

    /// The number of the case's bytes in guest memory or in a register.
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

    /// The payload before patching. `tag` is the case's index in the plan.
    pub fn payload_bytes(&self, tag: u32) -> Vec<u8> {
        match &self.payload {
            Payload::Bytes(bytes) => bytes.clone(),
            // These bytes show what STPCIFC does not write.
            Payload::Pattern if self.instruction == Instruction::Stpcifc => vec![0xee; fib::LENGTH],
            Payload::Pattern => crate::pattern::payload(tag, self.payload_length()),
        }
    }

    /// The register value of a plain store: the payload's first `length` bytes, right-aligned. The bytes
    /// before them must not reach the device.
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
