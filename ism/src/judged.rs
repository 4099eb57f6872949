//! Test support: the rules that a judgement finds broken.

use zpci_region::rule::catalogue::CATALOGUE;
use zpci_region::{Judgement, Observer, Path, Place, RuleSet, Severity, Violation};

struct Seen(Vec<&'static str>);

impl Observer for Seen {
    fn violation(&mut self, violation: &Violation) {
        self.0.push(violation.rule.id());
    }
}

/// Returns the ids of the rules that `judge` finds broken, with all rules on.
pub(crate) fn broken(judge: impl FnOnce(&mut Judgement<'_>)) -> Vec<&'static str> {
    let mut rules = RuleSet::default();
    for info in &CATALOGUE {
        rules.set(info.rule, Severity::Warn);
    }
    let mut seen = Seen(Vec::new());
    let place = Place {
        path: Path::Region,
        pcias: 0,
        offset: 0,
        len: 0,
    };
    judge(&mut Judgement::new(&rules, &mut seen, place));
    seen.0
}
