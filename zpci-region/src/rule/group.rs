//! The groups of rules, by subject.

/// A group of rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Group {
    /// Rules about the shape of one access, or of a run of pieces.
    Shape,
    /// Rules about the stores and loads that make up a command.
    Command,
    /// Rules about order and target of data moves.
    Data,
    /// Optional rules about the bytes that SMC-D puts into a DMB.
    Smcd,
}

impl Group {
    /// The group's name in lists and profiles.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Shape => "shape",
            Group::Command => "command",
            Group::Data => "data",
            Group::Smcd => "smcd",
        }
    }
}
