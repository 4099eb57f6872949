//! A turn: everything that one access may touch.

use crate::function::Function;
use crate::host::{Delivery, DeliveryRecord, Host, VECTOR};
use crate::id::FunctionId;
use crate::record::DeviceObserver;
use crate::state::State;

/// One access, reset or departure of one function: the state that it may change, its
/// surroundings, and who is told.
pub(crate) struct Turn<'a> {
    pub state: &'a mut State,
    /// The function whose turn it is. The state contains it.
    pub id: FunctionId,
    pub host: &'a mut dyn Host,
    pub observer: &'a mut dyn DeviceObserver,
}

impl Turn<'_> {
    /// The function whose turn it is.
    pub(crate) fn own(&mut self) -> &mut Function {
        &mut self.state[self.id]
    }

    /// Raises the interrupt of `to` if `interrupt` says so, and tells the observer; or leaves both
    /// to the host, if not everything that was written has arrived.
    pub(crate) fn delivered(&mut self, to: FunctionId, interrupt: bool, record: DeliveryRecord) {
        let vector = interrupt.then_some(VECTOR);
        if self.host.defer(&Delivery { to, vector, record }) {
            return;
        }
        // An event is in its queue before its interrupt is raised; a move is done with it.
        if let DeliveryRecord::Event(record) = &record {
            self.observer.event(record);
        }
        if interrupt {
            self.interrupt(to);
        }
        if let DeliveryRecord::Move(record) = &record {
            self.observer.data_move(record);
        }
    }

    /// Raises the interrupt of a function.
    fn interrupt(&mut self, to: FunctionId) {
        let totals = &mut self.state[to].totals;
        totals.interrupts = totals.interrupts.saturating_add(1);
        self.host.interrupt(to, VECTOR);
        self.observer.interrupt(to, VECTOR);
    }
}
