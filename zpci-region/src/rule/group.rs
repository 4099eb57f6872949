//! Families of rules.

/// Families of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Shape of one access, or of a run of pieces.
    Shape,
    /// Order of stores and loads that make up a command.
    Command,
    /// Order and target of data moves.
    Data,
    /// Opt-in: what SMC-D puts into a DMB.
    Smcd,
}

impl Group {
    /// Name in lists and profiles.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Shape => "shape",
            Group::Command => "command",
            Group::Data => "data",
            Group::Smcd => "smcd",
        }
    }
}
