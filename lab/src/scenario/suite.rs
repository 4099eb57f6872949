//! Plays several scenarios on as few labs as possible.

use std::collections::BTreeMap;
use std::path::Path;

use super::format::{Action, Scenario, Shape, When};
use super::open::Open;
use super::outcome::{Outcome, Outcomes};
use super::{choose, library, shake};
use crate::args::{Args, Format};
use crate::error::Error;
use crate::folder::Folder;
use crate::json;
use crate::say::say;
use crate::setup::Setup;

/// Exit status if a check failed.
const FAILED: u8 = 4;

/// The JSON schema of scenarios.
pub(crate) fn schema() -> serde_json::Value {
    schemars::schema_for!(Scenario).to_value()
}

/// The library as a table or as JSON.
///
/// # Errors
/// A scenario of the library is wrong.
pub(crate) fn list(format: Format) -> Result<String, Error> {
    let all = library::all()?;
    if format == Format::Json {
        return json::text("write the scenarios as JSON", &all);
    }
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_BORDERS_ONLY);
    table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
    table.set_header(["scenario", "part of", "guests", "what it shows"]);
    for scenario in &all {
        let (part, shows) = match &scenario.apart {
            Some(why) => ("", format!("{} Not part of all: {why}", scenario.shows)),
            None if scenario.by_default => ("all, default", scenario.shows.clone()),
            None => ("all", scenario.shows.clone()),
        };
        let guests = scenario.lab.guests.to_string();
        table.add_row([&scenario.name, part, &guests, &shows]);
    }
    Ok(format!("{table}\n"))
}

/// The scenarios that the command line names, in order, each once.
///
/// # Errors
/// A name or file is wrong.
pub(super) fn wanted(names: &[String]) -> Result<Vec<Scenario>, Error> {
    let mut found: Vec<Scenario> = Vec::new();
    for name in names {
        for scenario in choose::named(name)? {
            if !found.contains(&scenario) {
                found.push(scenario);
            }
        }
    }
    Ok(found)
}

/// Plays scenarios, prints their results, and returns the exit status.
///
/// # Errors
/// A lab cannot be started, or the results cannot be written.
pub(crate) async fn run(
    scenarios: &[Scenario],
    args: &Args,
    setup: &Setup,
    folder: &Folder,
) -> Result<u8, Error> {
    let mut outcomes = Vec::new();
    let played = match args.shake {
        Some(seed) => shake::run(seed, args, setup, folder, &mut outcomes).await,
        None => {
            let mut first = Played::new();
            let played = repeated(scenarios, args.repeat, setup, folder, &mut first).await;
            outcomes.extend(first.into_values());
            played
        }
    };
    tell(outcomes, played, args.junit.as_deref(), args.format)
}

/// Writes the results of a run, and returns its exit status. `played` says whether the run came to its end. If it
/// did not, the results of the scenarios before are still worth having.
///
/// # Errors
/// That of `played`, or the results cannot be written.
fn tell(
    outcomes: Vec<Outcome>,
    played: Result<(), Error>,
    junit: Option<&Path>,
    format: Format,
) -> Result<u8, Error> {
    match played {
        Err(error) if outcomes.is_empty() => Err(error),
        Err(error) => {
            say(format_args!(
                "the run did not come to its end: these are the results so far"
            ));
            // The first error is the one to report.
            let _ = write(&Outcomes::new(outcomes), junit, format);
            Err(error)
        }
        Ok(()) => write(&Outcomes::new(outcomes), junit, format),
    }
}

fn write(outcomes: &Outcomes, junit: Option<&Path>, format: Format) -> Result<u8, Error> {
    let bad = |what| move |error: std::io::Error| Error::system(what)(error);
    if let Some(path) = junit {
        let text = outcomes.to_junit();
        let text = text.map_err(|error| bad("write JUnit")(std::io::Error::other(error)))?;
        std::fs::write(path, text).map_err(Error::file("write", path))?;
    }
    let text = match format {
        Format::Table => outcomes.to_table(),
        Format::Json => json::text("write the results as JSON", outcomes)?,
    };
    harness::print(&text).map_err(bad("write to standard output"))?;
    Ok(if outcomes.all_passed() { 0 } else { FAILED })
}

/// The results of a run so far, by the index of the scenario.
type Played = BTreeMap<usize, Outcome>;

/// Adds the results of the first of `runs` runs to `first`. A scenario fails if a later run gives another result.
async fn repeated(
    scenarios: &[Scenario],
    runs: u64,
    setup: &Setup,
    folder: &Folder,
    first: &mut Played,
) -> Result<(), Error> {
    let mut labs = 0;
    all(scenarios, &mut labs, setup, folder, first).await?;
    for number in 2..=runs {
        say(format_args!("run {number} of {runs}"));
        let mut again = Played::new();
        let played = all(scenarios, &mut labs, setup, folder, &mut again).await;
        compare(first, &again, number);
        played?;
    }
    Ok(())
}

/// Compares the results of the first run with those of run `number`, which may not have played every scenario.
fn compare(first: &mut Played, again: &Played, number: u64) {
    for (index, outcome) in first {
        if let Some(again) = again.get(index) {
            outcome.compare(again, number);
        }
    }
}

/// Adds the results of `scenarios` to `outcomes`. `labs` counts the started labs.
async fn all(
    scenarios: &[Scenario],
    labs: &mut usize,
    setup: &Setup,
    folder: &Folder,
    outcomes: &mut Played,
) -> Result<(), Error> {
    // Scenarios that leave their lab usable come first, so that they share it.
    let mut groups: BTreeMap<&Shape, Vec<(usize, &Scenario)>> = BTreeMap::new();
    for (index, scenario) in scenarios.iter().enumerate() {
        groups
            .entry(&scenario.lab)
            .or_default()
            .push((index, scenario));
    }
    for (shape, mut group) in groups {
        group.sort_by_key(|(_, scenario)| is_destructive(scenario));
        let with_events = group.iter().any(|(_, scenario)| waits_for_events(scenario));
        let mut open: Option<Open> = None;
        for (index, scenario) in group {
            let mut lab = match open.take() {
                Some(lab) => lab,
                None => {
                    *labs += 1;
                    Open::new(*labs, shape, with_events, setup, folder).await?
                }
            };
            let outcome = lab.play(scenario).await?;
            let verdict = if outcome.passed { "passed" } else { "FAILED" };
            say(format_args!(
                "scenario {}: {verdict} in {:.1} s",
                scenario.name, outcome.seconds
            ));
            for failure in &outcome.failures {
                say(format_args!("scenario {}: {failure}", scenario.name));
            }
            if outcome.passed && !is_destructive(scenario) {
                open = Some(lab);
            } else {
                lab.close().await;
            }
            outcomes.insert(index, outcome);
        }
        if let Some(lab) = open {
            lab.close().await;
        }
    }
    Ok(())
}

/// Whether the lab is unusable after the scenario.
fn is_destructive(scenario: &Scenario) -> bool {
    let expect = &scenario.expect;
    let plugs = |action: &Action| {
        matches!(
            action,
            Action::Plug(_) | Action::Unplug(_) | Action::Server(_)
        )
    };
    !expect.guests_ended.is_empty()
        || expect.server_ended
        || !expect.lost_functions.is_empty()
        || expect.dmbs_left > 0
        || scenario.steps.iter().any(|step| plugs(&step.action))
}

fn waits_for_events(scenario: &Scenario) -> bool {
    let waits = |when: &When| {
        matches!(
            when,
            When::Command(_) | When::Moves(_) | When::Interrupts(_)
        )
    };
    scenario
        .steps
        .iter()
        .any(|step| step.when.as_ref().is_some_and(waits))
}

/// Checks the names of the command line before the lab fetches or starts anything.
///
/// # Errors
/// See [`wanted`].
pub(crate) fn check(names: &[String], junit: Option<&Path>) -> Result<Vec<Scenario>, Error> {
    if let Some(folder) = junit.and_then(Path::parent)
        && !folder.as_os_str().is_empty()
        && !folder.is_dir()
    {
        let text = format!("--junit: the folder {} is missing", folder.display());
        return Err(Error::Usage(text));
    }
    wanted(names)
}

#[cfg(test)]
mod tests {
    use super::{Played, compare, tell};
    use crate::args::Format;
    use crate::error::Error;
    use crate::scenario::outcome::Outcome;

    fn outcome(name: &str, passed: bool) -> Outcome {
        Outcome {
            name: name.to_owned(),
            shows: "It shows a thing.".to_owned(),
            passed,
            failures: Vec::new(),
            seconds: 1.0,
            functions: Vec::new(),
        }
    }

    #[test]
    fn a_run_that_breaks_off_still_writes_its_results() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("junit.xml");
        let broken_off = || Err(Error::Report("the second lab did not start".to_owned()));
        let told = |outcomes, played| tell(outcomes, played, Some(&path), Format::Table);
        let error = told(Vec::new(), broken_off()).unwrap_err();
        assert_eq!(error.to_string(), "the second lab did not start");
        assert!(!path.exists(), "nothing was played");
        let error = told(vec![outcome("first", true)], broken_off()).unwrap_err();
        assert_eq!(error.to_string(), "the second lab did not start");
        assert!(!error.is_usage());
        let junit = std::fs::read_to_string(&path).unwrap();
        assert!(junit.contains("first"), "{junit}");
        assert_eq!(told(vec![outcome("first", true)], Ok(())).unwrap(), 0);
        assert_eq!(told(vec![outcome("first", false)], Ok(())).unwrap(), 4);
    }

    #[test]
    fn a_later_run_may_have_played_less() {
        let mut first: Played = (0..3).map(|index| (index, outcome("it", true))).collect();
        compare(&mut first, &Played::from([(2, outcome("it", false))]), 2);
        let passed: Vec<bool> = first.values().map(|outcome| outcome.passed).collect();
        assert_eq!(passed, [true, true, false]);
    }
}
