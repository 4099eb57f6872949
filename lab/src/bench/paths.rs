//! One path between two sockets in guests. This module sets it up, measures it and takes it down.

use serde_json::Value;

use super::figures::Row;
use super::move_cost::median;
use crate::error::Error;
use crate::guest::Guest;
use crate::lab::Lab;
use crate::say::say;

/// Number of round trips in a series.
const SERIES: u32 = 500;
/// Seconds without progress after which a measurement ends.
const STALL: u32 = 20;
/// Tries of each measurement. On a busy machine, a connection of Linux may fall back to TCP, or stall.
const TRIES: u32 = 3;
/// Number of measurements of each kind.
pub(super) const ROUNDS: usize = 3;

/// A path between two sockets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    /// Name of the path in results.
    pub name: &'static str,
    /// Value of `smcd-tool --proto`.
    pub protocol: &'static str,
    /// Whether a fallback to TCP is a failure.
    pub smcd: bool,
    /// Whether the bytes go through the emulated function.
    pub through_function: bool,
    /// Number of the listening guest.
    pub server: usize,
    /// Address of the listening guest, for the client.
    pub address: &'static str,
}

impl Path {
    fn port(self) -> u16 {
        if self.smcd { 5000 } else { 5001 }
    }
}

/// Measures `paths` in turns, with transfers of `bytes`. The client is in guest 0.
///
/// # Errors
/// A guest fails, or a connection does.
pub(super) async fn measure(
    lab: &Lab,
    between: &'static str,
    paths: &[Path],
    bytes: u64,
) -> Result<Vec<Row>, Error> {
    let mut series: Vec<Series> = paths.iter().map(|_| Series::default()).collect();
    for path in paths {
        serve(guest(lab, path.server)?, *path).await?;
    }
    for _ in 0..ROUNDS {
        for (path, series) in paths.iter().zip(&mut series) {
            let before = totals(&lab.report().await?);
            let taken = series.take_round(guest(lab, 0)?, *path, bytes).await;
            match taken {
                // A failure of a path for comparison must not stop the figures of SMC-D.
                Err(error) if !path.smcd && guest(lab, 0)?.is_running() => {
                    say(format_args!("no figure of this round: {error}"));
                }
                other => other?,
            }
            let after = totals(&lab.report().await?);
            series.moves += after.0.saturating_sub(before.0);
            series.interrupts += after.1.saturating_sub(before.1);
        }
    }
    for (path, series) in paths.iter().zip(&series) {
        if path.through_function && series.moves == 0 {
            return Err(guest(lab, 0)?.failure(&format!(
                "{}: the function saw no move, so another device carried the bytes",
                path.name
            )));
        }
        let stop = format!("kill $(cat /run/lab/serve{0})", path.port());
        run(guest(lab, path.server)?, &stop).await?;
    }
    Ok(paths
        .iter()
        .zip(series)
        .map(|(path, series)| series.row(between, path.name))
        .collect())
}

#[derive(Debug, Default)]
struct Series {
    throughput: Vec<f64>,
    small: Vec<f64>,
    large: Vec<f64>,
    moves: u64,
    interrupts: u64,
}

impl Series {
    async fn take_round(&mut self, guest: &Guest, path: Path, bytes: u64) -> Result<(), Error> {
        let Path {
            protocol, address, ..
        } = path;
        let to = format!("--to {address} --port {} --proto {protocol}", path.port());
        let require = if path.smcd { " --require-smcd" } else { "" };
        let send = format!("smcd-tool send {to}{require} --bytes {bytes} --timeout {STALL}");
        self.throughput
            .push(figure(guest, &send, "mb_per_s").await?);
        for (size, times) in [(8, &mut self.small), (4096, &mut self.large)] {
            let ping = format!(
                "smcd-tool ping {to}{require} --count {SERIES} --size {size} --timeout {STALL}"
            );
            times.push(figure(guest, &ping, "p50_us").await?);
        }
        Ok(())
    }

    fn row(self, between: &'static str, path: &'static str) -> Row {
        Row {
            between,
            path,
            mb_per_s: median(self.throughput),
            small_us: median(self.small),
            large_us: median(self.large),
            moves: self.moves,
            interrupts: self.interrupts,
        }
    }
}

async fn serve(guest: &Guest, path: Path) -> Result<(), Error> {
    let (port, protocol) = (path.port(), path.protocol);
    let start = format!(
        "smcd-tool serve --port {port} --proto {protocol} >/dev/null 2>&1 & echo $! >/run/lab/serve{port}"
    );
    run(guest, &start).await.map(drop)
}

fn guest(lab: &Lab, number: usize) -> Result<&Guest, Error> {
    lab.guest(number)
        .map(AsRef::as_ref)
        .ok_or_else(|| Error::Usage(format!("there is no guest {number}")))
}

/// Runs a command that must succeed. Returns its output.
pub(super) async fn run(guest: &Guest, command: &str) -> Result<String, Error> {
    let output = guest.run(command).await?;
    if output.status != 0 {
        return Err(guest.failure(&format!(
            "{command} ended with status {}, saying: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        )));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A number in the JSON output of a command.
async fn figure(guest: &Guest, command: &str, name: &str) -> Result<f64, Error> {
    let mut tries = 1;
    let text = loop {
        match run(guest, command).await {
            Err(error) if tries < TRIES && guest.is_running() => {
                say(format_args!("bench: once more: {error}"));
                tries += 1;
            }
            other => break other?,
        }
    };
    serde_json::from_str::<Value>(&text)
        .ok()
        .and_then(|value| value[name].as_f64())
        .ok_or_else(|| guest.failure(&format!("{command} printed no {name}: {}", text.trim())))
}

/// Moves and interrupts of all functions.
fn totals(report: &Value) -> (u64, u64) {
    let functions = report["functions"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let sum = |name: &str| functions.iter().filter_map(|f| f[name].as_u64()).sum();
    (sum("moves"), sum("interrupts"))
}
