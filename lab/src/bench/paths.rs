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
/// Number of measurements of each kind.
pub(super) const ROUNDS: usize = 3;

/// The measurements that the bench takes of a path.
#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    /// Throughput and round trips.
    Everything,
    /// Throughput alone.
    Throughput,
}

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

    async fn take_round(self, client: &Guest, what: What, bytes: u64) -> Result<Round, Error> {
        let (address, port, protocol) = (self.address, self.port(), self.protocol);
        let require = if self.smcd { " --require-smcd" } else { "" };
        let to =
            format!("--to {address} --port {port} --proto {protocol}{require} --timeout {STALL}");
        let send = format!("smcd-tool send {to} --bytes {bytes}");
        let mb_per_s = figure(client, &send, "mb_per_s").await?;
        let round_trip = async |size: u32| match what {
            What::Throughput => Ok(f64::NAN),
            What::Everything => {
                let ping = format!("smcd-tool ping {to} --count {SERIES} --size {size}");
                figure(client, &ping, "p50_us").await
            }
        };
        Ok(Round {
            mb_per_s,
            small_us: round_trip(8).await?,
            large_us: round_trip(4096).await?,
        })
    }
}

/// Measures `paths` in turns, with transfers of `bytes`. The client is in guest 0.
///
/// A round that fails is said and left out: Linux 6.12 resets connections when another link group ends
/// (docs/found.md), and a connection may stall on a busy machine.
///
/// # Errors
/// A guest fails, or a figure of SMC-D is missing after all rounds.
pub(super) async fn measure(
    lab: &Lab,
    between: &'static str,
    paths: &[Path],
    what: What,
    bytes: u64,
) -> Result<Vec<Row>, Error> {
    let mut series: Vec<Series> = paths.iter().map(|_| Series::default()).collect();
    for path in paths {
        serve(guest(lab, path.server)?, *path).await?;
    }
    for _ in 0..ROUNDS {
        for (path, series) in paths.iter().zip(&mut series) {
            let (client, server) = (guest(lab, 0)?, guest(lab, path.server)?);
            let before = totals(&lab.report().await?);
            match path.take_round(client, what, bytes).await {
                Ok(round) => series.rounds.push(round),
                Err(error) if client.is_running() && server.is_running() => {
                    say(format_args!("bench: no figure of this round: {error}"));
                    series.failure = Some(error);
                }
                Err(error) => return Err(error),
            }
            let after = totals(&lab.report().await?);
            series.moves += after.0.saturating_sub(before.0);
            series.interrupts += after.1.saturating_sub(before.1);
        }
    }
    let mut rows = Vec::new();
    for (path, mut series) in paths.iter().zip(series) {
        // A path for comparison may have no figure: the figures of SMC-D matter more.
        if let Some(error) = series
            .failure
            .take_if(|_| path.smcd && series.rounds.is_empty())
        {
            return Err(error);
        }
        if path.through_function && series.moves == 0 {
            return Err(guest(lab, 0)?.failure(&format!(
                "{}: the function saw no move, so another device carried the bytes",
                path.name
            )));
        }
        let stop = format!("kill $(cat /run/lab/serve{0})", path.port());
        run(guest(lab, path.server)?, &stop).await?;
        rows.push(series.row(between, path.name));
    }
    Ok(rows)
}

/// The figures of one round. Those that were not asked for are NaN.
#[derive(Debug)]
struct Round {
    mb_per_s: f64,
    small_us: f64,
    large_us: f64,
}

#[derive(Debug, Default)]
struct Series {
    rounds: Vec<Round>,
    /// Why the last round without figures failed.
    failure: Option<Error>,
    moves: u64,
    interrupts: u64,
}

impl Series {
    fn row(&self, between: &'static str, path: &'static str) -> Row {
        let of = |figure: fn(&Round) -> f64| median(self.rounds.iter().map(figure).collect());
        Row {
            between,
            path,
            mb_per_s: of(|round| round.mb_per_s),
            small_us: of(|round| round.small_us),
            large_us: of(|round| round.large_us),
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
    let text = run(guest, command).await?;
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
