//! A turn: everything that one access may touch.

use crate::fault::action::Action;
use crate::fault::armed::Chance;
use crate::fault::order::{Due, Later, Order};
use crate::fault::site::Site;
use crate::function::Function;
use crate::host::{Delivery, DeliveryRecord, Host, VECTOR};
use crate::id::FunctionId;
use crate::record::DeviceObserver;
use crate::state::State;

/// One access, reset or departure of one function: the state that it may change, its surroundings, and its
/// observer.
pub(crate) struct Turn<'a> {
    pub state: &'a mut State,
    /// The function that has the turn. The state contains it.
    pub id: FunctionId,
    pub host: &'a mut dyn Host,
    pub observer: &'a mut dyn DeviceObserver,
}

impl Turn<'_> {
    /// Returns the function that has the turn.
    pub(crate) fn own(&mut self) -> &mut Function {
        &mut self.state[self.id]
    }

    /// Returns the fault that takes this chance, if there is one. Informs the observer.
    pub(crate) fn fault(&mut self, chance: &Chance<'_>) -> Option<Action> {
        let observer = &mut *self.observer;
        self.state
            .faults
            .draw(chance, |record| observer.fault(record))
    }

    /// Raises the interrupt of `to` if `interrupt` is true, and informs the observer. If not all writes have
    /// arrived, it leaves both to the host.
    pub(crate) fn delivered(&mut self, to: FunctionId, interrupt: bool, record: DeliveryRecord) {
        let mut times = u32::from(interrupt);
        if interrupt && !self.state.faults.is_empty() {
            times = self.interrupts(to);
        }
        let vector = (times > 0).then_some(VECTOR);
        if self.host.defer(&Delivery { to, vector, record }) {
            // The host raises one of them; the rest follow soon.
            self.interrupt_later(to, times.saturating_sub(1), 1, 0);
            return;
        }
        // An event enters its queue before its interrupt; a move is complete after its interrupt.
        if let DeliveryRecord::Event(record) = &record {
            self.observer.event(record);
        }
        for _ in 0..times {
            self.interrupt(to);
        }
        if let DeliveryRecord::Move(record) = &record {
            self.observer.data_move(record);
        }
    }

    /// Returns how many times a due interrupt is raised now.
    fn interrupts(&mut self, to: FunctionId) -> u32 {
        let chance = Chance::at(Site::Interrupt, to, Some(self.id));
        match self.fault(&chance) {
            Some(Action::LoseInterrupt {}) => 0,
            Some(Action::RepeatInterrupt { times }) => times.saturating_add(1),
            Some(Action::DelayInterrupt { ms }) => {
                self.interrupt_later(to, 1, ms, 0);
                0
            }
            _ => 1,
        }
    }

    /// Makes the host raise interrupts after `ms` milliseconds, with `interval_ms` between two.
    pub(crate) fn interrupt_later(
        &mut self,
        to: FunctionId,
        times: u32,
        ms: u32,
        interval_ms: u32,
    ) {
        if times > 0 {
            let due = Due::Interrupts {
                to,
                times,
                interval_ms,
            };
            self.host.order(Order::Later(ms, Later(due)));
        }
    }

    /// Raises the interrupt of a function.
    pub(crate) fn interrupt(&mut self, to: FunctionId) {
        let totals = &mut self.state[to].totals;
        totals.interrupts = totals.interrupts.saturating_add(1);
        self.host.interrupt(to, VECTOR);
        self.observer.interrupt(to, VECTOR);
    }
}
