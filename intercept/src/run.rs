//! Carries out the subcommand `intercept`.

use crate::args::{Args, FailOn, Format};
use crate::baseline::{Baseline, Baselines, Comparison};
use crate::defects;
use crate::error::Error;
use crate::folder::Folder;
use crate::plan::Plan;
use crate::profile::Profile;
use crate::recording::Recording;
use crate::report::{self, Report, words};
use crate::select::Selection;
use crate::session;
use crate::starts::Setting;
use crate::{qemu, verdict};
use std::ffi::OsStr;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// The end of a run with a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Everything is as it should be, or equals the baseline: exit code 0.
    Good,
    /// Something is wrong, or has changed: exit code 1.
    NotGood,
}

/// Carries out the subcommand. The report goes to standard output, messages go to standard error. `program`
/// is the executable whose `serve` subcommand is the server.
///
/// # Errors
/// See [`Error`].
pub fn run(args: &Args, program: &Path) -> Result<Ending, Error> {
    harness::keep_with(program);
    check_flags(args)?;
    let selection = Selection::new(args);
    if args.dump_plan || args.list {
        let plan = plan(args, &selection)?;
        output(&match args.list {
            true => list(&plan),
            false => plan.to_json()?,
        })?;
        return Ok(Ending::Good);
    }
    if args.defect.as_deref() == Some(defects::LIST) {
        output(&defects::list(args, program)?)?;
        return Ok(Ending::Good);
    }
    let baseline = match &args.baseline {
        Some(path) if !args.write_baseline => Some(Baselines::read(path)?),
        _ => None,
    };
    let mut reports = Vec::new();
    let mut trouble = None;
    let mut folders = Vec::new();
    for (number, target) in (1..).zip(targets(args)) {
        let several = args.qemu.len() > 1;
        let folder = Folder::new(keep(args, several, number).as_deref())?;
        let recording = recording(args, program, &selection, &target, &folder);
        match recording.and_then(|it| report(args, &selection, &it, baseline.as_ref())) {
            Ok(report) => {
                reports.push(report);
                folders.push(folder);
            }
            Err(error) if error.is_usage() => return Err(error),
            Err(error) => {
                folder.keep_what_tells();
                if several {
                    eprintln!("{}: {}", target.name(), chain(&error));
                }
                trouble = Some(error);
            }
        }
    }
    let fail_on = fail_on(args);
    if let (Some(error), []) = (&trouble, reports.as_slice()) {
        publish_error(args, error)?;
    } else {
        publish(args, &reports, fail_on)?;
    }
    let ending = judge(args, &reports, fail_on)?;
    if ending == Ending::NotGood {
        folders.into_iter().for_each(Folder::keep_what_tells);
    }
    match trouble {
        Some(error) => Err(error),
        None => Ok(ending),
    }
}

/// Checks flags that clap cannot check.
fn check_flags(args: &Args) -> Result<(), Error> {
    if args.qemu.len().max(args.replay.len()) > 1 {
        for (given, name) in [
            (args.baseline.is_some(), "--baseline"),
            (args.record.is_some(), "--record"),
        ] {
            if given {
                return Err(Error::Several(name));
            }
        }
    }
    let compares = matches!(args.fail_on, Some(FailOn::Changed | FailOn::Worse));
    if compares && args.baseline.is_none() {
        return Err(Error::NoBaseline);
    }
    match &args.baseline {
        Some(path) if args.write_baseline && path.is_dir() => {
            return Err(Error::WriteIntoFolder(path.clone()));
        }
        _ => {}
    }
    Ok(())
}

fn fail_on(args: &Args) -> FailOn {
    args.fail_on.unwrap_or(match args.baseline {
        Some(_) => FailOn::Changed,
        None => FailOn::Any,
    })
}

/// The recordings to judge.
enum Target<'a> {
    Recorded(&'a Path),
    Named(&'a OsStr),
    Default,
}

impl Target<'_> {
    fn name(&self) -> String {
        match self {
            Self::Recorded(path) => path.display().to_string(),
            Self::Named(name) => name.to_string_lossy().into_owned(),
            Self::Default => "QEMU".into(),
        }
    }
}

fn targets(args: &Args) -> Vec<Target<'_>> {
    if !args.replay.is_empty() {
        args.replay
            .iter()
            .map(|path| Target::Recorded(path))
            .collect()
    } else if args.qemu.is_empty() {
        vec![Target::Default]
    } else {
        args.qemu.iter().map(|name| Target::Named(name)).collect()
    }
}

/// The named folder, or a folder in it for each of several QEMUs.
fn keep(args: &Args, several: bool, number: usize) -> Option<PathBuf> {
    let keep = args.keep.as_ref()?;
    Some(match several {
        true => keep.join(format!("qemu-{number}")),
        false => keep.clone(),
    })
}

fn plan(args: &Args, selection: &Selection) -> Result<Plan, Error> {
    let mut plan = match (&args.plan, args.random) {
        (Some(path), _) => Plan::read(path)?,
        (None, Some(count)) => {
            Plan::random(usize::try_from(count).unwrap_or(usize::MAX), args.seed)
        }
        (None, None) => Plan::default(),
    };
    selection.apply(args, &mut plan)?;
    Ok(plan)
}

/// The cases, one on each line.
fn list(plan: &Plan) -> String {
    let width = |text: fn(&crate::plan::Case) -> &str| {
        let lengths = plan.cases.iter().map(|case| text(case).len());
        lengths.max().unwrap_or(0)
    };
    let (ids, groups) = (width(|case| &case.id), width(|case| &case.group));
    plan.cases
        .iter()
        .map(|case| {
            format!(
                "{:ids$}  {:groups$}  {}\n",
                case.id,
                case.group,
                words::operation(case)
            )
        })
        .collect()
}

fn recording(
    args: &Args,
    program: &Path,
    selection: &Selection,
    target: &Target<'_>,
    folder: &Folder,
) -> Result<Recording, Error> {
    let named = match target {
        Target::Recorded(path) => {
            let recording = Recording::read(path)?;
            selection.check(args, &recording.plan)?;
            return Ok(recording);
        }
        Target::Named(name) => Some(*name),
        Target::Default => None,
    };
    let profile = args
        .profile
        .as_deref()
        .map_or_else(|| Ok(Profile::default()), Profile::read)?;
    let accelerator = args.accel.choose(args.plugin_flag())?;
    let qemu = qemu::locate(named)?;
    let setting = Setting {
        args,
        program,
        qemu: &qemu,
        accelerator,
        profile: &profile,
        folder: folder.path(),
    };
    let recording = match &args.kernel {
        Some(kernel) => {
            let recording = session::observe(&setting, kernel)?;
            selection.check(args, &recording.plan)?;
            recording
        }
        None => session::record(&setting, plan(args, selection)?)?,
    };
    if let Some(path) = &args.record {
        recording.write(path)?;
    }
    Ok(recording)
}

fn report(
    args: &Args,
    selection: &Selection,
    recording: &Recording,
    baselines: Option<&Baselines>,
) -> Result<Report, Error> {
    let model = args.expect.unwrap_or(recording.model);
    let verdicts = verdict::classify(recording, model)?;
    let mut report = Report::new(recording, model, &verdicts);
    // Cases that do not run here have their reasons in the report. Without any case, nothing was tested.
    if report.cases.is_empty() && report.stopped_set_up().is_none() {
        return Err(Error::NothingRan);
    }
    report.retain(|case| selection.reports(case));
    if let Some(baselines) = baselines {
        let now = Baseline::of(&report);
        let before = baselines.choose(&now)?;
        if (&before.plan, before.seed, before.expect) != (&now.plan, now.seed, now.expect) {
            eprintln!("the baseline was made with another plan, seed or --expect");
        }
        let before = before.restricted(|id| selection.is_whole() || report.has(id));
        report.comparison = Some(Comparison::new(&before.cases, &now.cases));
    }
    Ok(report)
}

fn publish(args: &Args, reports: &[Report], fail_on: FailOn) -> Result<(), Error> {
    if let Some(path) = &args.html {
        write(path, &report::html(reports))?;
    }
    if let Some(path) = &args.json {
        write(path, &report::json(reports)?)?;
    }
    if let Some(path) = &args.junit {
        write(path, &report::junit(reports, fail_on)?)?;
    }
    if let Some(path) = &args.tap {
        write(path, &report::tap(reports, fail_on))?;
    }
    let color = std::io::stdout().is_terminal();
    let text = match (args.format, reports) {
        (Format::Table, [report]) => report::table(report, color),
        (Format::Table, several) => report::side_by_side(several, color),
        (Format::Json, _) => report::json(reports)?,
        (Format::Tap, _) => report::tap(reports, fail_on),
        (Format::Junit, _) => report::junit(reports, fail_on)?,
    };
    output(&text)
}

/// Writes the reason for the missing report into the files that a CI system reads.
fn publish_error(args: &Args, error: &Error) -> Result<(), Error> {
    let junit = report::junit_of_error(&chain(error))?;
    let line = chain(error).replace('\n', " / ");
    let tap = format!("TAP version 14\n1..0\nBail out! {line}\n");
    if let Some(path) = &args.junit {
        write(path, &junit)?;
    }
    if let Some(path) = &args.tap {
        write(path, &tap)?;
    }
    match args.format {
        Format::Junit => output(&junit),
        Format::Tap => output(&tap),
        Format::Table | Format::Json => Ok(()),
    }
}

/// An error and its causes, in one line.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

fn judge(args: &Args, reports: &[Report], fail_on: FailOn) -> Result<Ending, Error> {
    let mut good = true;
    for report in reports {
        if let (Some(path), None) = (&args.baseline, &report.comparison) {
            write(path, &Baseline::of(report).to_json()?)?;
            eprintln!("baseline written to {}", path.display());
            continue;
        }
        if let Some(comparison) = &report.comparison {
            eprint!("{}", words::changes(comparison));
        }
        let set_up = report.stopped_set_up().is_none();
        good &= match (fail_on, &report.comparison) {
            (FailOn::Changed, Some(comparison)) => comparison.is_equal() && set_up,
            (FailOn::Worse, Some(comparison)) => !comparison.is_worse() && set_up,
            _ => report.is_good(),
        };
    }
    Ok(if good { Ending::Good } else { Ending::NotGood })
}

fn output(text: &str) -> Result<(), Error> {
    harness::print(text).map_err(Error::Output)
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(Error::file(path))
}
