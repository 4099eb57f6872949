//! A lab that plays scenarios one after the other.

use super::format::{Scenario, Shape};
use super::outcome::Outcome;
use super::stage;
use super::tail::Tail;
use crate::error::Error;
use crate::folder::Folder;
use crate::lab::Lab;
use crate::setup::Setup;

/// A lab that waits for a scenario.
pub(super) struct Open {
    lab: Lab,
    tail: Option<Tail>,
    folder: Folder,
}

impl Open {
    /// Starts a lab of `shape`, the run's lab `number`, and waits until it is ready.
    ///
    /// # Errors
    /// It cannot be started.
    pub(super) async fn new(
        number: usize,
        shape: &Shape,
        with_events: bool,
        setup: &Setup,
        folder: &Folder,
    ) -> Result<Self, Error> {
        let folder = folder.part(&format!("lab{number}"))?;
        let setup = shaped(shape, with_events, setup, &folder);
        let tail = setup.events.as_deref().map(Tail::new);
        let mut lab = Lab::start(&setup, &folder).await?;
        let ready = async {
            lab.ready(setup.patience).await?;
            lab.bound().await
        };
        if let Err(error) = ready.await {
            // The first error is the one to report.
            let _ = lab.stop().await;
            return Err(error);
        }
        Ok(Self { lab, tail, folder })
    }

    /// Plays a scenario.
    ///
    /// # Errors
    /// See [`stage::play`].
    pub(super) async fn play(&mut self, scenario: &Scenario) -> Result<Outcome, Error> {
        stage::play(scenario, &mut self.lab, &self.folder, self.tail.as_mut()).await
    }

    /// Ends the lab. If its server is gone, there is no report, which is no error.
    pub(super) async fn close(mut self) {
        let _ = self.lab.stop().await;
    }
}

/// The parts of a lab of `shape`.
fn shaped(shape: &Shape, with_events: bool, setup: &Setup, folder: &Folder) -> Setup {
    let mut setup = setup.clone();
    setup.recipe.guests = shape.guests;
    setup.recipe.processors = shape.smp;
    if !shape.append.is_empty() {
        let before = setup.recipe.append.take().unwrap_or_default();
        setup.recipe.append = Some(format!("{before} {}", shape.append));
    }
    setup.functions_per_guest = shape.functions_per_guest;
    setup.plugged = shape.plugged;
    setup.control = Some(folder.passing("control.sock"));
    setup.events = with_events.then(|| folder.log("events.jsonl"));
    setup
}
