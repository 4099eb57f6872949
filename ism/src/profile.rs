//! A device profile as written: the one module that has its format, for readers and writers. With the
//! feature `schema` its JSON schema is derived from these types.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zpci_region::{CarrierPolicy, Severity};

use crate::fault::Fault;

/// The version of the profile format.
pub const SCHEMA_VERSION: u32 = 1;

/// A device profile.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Version of the profile format: 1.
    pub schema_version: u32,
    /// A name for logs and reports.
    pub name: String,
    /// The purpose of the profile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Settings of every function. A function's own settings take precedence.
    #[serde(default, skip_serializing_if = "is_default")]
    pub device: DeviceSettings,
    /// Severity by rule id, or by group (`shape`, `command`, `data`, `smcd`). The entry of a rule takes
    /// precedence over that of its group.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<String, Severity>,
    /// The functions of the fabric, in order.
    pub functions: Vec<FunctionSettings>,
    /// Faults that the functions have on purpose, in the order in which they get a chance to act.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<Fault>,
}

/// One function of the fabric.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct FunctionSettings {
    /// Name in events, reports and of the socket (`DIR/NAME.sock`): letters, digits, `-`, `_`.
    pub name: String,
    /// GID, 64 bits, as `0x` and hexadecimal digits. Not zero, and unique in the fabric.
    pub gid: String,
    /// Socket file name below `--socket-dir`, instead of `NAME.sock`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket: Option<String>,
    /// Settings that differ from the profile's.
    #[serde(default, skip_serializing_if = "is_default")]
    pub device: DeviceSettings,
    /// Severities that differ from the profile's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub rules: BTreeMap<String, Severity>,
}

/// The settings of a function. All are optional.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DeviceSettings {
    /// Max store block length that CLP reports, in bytes, 8..=4096. Default 4096.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 8, max = 4096)))]
    pub max_store_block_length: Option<u16>,
    /// True if PCISTB is relaxed: any length and alignment within 4 KiB. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relaxed: Option<bool>,
    /// Ways of storing that the rules accept. Default: both; an empty list disables the rules about them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contracts: Option<Vec<Contract>>,
    /// The place where a request of the zPCI I/O region has its bytes. Default `auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_carrier: Option<CarrierPolicy>,
    /// True if the function has an MSI-X capability besides MSI. QEMU's s390x machine refuses a function
    /// without it; the real ISM has none. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msix: Option<bool>,
    /// PCI class code: `0x` and six hexadecimal digits, two each for base class, sub-class and interface.
    /// Default 0x000000, like the real function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^0x[0-9a-fA-F]{6}$")))]
    pub class_code: Option<String>,
    /// Size of BAR 0 as a power of two, 33..=48 (tokens start at bit 32). Default 48 (256 TiB, like the real
    /// function).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 33, max = 48)))]
    pub data_bar_bits: Option<u8>,
    /// Channel path id (PCHID) that CLP reports: equal for all functions of one fabric. Default 0x07c0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pchid: Option<u16>,
    /// PNETID of the function's port, at most 16 characters of A-Z and 0-9. The CLP utility string carries
    /// it. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pnetid: Option<String>,
}

/// A way of storing a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Contract {
    /// Each request through the zPCI I/O region is one PCISTB.
    Region,
    /// Each BAR write is one PCISTB.
    Bar,
}

fn is_default(settings: &DeviceSettings) -> bool {
    *settings == DeviceSettings::default()
}
