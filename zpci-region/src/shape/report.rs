//! Telling of one broken rule, and turning it into a refusal where it is one.

use crate::access::{Failure, Path, Refusal};
use crate::rule::{Observer, Rule, RuleSet, Severity, Violation};

/// The access under judgement, and what has refused it so far.
pub(super) struct Judgement<'a> {
    rules: &'a RuleSet,
    observer: &'a mut dyn Observer,
    path: Path,
    pcias: u8,
    offset: u64,
    len: usize,
    refusal: Option<Refusal>,
}

impl<'a> Judgement<'a> {
    pub(super) fn new(
        rules: &'a RuleSet,
        observer: &'a mut dyn Observer,
        (path, pcias, offset, len): (Path, u8, u64, usize),
    ) -> Self {
        Self {
            rules,
            observer,
            path,
            pcias,
            offset,
            len,
            refusal: None,
        }
    }

    /// Records that `rule` is broken; `detail` is only asked for if somebody is told.
    pub(super) fn broken(&mut self, rule: Rule, detail: impl FnOnce() -> String) {
        self.broken_with(rule, Failure::Io, detail);
    }

    /// As [`Self::broken`], with the failure that answers a refused access.
    pub(super) fn broken_with(
        &mut self,
        rule: Rule,
        failure: Failure,
        detail: impl FnOnce() -> String,
    ) {
        let severity = self.rules.severity(rule);
        let refused = self.rules.refuses(rule);
        if severity == Severity::Off && !refused {
            return;
        }
        let detail = detail();
        if refused && self.refusal.is_none() {
            self.refusal = Some(Refusal {
                failure,
                rule: Some(rule),
                reason: detail.clone(),
            });
        }
        if severity != Severity::Off {
            self.observer.violation(&Violation {
                rule,
                severity,
                path: self.path,
                pcias: self.pcias,
                offset: self.offset,
                len: self.len,
                pieces: 1,
                piece_len: self.len,
                detail,
            });
        }
    }

    /// Refuses the access without a report of its own.
    pub(super) fn refuse(&mut self, rule: Rule, reason: impl FnOnce() -> String) {
        if self.refusal.is_none() {
            self.refusal = Some(Refusal {
                failure: Failure::Io,
                rule: Some(rule),
                reason: reason(),
            });
        }
    }

    /// The verdict: the first refusal, if any.
    pub(super) fn verdict(self) -> Result<(), Refusal> {
        self.refusal.map_or(Ok(()), Err)
    }
}

/// The refusal of an access of 0 bytes, which breaks no rule because it is no access.
pub(super) fn empty(what: &str, pcias: u8, offset: u64) -> Refusal {
    Refusal {
        failure: Failure::Invalid,
        rule: None,
        reason: format!(
            "{what} of 0 bytes at offset {offset:#x} of BAR {pcias}: expected at least 1"
        ),
    }
}
