//! Tests that the interception suite can pass: for a correct client by either contract, all cases are `whole`
//! or `as-specified`. For the same client with QEMU's behaviour, they are not.

use intercept::expect::{Model, Seen};
use intercept::plan::{Announced, Carrier, FENCE_OFFSET, Plan};
use intercept::probe::{FunctionFacts, OtherFunction};
use intercept::recording::{Environment, Recording, SCHEMA_VERSION, Source, Times};
use intercept::report::Report;
use intercept::stand_in::{Function, Machine, execute};
use intercept::verdict::{Verdict, classify};
use std::convert::Infallible;
use vfio_user_ism_tests::client::{CONFIG, ZPCI};
use vfio_user_ism_tests::driver::{FIRST_INDEX, zpci_request};
use vfio_user_ism_tests::{Daemon, Driver, Message, Via};

/// Request flags of the zPCI I/O region.
const READ: u64 = 1;
const BLOCK_WRITE: u64 = 2;

struct StandIn {
    /// One driver for each function.
    drivers: Vec<Driver>,
    via: Via,
    /// Size of the pieces into which block stores are cut, as by a QEMU that follows no contract.
    cut: Option<usize>,
}

fn accepted(reply: &Message) -> bool {
    reply.errno().is_none()
}

impl StandIn {
    fn region(&self, seen: &Seen) -> u32 {
        if seen.access.is_config() {
            CONFIG
        } else {
            u32::from(seen.space)
        }
    }
}

impl Function for StandIn {
    type Error = Infallible;

    fn store(&mut self, seen: &Seen) -> Result<bool, Infallible> {
        let region = self.region(seen);
        let client = &mut self.drivers[usize::from(seen.function)].client;
        if let (true, Some(size)) = (seen.block, self.cut) {
            let pieces = (0..).step_by(size).zip(seen.bytes.chunks(size));
            return Ok(pieces.fold(true, |all, (at, piece)| {
                accepted(&client.write(region, seen.offset + at as u64, piece)) && all
            }));
        }
        let reply = if seen.block && self.via == Via::Region {
            let request = zpci_request(BLOCK_WRITE, 0, seen.space, seen.offset, seen.length as u16);
            client.write(ZPCI, 16, &request.raw(&seen.bytes).0)
        } else {
            client.write(region, seen.offset, &seen.bytes)
        };
        Ok(accepted(&reply))
    }

    fn load(&mut self, seen: &Seen) -> Result<Option<Vec<u8>>, Infallible> {
        let region = self.region(seen);
        let client = &mut self.drivers[usize::from(seen.function)].client;
        if self.via == Via::Bar || seen.access.is_config() {
            let reply = client.read(region, seen.offset, seen.length as u32);
            return Ok(accepted(&reply).then(|| reply.data()));
        }
        let request = zpci_request(READ, 0, seen.space, seen.offset, seen.length as u16);
        if !accepted(&client.write(ZPCI, 16, &request.0)) {
            return Ok(None);
        }
        // In a register image, the value is right-aligned.
        let register = client.read(ZPCI, 48, 8).data();
        Ok(Some(register[8 - seen.length as usize..].to_vec()))
    }

    fn fence(&mut self, function: u8) -> Result<(), Infallible> {
        self.drivers[usize::from(function)]
            .client
            .read(CONFIG, FENCE_OFFSET, 4)
            .data();
        Ok(())
    }

    fn clear_interrupts(&mut self) -> Result<(), Infallible> {
        for driver in &mut self.drivers {
            driver.irq.take();
        }
        Ok(())
    }

    fn take_interrupt(&mut self, function: u8) -> Result<bool, Infallible> {
        Ok(self.drivers[usize::from(function)].irq.wait() > 0)
    }
}

/// Runs a plan through a client of the real server.
fn run(plan: Plan, profile: &str, via: Via, cut: Option<usize>) -> Recording {
    let daemons: Vec<Daemon> = (0..plan.functions())
        .map(|_| Daemon::with_profile(profile))
        .collect();
    let mut drivers = Vec::new();
    let mut known = Vec::new();
    for (daemon, number) in daemons.iter().zip(1..) {
        let mut driver = Driver::probe(&daemon.only(), via);
        let gid = driver.gid();
        let token = driver.register_dmb(0x1_0000, FIRST_INDEX, gid);
        drivers.push(driver);
        known.push(OtherFunction {
            handle: 0x8000_0000 + number,
            gid,
            token,
        });
    }
    let facts = FunctionFacts {
        bar_sizes: [48, 0, 12, 0, 12, 0],
        maxstbl: 4096,
        start_dma: 0x1_0000_0000,
        end_dma: 0x01ff_ffff_ffff_ffff,
        handle: known[0].handle,
        gid: known[0].gid,
        token: known[0].token,
        carrier: Some(Carrier::Block),
        others: known[1..].to_vec(),
        ..FunctionFacts::default()
    };
    let announced = Announced::default();
    let machine = Machine {
        model: Model::Relaxed,
        maximum: 4096,
        facts: &facts,
        announced: &announced,
    };
    let mut stand_in = StandIn { drivers, via, cut };
    let Ok(outcomes) = execute(&plan, machine, &mut stand_in);
    drop(stand_in);
    let folder = tempfile::tempdir().unwrap();
    let mut pieces = Vec::new();
    for (daemon, function) in daemons.into_iter().zip(0..) {
        let path = folder.path().join("events");
        let events = daemon.stop().events;
        let lines: Vec<String> = events.iter().map(ToString::to_string).collect();
        std::fs::write(&path, lines.join("\n")).unwrap();
        pieces.extend(intercept::events::read(&path, function).unwrap());
    }
    Recording {
        schema_version: SCHEMA_VERSION,
        source: Source::Probe,
        environment: Environment {
            executor: format!("stand-in by {via:?}"),
            ..Environment::default()
        },
        times: Times::default(),
        plan,
        model: Model::Relaxed,
        maxstbl: 4096,
        announced,
        facts,
        setup: Vec::new(),
        outcomes,
        starts: Vec::new(),
        last_fences_failed: 0,
        pieces,
        lengths: None,
    }
}

fn report(recording: &Recording) -> Report {
    Report::new(
        recording,
        Model::Relaxed,
        &classify(recording, Model::Relaxed).unwrap(),
    )
}

#[track_caller]
fn assert_passes(report: &Report) {
    let bad: Vec<String> = report
        .cases
        .iter()
        .filter(|case| !case.good)
        .map(|case| {
            format!(
                "{}: {} ({:?}; {:?})",
                case.id, case.label, case.outcome, case.details
            )
        })
        .collect();
    assert!(
        bad.is_empty(),
        "{} of {}:\n{}",
        bad.len(),
        report.ran,
        bad.join("\n")
    );
    assert!(report.totals["whole"] > 100, "{:?}", report.totals);
}

#[test]
fn a_client_that_writes_bars_whole_passes() {
    assert_passes(&report(&run(Plan::default(), "ism", Via::Bar, None)));
}

#[test]
fn a_client_that_uses_the_zpci_region_passes() {
    assert_passes(&report(&run(Plan::default(), "ism", Via::Region, None)));
}

#[test]
fn random_plans_pass_with_a_well_behaved_client() {
    for seed in 1..4 {
        let report = report(&run(Plan::random(300, seed), "ism", Via::Bar, None));
        assert!(report.is_good(), "seed {seed}: {:?}", report.totals);
    }
}

#[test]
fn a_client_that_cuts_stores_does_not_pass() {
    let report = report(&run(Plan::default(), "qemu-stock", Via::Bar, Some(8)));
    for case in &report.cases {
        // The MSI-X table belongs to the machine.
        let block =
            case.instruction == intercept::plan::Instruction::Pcistb && case.group != "msi-x-table";
        let split = case.verdicts.contains(&Verdict::Split);
        let long = block && case.length > 8 && case.verdicts != [Verdict::AsSpecified];
        assert_eq!(split, long, "{}: {}", case.id, case.label);
    }
}
