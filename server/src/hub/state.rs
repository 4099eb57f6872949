//! A hub and the state behind its lock.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, MutexGuard, Weak};
use std::time::{Duration, Instant};

use ism::{Fabric, FabricError, FunctionId};
use tokio::sync::Notify;
use vfio_user_protocol::{Errno, Refused};

use super::client::ClientKind;
use super::event_writing::EventWriting;
use super::put_off::PutOff;
use super::turns::Turns;
use crate::client::socket::Socket;
use crate::guest::memory::DmaMap;
use crate::guest::{Guest, Guests};
use crate::limits;
use crate::profile::Plan;
use crate::record::{Capture, EventFile, Journal};

/// All functions of a profile, on one fabric.
#[derive(Debug)]
pub struct Hub {
    pub(super) state: Turns<State>,
    /// For each function, wakes its connection when a message to the client waits.
    pub(super) wake: Vec<Notify>,
    pub(super) plan: Plan,
    /// Passes events to their file and to followers.
    pub(super) events: EventWriting,
    /// The capture file, if messages are captured.
    pub(super) capture: Option<Arc<Capture>>,
    /// The clients of each function: the device's and the channel's.
    pub(super) clients: Vec<AtomicU8>,
    /// Microseconds that connections poll for the next message before they wait.
    pub(super) poll_us: AtomicU64,
    /// True if there are faults. Without faults, connections check nothing else.
    pub(super) faulty: AtomicBool,
    /// Wakes the task that carries out the delayed work of faults.
    pub(super) put_off: Notify,
    /// Wakes the tasks that wait for the end of a restart.
    pub(super) restarted: Notify,
    /// Number of times that the lock was taken.
    #[cfg(test)]
    pub(crate) taken: AtomicU64,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) fabric: Fabric,
    pub(super) guests: Guests,
    pub(super) journal: Journal,
    pub(super) slots: Vec<Slot>,
    /// Number of reports so far.
    pub(super) reports: u64,
    /// The delayed work of faults.
    pub(super) put_off: PutOff,
    /// End of the time in which a fault keeps the server from answering new clients.
    pub(super) closed_until: Option<Instant>,
}

/// The state of a function that outlives a client, besides the device itself.
#[derive(Debug, Default)]
pub(super) struct Slot {
    pub(super) connected: bool,
    /// True if the instruction channel has a client.
    pub(super) channel: bool,
    /// The client of the last store or load. An open run of pieces belongs to it.
    pub(super) last: ClientKind,
    /// The condition that decides how the function answers loads and stores.
    pub(super) condition: Condition,
    /// Milliseconds for which a fault delays the current reply.
    pub(super) hold_ms: Option<u32>,
    /// The sockets of the two clients, so that a fault can close them.
    pub(super) sockets: [Weak<Socket>; 2],
}

/// The condition of a function, which decides how it answers loads and stores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// The function carries them out.
    #[default]
    Working,
    /// The function is in the error state: they fail until a reset.
    Failed,
    /// A fault made the function disappear: loads read ones, stores are lost.
    Gone,
}

impl Slot {
    /// Returns true if the function is there, false if it is gone. In the error state, the error is EIO.
    pub(super) fn is_there(&self, what: &str) -> Result<bool, Refused> {
        match self.condition {
            Condition::Working => Ok(true),
            Condition::Gone => Ok(false),
            Condition::Failed => Err(Refused::new(
                Errno::EIO,
                format!("{what}: the function is in the error state, expected a DEVICE_RESET"),
            )),
        }
    }
}

impl Hub {
    /// Creates the fabric of a profile.
    pub fn new(plan: Plan, events: Option<EventFile>) -> Result<Arc<Self>, FabricError> {
        Self::with_capture(plan, events, None)
    }

    /// Creates the fabric of a profile, with a capture of the clients' messages.
    pub fn with_capture(
        plan: Plan,
        events: Option<EventFile>,
        capture: Option<Capture>,
    ) -> Result<Arc<Self>, FabricError> {
        let configs = plan
            .functions
            .iter()
            .map(|function| function.config.clone());
        let mut fabric = Fabric::new(configs.collect())?;
        for fault in &plan.faults {
            // This does not fail, because the profile was checked.
            if let Err(error) = fabric.set_fault(fault.clone()) {
                tracing::error!(
                    fault = fault.id,
                    "the fault of the profile is not active: {error}"
                );
            }
        }
        let max_maps = vfio_user_protocol::limits::MAX_DMA_MAPS as usize;
        let share = limits::MAPPED_BYTES / (plan.functions.len().max(1) as u64);
        let guests = plan.functions.iter().map(|function| {
            Guest::new(
                function.config.msix,
                DmaMap::new(max_maps).with_bytes(share),
            )
        });
        let names: Vec<String> = plan
            .functions
            .iter()
            .map(|function| function.config.name.clone())
            .collect();
        let writing = EventWriting::of(events.as_ref(), names.clone());
        let journal = Journal::new(names, events).with_remarks(capture.is_some());
        Ok(Arc::new(Self {
            events: writing,
            capture: capture.map(Arc::new),
            poll_us: AtomicU64::new(0),
            faulty: AtomicBool::new(fabric.has_faults()),
            put_off: Notify::new(),
            restarted: Notify::new(),
            #[cfg(test)]
            taken: AtomicU64::new(0),
            clients: plan.functions.iter().map(|_| AtomicU8::new(0)).collect(),
            state: Turns::new(State {
                fabric,
                guests: Guests::new(guests.collect()),
                journal,
                slots: plan.functions.iter().map(|_| Slot::default()).collect(),
                reports: 0,
                put_off: PutOff::default(),
                closed_until: None,
            }),
            wake: plan.functions.iter().map(|_| Notify::new()).collect(),
            plan,
        }))
    }

    /// Measures the time of accesses from now on, for the metrics.
    pub fn time_accesses(&self) {
        self.lock().journal.time_accesses();
    }

    /// Sets how long new connections poll before they wait.
    pub fn set_poll(&self, poll: Duration) {
        let micros = u64::try_from(poll.as_micros()).unwrap_or(u64::MAX);
        self.poll_us.store(micros, Ordering::Relaxed);
    }

    /// The names of the functions, in the order of the profile.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.plan
            .functions
            .iter()
            .map(|function| function.config.name.as_str())
    }

    /// The most severe violation so far.
    pub fn worst(&self) -> Option<zpci_region::Severity> {
        let state = self.lock();
        (0..self.plan.functions.len())
            .filter_map(|at| state.journal.tally(FunctionId(at)).worst())
            .max()
    }

    /// Closes open runs, because nothing more belongs to them.
    pub fn settle(&self) {
        let mut state = self.lock();
        let State {
            fabric, journal, ..
        } = &mut *state;
        for at in 0..self.plan.functions.len() {
            let mut scope = journal.scope_without_cause(FunctionId(at));
            fabric.settle(FunctionId(at), &mut scope);
        }
    }

    /// Wakes connections and faults: a move or an event may have queued work for any client, and a fault may
    /// have given orders.
    pub(super) fn wake_queued(&self, state: &mut State) {
        if !state.guests.take_queued() {
            return;
        }
        self.obey(state);
        for (guest, wake) in state.guests.0.iter().zip(&self.wake) {
            if guest.queue.has_waiting() {
                wake.notify_one();
            }
        }
    }

    /// Locks the state, even after a panic elsewhere: at worst, a counter is then off by one.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        #[cfg(test)]
        self.taken.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state.lock();
        state.journal.begin();
        state
    }
}
