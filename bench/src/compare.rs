//! Compares this run with an earlier one.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::measure::{Ratio, Time};

/// The part of an earlier run's JSON that the comparison reads.
#[derive(Debug, Deserialize)]
pub(crate) struct Earlier {
    times: Vec<EarlierTime>,
    ratios: Vec<EarlierRatio>,
}

#[derive(Debug, Deserialize)]
struct EarlierTime {
    row: String,
    server: String,
    median_ns: f64,
}

#[derive(Debug, Deserialize)]
struct EarlierRatio {
    row: String,
    of: String,
    against: String,
    ratio: f64,
}

/// An old and a new figure. A ratio compares two servers in one run, so it is more reliable than a time.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Change {
    pub row: String,
    /// Name of a server, or of two servers whose figures are divided.
    pub what: String,
    /// The unit: `ns` or `ratio`.
    pub unit: &'static str,
    /// The figure of the earlier run.
    pub before: f64,
    /// The figure of this run.
    pub now: f64,
}

impl Earlier {
    /// Reads the JSON of an earlier run.
    ///
    /// # Errors
    /// The file cannot be read, or is no such JSON.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let named = |problem: &dyn std::fmt::Display| format!("{}: {problem}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| named(&error))?;
        serde_json::from_str(&text).map_err(|error| {
            let problem = format!("{error}; expected the output of bench --format json");
            named(&problem)
        })
    }

    /// Returns the figures that both runs have.
    pub(crate) fn changes(&self, times: &[Time], ratios: &[Ratio]) -> Vec<Change> {
        let ratios = ratios.iter().filter_map(|now| {
            let same = |then: &&EarlierRatio| {
                then.row == now.row && then.of == now.of && then.against == now.against
            };
            let then = self.ratios.iter().find(same)?;
            Some(Change {
                row: now.row.clone(),
                what: format!("{} / {}", now.of, now.against),
                unit: "ratio",
                before: then.ratio,
                now: now.ratio,
            })
        });
        let times = times.iter().filter_map(|now| {
            let same = |then: &&EarlierTime| then.row == now.row && then.server == now.server;
            let then = self.times.iter().find(same)?;
            Some(Change {
                row: now.row.clone(),
                what: now.server.to_owned(),
                unit: "ns",
                before: then.median_ns,
                now: now.median_ns,
            })
        });
        ratios.chain(times).collect()
    }
}
