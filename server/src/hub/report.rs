//! The report of a hub.

use std::collections::BTreeMap;

use ism::FunctionId;

use super::state::{Hub, State};
use crate::guest::Guest;
use crate::limits::Over;
use crate::record::Tally;
use crate::record::log_budget;
use crate::record::report::{FunctionReport, Held, Report, SCHEMA_VERSION};

impl Hub {
    /// Builds a report of the totals so far and of the resources held now. Recorded events go to the system
    /// first.
    pub fn report(&self) -> Report {
        self.flush_events();
        let mut state = self.lock();
        let State {
            fabric,
            guests,
            journal,
            slots,
            reports,
            ..
        } = &mut *state;
        *reports += 1;
        let functions: Vec<FunctionReport> = self
            .plan
            .functions
            .iter()
            .zip(guests.0.iter().zip(slots))
            .enumerate()
            .map(|(at, (function, (guest, slot)))| {
                let tally = journal.tally(FunctionId(at));
                let over_limits = over_limits(tally, guest);
                let info = fabric.function(FunctionId(at));
                let held = Held {
                    connected: slot.connected,
                    channel_connected: slot.channel,
                    dma_maps: guest.maps.len(),
                    guest_files: guest.maps.files(),
                    eventfds: guest.irqs.eventfds(),
                    dmbs: info.as_ref().map_or(0, |info| info.dmbs_owned),
                    sba: info.as_ref().is_some_and(|info| info.sba.is_some()),
                    ieq: info.as_ref().is_some_and(|info| info.ieq.is_some()),
                    vlans: info.as_ref().map_or(0, |info| info.vlans.len()),
                };
                FunctionReport {
                    over_limits,
                    ..FunctionReport::new(&function.config.name, tally, guest.irqs.raised(), held)
                }
            })
            .collect();
        let worst = (0..self.plan.functions.len())
            .filter_map(|at| journal.tally(FunctionId(at)).worst())
            .max();
        Report {
            schema_version: SCHEMA_VERSION,
            version: env!("CARGO_PKG_VERSION"),
            profile: self.plan.name.clone(),
            violations: functions
                .iter()
                .flat_map(|function| &function.rules)
                .map(|rule| rule.violations)
                .sum(),
            caused_violations: functions
                .iter()
                .flat_map(|function| &function.rules)
                .map(|rule| rule.caused)
                .sum(),
            worst_severity: worst,
            number: *reports,
            open_descriptors: None,
            events_lost: journal.events_lost(),
            log_lines_left_out: log_budget::left_out(),
            functions,
        }
    }
}

/// The number of times that each limit was reached, without zeros.
fn over_limits(tally: &Tally, guest: &Guest) -> BTreeMap<&'static str, u64> {
    let count = |over| match over {
        Over::Clients => tally.clients_refused,
        Over::Queue => guest.queue_full(),
        Over::Eventfds => guest.irqs.given_up(),
        over => tally.over(over),
    };
    let all = Over::ALL.iter().map(|(over, name)| (*name, count(*over)));
    all.filter(|(_, times)| *times > 0).collect()
}
