//! Measures SMC-D through the emulated function, plain TCP, and the kernel's own software ISM, in the same
//! guests and the same run.

mod figures;
mod link;
mod move_cost;
mod paths;
mod processors;

use std::path::{Path as FilePath, PathBuf};

use crate::error::Error;
use crate::guest::Guest;
use crate::kit::Smc;
use crate::lab::Lab;
use crate::say::say;
use figures::{Beside, SCHEMA_VERSION};
use move_cost::{Echo, MoveCost};
use paths::{Path, What, run};

pub(crate) use figures::{Compared, Figures};
pub(crate) use move_cost::serve_echo;

const ONE: &str = "one guest";
const TWO: &str = "two guests";

const SELF: &str = "127.0.0.1";
/// Address of guest 1.
const OTHER: &str = "10.0.0.2";
/// Number of turns for each QEMU.
const TURNS: usize = 3;

/// Inputs of a measurement besides the lab.
#[derive(Debug)]
pub(crate) struct Needs<'a> {
    /// Path of this program.
    pub program: &'a FilePath,
    /// Path for a socket.
    pub socket: PathBuf,
    /// Bytes of a transfer.
    pub bytes: u64,
}

/// Measures everything: within guest 0, and between guest 0 and guest 1 if there is one. The lab must have
/// one function more than guests.
///
/// # Errors
/// A guest fails, or SMC-D does not come about.
pub(crate) async fn measure(lab: &Lab, needs: &Needs<'_>) -> Result<Figures, Error> {
    let guest = lab
        .guest(0)
        .ok_or_else(|| Error::Usage("there is no guest".to_owned()))?;
    let kernel = run(guest, "uname -r").await?.trim().to_owned();
    let mut rows = Vec::new();

    say(format_args!("bench: within one guest"));
    let ism = smc("SMC-D over ism", 0, SELF);
    rows.extend(
        paths::measure(
            lab,
            ONE,
            &[ism, tcp("TCP over loopback", 0, SELF)],
            What::Everything,
            needs.bytes,
        )
        .await?,
    );
    if lab.guests().len() > 1 {
        say(format_args!("bench: between two guests"));
        let both = [
            smc("SMC-D over ism", 1, OTHER),
            tcp("TCP over virtio-net", 1, OTHER),
        ];
        rows.extend(paths::measure(lab, TWO, &both, What::Everything, needs.bytes).await?);
    }
    say(format_args!("bench: the kernel's software ISM"));
    swap_smc(guest, Smc::Loopback).await?;
    let software = Path {
        through_function: false,
        ..smc("SMC-D over loopback-ism", 0, SELF)
    };
    let software = paths::measure(lab, ONE, &[software], What::Everything, needs.bytes).await?;
    if software.iter().any(|row| row.moves > 0) {
        return Err(guest.failure("loopback-ism was not used: the function saw moves"));
    }
    rows.splice(1..1, software);
    swap_smc(guest, Smc::Plain).await?;

    say(format_args!("bench: one move"));
    Ok(Figures {
        schema_version: SCHEMA_VERSION,
        kernel,
        processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        transfer_bytes: needs.bytes,
        rounds: paths::ROUNDS,
        rows,
        cost: cost(lab, needs).await?,
        compared: Vec::new(),
    })
}

/// Measures SMC-D in `first` and in `others`, in turns. Returns the rows for each of the others.
///
/// # Errors
/// As [`measure`].
pub(crate) async fn compare(
    first: &Lab,
    others: &[Lab],
    needs: &Needs<'_>,
) -> Result<Vec<Vec<Beside>>, Error> {
    let mut rows: Vec<Vec<Beside>> = others.iter().map(|_| Vec::new()).collect();
    let within = (ONE, smc("SMC-D over ism", 0, SELF));
    let between = (TWO, smc("SMC-D over ism", 1, OTHER));
    let paths = std::iter::once(within).chain((first.guests().len() > 1).then_some(between));
    for (place, path) in paths {
        say(format_args!("bench: all QEMUs in turns, {place}"));
        let mut of: Vec<Vec<f64>> = vec![Vec::new(); others.len() + 1];
        // If the machine becomes busier, all QEMUs suffer alike.
        for turn in 1..=TURNS {
            let labs = std::iter::once(first).chain(others).zip(&mut of);
            for (number, (lab, figures)) in labs.enumerate() {
                let measured =
                    paths::measure(lab, place, &[path], What::Throughput, needs.bytes).await?;
                for row in &measured {
                    say(format_args!(
                        "bench: {place}, turn {turn} of {TURNS}, QEMU {} of {}: {:.1} MB/s",
                        number + 1,
                        others.len() + 1,
                        row.mb_per_s
                    ));
                    figures.push(row.mb_per_s);
                }
            }
        }
        let mut of = of.into_iter();
        let of_first = of.next().unwrap_or_default();
        for (rows, figures) in rows.iter_mut().zip(of) {
            rows.push(Beside::new(place, path.name, of_first.clone(), figures));
        }
    }
    Ok(rows)
}

fn smc(name: &'static str, server: usize, address: &'static str) -> Path {
    Path {
        name,
        protocol: "smc",
        smcd: true,
        through_function: true,
        server,
        address,
    }
}

fn tcp(name: &'static str, server: usize, address: &'static str) -> Path {
    Path {
        protocol: "tcp",
        smcd: false,
        through_function: false,
        ..smc(name, server, address)
    }
}

/// Unloads smc and loads its other build.
async fn swap_smc(guest: &Guest, build: Smc) -> Result<(), Error> {
    let swap = format!(
        "sh /lab/unload smc_diag smc && grep '/smc' {} | while read -r module; do insmod \"$module\" || exit; done && sh /lab/smc-buffers",
        build.order_file()
    );
    run(guest, &swap).await.map(drop)
}

async fn cost(lab: &Lab, needs: &Needs<'_>) -> Result<MoveCost, Error> {
    let Some(socket) = lab.functions().get(lab.guests().len()).cloned() else {
        return Err(Error::Usage(
            "--bench needs a profile with one function more than guests".to_owned(),
        ));
    };
    let echo = Echo {
        program: needs.program.to_owned(),
        socket: needs.socket.clone(),
    };
    let server = lab.server_id();
    let measured = tokio::task::spawn_blocking(move || {
        move_cost::measure(server, &socket, &harness::Server::channel(&socket), &echo)
    });
    measured
        .await
        .map_err(std::io::Error::other)
        .and_then(|cost| cost)
        .map_err(Error::system("measure one move"))
}
