//! Events and the event queue.
//!
//! The device delivers an event in the order in which a receiver may look (Linux 6.12 `ism_handle_event` and
//! its interrupt handler): entry, index in the queue's header, event bit, summary bit, interrupt.
//!
//! The header's index is the slot just written plus one: 0 only before the first event, then 1 to 15, and
//! then 1 again. The receiver returns no index, and the device does not read guest memory, so the device
//! cannot know how many events are unread. A receiver that lets 15 events pile up sees none of them, and
//! later events overwrite the oldest. The time field holds the number of the event since the queue was
//! registered, because the device has no clock.

use crate::command::response::ResponseCode;
use crate::fault::action::Action;
use crate::fault::armed::Chance;
use crate::fault::site::Site;
use crate::host::{DeliveryRecord, MemoryError};
use crate::id::FunctionId;
use crate::layout::{IEQ_ENTRIES, IEQ_ENTRY_LEN, SBA_EVENT, SBA_SUMMARY, ieq_entry};
use crate::record::EventRecord;
use crate::turn::Turn;

/// Event type: something happened to a function (GID).
const DEVICE: u32 = 1;
/// Event type: software sent it.
const SOFTWARE: u32 = 2;
/// Code of a device event: the GID is disabled (Linux 7.2 `ism.h`).
const GID_DISABLED: u32 = 0x07;

/// An event before its delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    kind: u32,
    code: u32,
    token: u64,
    info: u64,
    trigger: bool,
}

impl Event {
    /// Creates the event that reports the function with `gid` as gone.
    pub(crate) fn gid_disabled(gid: u64) -> Self {
        Self {
            kind: DEVICE,
            code: GID_DISABLED,
            token: gid,
            info: 0,
            trigger: true,
        }
    }

    /// Creates a device event about the function with `gid`.
    pub(crate) fn device(gid: u64, code: u32, trigger: bool) -> Self {
        Self {
            code,
            trigger,
            ..Self::gid_disabled(gid)
        }
    }

    /// Creates an event of any type.
    pub(crate) fn of_type(kind: u32, code: u32, token: u64, info: u64, trigger: bool) -> Self {
        Self {
            kind,
            code,
            token,
            info,
            trigger,
        }
    }

    /// Creates an event that the driver of the function with GID `sender` sends.
    pub(crate) fn software(sender: u64, code: u32, info: u64, trigger: bool) -> Self {
        Self {
            kind: SOFTWARE,
            code,
            token: sender,
            info,
            trigger,
        }
    }

    fn entry(self, time: u64) -> [u8; IEQ_ENTRY_LEN] {
        let mut entry = [0; IEQ_ENTRY_LEN];
        let fields = self
            .kind
            .to_be_bytes()
            .into_iter()
            .chain(self.code.to_be_bytes())
            .chain(self.token.to_be_bytes())
            .chain(time.to_be_bytes())
            .chain(self.info.to_be_bytes());
        for (slot, byte) in entry.iter_mut().zip(fields) {
            *slot = byte;
        }
        entry
    }

    /// Puts the event into the queue of `to`, whole or not at all, and informs the observer.
    pub(crate) fn deliver(self, turn: &mut Turn<'_>, to: FunctionId) -> Result<(), ResponseCode> {
        if turn.state.faults.is_empty() {
            return self.deliver_as_is(turn, to);
        }
        let chance = Chance {
            event_type: Some(self.kind),
            ..Chance::at(Site::Event, to, Some(turn.id))
        };
        match turn.fault(&chance) {
            None => self.deliver_as_is(turn, to),
            Some(action) => self.misdeliver(turn, to, action),
        }
    }

    /// Like [`Self::deliver`], with a fault.
    fn misdeliver(
        mut self,
        turn: &mut Turn<'_>,
        to: FunctionId,
        action: Action,
    ) -> Result<(), ResponseCode> {
        match action {
            Action::LoseEvent {} => return Ok(()),
            Action::FullQueue {} => return Err(ResponseCode::NoResources),
            Action::OverwriteEvent {} => {
                if let Some(queue) = &mut turn.state[to].registered.ieq {
                    queue.events = queue.events.saturating_sub(1);
                }
            }
            Action::ChangeEvent { event_type, code } => {
                self.kind = event_type.unwrap_or(self.kind);
                self.code = code.unwrap_or(self.code);
            }
            _ => {}
        }
        self.deliver_as_is(turn, to)
    }

    /// Like [`Self::deliver`], without faults.
    pub(crate) fn deliver_as_is(
        self,
        turn: &mut Turn<'_>,
        to: FunctionId,
    ) -> Result<(), ResponseCode> {
        turn.host.begin(to);
        let outcome = self.put(turn, to);
        let record = EventRecord {
            from: turn.id,
            to,
            event_type: self.kind,
            code: self.code,
            token: self.token,
            info: self.info,
            delivered: outcome.is_ok(),
        };
        if outcome.is_ok() {
            turn.delivered(to, self.trigger, DeliveryRecord::Event(record));
        } else {
            turn.observer.event(&record);
        }
        outcome
    }

    fn put(self, turn: &mut Turn<'_>, to: FunctionId) -> Result<(), ResponseCode> {
        let host = &mut *turn.host;
        let receiver = &mut turn.state[to];
        let (Some(sba), Some(queue)) = (receiver.registered.sba, &mut receiver.registered.ieq)
        else {
            return Err(ResponseCode::NoEventQueue);
        };
        let slot = queue.events % IEQ_ENTRIES;
        let time = queue.events.wrapping_add(1);
        let (header, at) = (queue.iova, queue.iova.wrapping_add(ieq_entry(slot)));
        let mut write = || -> Result<(), MemoryError> {
            host.check_writable(to, header, 8)?;
            host.check_writable(to, at, IEQ_ENTRY_LEN)?;
            host.check_bits(to, sba, 1)?;
            host.write(to, at, &self.entry(time))?;
            host.write(to, header, &slot.saturating_add(1).to_be_bytes())?;
            host.set_bits(to, sba, SBA_EVENT)?;
            host.set_bits(to, sba, SBA_SUMMARY)
        };
        write().map_err(|_| ResponseCode::MemoryNotReachable)?;
        queue.events = time;
        receiver.totals.events = receiver.totals.events.saturating_add(1);
        Ok(())
    }
}

/// Sends a GID event about the current function, once, to every function that shares a DMB with it. The
/// relations end with that.
pub(crate) fn tell_peers(turn: &mut Turn<'_>) {
    let event = Event::gid_disabled(turn.own().config.gid);
    for peer in turn.state.part(turn.id) {
        // A peer without a queue, or with unreachable memory, misses the event. The observer learns of it.
        let _ = event.deliver(turn, peer);
    }
}
