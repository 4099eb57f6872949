//! Every kind of fault.

use serde::{Deserialize, Serialize};

use super::number::Hex64;
use super::site::Site;

/// Longest delay, in milliseconds: longer than any client waits.
pub(crate) const MAX_MS: u32 = 600_000;
/// Most repetitions.
pub(crate) const MAX_TIMES: u32 = 10_000;

/// Whom a fault hits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Who {
    /// The function whose access it is.
    #[default]
    Function,
    /// The other one. Without another one, nobody.
    Peer,
}

/// When a fault that hits a whole function does so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// Before the access is carried out.
    #[default]
    Before,
    /// Once it has been carried out.
    After,
}

/// The errno of a refused move.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum MoveErrno {
    /// 5: the instruction ends with a condition code.
    #[default]
    #[serde(rename = "EIO")]
    Eio,
    /// 14: the memory cannot be reached.
    #[serde(rename = "EFAULT")]
    Efault,
    /// 19: there is no such function.
    #[serde(rename = "ENODEV")]
    Enodev,
    /// 22: the request makes no sense.
    #[serde(rename = "EINVAL")]
    Einval,
}

const fn one() -> u32 {
    1
}

const fn thousand() -> u32 {
    1000
}

/// GID disabled, the code with which a function leaves.
const fn gid_disabled() -> u32 {
    7
}

/// A violation that this kind of fault may cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// None: what the client knows and what the device holds still agree.
    Nothing,
    /// Of rules about moves, by either function.
    Moves,
    /// Of any rule by the function that is hit, and of rules about moves by the other one: device
    /// and driver no longer agree on what is registered.
    Anything,
    /// Of any rule, by any function of the fabric.
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
            /// Every name.
            pub const NAMES: &'static [&'static str] = &[$($kind),*];

            /// Its name in profiles, events and reports.
            pub const fn name(&self) -> &'static str {
                match self { $(Action::$name { .. } => $kind),* }
            }

            /// The places where it can act.
            pub(crate) const fn sites(&self) -> &'static [Site] {
                match self { $(Action::$name { .. } => $sites),* }
            }

            /// The violations that it may cause.
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
/// The places where the device acts as a whole. An action of these can be injected at once, too.
const ANYWHERE: &[Site] = &[Site::Command, Site::Move, Site::Reset];

actions! {
    /// The command is answered with this code.
    Respond "respond" COMMAND Anything {
        /// The response code, 0 to 0xffff.
        code: u16,
        /// Whether the command is carried out all the same.
        #[serde(default)]
        carried_out: bool,
    }
    /// The reply to the store that starts the command, and every one behind it, waits.
    LateResponse "late-response" COMMAND Nothing {
        /// Milliseconds.
        ms: u32,
    }
    /// The command is carried out, and its response reads as one repeated byte.
    EmptyResponse "empty-response" COMMAND Anything {
        /// The response comes after so many loads of its header; without, never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        loads: Option<u32>,
        /// The byte. Default 0.
        #[serde(default)]
        byte: u8,
    }
    /// The length in the response's header is this one.
    ResponseLength "response-length" COMMAND Anything {
        /// The length, 0 to 0xffff.
        length: u16,
    }
    /// The command is neither carried out nor answered: the response before it stays.
    DropCommand "drop-command" COMMAND Anything {}
    /// The move is refused and has no effect.
    RefuseMove "refuse-move" MOVE Nothing {
        /// The errno of the reply. Default EIO.
        #[serde(default)]
        errno: MoveErrno,
    }
    /// The move is lost, with its signal.
    LoseMove "lose-move" MOVE Moves {
        /// Whether the store fails (EIO), too.
        #[serde(default)]
        error: bool,
    }
    /// The move, with its signal, is carried out later. Moves behind it overtake it.
    DelayMove "delay-move" MOVE Moves {
        /// Milliseconds.
        ms: u32,
    }
    /// The signal comes first, and the bytes come later.
    LateData "late-data" MOVE Moves {
        /// Milliseconds. With 0, straight after the interrupt.
        #[serde(default)]
        ms: u32,
    }
    /// The signal comes, the bytes do not.
    LoseData "lose-data" MOVE Moves {}
    /// Only the first bytes arrive; the signal comes.
    CutData "cut-data" MOVE Moves {
        /// Bytes that arrive.
        length: u32,
    }
    /// The bit in the element mask is not set.
    LoseMaskBit "lose-mask-bit" MOVE Moves {}
    /// The bit of the DMB is not set.
    LoseDmbBit "lose-dmb-bit" MOVE Moves {}
    /// The summary bit is not set.
    LoseSummaryBit "lose-summary-bit" MOVE Moves {}
    /// The bits of another DMB are set: element mask and DMB bit.
    WrongDmbBit "wrong-dmb-bit" MOVE Moves {
        /// Its SBA index; without, the neighbour's (the last bit of the index inverted).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        index: Option<u32>,
    }
    /// The signal comes again: bits and interrupt.
    RepeatSignal "repeat-signal" MOVE Moves {
        /// So often more.
        #[serde(default = "one")]
        times: u32,
    }
    /// The interrupt is not raised.
    LoseInterrupt "lose-interrupt" INTERRUPT Nothing {}
    /// The interrupt is raised again.
    RepeatInterrupt "repeat-interrupt" INTERRUPT Nothing {
        /// So often more.
        #[serde(default = "one")]
        times: u32,
    }
    /// The interrupt is raised later.
    DelayInterrupt "delay-interrupt" INTERRUPT Nothing {
        /// Milliseconds.
        ms: u32,
    }
    /// The event is lost; its sender does not learn of it.
    LoseEvent "lose-event" EVENT Moves {}
    /// The queue counts as full: the event is lost, and SIGNAL_IEQ fails with code 0x000c.
    FullQueue "full-queue" EVENT Moves {}
    /// The event overwrites the one before it instead of taking the next slot.
    OverwriteEvent "overwrite-event" EVENT Moves {}
    /// The event has another type or code.
    ChangeEvent "change-event" EVENT Moves {
        /// The type; the event's own without.
        #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
        event_type: Option<u32>,
        /// The code; the event's own without.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        code: Option<u32>,
    }
    /// An interrupt for which nothing happened.
    SpuriousInterrupt "spurious-interrupt" ANYWHERE Nothing {
        /// Who gets it.
        #[serde(default)]
        who: Who,
    }
    /// Many interrupts for which nothing happened.
    InterruptStorm "interrupt-storm" ANYWHERE Nothing {
        /// How many. Default 1000.
        #[serde(default = "thousand")]
        times: u32,
        /// Milliseconds between two. With 0, all at once.
        #[serde(default)]
        interval_ms: u32,
        /// Who gets them.
        #[serde(default)]
        who: Who,
    }
    /// GID events, one interrupt for all of them.
    GidEvent "gid-event" ANYWHERE Moves {
        /// The GID; without, that of the other function.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gid: Option<Hex64>,
        /// The code. Default 7, the GID is disabled.
        #[serde(default = "gid_disabled")]
        code: u32,
        /// How many.
        #[serde(default = "one")]
        times: u32,
        /// Who gets them.
        #[serde(default)]
        who: Who,
    }
    /// Events of any type, one interrupt for all of them. Of 15 unread ones a driver sees none, and
    /// more overwrite the oldest.
    QueueEvent "queue-event" ANYWHERE Moves {
        /// The type.
        #[serde(rename = "type")]
        event_type: u32,
        /// The code.
        #[serde(default)]
        code: u32,
        /// The token.
        #[serde(default = "zero")]
        token: Hex64,
        /// The info.
        #[serde(default = "zero")]
        info: Hex64,
        /// How many.
        #[serde(default = "one")]
        times: u32,
        /// Who gets them.
        #[serde(default)]
        who: Who,
    }
    /// The function enters the error state, until it is reset: loads and stores fail, and the
    /// error interrupt tells its client.
    ErrorState "error-state" ANYWHERE Anything {
        /// Who.
        #[serde(default)]
        who: Who,
        /// Whether the access at which it happens is carried out.
        #[serde(default)]
        moment: Moment,
    }
    /// The function is gone without a word: loads read ones, stores are lost, its registrations
    /// are forgotten and nobody is told, until it comes back or has a new client.
    Vanish "vanish" ANYWHERE Everyone {
        /// Who.
        #[serde(default)]
        who: Who,
        /// Whether the access at which it happens is carried out.
        #[serde(default)]
        moment: Moment,
    }
    /// The function is as after power-on, out of the error state, and no longer gone. Its peers get
    /// a GID event if they share a DMB with it.
    ComeBack "come-back" ANYWHERE Everyone {
        /// Its GID from now on; without, the one it has.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        gid: Option<Hex64>,
        /// Who.
        #[serde(default)]
        who: Who,
    }
    /// The connections of the function's clients close.
    CloseConnection "close-connection" ANYWHERE_AND_MESSAGE Moves {
        /// Who.
        #[serde(default)]
        who: Who,
        /// Whether the access at which it happens is carried out.
        #[serde(default)]
        moment: Moment,
    }
    /// As if the server ended and started again: every connection closes, every function is as
    /// after power-on, and nobody is answered for a while.
    Restart "restart" ANYWHERE_AND_MESSAGE Everyone {
        /// Milliseconds without an answer. Default 1000.
        #[serde(default = "thousand")]
        ms: u32,
    }
    /// The reply, and every one behind it, comes late.
    DelayReply "delay-reply" MESSAGE Nothing {
        /// Milliseconds.
        ms: u32,
    }
    /// The reply never comes.
    LoseReply "lose-reply" MESSAGE Nothing {}
    /// Only the first bytes of the reply come, and the connection closes.
    CutReply "cut-reply" MESSAGE Nothing {
        /// Bytes that come.
        bytes: u32,
    }
}

/// As [`ANYWHERE`], and in the middle of a message.
const ANYWHERE_AND_MESSAGE: &[Site] = &[Site::Command, Site::Move, Site::Reset, Site::Message];

const fn zero() -> Hex64 {
    Hex64(0)
}

impl Action {
    /// Whether it can be injected at once, without an access.
    pub fn is_for_now(&self) -> bool {
        self.sites().contains(&Site::Reset)
    }

    /// Whom it hits.
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

    /// A parameter that is out of its range: its name, and what is wrong.
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
