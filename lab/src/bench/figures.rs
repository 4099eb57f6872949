//! What was measured, as a table and as JSON.

use std::fmt::Write;

use serde::Serialize;

use super::move_cost::MoveCost;

/// Version of the JSON form.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything that was measured in one run.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// Version of this form.
    pub schema_version: u32,
    /// The guests' kernel.
    pub kernel: String,
    /// Processors of this machine.
    pub processors: usize,
    /// Bytes of each transfer.
    pub transfer_bytes: u64,
    /// Transfers and series of round trips that each figure is the median of.
    pub rounds: usize,
    /// By path.
    pub rows: Vec<Row>,
    /// One move beside a bare round trip.
    #[serde(rename = "move")]
    pub cost: MoveCost,
}

/// One path between two sockets.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// `one guest` or `two guests`.
    pub between: &'static str,
    /// What carries the bytes.
    pub path: &'static str,
    /// Median throughput in 10^6 bytes a second, every byte checked.
    pub mb_per_s: f64,
    /// Median round trip of 8 bytes, microseconds.
    pub small_us: f64,
    /// Median round trip of 4096 bytes, microseconds.
    pub large_us: f64,
    /// Data moves that the functions carried out for all rounds.
    pub moves: u64,
    /// Interrupts that they raised.
    pub interrupts: u64,
}

impl Figures {
    /// JSON, with a line end.
    ///
    /// # Errors
    /// A figure is no number.
    pub fn to_json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// A table for people.
    #[must_use]
    pub fn to_table(&self) -> String {
        let mut text = format!(
            "Linux {}, {} processors; medians of {} rounds, {} MiB each\n\n{}\n",
            self.kernel,
            self.processors,
            self.rounds,
            self.transfer_bytes >> 20,
            line(["", "", "MB/s", "8 B µs", "4 KiB µs", "moves", "interrupts"].map(str::to_owned))
        );
        for row in &self.rows {
            text.push_str(&line([
                row.between.to_owned(),
                row.path.to_owned(),
                format!("{:.1}", row.mb_per_s),
                format!("{:.0}", row.small_us),
                format!("{:.0}", row.large_us),
                row.moves.to_string(),
                row.interrupts.to_string(),
            ]));
            text.push('\n');
        }
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "\none move of 4 KiB: {:.1} µs; bare round trip of such messages: {:.1} µs; ratio {:.2}",
            self.cost.move_us, self.cost.bare_us, self.cost.ratio
        );
        text
    }
}

fn line(cells: [String; 7]) -> String {
    let [between, path, rest @ ..] = cells;
    let mut line = format!("{between:<10}  {path:<22}");
    for cell in rest {
        line.push_str(&format!("  {cell:>10}"));
    }
    line.trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures() -> Figures {
        Figures {
            schema_version: SCHEMA_VERSION,
            kernel: "6.12".into(),
            processors: 2,
            transfer_bytes: 64 << 20,
            rounds: 3,
            rows: vec![Row {
                between: "two guests",
                path: "TCP over virtio-net",
                mb_per_s: 12.34,
                small_us: 500.4,
                large_us: 600.6,
                moves: 7,
                interrupts: 8,
            }],
            cost: MoveCost {
                move_us: 10.0,
                bare_us: 8.0,
                ratio: 1.25,
            },
        }
    }

    #[test]
    fn the_table_has_every_figure() {
        let text = figures().to_table();
        let row = text.lines().find(|l| l.starts_with("two guests")).unwrap();
        let cells: Vec<_> = row
            .split("  ")
            .map(str::trim)
            .filter(|c| !c.is_empty())
            .collect();
        assert_eq!(
            cells,
            [
                "two guests",
                "TCP over virtio-net",
                "12.3",
                "500",
                "601",
                "7",
                "8"
            ]
        );
        assert!(text.ends_with("ratio 1.25\n"), "{text}");
    }

    #[test]
    fn the_json_has_the_documented_names() {
        let value: serde_json::Value = serde_json::from_str(&figures().to_json().unwrap()).unwrap();
        assert_eq!(value["move"]["ratio"], 1.25);
        assert_eq!(value["rows"][0]["mb_per_s"], 12.34);
    }
}
