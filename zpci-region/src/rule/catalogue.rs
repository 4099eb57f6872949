//! The catalogue: id, group, default severity and outcome of every rule. `text` contains their titles,
//! reasons and sources.

use super::group::Group;
use super::severity::Severity;
use super::text::{command, data, shape, smcd};

/// The entry of a rule in the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct RuleInfo {
    /// The rule of this entry.
    pub rule: Rule,
    /// The stable id in kebab-case.
    pub id: &'static str,
    /// The group of the rule.
    pub group: Group,
    /// The severity, unless a profile sets another.
    pub default: Severity,
    /// True if nobody can carry out an access that breaks the rule. Such an access fails at every severity.
    /// If the rule is off, the server refuses it without a record.
    pub always_fails: bool,
    /// The title: one line for lists.
    pub title: &'static str,
    /// The reason of the rule, in one paragraph.
    pub reason: &'static str,
    /// The source of the reason, for example a kernel file.
    pub source: &'static str,
}

/// `fails`: the access cannot be carried out at any severity. `runs`: the severity decides.
macro_rules! always_fails {
    (fails) => {
        true
    };
    (runs) => {
        false
    };
}

macro_rules! catalogue {
    ($($rule:ident $id:literal $group:ident $default:ident $outcome:ident $text:path)*) => {
        /// A rule by its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "each rule is documented by its catalogue entry")]
        pub enum Rule { $($rule),* }

        impl Rule {
            /// Number of rules in the catalogue.
            pub const COUNT: usize = [$(Rule::$rule),*].len();
        }

        /// Every rule, in the order of [`Rule`].
        pub static CATALOGUE: [RuleInfo; Rule::COUNT] = [$(RuleInfo {
            rule: Rule::$rule, id: $id, group: Group::$group, default: Severity::$default,
            always_fails: always_fails!($outcome),
            title: $text.title, reason: $text.reason, source: $text.source,
        }),*];
    };
}

catalogue! {
    SplitBlockStore "split-block-store" Shape Warn runs shape::SPLIT_BLOCK_STORE
    LengthOverMax "length-over-max" Shape Reject fails shape::LENGTH_OVER_MAX
    StrictLength "strict-length" Shape Reject runs shape::STRICT_LENGTH
    StrictAlignment "strict-alignment" Shape Reject runs shape::STRICT_ALIGNMENT
    Crosses4k "crosses-4k" Shape Reject runs shape::CROSSES_4K
    OutsideBar "outside-bar" Shape Reject fails shape::OUTSIDE_BAR
    PlainStore "plain-store" Shape Warn runs shape::PLAIN_STORE
    PcistgToDataBar "pcistg-to-data-bar" Shape Reject fails shape::PCISTG_TO_DATA_BAR
    NotLegacyPath "not-legacy-path" Shape Warn runs shape::NOT_LEGACY_PATH
    GaddrMisaligned "gaddr-misaligned" Shape Reject runs shape::GADDR_MISALIGNED
    GaddrCrossesPage "gaddr-crosses-page" Shape Reject runs shape::GADDR_CROSSES_PAGE
    LoadTooLong "load-too-long" Shape Reject fails shape::LOAD_TOO_LONG
    LoadCrosses8 "load-crosses-8" Shape Reject runs shape::LOAD_CROSSES_8
    LoadFromDataBar "load-from-data-bar" Shape Note runs shape::LOAD_FROM_DATA_BAR
    OddCommandLoad "odd-command-load" Shape Note runs shape::ODD_COMMAND_LOAD
    HeaderWithoutPayload "header-without-payload" Command Warn runs command::HEADER_WITHOUT_PAYLOAD
    PayloadGap "payload-gap" Command Warn runs command::PAYLOAD_GAP
    PayloadAfterHeader "payload-after-header" Command Warn runs command::PAYLOAD_AFTER_HEADER
    PayloadOverwritten "payload-overwritten" Command Warn runs command::PAYLOAD_OVERWRITTEN
    PayloadMixed "payload-mixed" Command Warn runs command::PAYLOAD_MIXED
    TornHeader "torn-header" Command Warn runs command::TORN_HEADER
    HeaderNotAlone "header-not-alone" Command Warn runs command::HEADER_NOT_ALONE
    CommandOverlap "command-overlap" Command Warn runs command::COMMAND_OVERLAP
    ResponseHalfRead "response-half-read" Command Warn runs command::RESPONSE_HALF_READ
    ResponseBeforeCommand "response-before-command" Command Warn runs command::RESPONSE_BEFORE_COMMAND
    ResponseOverread "response-overread" Command Note runs command::RESPONSE_OVERREAD
    UnknownCommand "unknown-command" Command Warn runs command::UNKNOWN_COMMAND
    BadCommandLength "bad-command-length" Command Warn runs command::BAD_COMMAND_LENGTH
    ReservedNotZero "reserved-not-zero" Command Note runs command::RESERVED_NOT_ZERO
    RegisterOrder "register-order" Command Warn runs command::REGISTER_ORDER
    BadSbaIndex "bad-sba-index" Command Warn runs command::BAD_SBA_INDEX
    BadDmbMemory "bad-dmb-memory" Command Warn runs command::BAD_DMB_MEMORY
    QueueMisaligned "queue-misaligned" Command Warn runs command::QUEUE_MISALIGNED
    TokenAsAddress "token-as-address" Command Warn runs command::TOKEN_AS_ADDRESS
    OutsideDmaWindow "outside-dma-window" Command Warn runs command::OUTSIDE_DMA_WINDOW
    UnregisterNotOwned "unregister-not-owned" Command Warn runs command::UNREGISTER_NOT_OWNED
    UnknownDmb "unknown-dmb" Data Warn fails data::UNKNOWN_DMB
    AddressAsToken "address-as-token" Data Warn runs data::ADDRESS_AS_TOKEN
    OutsideDmb "outside-dmb" Data Warn fails data::OUTSIDE_DMB
    NotPermittedByRgid "not-permitted-by-rgid" Data Warn fails data::NOT_PERMITTED_BY_RGID
    ElementIndexTooHigh "element-index-too-high" Data Warn runs data::ELEMENT_INDEX_TOO_HIGH
    DataAfterSignal "data-after-signal" Data Warn runs data::DATA_AFTER_SIGNAL
    DescendingPieces "descending-pieces" Data Warn runs data::DESCENDING_PIECES
    SignalWithoutSba "signal-without-sba" Data Warn runs data::SIGNAL_WITHOUT_SBA
    MoveCrossesPage "move-crosses-page" Data Warn runs data::MOVE_CROSSES_PAGE
    CdcNotAMessage "cdc-not-a-message" Smcd Off runs smcd::CDC_NOT_A_MESSAGE
    CdcDataBelowRing "cdc-data-below-ring" Smcd Off runs smcd::CDC_DATA_BELOW_RING
    CdcProducerMismatch "cdc-producer-mismatch" Smcd Off runs smcd::CDC_PRODUCER_MISMATCH
    CdcRingOverrun "cdc-ring-overrun" Smcd Off runs smcd::CDC_RING_OVERRUN
    CdcCursorBackwards "cdc-cursor-backwards" Smcd Off runs smcd::CDC_CURSOR_BACKWARDS
    CdcConsumerOutside "cdc-consumer-outside" Smcd Off runs smcd::CDC_CONSUMER_OUTSIDE
    CdcConsumerAhead "cdc-consumer-ahead" Smcd Off runs smcd::CDC_CONSUMER_AHEAD
    CdcConsumerJump "cdc-consumer-jump" Smcd Off runs smcd::CDC_CONSUMER_JUMP
    CdcFlagsInProducer "cdc-flags-in-producer" Smcd Off runs smcd::CDC_FLAGS_IN_PRODUCER
    CdcUnknownFlags "cdc-unknown-flags" Smcd Off runs smcd::CDC_UNKNOWN_FLAGS
    CdcFlagImplausible "cdc-flag-implausible" Smcd Off runs smcd::CDC_FLAG_IMPLAUSIBLE
    CdcUrgentMismatch "cdc-urgent-mismatch" Smcd Off runs smcd::CDC_URGENT_MISMATCH
    CdcStateCleared "cdc-state-cleared" Smcd Off runs smcd::CDC_STATE_CLEARED
    CdcDataAfterDone "cdc-data-after-done" Smcd Off runs smcd::CDC_DATA_AFTER_DONE
    CdcDataAfterAbort "cdc-data-after-abort" Smcd Off runs smcd::CDC_DATA_AFTER_ABORT
}

impl Rule {
    /// Position of the rule in the catalogue.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The entry of the rule in the catalogue.
    pub fn info(self) -> &'static RuleInfo {
        &CATALOGUE[self.index()]
    }

    /// The stable id in kebab-case.
    pub fn id(self) -> &'static str {
        self.info().id
    }

    /// Returns the rule with this id.
    pub fn from_id(id: &str) -> Option<Rule> {
        CATALOGUE
            .iter()
            .find(|info| info.id == id)
            .map(|info| info.rule)
    }

    /// True if an access that breaks this rule fails at every severity.
    pub fn always_fails(self) -> bool {
        self.info().always_fails
    }
}

impl std::fmt::Display for Rule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests;
