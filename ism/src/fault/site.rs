//! The places where a fault may act.

use serde::{Deserialize, Serialize};

/// A place where a fault may act. Each time that a function reaches it is one chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Site {
    /// The function's driver completed the header of a command.
    Command,
    /// The function's driver moves bytes into a DMB.
    Move,
    /// The device puts an event into the function's queue.
    Event,
    /// The device raises the function's interrupt.
    Interrupt,
    /// The client resets the function.
    Reset,
    /// The function's client sent a vfio-user message.
    Message,
}

impl Site {
    /// The place's name in profiles.
    pub const fn name(self) -> &'static str {
        match self {
            Site::Command => "command",
            Site::Move => "move",
            Site::Event => "event",
            Site::Interrupt => "interrupt",
            Site::Reset => "reset",
            Site::Message => "message",
        }
    }

    /// The keys of `on` that distinguish chances at this place, except `at` and `function`.
    pub(crate) const fn keys(self) -> &'static [&'static str] {
        match self {
            Site::Command => &["peer", "command", "token", "index"],
            Site::Move => &["peer", "token", "index", "signal"],
            Site::Event => &["peer", "event_type"],
            Site::Interrupt => &["peer"],
            Site::Reset => &[],
            Site::Message => &["message"],
        }
    }
}
