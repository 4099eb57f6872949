//! Records of the plugin: one JSON object for each line. `plugin/README.md` describes them.
//!
//! Every line has `schema_version` and `kind`. Numbers that may need 64 bits (addresses, offsets,
//! register values) are strings of the form `0x...`, so that no JSON reader rounds them; byte runs
//! are strings of lower-case hex digits in memory order.

use std::borrow::Cow;

use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The version of the line format.
pub const SCHEMA_VERSION: u32 = 1;

/// A number written as `0x` and at least `DIGITS` lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex<const DIGITS: usize>(pub u64);

impl<const DIGITS: usize> Serialize for Hex<DIGITS> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:#0width$x}", self.0, width = DIGITS + 2))
    }
}

impl<'de, const DIGITS: usize> Deserialize<'de> for Hex<DIGITS> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = Cow::<str>::deserialize(from)?;
        let number = text.strip_prefix("0x");
        number
            .and_then(|digits| u64::from_str_radix(digits, 16).ok())
            .map(Self)
            .ok_or_else(|| D::Error::custom(format_args!("{text:?}, expected 0x and digits")))
    }
}

/// A byte run written as hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct HexBytes(#[serde(deserialize_with = "crate::bytes")] pub Vec<u8>);

impl Serialize for HexBytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&const_hex::encode(&self.0))
    }
}

/// One executed instruction: operands before, outcome after.
///
/// `None` becomes `null` for fields that every instruction has. Fields that only some instructions have are
/// left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Number of the instruction in the order of execution, over all vCPUs, from 0. A line is written when
    /// its outcome is known, so lines of two vCPUs may be out of this order.
    pub seq: u64,
    /// QEMU's index of the vCPU.
    pub vcpu: u32,
    /// The mnemonic, in lower case.
    pub insn: Cow<'static, str>,
    /// The bytes of the instruction.
    pub opcode: HexBytes,
    /// Virtual address of the instruction.
    pub psw_addr: Hex<16>,
    /// The operands before execution.
    #[serde(flatten)]
    pub operands: Operands,
    /// The outcome of the instruction.
    #[serde(flatten)]
    pub result: InstructionResult,
    /// True if the function's server carried the instruction out, not QEMU.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forwarded: bool,
}

/// The operands, read before the instruction executes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operands {
    /// The function handle.
    pub handle: Option<Hex<8>>,
    /// PCI address space: 0 to 5 is a BAR, 15 configuration space. For function controls, the DMA address
    /// space.
    pub pcias: Option<u8>,
    /// Offset in the PCI address space, or start of the DMA range.
    pub offset: Option<Hex<1>>,
    /// Length in bytes as the guest gave it, unchecked; 16 bits wide in a request register.
    pub length: Option<u64>,
    /// The bytes that the guest stores: the source block, the low `length` bytes of the data register (all 8
    /// if `length` is 0 or above 8), or a function information block. `null` if a page is missing. For
    /// STPCIFC, the bytes that QEMU stored, read afterwards.
    pub bytes: Option<HexBytes>,
    /// The whole register that holds handle, address space and length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Hex<16>>,
    /// Guest address of the storage operand, or of the CLP request block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Hex<1>>,
    /// I/O address of the MIO instructions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub io_address: Option<Hex<1>>,
    /// MPCIFC operation control, 0 to 255; SIC operation control, 0 to 65535.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<u16>,
    /// Interruption subclass of SIC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub isc: Option<u8>,
    /// Logical processor of CLP: 0 base, 2 PCI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor: Option<u8>,
    /// CLP command code, from the request block.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Hex<4>>,
    /// CLP request block, with the length in its own header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clp_request: Option<HexBytes>,
    /// CLP response block, with the length in its own header, read after condition code 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clp_response: Option<HexBytes>,
}

/// The outcome of an instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstructionResult {
    /// The kind of outcome, which decides the fields that are present.
    pub outcome: Outcome,
    /// Condition code; `null` for instructions that set none.
    pub cc: Option<u8>,
    /// Status byte of the request register, only with condition codes 1 and 2.
    pub status: Option<u8>,
    /// Loaded register after condition code 0: PCILG, PCILGI, CLP query of logical processors.
    pub value: Option<Hex<16>>,
    /// The program exception, if there was one.
    pub exception: Option<Exception>,
}

/// The kind of an outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The next instruction in storage was reached.
    Completed,
    /// The CPU recognized a program exception.
    Exception,
    /// The guest ended or went elsewhere before the outcome was seen.
    Unseen,
    /// An outcome of a newer plugin.
    #[serde(untagged)]
    Other(String),
}

impl Outcome {
    /// The name of the outcome in records.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Completed => "completed",
            Self::Exception => "exception",
            Self::Unseen => "unseen",
            Self::Other(name) => name,
        }
    }
}

impl InstructionResult {
    /// The result of an instruction whose outcome was not seen.
    #[must_use]
    pub const fn unseen() -> Self {
        Self {
            outcome: Outcome::Unseen,
            cc: None,
            status: None,
            value: None,
            exception: None,
        }
    }
}

/// A program exception, as the lowcore reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// Program interruption code; `null` if the lowcore could not be read.
    pub code: Option<u16>,
    /// Name of the code; `other` for codes that zPCI instructions are not known to cause.
    pub name: Cow<'static, str>,
}

impl Exception {
    /// Creates an exception with the name of its program interruption code (z/Architecture Principles of
    /// Operation, chapter 6).
    #[must_use]
    pub const fn new(code: Option<u16>) -> Self {
        let name = match code {
            None => "unknown",
            Some(0x01) => "operation",
            Some(0x02) => "privileged-operation",
            Some(0x04) => "protection",
            Some(0x05) => "addressing",
            Some(0x06) => "specification",
            Some(0x10) => "segment-translation",
            Some(0x11) => "page-translation",
            Some(0x15) => "operand",
            Some(0x39..=0x3B) => "region-translation",
            Some(_) => "other",
        };
        Self {
            code,
            name: Cow::Borrowed(name),
        }
    }
}

/// One line of the output file. `R` is a [`Record`], or a pointer to one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Line<'a, R = Box<Record>> {
    /// The first line: the writer of the file, and QEMU's properties.
    Start {
        /// Version of the plugin.
        plugin_version: Cow<'a, str>,
        /// Oldest and newest plugin API version that QEMU offers.
        qemu_api: [i32; 2],
        /// Architecture of the guest.
        target: Cow<'a, str>,
        /// Largest number of vCPUs of the machine.
        max_vcpus: u32,
    },
    /// An instruction that was executed.
    Insn(R),
    /// A problem: the plugin has stopped recording and the rest is missing, or the server of a function is
    /// gone.
    Problem {
        /// The problem, for people.
        message: Cow<'a, str>,
    },
    /// The last line, if QEMU ended by itself.
    End {
        /// Number of `insn` lines in the file.
        instructions: u64,
    },
    /// A line of a newer plugin.
    #[serde(other, skip_serializing)]
    Unknown,
}

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    #[serde(deserialize_with = "crate::version::<_, SCHEMA_VERSION>")]
    schema_version: u32,
    #[serde(flatten)]
    line: T,
}

impl<R: Serialize> Line<'_, R> {
    /// Returns the line as a JSON object, without a line end.
    ///
    /// # Errors
    /// The line is [`Line::Unknown`].
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&Versioned {
            schema_version: SCHEMA_VERSION,
            line: self,
        })
    }
}

impl<R: DeserializeOwned> Line<'static, R> {
    /// Reads a line, with or without its end.
    ///
    /// # Errors
    /// Text that is no JSON object with these fields, or has another version.
    pub fn read(line: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(line).map(|Versioned { line, .. }| line)
    }
}

#[cfg(test)]
mod tests;
