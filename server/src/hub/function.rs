//! One function of a hub, from the view of its client's connection.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ism::FunctionId;
use vfio_user_protocol::Errno;

use super::client::{Client, ClientKind};
use super::state::{Condition, Hub};
use crate::client::peer::Peer;
use crate::guest::irq;
use crate::guest::memory::{ClientOp, NotWritten};
use crate::limits::Over;
use crate::profile::FunctionPlan;
use crate::record::capture::Tap;
use crate::record::events::Event;

/// A handle to one function of a hub.
#[derive(Clone, Debug)]
pub struct Function {
    pub(super) hub: Arc<Hub>,
    pub(super) id: FunctionId,
}

/// A write to memory without a descriptor, which takes messages to the client.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientWork {
    /// First address to write.
    pub iova: u64,
    /// The bytes or masks to write.
    pub bytes: Vec<u8>,
    /// True if the bytes are masks: read, OR, write.
    pub masks: bool,
    /// True if the memory may be read.
    pub readable: bool,
}

impl Hub {
    /// Handles to all functions, in the order of the profile.
    pub fn functions(self: &Arc<Self>) -> impl Iterator<Item = Function> + '_ {
        (0..self.plan.functions.len()).map(|at| Function {
            hub: Arc::clone(self),
            id: FunctionId(at),
        })
    }

    /// Puts every function into the error state ([`Function::fail`]).
    pub fn fail(self: &Arc<Self>) {
        for function in self.functions() {
            function.fail();
        }
    }
}

impl Function {
    /// The function's settings from the profile.
    pub fn plan(&self) -> &FunctionPlan {
        &self.hub.plan.functions[self.id.0]
    }

    /// True if the function has only one client.
    pub fn is_alone(&self) -> bool {
        self.hub.clients[self.id.0].load(Ordering::Relaxed) == 1
    }

    /// Time that a connection polls for the next message before it waits.
    pub fn poll(&self) -> Duration {
        Duration::from_micros(self.hub.poll_us.load(Ordering::Relaxed))
    }

    /// Starts the capture of a client of this kind, if messages are captured.
    pub fn tap(&self, kind: ClientKind) -> Option<Tap> {
        let capture = self.hub.capture.as_ref()?;
        Some(capture.tap(self.id, kind))
    }

    /// Takes the remarks about the message that was just answered: violations and refusals.
    pub fn take_remarks(&self) -> Vec<String> {
        self.hub.lock().journal.take_remarks(self.id)
    }

    /// Waits until there may be work for the client ([`Function::client_work`]).
    pub async fn woken(&self) {
        self.hub.wake[self.id.0].notified().await;
    }

    /// Takes the function for a client of this kind. Returns false while another client has it.
    pub fn connect(&self, kind: ClientKind, peer: Option<Peer>) -> bool {
        let mut guard = self.hub.lock();
        let state = &mut *guard;
        let pid = peer.map(Peer::pid);
        let channel = kind == ClientKind::Channel;
        let tally = state.journal.tally_mut(self.id);
        let slot = &mut state.slots[self.id.0];
        let (taken, clients) = match kind {
            ClientKind::Device => (&mut slot.connected, &mut tally.clients),
            ClientKind::Channel => (&mut slot.channel, &mut tally.channel_clients),
        };
        let free = !std::mem::replace(taken, true);
        if free && !channel && slot.condition == Condition::Gone {
            slot.condition = Condition::Working;
        }
        if free {
            *clients += 1;
            self.hub.clients[self.id.0].fetch_add(1, Ordering::Relaxed);
            state
                .journal
                .write(self.id, &Event::Connected { pid, channel });
        } else {
            tally.clients_refused += 1;
            state
                .journal
                .write(self.id, &Event::ClientRefused { pid, channel });
        }
        drop(guard);
        self.hub.flush_events();
        free
    }

    /// Releases the function, because the client is gone: its maps and interrupt descriptors end, the
    /// device's state stays.
    ///
    /// A channel's client has no maps or descriptors. When it leaves a function that has no other client, the
    /// function becomes unreachable for its peers, as when the other client leaves.
    pub fn disconnect(&self, kind: ClientKind) {
        let mut guard = self.hub.lock();
        let state = &mut *guard;
        let slot = &mut state.slots[self.id.0];
        let channel = kind == ClientKind::Channel;
        self.hub.clients[self.id.0].fetch_sub(1, Ordering::Relaxed);
        let mut maps = 0;
        if channel {
            slot.channel = false;
        } else {
            slot.connected = false;
            let guest = &mut state.guests.0[self.id.0];
            maps = guest.maps.len();
            // A QEMU that unplugs a function disables MSI-X, and aborts before it unmaps its memory.
            let lends = guest.irqs.is_bound(irq::MSIX) || maps > 0;
            if guest.irqs.msix_used() && lends {
                tracing::info!(
                    "the client used MSI-X and left without cleaning up. A QEMU that unplugs a function with \
                     MSI-X aborts (seen with 11.1.3): see Hot-unplug in docs/protocol.md"
                );
            }
            for delivery in guest.clear() {
                state.journal.delivered(&delivery, false);
            }
        }
        let mut scope = state.journal.scope(self.id);
        // The departure of either client closes an open run.
        if !slot.connected {
            state.fabric.detach(self.id, &mut state.guests, &mut scope);
        } else if slot.last == kind {
            state.fabric.settle(self.id, &mut scope);
        }
        scope.write(&Event::Disconnected { maps, channel });
        drop(scope);
        self.hub.wake_queued(state);
        drop(guard);
        self.hub.flush_events();
    }

    /// Carries out DEVICE_RESET. Earlier moves and events no longer reach the guest.
    pub fn reset(&self, client: &mut Client) {
        let state = &mut *self.hub.lock();
        client.loaded = None;
        let slot = &mut state.slots[self.id.0];
        if slot.condition == Condition::Gone {
            // The function is gone, so the reset has no effect on it.
            state.journal.scope(self.id).write(&Event::Reset);
            return;
        }
        slot.condition = Condition::Working;
        let guest = &mut state.guests.0[self.id.0];
        guest.irqs.forget_pending();
        for delivery in guest.queue.drain() {
            state.journal.delivered(&delivery, false);
        }
        state.journal.forgive(self.id);
        let mut scope = state.journal.scope(self.id);
        scope.write(&Event::Reset);
        state.fabric.reset(self.id, &mut state.guests, &mut scope);
        drop(scope);
        self.hub.wake_queued(state);
    }

    /// Ends the client's open run of pieces, because nothing more came from it for a moment.
    pub fn settle(&self, kind: ClientKind) {
        let mut guard = self.hub.lock();
        let state = &mut *guard;
        if state.slots[self.id.0].last == kind {
            state
                .fabric
                .settle(self.id, &mut state.journal.scope_without_cause(self.id));
        }
        drop(guard);
        self.hub.flush_events();
    }

    /// Uses a pause of the client to write the recorded events if there are many. Otherwise
    /// [`Hub::write_events`] writes them.
    pub fn paused(&self) {
        self.hub.flush_many_events();
    }

    /// Counts that a client reached a limit.
    pub fn ran_over(&self, over: Over) {
        self.hub.lock().journal.tally_mut(self.id).ran_over(over);
    }

    /// Returns the next write that needs a message to the client, and carries out the writes before it that
    /// need none. Call it when the previous write is done: until then, all later operations wait.
    pub fn client_work(&self) -> Option<ClientWork> {
        let state = &mut *self.hub.lock();
        let guest = &mut state.guests.0[self.id.0];
        loop {
            let (iova, bytes, masks) = match guest.queue.take()? {
                ClientOp::Deliver { delivery, arrived } => {
                    if let Some(vector) = delivery.vector.filter(|_| arrived) {
                        guest.irqs.raise(vector);
                    }
                    state.journal.delivered(&delivery, arrived);
                    continue;
                }
                ClientOp::Write { iova, bytes } => (iova, bytes, false),
                ClientOp::SetBits { iova, masks } => (iova, masks, true),
            };
            match guest.write_behind_queue(iova, &bytes, masks) {
                Ok(true) => {}
                Ok(false) => {
                    let readable = guest.is_readable(iova, bytes.len());
                    return Some(ClientWork {
                        iova,
                        bytes,
                        masks,
                        readable,
                    });
                }
                Err(fault) => {
                    guest.queue.fail();
                    let len = bytes.len();
                    state
                        .journal
                        .not_written(self.id, NotWritten { iova, len }, None, fault.why);
                }
            }
        }
    }

    /// Records that the client refused the last [`Function::client_work`]. The rest of its move or event is
    /// dropped.
    pub fn client_refused(&self, iova: u64, len: usize, errno: Errno, why: &str) {
        let mut state = self.hub.lock();
        state.guests.0[self.id.0].queue.fail();
        let journal = &mut state.journal;
        journal.not_written(self.id, NotWritten { iova, len }, Some(errno.0), why);
    }
}
