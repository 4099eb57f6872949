//! The actions that a fault can carry out.

use serde::{Deserialize, Serialize};

use super::number::Hex64;
use super::site::Site;

/// Longest delay, in milliseconds: longer than any client waits.
pub(crate) const MAX_MS: u32 = 600_000;
/// Largest number of repetitions.
pub(crate) const MAX_TIMES: u32 = 10_000;

/// The function that a fault hits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// The function that makes the access.
    #[default]
    Function,
    /// The other function. Nobody, if there is no other function.
    Peer,
}

/// The moment at which a fault hits a whole function.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// Before the access.
    #[default]
    Before,
    /// After the access.
    After,
}

/// The errno of a refused move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum MoveErrno {
    /// EIO (5): the instruction ends with a condition code.
    #[default]
    #[serde(rename = "EIO")]
    Eio,
    /// EFAULT (14): the memory cannot be reached.
    #[serde(rename = "EFAULT")]
    Efault,
    /// ENODEV (19): the function does not exist.
    #[serde(rename = "ENODEV")]
    Enodev,
    /// EINVAL (22): the request is invalid.
    #[serde(rename = "EINVAL")]
    Einval,
}

const fn one() -> u32 {
    1
}

const fn thousand() -> u32 {
    1000
}

/// The code "GID disabled", with which a function leaves.
const fn gid_disabled() -> u32 {
    7
}

/// The violations that a kind of fault may cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// No violation: client and device still agree.
    Nothing,
    /// Violations of rules about moves, by either function.
    Moves,
    /// Violations of any rule by the function that is hit, and of rules about moves by the other function:
    /// device and driver no longer agree on the registrations.
    Anything,
    /// Violations of any rule, by any function of the fabric.
    Everyone,
}

macro_rules! actions {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident $kind:literal $sites:ident $blame:ident {
            $( $(#[$attribute:meta])* $field:ident: $type:ty ),* $(,)?
        }
    )*) => {
        /// The action of a fault.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields)]
        pub enum Action {
            $(
                $(#[doc = $doc])+
                #[serde(rename = $kind)]
                $name { $( $(#[$attribute])* $field: $type ),* }
            ),*
        }

        impl Action {
            /// The names of all actions.
            pub const NAMES: &'static [&'static str] = &[$($kind),*];

            /// The action's name in profiles, events and reports.
            pub const fn name(&self) -> &'static str {
                match self { $(Action::$name { .. } => $kind),* }
            }

            /// The places where the action can occur.
            pub(crate) const fn sites(&self) -> &'static [Site] {
                match self { $(Action::$name { .. } => $sites),* }
            }

            /// The violations that the action may cause.
            pub const fn blame(&self) -> Blame {
                match self { $(Action::$name { .. } => Blame::$blame),* }
            }
        }
    };
}

const COMMAND: &[Site] = &[Site::Command];
const MOVE: &[Site] = &[Site::Move];
const EVENT: &[Site] = &[Site::Event];
const INTERRUPT: &[Site] = &[Site::Interrupt];
const MESSAGE: &[Site] = &[Site::Message];
/// The places at which the whole function can be hit. Actions with these places can also be injected at once.
const ANYWHERE: &[Site] = &[Site::Command, Site::Move, Site::Reset];

actions! {
    /// The response of the command has this code.
    Respond "respond" COMMAND Anything {
        /// The response code, 0 to 0xffff.
        code: u16,
        /// True if the command is carried out all the same.
        #[serde(default)]
        carried_out: bool,
    }
    /// The reply to the store that starts the command is delayed, and so is every later reply.
    LateResponse "late-response" COMMAND Nothing {
        /// Delay in milliseconds.
        ms: u32,
    }
    /// The command is carried out, and its response reads as one repeated byte.
    EmptyResponse "empty-response" COMMAND Anything {
        /// Number of loads of the header after which the response appears. Default: never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        loads: Option<u32>,
        /// The byte that the response consists of. Default 0.
        #[serde(default)]
        byte: u8,
    }
    /// The response's header has this length.
    ResponseLength "response-length" COMMAND Anything {
        /// The length, 0 to 0xffff.
        length: u16,
    }
    /// The command is neither carried out nor answered: the previous response stays.
    DropCommand "drop-command" COMMAND Anything {}
    /// The move is refused and has no effect.
    RefuseMove "refuse-move" MOVE Nothing {
        /// The errno of the reply. Default EIO.
        #[serde(default)]
        errno: MoveErrno,
    }
    /// The move and its signal are lost.
    LoseMove "lose-move" MOVE Moves {
        /// True if the store also fails, with EIO.
        #[serde(default)]
        error: bool,
    }
    /// The move and its signal are carried out later. Later moves overtake it.
    DelayMove "delay-move" MOVE Moves {
        /// Delay in milliseconds.
        ms: u32,
    }
    /// The signal comes first, the bytes later.
    LateData "late-data" MOVE Moves {
        /// Delay in milliseconds. With 0, the bytes come straight after the interrupt.
        #[serde(default)]
        ms: u32,
    }
    /// The signal arrives, the bytes do not.
    LoseData "lose-data" MOVE Moves {}
    /// Only the first bytes arrive, and then the signal.
    CutData "cut-data" MOVE Moves {
        /// Number of bytes that arrive.
        length: u32,
    }
    /// The device does not set the bit in the element mask.
    LoseMaskBit "lose-mask-bit" MOVE Moves {}
    /// The device does not set the bit of the DMB.
    LoseDmbBit "lose-dmb-bit" MOVE Moves {}
    /// The device does not set the summary bit.
    LoseSummaryBit "lose-summary-bit" MOVE Moves {}
    /// The device sets element mask and DMB bit of another DMB.
    WrongDmbBit "wrong-dmb-bit" MOVE Moves {
        /// SBA index of that DMB. Default: the neighbour's (the last bit of the index inverted).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<u32>,
    }
    /// The device repeats the signal: bits and interrupt.
    RepeatSignal "repeat-signal" MOVE Moves {
        /// Number of repetitions.
        #[serde(default = "one")]
        times: u32,
    }
    /// The device does not raise the interrupt.
    LoseInterrupt "lose-interrupt" INTERRUPT Nothing {}
    /// The device raises the interrupt again.
    RepeatInterrupt "repeat-interrupt" INTERRUPT Nothing {
        /// Number of repetitions.
        #[serde(default = "one")]
        times: u32,
    }
    /// The device raises the interrupt later.
    DelayInterrupt "delay-interrupt" INTERRUPT Nothing {
        /// Delay in milliseconds.
        ms: u32,
    }
    /// The event is lost, and its sender does not learn of it.
    LoseEvent "lose-event" EVENT Moves {}
    /// The queue counts as full: the event is lost, and SIGNAL_IEQ fails with code 0x000c.
    FullQueue "full-queue" EVENT Moves {}
    /// The event overwrites the one before it instead of taking the next slot.
    OverwriteEvent "overwrite-event" EVENT Moves {}
    /// The event has another type or code.
    ChangeEvent "change-event" EVENT Moves {
        /// The type. Default: the event's own.
        #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
        event_type: Option<u32>,
        /// The code. Default: the event's own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<u32>,
    }
    /// The device raises an interrupt for which nothing happened.
    SpuriousInterrupt "spurious-interrupt" ANYWHERE Nothing {
        /// The function that gets it.
        #[serde(default)]
        who: Who,
    }
    /// The device raises many interrupts for which nothing happened.
    InterruptStorm "interrupt-storm" ANYWHERE Nothing {
        /// Number of interrupts. Default 1000.
        #[serde(default = "thousand")]
        times: u32,
        /// Milliseconds between two interrupts. With 0, all come at once.
        #[serde(default)]
        interval_ms: u32,
        /// The function that gets them.
        #[serde(default)]
        who: Who,
    }
    /// The device sends GID events, with one interrupt for all of them.
    GidEvent "gid-event" ANYWHERE Moves {
        /// The GID. Default: that of the other function.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gid: Option<Hex64>,
        /// The code. Default 7: the GID is disabled.
        #[serde(default = "gid_disabled")]
        code: u32,
        /// Number of events.
        #[serde(default = "one")]
        times: u32,
        /// The function that gets them.
        #[serde(default)]
        who: Who,
    }
    /// The device sends events of any type, with one interrupt for all of them. A driver with 15 unread
    /// events sees none of them, and more events overwrite the oldest.
    QueueEvent "queue-event" ANYWHERE Moves {
        /// The type of the events.
        #[serde(rename = "type")]
        event_type: u32,
        /// The code of the events.
        #[serde(default)]
        code: u32,
        /// The token of the events.
        #[serde(default = "zero")]
        token: Hex64,
        /// The info field of the events.
        #[serde(default = "zero")]
        info: Hex64,
        /// Number of events.
        #[serde(default = "one")]
        times: u32,
        /// The function that gets them.
        #[serde(default)]
        who: Who,
    }
    /// The function enters the error state until a reset: loads and stores fail, and the error interrupt
    /// informs its client.
    ErrorState "error-state" ANYWHERE Anything {
        /// The function that is hit.
        #[serde(default)]
        who: Who,
        /// The moment of the action: before or after the access.
        #[serde(default)]
        moment: Moment,
    }
    /// The function disappears without notice: loads read ones, stores are lost, and its registrations are
    /// forgotten without an event, until it comes back or has a new client.
    Vanish "vanish" ANYWHERE Everyone {
        /// The function that is hit.
        #[serde(default)]
        who: Who,
        /// The moment of the action: before or after the access.
        #[serde(default)]
        moment: Moment,
    }
    /// The function returns to the state after power-on: out of the error state, and present again. Its peers
    /// get a GID event if they share a DMB with it.
    ComeBack "come-back" ANYWHERE Everyone {
        /// Its new GID. Default: the old one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gid: Option<Hex64>,
        /// The function that is hit.
        #[serde(default)]
        who: Who,
    }
    /// The server closes the connections of the function's clients.
    CloseConnection "close-connection" ANYWHERE_AND_MESSAGE Moves {
        /// The function that is hit.
        #[serde(default)]
        who: Who,
        /// The moment of the action: before or after the access.
        #[serde(default)]
        moment: Moment,
    }
    /// The server acts as if it ended and started again: every connection closes, every function returns to
    /// the state after power-on, and nobody gets an answer for a while.
    Restart "restart" ANYWHERE_AND_MESSAGE Everyone {
        /// Milliseconds without an answer. Default 1000.
        #[serde(default = "thousand")]
        ms: u32,
    }
    /// The reply is delayed, and so is every later reply.
    DelayReply "delay-reply" MESSAGE Nothing {
        /// Delay in milliseconds.
        ms: u32,
    }
    /// The server never sends the reply.
    LoseReply "lose-reply" MESSAGE Nothing {}
    /// The server sends only the first bytes of the reply and closes the connection.
    CutReply "cut-reply" MESSAGE Nothing {
        /// Number of bytes that the server sends.
        bytes: u32,
    }
}

/// The places of [`ANYWHERE`], and the middle of a message.
const ANYWHERE_AND_MESSAGE: &[Site] = &[Site::Command, Site::Move, Site::Reset, Site::Message];

const fn zero() -> Hex64 {
    Hex64(0)
}

impl Action {
    /// True if the action can be injected at once, without an access.
    pub fn is_for_now(&self) -> bool {
        self.sites().contains(&Site::Reset)
    }

    /// The function that the action hits.
    pub(crate) fn who(&self) -> Who {
        match *self {
            Action::SpuriousInterrupt { who }
            | Action::InterruptStorm { who, .. }
            | Action::GidEvent { who, .. }
            | Action::QueueEvent { who, .. }
            | Action::ErrorState { who, .. }
            | Action::Vanish { who, .. }
            | Action::ComeBack { who, .. }
            | Action::CloseConnection { who, .. } => who,
            _ => Who::Function,
        }
    }

    /// True for a GID event about the other function, whose GID the action does not give.
    pub(crate) fn lacks_gid(&self) -> bool {
        matches!(self, Action::GidEvent { gid: None, .. })
    }

    /// Returns the name of a parameter that is out of its range, and the error.
    pub(crate) fn problem(&self) -> Option<(&'static str, String)> {
        let within = |name, value: u32, least: u32, most: u32| {
            let out = !(least..=most).contains(&value);
            out.then(|| (name, format!("{value}, expected {least} to {most}")))
        };
        match *self {
            Action::LateResponse { ms }
            | Action::DelayMove { ms }
            | Action::DelayInterrupt { ms }
            | Action::DelayReply { ms } => within("ms", ms, 1, MAX_MS),
            Action::LateData { ms } | Action::Restart { ms } => within("ms", ms, 0, MAX_MS),
            Action::EmptyResponse {
                loads: Some(loads), ..
            } => within("loads", loads, 1, MAX_TIMES),
            Action::WrongDmbBit { index: Some(index) } => within("index", index, 0, 1919),
            Action::CutData { length } => within("length", length, 0, 4096),
            Action::CutReply { bytes } => within("bytes", bytes, 0, 1 << 20),
            Action::InterruptStorm {
                times, interval_ms, ..
            } => within("times", times, 1, MAX_TIMES)
                .or_else(|| within("interval_ms", interval_ms, 0, MAX_MS)),
            Action::RepeatSignal { times }
            | Action::RepeatInterrupt { times }
            | Action::GidEvent { times, .. }
            | Action::QueueEvent { times, .. } => within("times", times, 1, MAX_TIMES),
            Action::ComeBack {
                gid: Some(Hex64(0)),
                ..
            } => Some((
                "gid",
                "zero means \"no GID\" to SMC-D, expected any other 0x... value".to_owned(),
            )),
            _ => None,
        }
    }
}
