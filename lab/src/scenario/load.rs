//! Reads a scenario, and checks it before the lab starts.

use super::format::{Action, Place, SCHEMA_VERSION, Scenario, Shape, When};
use crate::agent::SLOTS;
use crate::error::Error;

/// Reads the scenario in `text`. Errors call it `place`.
///
/// # Errors
/// It is none, or it names what it has not.
pub(super) fn parse(place: &str, text: &str) -> Result<Scenario, Error> {
    let wrong = |what: String| Error::Usage(format!("{place}: {what}"));
    let mut reader = serde_json::Deserializer::from_str(text);
    let scenario: Scenario = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        wrong(format!("{path}: {}", error.into_inner()))
    })?;
    reader.end().map_err(|error| wrong(error.to_string()))?;
    check(&scenario).map_err(wrong)?;
    Ok(scenario)
}

fn check(scenario: &Scenario) -> Result<(), String> {
    let expected = |what: &str, found: &dyn std::fmt::Display, right: &str| {
        Err(format!("{what}: {found}, expected {right}"))
    };
    if scenario.schema_version != SCHEMA_VERSION {
        return expected("schema_version", &scenario.schema_version, "1");
    }
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if scenario.name.is_empty() || !scenario.name.chars().all(plain) {
        let right = "lower-case letters, digits and `-`";
        return expected("name", &format!("{:?}", scenario.name), right);
    }
    if scenario.shows.trim().is_empty() {
        return expected("shows", &"nothing", "a sentence");
    }
    shape(&scenario.lab)?;
    steps(scenario)?;
    let lab = &scenario.lab;
    for (index, carried) in scenario.expect.carried.iter().enumerate() {
        let at = Place::of(carried.guest, carried.function);
        place(&format!("expect.carried[{index}]"), at, lab)?;
    }
    for (index, lost) in scenario.expect.lost_functions.iter().enumerate() {
        place(&format!("expect.lost_functions[{index}]"), *lost, lab)?;
    }
    for (index, number) in scenario.expect.guests_ended.iter().enumerate() {
        guest(&format!("expect.guests_ended[{index}]"), *number, lab)?;
    }
    Ok(())
}

fn shape(lab: &Shape) -> Result<(), String> {
    let between = |name: &str, value: usize, least: usize, most: usize| {
        if (least..=most).contains(&value) {
            return Ok(());
        }
        Err(format!("lab.{name}: {value}, expected {least} to {most}"))
    };
    between("guests", lab.guests, 1, 8)?;
    between("functions_per_guest", lab.functions_per_guest, 1, 8)?;
    let plugged = lab.plugged.unwrap_or(lab.functions_per_guest);
    between("plugged", plugged, 0, lab.functions_per_guest)?;
    between("smp", usize::try_from(lab.smp).unwrap_or(usize::MAX), 1, 8)
}

fn guest(key: &str, number: usize, lab: &Shape) -> Result<(), String> {
    if number < lab.guests {
        return Ok(());
    }
    let last = lab.guests - 1;
    Err(format!(
        "{key}: guest {number}, expected 0 to {last}: the lab has no more"
    ))
}

fn place(key: &str, at: Place, lab: &Shape) -> Result<(), String> {
    guest(key, at.guest, lab)?;
    if at.function < lab.functions_per_guest {
        return Ok(());
    }
    let last = lab.functions_per_guest - 1;
    Err(format!(
        "{key}: function {}, expected 0 to {last}: a guest has no more",
        at.function
    ))
}

fn steps(scenario: &Scenario) -> Result<(), String> {
    let lab = &scenario.lab;
    // Names of the commands that no step has finished, each with its guest if it may still run there.
    let mut running: Vec<(&str, Option<usize>)> = Vec::new();
    for (index, step) in scenario.steps.iter().enumerate() {
        let key = format!("steps[{index}].do");
        match &step.action {
            Action::Run(run) => {
                guest(&key, run.guest, lab)?;
                if let Some(name) = run.name.as_deref() {
                    if running.iter().any(|(other, _)| *other == name) {
                        return Err(format!("{key}: the name {name:?} is given twice"));
                    }
                    running.push((name, Some(run.guest)));
                    let here = running.iter().filter(|(_, at)| *at == Some(run.guest));
                    let count = here.count();
                    // The other steps and the checks run commands in the guest, too.
                    if count >= SLOTS {
                        return Err(format!(
                            "{key}: {count} commands with names at once in guest {}, expected {} at most",
                            run.guest,
                            SLOTS - 1
                        ));
                    }
                }
            }
            Action::Finish(named) => {
                if !running.iter().any(|(name, _)| *name == named.name) {
                    return Err(format!(
                        "{key}: no command before it has the name {:?}",
                        named.name
                    ));
                }
                running.retain(|(name, _)| *name != named.name);
            }
            Action::Serve(serve) => guest(&key, serve.guest, lab)?,
            Action::Qmp(qmp) => guest(&key, qmp.guest, lab)?,
            Action::Unbind(at)
            | Action::Bind(at)
            | Action::Recover(at)
            | Action::PowerOff(at)
            | Action::PowerOn(at)
            | Action::Remove(at)
            | Action::Plug(at)
            | Action::Unplug(at) => place(&key, *at, lab)?,
            Action::Rescan(of)
            | Action::Reload(of)
            | Action::LinkDown(of)
            | Action::LinkUp(of)
            | Action::Pause(of)
            | Action::Resume(of) => guest(&key, of.guest, lab)?,
            Action::Reboot(of) | Action::Kill(of) => {
                guest(&key, of.guest, lab)?;
                // Its commands end with it.
                for (_, at) in running.iter_mut().filter(|(_, at)| *at == Some(of.guest)) {
                    *at = None;
                }
            }
            Action::VlanUp(vlan) | Action::VlanDown(vlan) => {
                guest(&key, vlan.guest, lab)?;
                if !(1..=4094).contains(&vlan.id) {
                    return Err(format!("{key}: VLAN {}, expected 1 to 4094", vlan.id));
                }
            }
            Action::WaitS(seconds) => time(&key, *seconds)?,
            Action::Inject(inject) => {
                let at = Place::of(inject.guest, inject.function);
                place(&key, at, lab)?;
                guest(&key, inject.peer.unwrap_or(0), lab)?;
                let name = inject.action.name();
                if !inject.action.is_for_now() {
                    return Err(format!(
                        "{key}.inject.action: {name}, expected an action that hits a whole function"
                    ));
                }
            }
            Action::Fault(fault) => {
                let names: Vec<String> = (0..lab.guests * lab.functions_per_guest)
                    .map(|number| format!("ism{number}"))
                    .collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                ism::fault::check(fault, &names).map_err(|error| format!("{key}.fault.{error}"))?;
            }
            Action::Server(_) | Action::ClearFaults | Action::Ctl(_) => {}
        }
        let key = format!("steps[{index}].when");
        match &step.when {
            None => {}
            Some(When::AfterS(seconds)) => time(&key, *seconds)?,
            Some(When::Command(count)) => place(&key, Place::of(count.guest, count.function), lab)?,
            Some(When::Moves(count) | When::Interrupts(count)) => {
                place(&key, Place::of(count.guest, count.function), lab)?;
            }
            Some(When::Prints(prints)) => guest(&key, prints.guest, lab)?,
        }
    }
    Ok(())
}

/// Checks that a clock can wait for this number of seconds.
fn time(key: &str, seconds: f64) -> Result<(), String> {
    if (0.0..=86_400.0).contains(&seconds) {
        return Ok(());
    }
    Err(format!("{key}: {seconds} s, expected 0 to 86400"))
}

#[cfg(test)]
mod tests;
