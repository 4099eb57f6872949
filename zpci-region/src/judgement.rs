//! The judgement of one access. It reports broken rules to an observer, and refuses the access if a rule
//! demands that.

use crate::access::{Failure, Load, Path, Store};
use crate::rule::{Observer, Rule, RuleSet, Severity, Violation};

/// The reason why an access had no effect.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refusal {
    /// The kind of error for the client.
    pub failure: Failure,
    /// The rule that refused the access, if one did.
    pub rule: Option<Rule>,
    /// One sentence for logs: the thing, its place, and the expected value.
    pub reason: String,
}

/// The place of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The path by which the access arrived.
    pub path: Path,
    /// PCI address space: the BAR number, 0..=5.
    pub pcias: u8,
    /// Byte offset in the BAR.
    pub offset: u64,
    /// Number of bytes of the access.
    pub len: usize,
}

impl From<&Store<'_>> for Place {
    fn from(store: &Store<'_>) -> Self {
        Self {
            path: store.path,
            pcias: store.pcias,
            offset: store.offset,
            len: store.data.len(),
        }
    }
}

impl From<&Load> for Place {
    fn from(load: &Load) -> Self {
        Self {
            path: load.path,
            pcias: load.pcias,
            offset: load.offset,
            len: load.len,
        }
    }
}

/// An access under judgement, and the first refusal so far.
///
/// A rule that is off only costs a check of its severity: its detail is never built.
pub struct Judgement<'a> {
    rules: &'a RuleSet,
    observer: &'a mut dyn Observer,
    place: Place,
    refusal: Option<Refusal>,
}

impl<'a> Judgement<'a> {
    /// Begins the judgement of an access. `observer` receives each broken rule at once.
    pub fn new(
        rules: &'a RuleSet,
        observer: &'a mut dyn Observer,
        place: impl Into<Place>,
    ) -> Self {
        Self {
            rules,
            observer,
            place: place.into(),
            refusal: None,
        }
    }

    /// Records that the access breaks `rule`, and refuses the access if the severity or the rule demands
    /// that. `detail` runs only if the rule is on or refuses.
    pub fn broken(&mut self, rule: Rule, detail: impl FnOnce() -> String) {
        self.broken_with(rule, Failure::Io, detail);
    }

    /// Like [`Self::broken`], with the failure for a refused access.
    pub(crate) fn broken_with(
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
                path: self.place.path,
                pcias: self.place.pcias,
                offset: self.place.offset,
                len: self.place.len,
                pieces: 1,
                piece_len: self.place.len,
                detail,
            });
        }
    }

    /// Refuses the access. The broken rule is reported at another time.
    pub(crate) fn refuse(&mut self, rule: Rule, reason: impl FnOnce() -> String) {
        if self.refusal.is_none() {
            self.refusal = Some(Refusal {
                failure: Failure::Io,
                rule: Some(rule),
                reason: reason(),
            });
        }
    }

    /// Ends the judgement.
    ///
    /// # Errors
    /// The first refusal of the access.
    pub fn verdict(self) -> Result<(), Refusal> {
        self.refusal.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Seen(Vec<Violation>);

    impl Observer for Seen {
        fn violation(&mut self, violation: &Violation) {
            self.0.push(violation.clone());
        }
    }

    /// Returns the verdict on one broken rule, the number of reports, and whether the detail was built.
    fn judged(severity: Severity, rule: Rule) -> (Result<(), Refusal>, usize, bool) {
        let mut rules = RuleSet::default();
        rules.set(rule, severity);
        let (mut seen, mut written) = (Seen(Vec::new()), false);
        let place = Place {
            path: Path::Bar,
            pcias: 2,
            offset: 0,
            len: 8,
        };
        let mut judgement = Judgement::new(&rules, &mut seen, place);
        judgement.broken(rule, || {
            written = true;
            "why".to_owned()
        });
        (judgement.verdict(), seen.0.len(), written)
    }

    #[test]
    fn severity_decides_about_record_and_refusal() {
        assert_eq!(judged(Severity::Note, Rule::TornHeader), (Ok(()), 1, true));
        assert_eq!(judged(Severity::Warn, Rule::TornHeader), (Ok(()), 1, true));
        let (refused, told, _) = judged(Severity::Reject, Rule::TornHeader);
        assert_eq!(refused.unwrap_err().rule, Some(Rule::TornHeader));
        assert_eq!(told, 1);
    }

    #[test]
    fn a_rule_that_is_off_costs_no_detail() {
        assert_eq!(judged(Severity::Off, Rule::TornHeader), (Ok(()), 0, false));
    }

    #[test]
    fn what_cannot_be_carried_out_fails_whatever_the_severity() {
        let (refused, told, _) = judged(Severity::Off, Rule::UnknownDmb);
        assert_eq!(refused.unwrap_err().failure, Failure::Io);
        assert_eq!(told, 0);
    }
}
