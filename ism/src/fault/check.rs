//! Checks a fault as written and converts it into one that can act.

use super::action::{Action, Who};
use super::plan::Fault;
use super::site::Site;
use crate::command::table::Command;
use crate::id::FunctionId;

/// An error in a fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct FaultError {
    /// Path of the key inside the fault, e.g. `on.command`.
    pub key: String,
    /// The error, and the expected value.
    pub problem: String,
}

impl FaultError {
    pub(super) fn new(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            problem: problem.into(),
        }
    }
}

/// Checks a fault on a fabric whose functions have these names.
///
/// # Errors
/// The first key with a wrong value, and what is wrong with it.
pub fn check(fault: &Fault, names: &[&str]) -> Result<(), FaultError> {
    meant(fault, names).map(|_| ())
}

/// A checked fault, with names resolved.
#[derive(Clone, Debug)]
pub(super) struct Meant {
    pub site: Site,
    pub function: Option<FunctionId>,
    pub peer: Option<FunctionId>,
    pub command: Option<u32>,
}

/// Converts a fault on a fabric whose functions have these names.
pub(super) fn meant(fault: &Fault, names: &[&str]) -> Result<Meant, FaultError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if !(1..=64).contains(&fault.id.len()) || !fault.id.bytes().all(plain) {
        let problem = format!(
            "{:?}, expected 1 to 64 letters, digits, '-' or '_'",
            fault.id
        );
        return Err(FaultError::new("id", problem));
    }
    when(fault)?;
    if fault.limit == Some(0) {
        return Err(FaultError::new("limit", "0, expected at least 1"));
    }
    if let Some((name, problem)) = fault.action.problem() {
        let key = format!("do.{}.{name}", fault.action.name());
        return Err(FaultError::new(key, problem));
    }
    let on = &fault.on;
    let site = site(fault)?;
    if let Some(key) = on.keys().find(|key| !site.keys().contains(key)) {
        let mut known = vec!["function"];
        known.extend(site.keys());
        let problem = format!(
            "not known at {}, expected only {}",
            site.name(),
            known.join(", ")
        );
        return Err(FaultError::new(format!("on.{key}"), problem));
    }
    if fault.action.who() == Who::Peer && !site.keys().contains(&"peer") {
        let key = format!("do.{}.who", fault.action.name());
        let problem = format!(
            "peer, but there is none at {}, expected function",
            site.name()
        );
        return Err(FaultError::new(key, problem));
    }
    if fault.action.lacks_gid() && !site.keys().contains(&"peer") {
        let problem = format!(
            "missing, and there is no other function at {}, expected a GID",
            site.name()
        );
        return Err(FaultError::new("do.gid-event.gid", problem));
    }
    if on.index.is_some_and(|index| index > 1919) {
        let problem = format!("{}, expected 0 to 1919", on.index.unwrap_or_default());
        return Err(FaultError::new("on.index", problem));
    }
    let function = |key, name: &Option<String>| -> Result<_, FaultError> {
        let Some(name) = name else { return Ok(None) };
        let at = names.iter().position(|known| known == name);
        let id = at.ok_or_else(|| {
            let problem = format!(
                "{name:?}, expected the name of a function: {}",
                listed(names)
            );
            FaultError::new(key, problem)
        })?;
        Ok(Some(FunctionId(id)))
    };
    Ok(Meant {
        site,
        function: function("on.function", &on.function)?,
        peer: function("on.peer", &on.peer)?,
        command: on.command.as_deref().map(command).transpose()?,
    })
}

fn when(fault: &Fault) -> Result<(), FaultError> {
    let when = &fault.when;
    let given = [
        ("nth", when.nth.is_some()),
        ("every", when.every.is_some()),
        ("probability", when.probability.is_some()),
    ];
    let mut given = given.iter().filter(|(_, given)| *given);
    if let (Some((first, _)), Some((second, _))) = (given.next(), given.next()) {
        let problem = format!("{first} and {second}, expected one of them");
        return Err(FaultError::new("when", problem));
    }
    for (key, value) in [("when.nth", when.nth), ("when.every", when.every)] {
        if value == Some(0) {
            return Err(FaultError::new(key, "0, expected at least 1"));
        }
    }
    match when.probability {
        Some(probability) if !(0.0..=1.0).contains(&probability) => {
            let problem = format!("{probability}, expected 0 to 1");
            Err(FaultError::new("when.probability", problem))
        }
        None if when.seed.is_some() => Err(FaultError::new(
            "when.seed",
            "a seed without probability, expected both",
        )),
        _ => Ok(()),
    }
}

/// Returns the place where a fault acts: the only place of its action, the place that `at` names, or the only
/// place to which a key of `on` belongs.
fn site(fault: &Fault) -> Result<Site, FaultError> {
    let (action, on) = (&fault.action, &fault.on);
    let possible = action.sites();
    let names = |sites: &[Site]| {
        let names: Vec<&str> = sites.iter().map(|site| site.name()).collect();
        names.join(", ")
    };
    if let Some(at) = on.at {
        if possible.contains(&at) {
            return Ok(at);
        }
        let problem = format!(
            "{}, where {} cannot act; expected {}",
            at.name(),
            action.name(),
            names(possible)
        );
        return Err(FaultError::new("on.at", problem));
    }
    if let [only] = possible {
        return Ok(*only);
    }
    let implied = [
        (on.command.is_some(), Site::Command),
        (on.signal.is_some(), Site::Move),
        (on.event_type.is_some(), Site::Event),
        (on.message.is_some(), Site::Message),
    ];
    let implied = implied.into_iter().find(|(given, _)| *given);
    match implied {
        Some((_, site)) if possible.contains(&site) => Ok(site),
        _ => {
            let problem = format!(
                "missing, and {} can act at more than one place; expected one of {}",
                action.name(),
                names(possible)
            );
            Err(FaultError::new("on.at", problem))
        }
    }
}

/// Parses a command by name or code.
fn command(text: &str) -> Result<u32, FaultError> {
    let named = Command::ALL.iter().find(|command| command.name() == text);
    let code = text.strip_prefix("0x");
    let code = code.and_then(|digits| u32::from_str_radix(digits, 16).ok());
    named.map(|command| command.code()).or(code).ok_or_else(|| {
        let names: Vec<&str> = Command::ALL.iter().map(|command| command.name()).collect();
        let problem = format!(
            "{text:?}, expected a code as 0x... or one of {}",
            names.join(", ")
        );
        FaultError::new("on.command", problem)
    })
}

fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 8;
    let mut shown = names
        .iter()
        .take(SHOWN)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        shown.push_str(", ...");
    }
    shown
}

/// Checks an action that is to be injected at once. Without a peer, it must not need one.
pub(crate) fn for_now(action: &Action, peer: Option<FunctionId>) -> Result<(), FaultError> {
    if let Some((name, problem)) = action.problem() {
        return Err(FaultError::new(
            format!("do.{}.{name}", action.name()),
            problem,
        ));
    }
    if action.is_for_now() {
        if peer.is_none() && (action.who() == Who::Peer || action.lacks_gid()) {
            let problem = "missing, and this action is about another function, expected its name";
            return Err(FaultError::new("peer", problem));
        }
        return Ok(());
    }
    let problem = format!(
        "{} changes an access, so it needs one; expected an action of the whole function, or a fault",
        action.name()
    );
    Err(FaultError::new("do", problem))
}
