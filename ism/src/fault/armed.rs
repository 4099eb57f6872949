//! All faults of a fabric, their counters, and the choice at each chance.

use super::action::{Action, Blame, Who};
use super::check::{self, FaultError, Meant};
use super::plan::Fault;
use super::random::Random;
use super::site::Site;
use crate::id::FunctionId;

/// One chance for a fault: a function reaches a place where faults may act.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chance<'a> {
    pub site: Site,
    pub function: FunctionId,
    pub peer: Option<FunctionId>,
    pub command: Option<u32>,
    pub token: Option<u64>,
    pub index: Option<u32>,
    pub signal: Option<bool>,
    pub event_type: Option<u32>,
    pub message: Option<&'a str>,
}

impl Chance<'_> {
    /// Creates a chance of which only the place and the functions are known.
    pub(crate) fn at(site: Site, function: FunctionId, peer: Option<FunctionId>) -> Self {
        Self {
            site,
            function,
            peer,
            command: None,
            token: None,
            index: None,
            signal: None,
            event_type: None,
            message: None,
        }
    }
}

/// A fault that was injected, for the observer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultRecord<'a> {
    /// The function that made the access.
    pub function: FunctionId,
    /// The other function, if there is one.
    pub peer: Option<FunctionId>,
    /// Id of the fault; `now` for an action that was injected at once.
    pub id: &'a str,
    /// The action that was carried out.
    pub action: Action,
    /// Number of times that this fault hit this function so far, this time included.
    pub number: u64,
}

impl FaultRecord<'_> {
    /// Returns the function that is hit.
    pub fn target(&self) -> Option<FunctionId> {
        match self.action.who() {
            Who::Function => Some(self.function),
            Who::Peer => self.peer,
        }
    }

    /// The violations that the action may cause.
    pub fn blame(&self) -> Blame {
        self.action.blame()
    }
}

/// The numbers of chances and hits of a fault at one function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultCount {
    /// Id of the fault.
    pub id: String,
    /// The function of these counters.
    pub function: FunctionId,
    /// Number of chances.
    pub chances: u64,
    /// Number of times that the fault was injected.
    pub injected: u64,
}

/// Counters and random numbers of a fault at one function.
#[derive(Clone, Debug)]
struct Progress {
    chances: u64,
    injected: u64,
    random: Random,
}

#[derive(Clone, Debug)]
struct Armed {
    fault: Fault,
    meant: Meant,
    /// The progress at each function, by function id.
    progress: Vec<Progress>,
}

impl Armed {
    fn new(fault: Fault, names: &[&str]) -> Result<Self, FaultError> {
        let meant = check::meant(&fault, names)?;
        let seed = fault.when.seed.unwrap_or(0);
        let progress = names.iter().map(|name| Progress {
            chances: 0,
            injected: 0,
            random: Random::new(seed, &fault.id, name),
        });
        let progress = progress.collect();
        Ok(Self {
            fault,
            meant,
            progress,
        })
    }

    fn matches(&self, chance: &Chance<'_>) -> bool {
        fn same<T: PartialEq + Copy>(wanted: Option<T>, found: Option<T>) -> bool {
            wanted.is_none() || wanted == found
        }
        let (on, meant) = (&self.fault.on, &self.meant);
        meant.site == chance.site
            && same(meant.function, Some(chance.function))
            && same(meant.peer, chance.peer)
            && same(meant.command, chance.command)
            && same(on.token.map(|token| token.0), chance.token)
            && same(on.index, chance.index)
            && same(on.signal, chance.signal)
            && same(on.event_type, chance.event_type)
            && same(on.message.as_deref(), chance.message)
    }

    /// Counts a chance. Returns true if the fault takes it.
    fn takes(&mut self, function: FunctionId) -> bool {
        let when = self.fault.when;
        let Some(progress) = self.progress.get_mut(function.0) else {
            return false;
        };
        progress.chances = progress.chances.saturating_add(1);
        let chosen = match (when.nth, when.every, when.probability) {
            (Some(nth), _, _) => progress.chances == nth,
            (_, Some(every), _) => progress.chances.is_multiple_of(every),
            (_, _, Some(probability)) => progress.random.happens(probability),
            _ => true,
        };
        chosen
            && self
                .fault
                .limit
                .is_none_or(|limit| progress.injected < limit)
    }
}

/// All faults of a fabric. Without faults, an access checks nothing else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Vec<Armed>);

impl Faults {
    /// True if there are no faults.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a fault after the others, or replaces the one with its id.
    pub(crate) fn set(&mut self, fault: Fault, names: &[&str]) -> Result<(), FaultError> {
        let armed = Armed::new(fault, names)?;
        let all = &mut self.0;
        match all
            .iter_mut()
            .find(|other| other.fault.id == armed.fault.id)
        {
            Some(place) => *place = armed,
            None => all.push(armed),
        }
        Ok(())
    }

    /// Removes the fault with this id, or all faults. Returns how many it removed.
    pub(crate) fn clear(&mut self, id: Option<&str>) -> usize {
        let before = self.0.len();
        self.0
            .retain(|armed| id.is_some_and(|id| armed.fault.id != id));
        before - self.0.len()
    }

    /// The faults, in the order in which they get a chance to act.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter().map(|armed| &armed.fault)
    }

    /// The counters of every fault at every function where the fault had a chance to act.
    pub(crate) fn counts(&self) -> impl Iterator<Item = FaultCount> {
        self.0.iter().flat_map(|armed| {
            let progress = armed.progress.iter().enumerate();
            let had = progress.filter(|(_, progress)| progress.chances > 0);
            had.map(|(at, progress)| FaultCount {
                id: armed.fault.id.clone(),
                function: FunctionId(at),
                chances: progress.chances,
                injected: progress.injected,
            })
        })
    }

    /// True if any fault acts at this place.
    pub(crate) fn any_at(&self, site: Site) -> bool {
        self.0.iter().any(|armed| armed.meant.site == site)
    }

    /// Returns the fault that takes this chance. Every fault that matches counts the chance, and the first
    /// one that wants it takes it. `told` is informed.
    pub(crate) fn draw(
        &mut self,
        chance: &Chance<'_>,
        told: impl FnOnce(&FaultRecord<'_>),
    ) -> Option<Action> {
        let mut chosen: Option<&mut Armed> = None;
        for armed in &mut self.0 {
            if armed.matches(chance) && armed.takes(chance.function) && chosen.is_none() {
                chosen = Some(armed);
            }
        }
        let armed = chosen?;
        let progress = armed.progress.get_mut(chance.function.0)?;
        progress.injected = progress.injected.saturating_add(1);
        let action = armed.fault.action;
        told(&FaultRecord {
            function: chance.function,
            peer: chance.peer,
            id: &armed.fault.id,
            action,
            number: progress.injected,
        });
        Some(action)
    }
}
