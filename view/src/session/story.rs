//! Folds similar acts that follow each other into one row.
//!
//! Sends into several DMBs go on at once. A row of each DMB takes them up until something happens
//! that a reader wants to see between two sends of one of the two functions.

use super::dmbs::Dmbs;
use super::row::{Fields, Kind, Row};
use crate::decode::size;

/// A pause of this length begins a new row of sends: 1 s.
const PAUSE_US: u64 = 1_000_000;

/// A row that may still grow.
struct Open {
    row: Row,
    /// Acts in it.
    acts: u64,
    signals: u64,
    /// Text that similar acts share.
    theme: String,
}

/// Folds acts. They must be in order.
pub(super) fn fold(acts: &[Row], dmbs: &Dmbs) -> Vec<Row> {
    let mut story = Vec::new();
    // The open rows: one for each DMB with sends, and the last row of everything else.
    let mut open: Vec<Open> = Vec::new();
    for act in acts {
        let theme = theme(act);
        let sends = matches!(act.kind, Kind::Move | Kind::Signal);
        let ended = |row: &Open| {
            let late = act.time.saturating_sub(row.row.until) > PAUSE_US;
            let shares = [row.row.from, row.row.to].contains(&act.from)
                || [row.row.from, row.row.to].contains(&act.to);
            let same = row.theme == theme;
            late || (!same && shares && !(sends && is_send(&row.row)))
        };
        let (over, still): (Vec<_>, Vec<_>) = open.into_iter().partition(ended);
        story.extend(over.into_iter().map(|row| row.finish(dmbs)));
        open = still;
        match open.iter_mut().find(|row| row.theme == theme) {
            Some(row) => row.take(act),
            None => open.push(Open::new(act, theme)),
        }
    }
    story.extend(open.into_iter().map(|row| row.finish(dmbs)));
    story.sort_by_key(|row| row.at);
    story
}

fn is_send(row: &Row) -> bool {
    matches!(row.kind, Kind::Move | Kind::Signal)
}

/// The theme of an act. Acts with the same theme become one row.
fn theme(act: &Row) -> String {
    let flags = act.fields.iter().find(|(name, _)| name == "CDC flags");
    let flags = flags.map_or("", |(_, value)| value.as_str());
    // The end of a connection matters. A full ring and a request for a cursor do not.
    let ends: Vec<_> = ["done writing", "closed", "abort"]
        .into_iter()
        .filter(|flag| flags.contains(flag))
        .collect();
    let what = match act.kind {
        Kind::Move | Kind::Signal => format!("send {} {}", act.dmb, ends.join(", ")),
        Kind::Violation => format!("violation {}", act.rule),
        Kind::Config | Kind::Instruction if !act.failed => format!("run {}", act.kind as u8),
        // A command with another argument has another theme.
        _ => format!("{} {} {}", act.kind as u8, act.failed, act.label),
    };
    format!("{} {} {what}", act.from, act.to)
}

impl Open {
    fn new(act: &Row, theme: String) -> Self {
        Self {
            row: act.clone(),
            acts: 1,
            signals: u64::from(act.kind == Kind::Signal),
            theme,
        }
    }

    fn take(&mut self, act: &Row) {
        self.acts += 1;
        self.signals += u64::from(act.kind == Kind::Signal);
        let row = &mut self.row;
        row.count += act.count;
        row.bytes = row.bytes.saturating_add(act.bytes);
        row.until = row.until.max(act.until);
        row.failed |= act.failed;
        if act.kind == Kind::Signal {
            row.kind = Kind::Signal;
        }
    }

    fn finish(self, dmbs: &Dmbs) -> Row {
        let mut row = self.row;
        if self.acts == 1 {
            return row;
        }
        let seconds = row.until.saturating_sub(row.time) as f64 / 1e6;
        match row.kind {
            Kind::Move | Kind::Signal => {
                let flags = row.fields.iter().find(|(name, _)| name == "CDC flags");
                let flags = flags.map(|(_, value)| value.clone()).unwrap_or_default();
                let number = row.dmb;
                row.label = format!(
                    "{} in {} sends, {} signals, into DMB {number}",
                    size(row.bytes),
                    self.acts,
                    self.signals,
                );
                if ["done writing", "closed", "abort"]
                    .iter()
                    .any(|end| flags.contains(end))
                {
                    row.label.push_str(&format!(" · {flags}"));
                }
                row.fields = facts(&[
                    ("sends", self.acts.to_string()),
                    ("signals", self.signals.to_string()),
                    ("bytes", row.bytes.to_string()),
                    ("seconds", format!("{seconds:.3}")),
                ]);
                if seconds > 0.0 {
                    let rate = row.bytes as f64 / seconds / (1024.0 * 1024.0);
                    row.fields.push(("MiB/s".into(), format!("{rate:.2}")));
                }
                if let Some(dmb) = usize::from(number).checked_sub(1).map(|at| &dmbs.all()[at]) {
                    row.fields
                        .push(("token".into(), format!("{:#x}", dmb.token)));
                    row.fields.push(("DMB length".into(), dmb.len.to_string()));
                }
            }
            Kind::Config => row.label = format!("{} accesses of config space", row.count),
            Kind::Instruction => row.label = format!("{} instructions", row.count),
            _ => row.label = format!("{} times: {}", self.acts, row.label),
        }
        row
    }
}

fn facts(facts: &[(&'static str, String)]) -> Fields {
    let own = |(name, value): &(&'static str, String)| ((*name).into(), value.clone());
    facts.iter().map(own).collect()
}
