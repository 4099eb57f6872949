//! The results that an instruction can have.

use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

/// The result of an instruction. A case can have several, e.g. split and reversed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, IntoStaticStr,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Verdict {
    /// QEMU ended while it executed it.
    Crashed,
    /// It did not end.
    Hung,
    /// Bytes did not arrive, or an interrupt did not.
    Lost,
    /// Bytes changed in another way than reversal, or came twice, or an access came that the guest did not make.
    Altered,
    /// One access carried bytes of more than one instruction.
    Merged,
    /// Arrived in another order than executed.
    Reordered,
    /// Arrived in several accesses.
    Split,
    /// Bytes arrived in reverse order.
    Reversed,
    /// Another function saw it than the one that the guest named.
    WrongFunction,
    /// Must succeed, or be refused otherwise, and was refused.
    RefusedWrongly,
    /// The device took it, yet the guest got an error.
    DeliveredButRefused,
    /// Must be refused and was not.
    AcceptedWrongly,
    /// The guest was told something that is not so: by CLP, by STPCIFC, by an error event.
    ToldWrongly,
    /// A register changed that must not, or not as it should.
    WrongRegister,
    /// A block store that arrived as one access with the right bytes.
    Whole,
    /// Everything else that went as it should.
    AsSpecified,
    /// Not executed: meant for the other way of issuing commands.
    NotRun,
}

impl Verdict {
    /// All, in the order of reports.
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
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The names of several.
    #[must_use]
    pub(crate) fn names(verdicts: &[Self], between: &str) -> String {
        let names: Vec<&str> = verdicts.iter().map(|verdict| verdict.name()).collect();
        names.join(between)
    }

    /// Whether it is what should be.
    #[must_use]
    pub const fn is_good(self) -> bool {
        matches!(self, Self::Whole | Self::AsSpecified | Self::NotRun)
    }
}
