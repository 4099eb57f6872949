//! The verdicts on an instruction.

use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

/// A verdict on an instruction. A case can have several, for example split and reversed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Verdict {
    /// QEMU ended while it executed the instruction.
    Crashed,
    /// The instruction did not end.
    Hung,
    /// Bytes or an interrupt did not arrive.
    Lost,
    /// Bytes changed in another way than reversal, arrived twice, or an access arrived that the guest did not
    /// make.
    Altered,
    /// One access carried bytes of more than one instruction.
    Merged,
    /// The accesses arrived in another order than the guest executed them.
    Reordered,
    /// The bytes arrived in several accesses.
    Split,
    /// Bytes arrived in reverse order.
    Reversed,
    /// Another function than the named one saw the access.
    WrongFunction,
    /// QEMU refused a correct instruction, or refused a wrong one in the wrong way.
    RefusedWrongly,
    /// The device accepted the access, but the guest got an error.
    DeliveredButRefused,
    /// QEMU did not refuse the instruction, or the device saw an access that it should not see.
    AcceptedWrongly,
    /// CLP, STPCIFC or an error event told the guest something wrong.
    ToldWrongly,
    /// A register changed that must not, or got a wrong value.
    WrongRegister,
    /// A block store that arrived as one access with the right bytes.
    Whole,
    /// Another instruction was carried out correctly.
    AsSpecified,
    /// The case did not run: its condition does not hold.
    NotRun,
}

impl Verdict {
    /// All verdicts, in the order of reports.
    pub const ALL: [Self; 17] = [
        Self::Crashed,
        Self::Hung,
        Self::Whole,
        Self::AsSpecified,
        Self::Split,
        Self::Reversed,
        Self::Altered,
        Self::Reordered,
        Self::Merged,
        Self::Lost,
        Self::WrongFunction,
        Self::RefusedWrongly,
        Self::DeliveredButRefused,
        Self::AcceptedWrongly,
        Self::ToldWrongly,
        Self::WrongRegister,
        Self::NotRun,
    ];

    /// Name in reports.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The names of several verdicts.
    pub(crate) fn names(verdicts: &[Self], between: &str) -> String {
        let names: Vec<&str> = verdicts.iter().map(|verdict| verdict.name()).collect();
        names.join(between)
    }

    /// Whether the verdict is a good one.
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Whole | Self::AsSpecified | Self::NotRun)
    }
}
