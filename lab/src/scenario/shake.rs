//! Plays random scenarios until the time is over. Shortens each one that fails.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::draw::{self, Episode};
use super::open::Open;
use super::outcome::Outcome;
use crate::args::Args;
use crate::error::Error;
use crate::folder::Folder;
use crate::say::say;
use crate::setup::Setup;

/// Plays the scenarios of `seed`, `seed` + 1, ... until `args.minutes` are over. Adds their results to `outcomes`.
/// A scenario that fails is shortened and written to a file. The next one then gets a new lab.
///
/// # Errors
/// A lab cannot be started, or the file cannot be written.
pub(super) async fn run(
    seed: u64,
    args: &Args,
    setup: &Setup,
    folder: &Folder,
    outcomes: &mut Vec<Outcome>,
) -> Result<(), Error> {
    let end = Instant::now() + Duration::from_secs(args.minutes * 60);
    let mut labs = Labs {
        made: 0,
        setup,
        folder,
    };
    // The lab, with the seed that was its first.
    let mut open: Option<(u64, Open)> = None;
    for seed in seed.. {
        let episodes = draw::episodes(seed);
        let (first, mut lab) = match open.take() {
            Some(open) => open,
            None => (seed, labs.open(seed).await?),
        };
        let outcome = lab.play(&draw::scenario(seed, &episodes)).await?;
        let verdict = if outcome.passed { "passed" } else { "FAILED" };
        say(format_args!(
            "seed {seed}: {} episodes, {verdict} in {:.1} s",
            episodes.len(),
            outcome.seconds
        ));
        for failure in &outcome.failures {
            say(format_args!("seed {seed}: {failure}"));
        }
        let passed = outcome.passed;
        outcomes.push(outcome);
        if passed {
            open = Some((first, lab));
        } else {
            lab.close().await;
            let path = args.keep.clone().unwrap_or_default();
            let path = path.join(format!("shake-{seed}.json"));
            let left = labs.shrink(seed, first, episodes, path).await?;
            outcomes.push(left);
        }
        if Instant::now() >= end {
            break;
        }
    }
    if let Some((_, lab)) = open {
        lab.close().await;
    }
    Ok(())
}

struct Labs<'a> {
    made: usize,
    setup: &'a Setup,
    folder: &'a Folder,
}

impl Labs<'_> {
    async fn open(&mut self, seed: u64) -> Result<Open, Error> {
        self.made += 1;
        let shape = draw::scenario(seed, &[]).lab;
        Open::new(self.made, &shape, false, self.setup, self.folder).await
    }

    async fn alone(&mut self, seed: u64, episodes: &[Episode]) -> Result<Outcome, Error> {
        let mut lab = self.open(seed).await?;
        let outcome = lab.play(&draw::scenario(seed, episodes)).await;
        lab.close().await;
        for failure in outcome.iter().flat_map(|outcome| &outcome.failures) {
            say(format_args!("seed {seed}: {failure}"));
        }
        outcome
    }

    /// Removes episodes that the failure does not need. Each try has its own lab. Returns the result of the
    /// shortest scenario, and writes it to `path`. `first` is the first seed of the lab in which `seed` failed.
    async fn shrink(
        &mut self,
        seed: u64,
        first: u64,
        mut episodes: Vec<Episode>,
        path: PathBuf,
    ) -> Result<Outcome, Error> {
        say(format_args!(
            "seed {seed}: `lab --shake {seed}` draws it again"
        ));
        let mut last = self.alone(seed, &episodes).await?;
        if last.passed {
            say(format_args!(
                "seed {seed}: it passes on a lab of its own. The lab in which it failed began with seed \
                 {first}: `lab --shake {first} --minutes N` plays that again"
            ));
        }
        let mut at = 0;
        while !last.passed && at < episodes.len() && episodes.len() > 1 {
            let mut fewer = episodes.clone();
            fewer.remove(at);
            let outcome = self.alone(seed, &fewer).await?;
            say(format_args!(
                "seed {seed}: without one of {} episodes it {}",
                episodes.len(),
                if outcome.passed {
                    "passes"
                } else {
                    "fails, too"
                }
            ));
            if outcome.passed {
                at += 1;
            } else {
                (episodes, last) = (fewer, outcome);
            }
        }
        let text = serde_json::to_string_pretty(&draw::scenario(seed, &episodes));
        let text = text.map_err(|error| Error::file("write", &path)(error.into()))?;
        std::fs::write(&path, text + "\n").map_err(Error::file("write", &path))?;
        say(format_args!(
            "seed {seed}: {} episodes are left: `lab --scenario {}`",
            episodes.len(),
            path.display()
        ));
        Ok(last)
    }
}
