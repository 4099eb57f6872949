//! All faults of a fabric, their counters, and the choice at each chance.

use super::action::{Action, Blame, Who};
use super::check::{self, FaultError, Meant};
use super::plan::Fault;
use super::random::Random;
use super::site::Site;
use crate::id::FunctionId;

/// One chance for a fault: a function gets to a place where faults may act.
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
    /// A chance of which nothing but the place and the functions is known.
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
    /// The function at whose access it was.
    pub function: FunctionId,
    /// The other function, if there is one.
    pub peer: Option<FunctionId>,
    /// Id of the fault; `now` for one that was injected at once.
    pub id: &'a str,
    /// The action.
    pub action: Action,
    /// How often this fault was injected at this function so far, this time included.
    pub number: u64,
}

impl FaultRecord<'_> {
    /// The function that is hit.
    pub fn target(&self) -> Option<FunctionId> {
        match self.action.who() {
            Who::Function => Some(self.function),
            Who::Peer => self.peer,
        }
    }

    /// The violations that it may cause.
    pub fn blame(&self) -> Blame {
        self.action.blame()
    }
}

/// How often a fault had a chance at one function, and took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultCount {
    /// Id of the fault.
    pub id: String,
    /// The function.
    pub function: FunctionId,
    /// Chances that it had.
    pub chances: u64,
    /// Times that it was injected.
    pub injected: u64,
}

/// A fault's counters and random numbers at one function.
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
    /// By function.
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

    /// Counts a chance; whether it is taken.
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

/// All faults of a fabric. While there are none, accesses look at nothing else.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults(Vec<Armed>);

impl Faults {
    /// Whether there are none.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a fault behind the others, or puts it in the place of the one with its id.
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

    /// Removes the fault with this id, or all. Returns how many there were.
    pub(crate) fn clear(&mut self, id: Option<&str>) -> usize {
        let before = self.0.len();
        self.0
            .retain(|armed| id.is_some_and(|id| armed.fault.id != id));
        before - self.0.len()
    }

    /// The faults, in the order in which they are asked.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter().map(|armed| &armed.fault)
    }

    /// The counters of every fault at every function where it had a chance.
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

    /// Whether any fault acts at this place.
    pub(crate) fn any_at(&self, site: Site) -> bool {
        self.0.iter().any(|armed| armed.meant.site == site)
    }

    /// The fault that takes this chance: every one that matches counts it, and the first that
    /// wants it gets it. `told` hears of it.
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
