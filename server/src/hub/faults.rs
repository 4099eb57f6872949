//! Faults of a hub: carries out their orders to the server, and changes faults at run time.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use ism::FunctionId;
use ism::fault::{Action, Fault, FaultCount, FaultError, Later, Moment, Order};

use super::client::ClientKind;
use super::function::Function;
use super::put_off::PutOff;
use super::state::{Condition, Hub, State};
use crate::client::socket::Socket;
use crate::guest::irq;
use crate::limits::{MAX_FAULTS, PUT_OFF};
use crate::message_names;
use crate::record::events::Event;

/// The effect of a fault on one vfio-user message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageFault {
    /// The reply, and every later one, waits for this time.
    Delay(Duration),
    /// The reply is not sent.
    Lose,
    /// Only this many bytes of the reply are sent, and then the connection closes.
    Cut(usize),
    /// The connection closes before the message is carried out.
    Close,
}

/// The state of a function, as the control socket lists it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct FunctionState {
    /// Name of the function.
    pub name: String,
    /// Present GID, `0x...`.
    pub gid: String,
    /// `working`, `error` or `gone`.
    pub condition: &'static str,
    /// True if a device client is connected.
    pub connected: bool,
    /// True if the instruction channel has a client.
    pub channel_connected: bool,
    /// True if the SBA is registered.
    pub sba: bool,
    /// True if the event queue is registered.
    pub ieq: bool,
    /// VLANs of which the function is a member, in ascending order.
    pub vlans: Vec<u16>,
    /// The DMBs that the function owns.
    pub dmbs: Vec<DmbState>,
}

/// A DMB that a function owns, as the control socket lists it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct DmbState {
    /// Token of the DMB, `0x...`.
    pub token: String,
    /// Index of the DMB in the owner's SBA.
    pub index: u32,
    /// Length in bytes.
    pub length: u32,
    /// GID of the function that may write into it, `0x...`.
    pub rgid: String,
}

impl State {
    /// Puts a function into the error state.
    pub(super) fn fail(&mut self, id: FunctionId) {
        self.slots[id.0].condition = Condition::Failed;
        self.guests.0[id.0].irqs.trigger(irq::ERROR, [0]);
        self.journal.write(id, &Event::Error);
    }

    /// Closes the connections of a function's clients.
    fn close(&mut self, id: FunctionId) {
        for socket in self.slots[id.0].sockets.iter().filter_map(Weak::upgrade) {
            socket.shut();
        }
    }

    /// Acts as if the server had ended and started again.
    fn restart(&mut self, ms: u32) {
        self.put_off = PutOff::default();
        for at in 0..self.slots.len() {
            self.slots[at].condition = Condition::Working;
            self.close(FunctionId(at));
        }
        self.closed_until = Some(Instant::now() + millis(ms));
    }

    /// Carries out delayed work of a fault, or the rest of it.
    fn carry_out(&mut self, later: Later) {
        let id = ism::Fabric::late_function(&later);
        let mut scope = self.journal.scope_without_cause(id);
        self.fabric.late(later, &mut self.guests, &mut scope);
    }
}

impl Hub {
    /// Carries out the orders of faults.
    pub(super) fn obey(&self, state: &mut State) {
        loop {
            let orders = state.guests.take_orders();
            if orders.is_empty() {
                return;
            }
            for order in orders {
                match order {
                    Order::Later(ms, later) => self.put_off(state, ms, later),
                    Order::Hold(id, ms) => state.slots[id.0].hold_ms = Some(ms),
                    Order::Fail(id) => state.fail(id),
                    Order::Vanish(id) => state.slots[id.0].condition = Condition::Gone,
                    Order::ComeBack(id) => state.slots[id.0].condition = Condition::Working,
                    Order::Close(id) => state.close(id),
                    Order::Restart(ms) => {
                        state.restart(ms);
                        self.restarted.notify_waiters();
                    }
                }
            }
        }
    }

    fn put_off(&self, state: &mut State, ms: u32, later: Later) {
        if state.put_off.due.len() >= PUT_OFF {
            state.carry_out(later);
            return;
        }
        let put_off = &mut state.put_off;
        put_off.number += 1;
        let at = (Instant::now() + millis(ms), put_off.number);
        put_off.due.insert(at, later);
        self.put_off.notify_one();
    }

    /// Carries out the delayed work of faults when it is due; never ends.
    pub async fn carry_out_put_off(&self) {
        loop {
            let first = self.lock().put_off.first();
            let due = async {
                match first {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.put_off.notified() => {}
                () = due => self.carry_out_due(),
            }
        }
    }

    fn carry_out_due(&self) {
        let mut state = self.lock();
        let now = Instant::now();
        while let Some(later) = state.put_off.take_due(now) {
            state.carry_out(later);
            self.wake_queued(&mut state);
        }
    }

    /// Waits while a fault keeps the server from answering new clients.
    pub async fn open(&self) {
        loop {
            // Another restart may end the pause sooner.
            let mut changed = std::pin::pin!(self.restarted.notified());
            changed.as_mut().enable();
            let until = self.lock().closed_until;
            let Some(until) = until.filter(|until| *until > Instant::now()) else {
                return;
            };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(until.into()) => {}
            }
        }
    }

    /// Adds a fault, or replaces the one with its id.
    pub fn set_fault(&self, fault: Fault) -> Result<(), FaultError> {
        message_names::check(&fault)?;
        let mut state = self.lock();
        let known = state.fabric.faults().any(|other| other.id == fault.id);
        if !known && state.fabric.faults().count() >= MAX_FAULTS {
            return Err(FaultError {
                key: "id".to_owned(),
                problem: format!("there are already {MAX_FAULTS} faults, the most allowed"),
            });
        }
        state.fabric.set_fault(fault)?;
        self.faulty.store(true, Ordering::Relaxed);
        Ok(())
    }

    /// Removes the fault with this id, or all faults. Returns how many it removed.
    pub fn clear_faults(&self, id: Option<&str>) -> usize {
        let mut state = self.lock();
        let cleared = state.fabric.clear_faults(id);
        self.faulty
            .store(state.fabric.has_faults(), Ordering::Relaxed);
        cleared
    }

    /// The faults, in the order in which they get a chance to act, and their counters.
    pub fn faults(&self) -> (Vec<Fault>, Vec<FaultCount>) {
        let state = self.lock();
        let faults = state.fabric.faults().cloned().collect();
        (faults, state.fabric.fault_counts().collect())
    }

    /// Carries out an action at once.
    pub fn inject(
        &self,
        id: FunctionId,
        peer: Option<FunctionId>,
        action: Action,
    ) -> Result<(), FaultError> {
        let mut state = self.lock();
        let State {
            fabric,
            guests,
            journal,
            ..
        } = &mut *state;
        fabric.inject(id, peer, action, guests, &mut journal.scope(id))?;
        self.wake_queued(&mut state);
        drop(state);
        self.flush_events();
        Ok(())
    }

    /// Finds the function with this name.
    pub fn function_named(&self, name: &str) -> Option<FunctionId> {
        self.names().position(|known| known == name).map(FunctionId)
    }

    /// The present state of every function.
    pub fn function_states(&self) -> Vec<FunctionState> {
        let state = self.lock();
        let functions = state.fabric.ids().filter_map(|id| {
            let info = state.fabric.function(id)?;
            let slot = state.slots.get(id.0)?;
            let dmbs = state.fabric.dmbs().filter(|(_, dmb)| dmb.owner == id);
            let dmbs = dmbs.map(|(token, dmb)| DmbState {
                token: format!("{token:#x}"),
                index: dmb.index,
                length: dmb.len,
                rgid: format!("{:#x}", dmb.rgid),
            });
            Some(FunctionState {
                gid: format!("{:#x}", info.gid),
                condition: slot.condition.name(),
                connected: slot.connected,
                channel_connected: slot.channel,
                sba: info.sba.is_some(),
                ieq: info.ieq.is_some(),
                vlans: info.vlans,
                dmbs: dmbs.collect(),
                name: info.name,
            })
        });
        functions.collect()
    }
}

impl Condition {
    fn name(self) -> &'static str {
        match self {
            Condition::Working => "working",
            Condition::Failed => "error",
            Condition::Gone => "gone",
        }
    }
}

impl Function {
    /// True if the fabric has faults.
    pub fn is_faulty(&self) -> bool {
        self.hub.faulty.load(Ordering::Relaxed)
    }

    /// Waits while a fault keeps the server from answering new clients.
    pub async fn open(&self) {
        self.hub.open().await;
    }

    /// Records the socket of a connected client, so that a fault can close it.
    pub fn lend_socket(&self, kind: ClientKind, socket: &Arc<Socket>) {
        let slot = &mut self.hub.lock().slots[self.id.0];
        slot.sockets[kind as usize] = Arc::downgrade(socket);
    }

    /// Returns the fault that affects a received message, if one does.
    pub fn message_fault(&self, message: &str) -> Option<MessageFault> {
        let mut state = self.hub.lock();
        let State {
            fabric,
            guests,
            journal,
            ..
        } = &mut *state;
        let mut scope = journal.scope_without_cause(self.id);
        let action = fabric.message_fault(self.id, message, guests, &mut scope);
        drop(scope);
        let fault = action.and_then(|action| match action {
            Action::DelayReply { ms } => Some(MessageFault::Delay(millis(ms))),
            Action::LoseReply {} => Some(MessageFault::Lose),
            Action::CutReply { bytes } => Some(MessageFault::Cut(bytes as usize)),
            Action::CloseConnection {
                moment: Moment::Before,
                ..
            }
            | Action::Restart { .. } => Some(MessageFault::Close),
            _ => None,
        });
        self.hub.wake_queued(&mut state);
        fault
    }

    /// Returns the time for which a fault delays the reply to the last access.
    pub fn take_hold(&self) -> Option<MessageFault> {
        let ms = self.hub.lock().slots[self.id.0].hold_ms.take()?;
        Some(MessageFault::Delay(millis(ms)))
    }
}

fn millis(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}
