//! Tests of every rule of the catalogue: a client breaks it over a socket, at every severity.
//!
//! If a rule has no case here, `every_rule_has_a_case` fails.

mod command;
mod data;
mod shape;
mod smcd;

use serde_json::{Value, json};
use vfio_user_ism_tests::daemon::Stopped;
use vfio_user_ism_tests::errno::{EINVAL, EIO};
use vfio_user_ism_tests::program::run;
use vfio_user_ism_tests::{Daemon, Driver, Message, Via};

/// A way to break one rule.
pub struct Case {
    /// Id of the rule.
    pub rule: &'static str,
    /// Device settings of the profile.
    pub device: &'static str,
    /// Other rules that would refuse the access first.
    pub tolerate: &'static [&'static str],
    /// Breaks the rule. Returns the reply to the access that did.
    pub trip: fn(&mut Rig) -> Message,
}

impl Case {
    /// Creates a case that needs no settings.
    pub const fn new(rule: &'static str, trip: fn(&mut Rig) -> Message) -> Self {
        Self {
            rule,
            device: "{}",
            tolerate: &[],
            trip,
        }
    }
}

/// Drivers of two functions, with nothing registered.
pub struct Rig {
    /// The driver that breaks rules.
    pub one: Driver,
    /// The driver of the other function.
    pub two: Driver,
}

impl Case {
    /// Breaks the rule at this severity. Returns the reply and the server's records.
    fn run(&self, severity: &str) -> (Message, Stopped) {
        let mut rules: serde_json::Map<String, Value> = self
            .tolerate
            .iter()
            .map(|rule| ((*rule).to_owned(), "note".into()))
            .collect();
        rules.insert(self.rule.to_owned(), severity.into());
        let device: Value = serde_json::from_str(self.device).unwrap();
        let profile = json!({
            "schema_version": 1, "name": self.rule, "device": device, "rules": rules,
            "functions": [{ "name": "ism0", "gid": "0xa" }, { "name": "ism1", "gid": "0xb" }],
        });
        let daemon = Daemon::with_text(&profile.to_string());
        let attach = |name| Driver::attach(&daemon.socket(name), Via::Bar);
        let reply = (self.trip)(&mut Rig {
            one: attach("ism0"),
            two: attach("ism1"),
        });
        (reply, daemon.stop())
    }
}

fn cases() -> impl Iterator<Item = &'static Case> {
    [shape::CASES, command::CASES, data::CASES, smcd::CASES]
        .into_iter()
        .flatten()
}

/// Returns the rules that the program lists.
fn catalogue() -> Vec<Value> {
    let listed = run(["rules", "--format", "json"]);
    serde_json::from_str(&listed.stdout).unwrap()
}

#[test]
fn every_rule_has_a_case() {
    let mut listed: Vec<_> = catalogue()
        .iter()
        .map(|rule| rule["id"].as_str().unwrap().to_owned())
        .collect();
    let mut tried: Vec<_> = cases().map(|case| case.rule.to_owned()).collect();
    listed.sort();
    tried.sort();
    assert_eq!(listed, tried);
}

#[test]
fn a_broken_rule_is_in_report_events_log_and_summary() {
    for case in cases() {
        let (_, stopped) = case.run("warn");
        let rule = case.rule;
        let report = stopped.function("ism0")["rules"].as_array().unwrap();
        let counted = report.iter().find(|counted| counted["rule"] == rule);
        let counted = counted.unwrap_or_else(|| panic!("{rule} is not among {report:?}"));
        assert_eq!(counted["severity"], "warn", "{rule}");
        assert!(counted["violations"].as_u64() >= Some(1));
        let mut violations = stopped.events_named("violation");
        let violation = violations.find(|violation| violation["rule"] == rule);
        let violation = violation.unwrap_or_else(|| panic!("{rule} is in no event"));
        assert_eq!(
            (&violation["severity"], &violation["function"]),
            (&"warn".into(), &"ism0".into())
        );
        assert!(!violation["detail"].as_str().unwrap().is_empty());
        let log_and_summary = stopped.ended.stderr.matches(rule).count();
        assert!(log_and_summary >= 2, "{rule}: {}", stopped.ended.stderr);
    }
}

#[test]
fn a_rejected_access_fails() {
    for case in cases() {
        let (reply, stopped) = case.run("reject");
        let errno = if case.rule == "outside-bar" {
            EINVAL
        } else {
            EIO
        };
        assert_eq!(reply.errno(), Some(errno), "{}", case.rule);
        assert!(stopped.rules().contains(&case.rule));
    }
}

#[test]
fn a_rule_that_is_off_is_not_recorded() {
    for case in cases() {
        let (_, stopped) = case.run("off");
        assert!(!stopped.rules().contains(&case.rule), "{}", case.rule);
        assert!(
            stopped
                .events_named("violation")
                .all(|violation| violation["rule"] != case.rule)
        );
    }
}

#[test]
fn an_access_that_cannot_be_carried_out_fails_whatever_the_severity() {
    let always: Vec<_> = catalogue()
        .into_iter()
        .filter(|rule| rule["always_fails"] == true)
        .collect();
    assert!(!always.is_empty());
    for case in cases().filter(|case| always.iter().any(|rule| rule["id"] == case.rule)) {
        for severity in ["off", "note", "warn"] {
            let (reply, _) = case.run(severity);
            assert!(reply.errno().is_some(), "{} at {severity}", case.rule);
        }
    }
}

#[test]
fn a_cut_store_is_reported_with_the_number_and_size_of_its_pieces() {
    let case = cases()
        .find(|case| case.rule == "split-block-store")
        .unwrap();
    let (reply, stopped) = case.run("warn");
    reply.ok();
    let violation = stopped
        .events_named("violation")
        .find(|event| event["rule"] == case.rule)
        .unwrap();
    assert_eq!(violation["pieces"], 4);
    assert_eq!(violation["piece_length"], 8);
    assert_eq!(violation["length"], 32);
    let counted = &stopped.function("ism0")["rules"][0];
    assert_eq!(
        (&counted["violations"], &counted["pieces"]),
        (&1.into(), &4.into())
    );
}
