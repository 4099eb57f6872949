//! What the subcommand does.

use crate::args::{Args, Format};
use crate::baseline::{Baseline, Comparison};
use crate::error::Error;
use crate::expect::Model;
use crate::plan::Plan;
use crate::profile::Profile;
use crate::recording::Recording;
use crate::report::{self, Report};
use crate::{process, session, verdict};
use std::io::{IsTerminal, Write};
use std::path::Path;

/// Value of `--break` that asks for the list.
const LIST_DEFECTS: &str = "list";

/// How a run went that came to a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Everything is as specified, or equal to the baseline: exit code 0.
    Good,
    /// Something is not, or changed: exit code 1.
    NotGood,
}

/// Carries out the subcommand. The report goes to standard output, words about it to standard error. `program` is the
/// executable whose `serve` subcommand is the server.
///
/// # Errors
/// See [`Error`].
pub fn run(args: &Args, program: &Path) -> Result<Ending, Error> {
    process::keep_with(program);
    if args.dump_plan {
        print(&plan(args)?.to_json())?;
        return Ok(Ending::Good);
    }
    if args.defect.as_deref() == Some(LIST_DEFECTS) {
        print(&session::defects(args, program)?)?;
        return Ok(Ending::Good);
    }
    let baseline = match &args.baseline {
        Some(path) if !args.write_baseline => Some(Baseline::read(path)?),
        _ => None,
    };
    let recording = match &args.replay {
        Some(path) => Recording::read(path)?,
        None => {
            let profile = args
                .profile
                .as_deref()
                .map_or_else(|| Ok(Profile::default()), Profile::read)?;
            match &args.kernel {
                Some(kernel) => session::observe(args, kernel, program, &profile)?,
                None => session::record(args, program, plan(args)?, &profile)?,
            }
        }
    };
    if let Some(path) = &args.record {
        recording.write(path)?;
    }
    let model = args.expect.map_or(recording.model, Model::from);
    let verdicts = verdict::classify(&recording, model)?;
    let report = Report::new(&recording, model, &verdicts);
    publish(args, &report)?;
    judge(args, baseline.as_ref(), &report)
}

fn plan(args: &Args) -> Result<Plan, Error> {
    Ok(match (&args.plan, args.random) {
        (Some(path), _) => Plan::read(path)?,
        (None, Some(count)) => Plan::random(count, args.seed),
        (None, None) => Plan::default(),
    })
}

fn publish(args: &Args, report: &Report) -> Result<(), Error> {
    if let Some(path) = &args.html {
        write(path, &report::html(report))?;
    }
    let text = match args.format {
        Format::Table => report::table(report, std::io::stdout().is_terminal()),
        Format::Json => report.to_json(),
        Format::Tap => report::tap(report),
        Format::Junit => report::junit(report)?,
    };
    print(&text)
}

fn judge(args: &Args, baseline: Option<&Baseline>, report: &Report) -> Result<Ending, Error> {
    let now = Baseline::of(report);
    let good = match (&args.baseline, baseline) {
        (Some(path), None) => {
            write(path, &now.to_json())?;
            eprintln!("baseline written to {}", path.display());
            true
        }
        (_, Some(before)) => {
            if (&before.plan, before.seed, before.expect) != (&now.plan, now.seed, now.expect) {
                eprintln!("the baseline was made with another plan, seed or --expect");
            }
            let comparison = Comparison::new(before, &now);
            eprint!("{}", comparison.describe());
            comparison.is_equal()
        }
        (None, None) => report.is_good(),
    };
    Ok(if good { Ending::Good } else { Ending::NotGood })
}

fn print(text: &str) -> Result<(), Error> {
    let mut output = std::io::stdout().lock();
    match output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush())
    {
        // The reader has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.map_err(Error::Output),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}
