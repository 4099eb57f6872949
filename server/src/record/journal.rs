//! Records events in log, counters and event file, for every function of a hub.

use std::borrow::Cow;
use std::time::Instant;

use ism::fault::{Blame, FaultRecord};
use ism::{
    CommandRecord, Delivery, DeliveryRecord, DeviceObserver, EventRecord, FunctionId, MoveRecord,
};
use zpci_region::rule::Group;
use zpci_region::{Load, Observer, Refusal, Rule, Severity, Store, Violation};

use super::event_batch::{Access, Batch, Rules, Stamp};
use super::event_file::EventFile;
use super::events::Event;
use super::latency::{Latencies, Timed};
use super::log_limit;
use super::tally::Tally;
use crate::guest::memory::NotWritten;

/// The log, the counters and the event file of a hub.
#[derive(Debug)]
pub struct Journal {
    names: Vec<String>,
    tallies: Vec<Tally>,
    events: Option<EventFile>,
    /// Number of causes so far: accesses, resets and departures.
    causes: u64,
    /// For each function, the remarks about its current message, if they are wanted.
    remarks: Option<Vec<Vec<String>>>,
    /// For each function, the faults that may have caused its violations.
    blamed: Vec<Blamed>,
    /// True if the time of accesses is measured.
    timed: bool,
    /// Time of all events that are recorded while the lock is held once; read when it is first needed.
    clock: Option<Instant>,
}

/// The faults since a function's last reset that may have caused its violations.
#[derive(Clone, Debug, Default)]
struct Blamed {
    /// Id of a fault that may cause violations of any rule.
    anything: Option<String>,
    /// Id of a fault that may cause violations of rules about moves.
    moves: Option<String>,
}

impl Journal {
    /// Creates a journal for functions of these names.
    pub fn new(names: Vec<String>, events: Option<EventFile>) -> Self {
        let tallies = names.iter().map(|_| Tally::default()).collect();
        let count = names.len();
        Self {
            names,
            tallies,
            events,
            causes: 0,
            timed: false,
            clock: None,
            remarks: None,
            blamed: vec![Blamed::default(); count],
        }
    }

    /// Sets whether remarks about messages are kept until [`Journal::take_remarks`].
    pub fn with_remarks(mut self, kept: bool) -> Self {
        self.remarks = kept.then(|| vec![Vec::new(); self.names.len()]);
        self
    }

    /// Notes that the lock was taken: later events get a new time.
    pub fn begin(&mut self) {
        self.clock = None;
    }

    /// Measures the time of accesses from now on.
    pub fn time_accesses(&mut self) {
        self.timed = true;
        for tally in &mut self.tallies {
            tally.latencies = Some(Box::<Latencies>::default());
        }
    }

    /// Keeps a remark about the current message of a function.
    pub fn remark(&mut self, function: FunctionId, remark: impl FnOnce() -> String) {
        if let Some(remarks) = &mut self.remarks {
            remarks[function.0].push(remark());
        }
    }

    /// Takes the remarks that were kept for a function.
    pub fn take_remarks(&mut self, function: FunctionId) -> Vec<String> {
        let remarks = self.remarks.as_mut();
        remarks.map_or_else(Vec::new, |remarks| std::mem::take(&mut remarks[function.0]))
    }

    /// Returns the fault that may have caused a violation by a function.
    fn blame(&self, function: FunctionId, rule: Rule) -> Option<&str> {
        let blamed = self.blamed.get(function.0)?;
        let about_moves = matches!(rule.info().group, Group::Data | Group::Smcd);
        let moves = blamed.moves.as_deref().filter(|_| about_moves);
        moves.or(blamed.anything.as_deref())
    }

    /// Forgets the faults before a reset of the function: they cause no later violation.
    pub fn forgive(&mut self, function: FunctionId) {
        if let Some(blamed) = self.blamed.get_mut(function.0) {
            *blamed = Blamed::default();
        }
    }

    fn blame_on(&mut self, record: &FaultRecord<'_>) {
        let (blame, target) = (record.blame(), record.target());
        let hit = [Some(record.function), record.peer];
        for (at, blamed) in self.blamed.iter_mut().enumerate() {
            let id = || Some(record.id.to_owned());
            match blame {
                Blame::Everyone => blamed.anything = id(),
                _ if !hit.contains(&Some(FunctionId(at))) => {}
                Blame::Anything if target == Some(FunctionId(at)) => blamed.anything = id(),
                Blame::Anything | Blame::Moves => blamed.moves = id(),
                Blame::Nothing => {}
            }
        }
    }

    /// Returns the counters of a function.
    pub fn tally(&self, function: FunctionId) -> &Tally {
        &self.tallies[function.0]
    }

    /// Returns the counters of a function, for changes.
    pub fn tally_mut(&mut self, function: FunctionId) -> &mut Tally {
        &mut self.tallies[function.0]
    }

    /// Records an event without a cause.
    pub fn write(&mut self, function: FunctionId, event: &Event<'_>) {
        self.write_stamped(function, None, event);
    }

    /// Records an event. Without a stamp, it gets the present time and no cause.
    fn write_stamped(&mut self, function: FunctionId, stamp: Option<Stamp>, event: &Event<'_>) {
        self.note(stamp, 1, |batch, stamp| batch.push(stamp, function, event));
    }

    /// Records so many events that `push` adds.
    fn note(
        &mut self,
        stamp: Option<Stamp>,
        events: u64,
        push: impl FnOnce(&mut Batch, Stamp) -> serde_json::Result<()>,
    ) {
        if let Some(file) = &mut self.events {
            let stamp = stamp_at(&mut self.clock, stamp);
            file.record(events, |batch| push(batch, stamp));
        }
    }

    /// Returns the event file, if there is one.
    pub fn events_mut(&mut self) -> Option<&mut EventFile> {
        self.events.as_mut()
    }

    /// Sets the event file for all later events.
    pub fn record(&mut self, events: Option<EventFile>) {
        self.events = events;
    }

    /// Number of events that were not written.
    pub fn events_lost(&self) -> u64 {
        self.events.as_ref().map_or(0, EventFile::lost)
    }

    /// Records the end of a delayed move or event, and whether all of it arrived.
    pub fn delivered(&mut self, delivery: &Delivery, arrived: bool) {
        // The access that caused the delivery has its own line.
        let mut scope = self.scope_without_cause(delivery.to);
        let vector = delivery.vector.filter(|_| arrived);
        match delivery.record {
            DeliveryRecord::Move(record) => {
                if let Some(vector) = vector {
                    scope.interrupt(delivery.to, vector);
                }
                scope.data_move(&MoveRecord {
                    signalled: record.signalled && arrived,
                    ..record
                });
            }
            DeliveryRecord::Event(record) => {
                scope.event(&EventRecord {
                    delivered: record.delivered && arrived,
                    ..record
                });
                if let Some(vector) = vector {
                    scope.interrupt(delivery.to, vector);
                }
            }
        }
    }

    /// Records bytes that did not reach a guest's memory, with the client's errno if the client refused them.
    pub fn not_written(
        &mut self,
        function: FunctionId,
        NotWritten { iova, len }: NotWritten,
        errno: Option<u32>,
        reason: &str,
    ) {
        let name = self.names[function.0].as_str();
        let iova_hex = format!("{iova:#x}");
        tracing::warn!(function = name, iova = %iova_hex, len, errno, "not written: {reason}");
        let event = Event::NotWritten {
            iova,
            length: len,
            errno,
            reason: reason.into(),
        };
        self.write(function, &event);
    }

    /// Returns the observer of one access, reset or departure of a function. Its lines share a cause.
    pub fn scope(&mut self, function: FunctionId) -> Scope<'_> {
        self.causes += 1;
        let cause = Some(self.causes);
        let begun = self.timed.then(Instant::now);
        let stamp = self.events.is_some().then(|| Stamp {
            at: *self.clock.get_or_insert_with(Instant::now),
            cause,
        });
        Scope {
            journal: self,
            function,
            stamp,
            moved: None,
            rules: Vec::new(),
            begun,
            ran: false,
        }
    }

    /// Returns the observer of an occurrence without a line of its own: a run of pieces that ends because
    /// nothing follows.
    pub fn scope_without_cause(&mut self, function: FunctionId) -> Scope<'_> {
        Scope {
            journal: self,
            function,
            stamp: None,
            moved: None,
            rules: Vec::new(),
            begun: None,
            ran: false,
        }
    }
}

/// Returns `stamp`, or a stamp of now without a cause.
fn stamp_at(clock: &mut Option<Instant>, stamp: Option<Stamp>) -> Stamp {
    stamp.unwrap_or_else(|| Stamp {
        at: *clock.get_or_insert_with(Instant::now),
        cause: None,
    })
}

/// Observes one access. The effects of the access are recorded before the access itself.
#[derive(Debug)]
pub struct Scope<'a> {
    journal: &'a mut Journal,
    function: FunctionId,
    /// Stamp that the lines of the access share, if there is an event file.
    stamp: Option<Stamp>,
    /// A move that is not recorded yet. Usually the store that made it comes next and is recorded with it.
    moved: Option<MoveRecord>,
    rules: Rules,
    /// Start of the access, if the time of accesses is measured.
    begun: Option<Instant>,
    /// True if the access ran a command.
    ran: bool,
}

impl Drop for Scope<'_> {
    fn drop(&mut self) {
        self.note_move();
    }
}

impl Scope<'_> {
    /// Records an event of the function itself, with the cause of this scope.
    pub fn write(&mut self, event: &Event<'_>) {
        self.write_of(self.function, event);
    }

    /// Writes an event of any function after the move.
    fn write_of(&mut self, function: FunctionId, event: &Event<'_>) {
        self.note_move();
        self.journal.write_stamped(function, self.stamp, event);
    }

    /// Records the move that is not recorded yet.
    fn note_move(&mut self) {
        if let Some(record) = self.moved.take() {
            self.journal
                .note(self.stamp, 1, |batch, stamp| batch.push_move(stamp, record));
        }
    }

    /// Records a store and its outcome.
    pub fn stored(mut self, store: &Store<'_>, posted: bool, refusal: Option<&Refusal>) {
        let tally = self.journal.tally_mut(self.function);
        tally.store(store.path, store.data.len(), refusal.is_none());
        let what = if self.ran {
            Timed::Command
        } else {
            Timed::Store
        };
        took(tally, what, self.begun);
        if self.journal.events.is_none() {
            return;
        }
        let access = Access::store(store, posted);
        let quiet = refusal.is_none() && self.rules.is_empty();
        let moved = self
            .moved
            .take_if(|moved| quiet && moved.function == self.function);
        match moved {
            Some(moved) => self.journal.note(self.stamp, 2, |batch, stamp| {
                batch.push_moving_store(stamp, moved, access, store.data)
            }),
            None => self.accessed(access, store.data, refusal),
        }
    }

    /// Records a load, the bytes of its answer, and its outcome.
    pub fn loaded(mut self, load: &Load, bytes: &[u8], refusal: Option<&Refusal>) {
        let tally = self.journal.tally_mut(self.function);
        tally.load(load.path, refusal.is_none());
        took(tally, Timed::Load, self.begun);
        if self.journal.events.is_some() {
            self.accessed(Access::load(load), bytes, refusal);
        }
    }

    fn accessed(&mut self, access: Access, bytes: &[u8], refusal: Option<&Refusal>) {
        self.note_move();
        let (function, rules) = (self.function, std::mem::take(&mut self.rules));
        self.journal.note(self.stamp, 1, |batch, stamp| {
            batch.push_access(stamp, function, access, bytes, result(refusal), rules)
        });
    }
}

/// Counts the time since `begun`, if the time of accesses is measured.
fn took(tally: &mut Tally, what: Timed, begun: Option<Instant>) {
    if let (Some(latencies), Some(begun)) = (&mut tally.latencies, begun) {
        latencies.took(what, begun);
    }
}

fn result(refusal: Option<&Refusal>) -> &'static str {
    match refusal {
        None => records::event::ACCEPTED,
        Some(Refusal { rule: Some(_), .. }) => "rejected",
        Some(_) => "refused",
    }
}

impl Observer for Scope<'_> {
    fn violation(&mut self, violation: &Violation) {
        let id = violation.rule.id();
        if self.journal.events.is_some() {
            self.rules.push(id.into());
        }
        let caused_by = self.journal.blame(self.function, violation.rule);
        let caused_by = caused_by.map(str::to_owned);
        let tally = self.journal.tally_mut(self.function);
        let times = tally.violation(violation, caused_by.is_some());
        if log_limit::is_due(times) {
            let function = self.journal.names[self.function.0].as_str();
            let Violation {
                pcias,
                offset,
                len,
                pieces,
                piece_len,
                detail,
                ..
            } = violation;
            let offset = format!("{offset:#x}");
            if violation.severity >= Severity::Warn {
                tracing::warn!(function, rule = id, times, pcias, %offset, len, pieces, piece_len, "{detail}");
            } else {
                tracing::info!(function, rule = id, times, pcias, %offset, len, pieces, piece_len, "{detail}");
            }
        }
        self.journal.remark(self.function, || {
            let Violation {
                severity, detail, ..
            } = violation;
            format!("{id} ({}): {detail}", severity.name())
        });
        let event = Event::Violation {
            rule: id.into(),
            severity: violation.severity.name().into(),
            path: violation.path.name().into(),
            pcias: violation.pcias,
            offset: violation.offset,
            length: violation.len,
            pieces: violation.pieces,
            piece_length: violation.piece_len,
            detail: violation.detail.as_str().into(),
            caused_by: caused_by.map(Cow::from),
        };
        self.write(&event);
    }
}

impl DeviceObserver for Scope<'_> {
    fn command(&mut self, record: &CommandRecord<'_>) {
        let tally = self.journal.tally_mut(record.function);
        tally.commands += 1;
        self.ran = true;
        tally.failed_commands += u64::from(record.response_code != 0);
        let function = self.journal.names[record.function.0].as_str();
        let (name, code) = (record.name, record.response_code);
        tracing::debug!(function, command = name, response_code = code, "command");
        if self.journal.events.is_none() {
            return;
        }
        let event = Event::Command {
            code: record.code,
            name: record.name.into(),
            request: record.request.into(),
            response_code: record.response_code,
            response: record.response.into(),
        };
        self.write_of(record.function, &event);
    }

    fn data_move(&mut self, record: &MoveRecord) {
        let tally = self.journal.tally_mut(record.function);
        tally.moves += 1;
        tally.signals += u64::from(record.signal);
        self.note_move();
        if self.journal.events.is_some() {
            self.moved = Some(*record);
        }
    }

    fn event(&mut self, record: &EventRecord) {
        self.note_move();
        let Journal {
            names,
            events: Some(events),
            clock,
            ..
        } = &mut *self.journal
        else {
            return;
        };
        let event = Event::Queued {
            to: names[record.to.0].as_str().into(),
            event_type: record.event_type,
            code: record.code,
            token: record.token,
            info: record.info,
            delivered: record.delivered,
        };
        events.write(stamp_at(clock, self.stamp), record.from, &event);
    }

    fn interrupt(&mut self, function: FunctionId, vector: u16) {
        self.note_move();
        self.journal.note(self.stamp, 1, |batch, stamp| {
            batch.push_interrupt(stamp, function, vector)
        });
    }

    fn fault(&mut self, record: &FaultRecord<'_>) {
        self.note_move();
        self.journal.blame_on(record);
        let tally = self.journal.tally_mut(record.function);
        tally.fault(record.action.name());
        let names = &self.journal.names;
        let name = |id: FunctionId| names.get(id.0).map(String::as_str);
        let (function, kind) = (name(record.function), record.action.name());
        let (fault, number) = (record.id, record.number);
        if log_limit::is_due(number) {
            tracing::info!(function, fault, kind, number, "a fault is injected");
        }
        let action = record.action;
        let event = Event::Fault {
            fault: fault.into(),
            kind: kind.into(),
            number,
            action: &action,
            peer: record.peer.and_then(name).map(Cow::from),
        };
        if let Some(events) = &mut self.journal.events {
            let stamp = stamp_at(&mut self.journal.clock, self.stamp);
            events.write(stamp, record.function, &event);
        }
    }
}
