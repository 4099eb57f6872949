//! Shows the measurements as a table and as JSON.

use std::fmt::Write;

use serde::Serialize;

use super::move_cost::{MoveCost, median};

/// Version of the JSON form.
pub(super) const SCHEMA_VERSION: u32 = 2;

/// All figures of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    /// Version of the JSON form.
    pub schema_version: u32,
    /// The guests' kernel.
    pub kernel: String,
    /// Processors of this machine.
    pub processors: usize,
    /// Bytes of each transfer.
    pub transfer_bytes: u64,
    /// Number of transfers, and of series of round trips. Each figure is their median.
    pub rounds: usize,
    /// One row for each path.
    pub rows: Vec<Row>,
    /// The time of one move and of a bare round trip.
    #[serde(rename = "move")]
    pub cost: MoveCost,
    /// SMC-D under each QEMU of `--compare`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub compared: Vec<Compared>,
}

/// SMC-D under the first QEMU and another one, measured in turns.
#[derive(Debug, Serialize)]
pub(crate) struct Compared {
    /// The other QEMU and its settings, as the user named them.
    pub variant: String,
    /// The other QEMU.
    pub qemu: String,
    /// Whether this QEMU loads the plugin.
    pub plugin: bool,
    /// One row for each path.
    pub rows: Vec<Beside>,
}

/// One path under both QEMUs: medians of the turns, in 10^6 bytes per second.
#[derive(Debug, Serialize)]
pub(crate) struct Beside {
    /// `one guest` or `two guests`.
    pub between: &'static str,
    /// Name of the path.
    pub path: &'static str,
    /// Throughput under the first QEMU.
    pub mb_per_s: f64,
    /// Throughput under the other QEMU.
    pub other_mb_per_s: f64,
    /// The second throughput, divided by the first.
    pub ratio: f64,
}

impl Beside {
    /// Makes a row from the throughput of each turn.
    pub(super) fn new(
        between: &'static str,
        path: &'static str,
        first: Vec<f64>,
        other: Vec<f64>,
    ) -> Self {
        let (mb_per_s, other_mb_per_s) = (median(first), median(other));
        Self {
            between,
            path,
            mb_per_s,
            other_mb_per_s,
            ratio: other_mb_per_s / mb_per_s,
        }
    }
}

/// One path between two sockets.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// `one guest` or `two guests`.
    pub between: &'static str,
    /// Name of the path.
    pub path: &'static str,
    /// Median throughput in 10^6 bytes per second. Receivers check every byte.
    pub mb_per_s: f64,
    /// Median round trip of 8 bytes, microseconds.
    pub small_us: f64,
    /// Median round trip of 4096 bytes, microseconds.
    pub large_us: f64,
    /// Data moves of all functions in all rounds.
    pub moves: u64,
    /// Interrupts of all functions in all rounds.
    pub interrupts: u64,
}

impl Figures {
    /// The figures as a table for people.
    pub(crate) fn to_table(&self) -> String {
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
        for compared in &self.compared {
            let with = if compared.plugin { "with" } else { "without" };
            let variant = &compared.variant;
            let _ = writeln!(text, "\nbeside {variant}, {with} the plugin:");
            for row in &compared.rows {
                let Beside { between, path, .. } = row;
                let _ = writeln!(
                    text,
                    "{between:<10}  {path:<22}  {:.1} MB/s, {:.1} MB/s with this QEMU; ratio {:.2}",
                    row.mb_per_s, row.other_mb_per_s, row.ratio
                );
            }
        }
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
            compared: Vec::new(),
        }
    }

    #[test]
    fn another_qemu_has_a_ratio_by_its_medians() {
        let mut figures = figures();
        assert!(
            !crate::json::text("write", &figures)
                .unwrap()
                .contains("compared")
        );
        let row = Beside::new(
            "two guests",
            "SMC-D over ism",
            vec![9.0, 10.0, 90.0],
            vec![25.0, 24.0, 26.0],
        );
        figures.compared.push(Compared {
            variant: "zpci, zpci.stores=bar".into(),
            qemu: "/q".into(),
            plugin: false,
            rows: vec![row],
        });
        let text = figures.to_table();
        assert!(
            text.contains("beside zpci, zpci.stores=bar, without the plugin:"),
            "{text}"
        );
        let last =
            "two guests  SMC-D over ism          10.0 MB/s, 25.0 MB/s with this QEMU; ratio 2.50\n";
        assert!(text.ends_with(last), "{text}");
        let json: serde_json::Value =
            serde_json::from_str(&crate::json::text("write", &figures).unwrap()).unwrap();
        assert_eq!(json["compared"][0]["rows"][0]["ratio"], 2.5);
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
        let value: serde_json::Value =
            serde_json::from_str(&crate::json::text("write", &figures()).unwrap()).unwrap();
        assert_eq!(value["move"]["ratio"], 1.25);
        assert_eq!(value["rows"][0]["mb_per_s"], 12.34);
    }
}
