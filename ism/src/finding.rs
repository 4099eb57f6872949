//! From what an order check found to violations and a verdict.

use zpci_region::access::{Failure, Load, Path, Refusal, Store};
use zpci_region::rule::{Observer, Rule, RuleSet, Severity, Violation};

/// A rule that an access breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub rule: Rule,
    pub detail: String,
}

impl Finding {
    pub fn new(rule: Rule, detail: impl Into<String>) -> Self {
        Self {
            rule,
            detail: detail.into(),
        }
    }
}

/// Where an access goes, for the violation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    path: Path,
    pcias: u8,
    offset: u64,
    len: usize,
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

/// Records every finding at the severity in force, and refuses the access if one of them does.
pub(crate) fn judge(
    findings: Vec<Finding>,
    place: Place,
    rules: &RuleSet,
    observer: &mut dyn Observer,
) -> Result<(), Refusal> {
    let mut refusal = None;
    for Finding { rule, detail } in findings {
        let severity = rules.severity(rule);
        let refused = rules.refuses(rule);
        if severity != Severity::Off {
            observer.violation(&Violation {
                rule,
                severity,
                path: place.path,
                pcias: place.pcias,
                offset: place.offset,
                len: place.len,
                pieces: 1,
                piece_len: place.len,
                detail: detail.clone(),
            });
        }
        if refused && refusal.is_none() {
            refusal = Some(Refusal {
                failure: Failure::Io,
                rule: Some(rule),
                reason: format!(
                    "{}: {detail}; {} bytes at {:#x} of pcias {}",
                    rule.id(),
                    place.len,
                    place.offset,
                    place.pcias
                ),
            });
        }
    }
    refusal.map_or(Ok(()), Err)
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

    fn verdict(severity: Severity, rule: Rule) -> (Result<(), Refusal>, usize) {
        let mut rules = RuleSet::default();
        rules.set(rule, severity);
        let mut seen = Seen(Vec::new());
        let place = Place {
            path: Path::Bar,
            pcias: 2,
            offset: 0,
            len: 8,
        };
        let verdict = judge(vec![Finding::new(rule, "why")], place, &rules, &mut seen);
        (verdict, seen.0.len())
    }

    #[test]
    fn severity_decides_about_record_and_refusal() {
        assert_eq!(verdict(Severity::Off, Rule::TornHeader), (Ok(()), 0));
        assert_eq!(verdict(Severity::Note, Rule::TornHeader), (Ok(()), 1));
        assert_eq!(verdict(Severity::Warn, Rule::TornHeader), (Ok(()), 1));
        let (refused, recorded) = verdict(Severity::Reject, Rule::TornHeader);
        assert_eq!(refused.unwrap_err().rule, Some(Rule::TornHeader));
        assert_eq!(recorded, 1);
    }

    #[test]
    fn what_cannot_be_carried_out_fails_whatever_the_severity() {
        let (refused, recorded) = verdict(Severity::Off, Rule::UnknownDmb);
        assert_eq!(refused.unwrap_err().failure, Failure::Io);
        assert_eq!(recorded, 0);
    }
}
