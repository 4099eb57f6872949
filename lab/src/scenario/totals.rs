//! The server's totals that scenarios need.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::outcome::Carriage;

/// Severity of rules that may be broken.
const QUIET: &str = "note";

/// The totals since the server's start. All of them must be there: a missing count is no zero.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Totals {
    functions: Vec<Function>,
}

#[derive(Debug, Default, Deserialize)]
struct Function {
    name: String,
    moves: u64,
    interrupts: u64,
    faults: BTreeMap<String, u64>,
    rules: Vec<Broken>,
}

#[derive(Debug, Deserialize)]
struct Broken {
    rule: String,
    severity: String,
    violations: u64,
    caused: u64,
}

impl Broken {
    /// Number of violations by drivers. It excludes violations that an injected fault caused.
    fn times(&self) -> u64 {
        self.violations.saturating_sub(self.caused)
    }
}

impl Totals {
    /// Reads a report of the server.
    ///
    /// # Errors
    /// A count is missing or no number.
    pub(super) fn read(report: &Value) -> Result<Self, String> {
        serde_path_to_error::deserialize(report).map_err(|error| {
            let path = error.path().to_string();
            format!("the server's report: {path}: {}", error.into_inner())
        })
    }

    /// The traffic of function `number` since `before`. The caller sets the place and the CHID.
    pub(super) fn carriage(&self, before: &Self, number: usize) -> Option<Carriage> {
        let now = self.functions.get(number)?;
        let none = Function::default();
        let then = before.functions.get(number).unwrap_or(&none);
        let faults = now.faults.iter().filter_map(|(kind, count)| {
            let more = count.saturating_sub(then.faults.get(kind).copied().unwrap_or_default());
            (more > 0).then(|| (kind.clone(), more))
        });
        Some(Carriage {
            guest: 0,
            function: 0,
            chid: None,
            moves: now.moves.saturating_sub(then.moves),
            interrupts: now.interrupts.saturating_sub(then.interrupts),
            faults: faults.collect(),
        })
    }

    /// The rules of a relevant severity that were broken since `before`: id, and a sentence.
    pub(super) fn newly_broken(&self, before: &Self) -> Vec<(String, String)> {
        let mut broken = Vec::new();
        for (number, function) in self.functions.iter().enumerate() {
            let earlier = before.functions.get(number);
            for rule in &function.rules {
                let mut old = earlier.iter().flat_map(|function| &function.rules);
                let was = old.find(|each| each.rule == rule.rule);
                if rule.times() > was.map_or(0, Broken::times) && rule.severity != QUIET {
                    let said = format!(
                        "{}: rule {} ({}) is broken",
                        function.name, rule.rule, rule.severity
                    );
                    broken.push((rule.rule.clone(), said));
                }
            }
        }
        broken
    }
}

#[cfg(test)]
mod tests {
    use super::Totals;
    use serde_json::{Value, json};

    fn report(a: u64, b: u64) -> Value {
        json!({ "functions": [{
            "name": "ism0", "moves": 10 * a, "interrupts": a, "faults": { "lose-move": a },
            "rules": [
                { "rule": "a", "severity": "warn", "violations": a, "caused": 0 },
                { "rule": "b", "severity": "note", "violations": b, "caused": 0 },
                { "rule": "c", "severity": "warn", "violations": b, "caused": b },
            ]
        }]})
    }

    fn totals(a: u64, b: u64) -> Totals {
        Totals::read(&report(a, b)).unwrap()
    }

    #[test]
    fn only_new_and_serious_violations_count() {
        assert_eq!(totals(1, 5).newly_broken(&totals(1, 0)), []);
        let broken = totals(2, 0).newly_broken(&totals(1, 0));
        assert_eq!(broken[0].0, "a");
        assert_eq!(broken[0].1, "ism0: rule a (warn) is broken");
        assert_eq!(totals(1, 0).newly_broken(&Totals::default()).len(), 1);
    }

    #[test]
    fn counts_are_those_since_the_beginning() {
        let carriage = totals(5, 0).carriage(&totals(2, 0), 0).unwrap();
        assert_eq!((carriage.moves, carriage.interrupts), (30, 3));
        assert_eq!(carriage.faults["lose-move"], 3);
        let none = totals(2, 0).carriage(&totals(2, 0), 0).unwrap();
        assert!(none.faults.is_empty());
        assert!(totals(1, 0).carriage(&Totals::default(), 1).is_none());
    }

    #[test]
    fn a_count_that_is_missing_is_named_and_no_zero() {
        for key in ["moves", "interrupts", "faults", "rules"] {
            let mut report = report(1, 0);
            report["functions"][0].as_object_mut().unwrap().remove(key);
            let why = Totals::read(&report).unwrap_err();
            assert!(why.contains("functions[0]") && why.contains(key), "{why}");
        }
        let mut wrong = report(1, 0);
        wrong["functions"][0]["moves"] = json!("many");
        let why = Totals::read(&wrong).unwrap_err();
        assert!(why.contains("functions[0].moves"), "{why}");
        assert!(Totals::read(&json!({})).is_err());
    }
}
