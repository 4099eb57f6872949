//! The catalogue: id, group, default severity, reason and source of every rule.

use super::Severity;

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

/// What is told of a rule.
#[derive(Clone, Copy, Debug)]
pub struct RuleInfo {
    /// The rule.
    pub rule: Rule,
    /// Stable kebab-case id.
    pub id: &'static str,
    /// Its family.
    pub group: Group,
    /// Severity unless a profile says otherwise.
    pub default: Severity,
    /// One line for lists.
    pub title: &'static str,
    /// Why, in a paragraph.
    pub reason: &'static str,
    /// Where the reason comes from.
    pub source: &'static str,
}

macro_rules! catalogue {
    ($($rule:ident $id:literal $group:ident $default:ident { $title:literal, $reason:literal, $source:literal })*) => {
        /// The name of a rule.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs, reason = "each rule is documented by its catalogue entry")]
        pub enum Rule { $($rule),* }

        impl Rule {
            /// Number of rules.
            pub const COUNT: usize = [$(Rule::$rule),*].len();
        }

        /// Every rule, in the order of [`Rule`].
        pub static CATALOGUE: [RuleInfo; Rule::COUNT] = [$(RuleInfo {
            rule: Rule::$rule, id: $id, group: Group::$group, default: Severity::$default,
            title: $title, reason: $reason, source: $source,
        }),*];
    };
}

catalogue! {
    SplitBlockStore "split-block-store" Shape Warn { "", "", "" }
    LengthOverMax "length-over-max" Shape Reject { "", "", "" }
    StrictLength "strict-length" Shape Reject { "", "", "" }
    StrictAlignment "strict-alignment" Shape Reject { "", "", "" }
    Crosses4k "crosses-4k" Shape Reject { "", "", "" }
    OutsideBar "outside-bar" Shape Reject { "", "", "" }
    PlainStore "plain-store" Shape Warn { "", "", "" }
    NotLegacyPath "not-legacy-path" Shape Warn { "", "", "" }
    GaddrMisaligned "gaddr-misaligned" Shape Reject { "", "", "" }
    GaddrCrossesPage "gaddr-crosses-page" Shape Reject { "", "", "" }
    LoadTooLong "load-too-long" Shape Reject { "", "", "" }
    LoadFromDataBar "load-from-data-bar" Shape Note { "", "", "" }
    HeaderWithoutPayload "header-without-payload" Command Warn { "", "", "" }
    PayloadGap "payload-gap" Command Warn { "", "", "" }
    PayloadAfterHeader "payload-after-header" Command Warn { "", "", "" }
    TornHeader "torn-header" Command Warn { "", "", "" }
    CommandOverlap "command-overlap" Command Warn { "", "", "" }
    ResponseBeforeCommand "response-before-command" Command Warn { "", "", "" }
    ResponseOverread "response-overread" Command Note { "", "", "" }
    UnknownCommand "unknown-command" Command Warn { "", "", "" }
    BadCommandLength "bad-command-length" Command Warn { "", "", "" }
    UnknownDmb "unknown-dmb" Data Warn { "", "", "" }
    OutsideDmb "outside-dmb" Data Warn { "", "", "" }
    NotPermittedByRgid "not-permitted-by-rgid" Data Warn { "", "", "" }
    DataAfterSignal "data-after-signal" Data Warn { "", "", "" }
    DescendingPieces "descending-pieces" Data Warn { "", "", "" }
    SignalWithoutSba "signal-without-sba" Data Warn { "", "", "" }
    MoveCrossesPage "move-crosses-page" Data Warn { "", "", "" }
    CdcNotAMessage "cdc-not-a-message" Smcd Off { "", "", "" }
    CdcDataBelowRing "cdc-data-below-ring" Smcd Off { "", "", "" }
    CdcProducerMismatch "cdc-producer-mismatch" Smcd Off { "", "", "" }
    CdcCursorBackwards "cdc-cursor-backwards" Smcd Off { "", "", "" }
}

impl Rule {
    /// Position in the catalogue.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// What is told of this rule.
    pub fn info(self) -> &'static RuleInfo {
        &CATALOGUE[self.index()]
    }

    /// Stable kebab-case id.
    pub fn id(self) -> &'static str {
        self.info().id
    }

    /// The rule of this id.
    pub fn from_id(id: &str) -> Option<Rule> {
        CATALOGUE
            .iter()
            .find(|info| info.id == id)
            .map(|info| info.rule)
    }
}
