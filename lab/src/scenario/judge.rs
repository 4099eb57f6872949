//! The checks at the end of a scenario.

use std::time::{Duration, Instant};

use super::drive;
use super::format::{Action, Place};
use super::outcome::Carriage;
use super::stage::{POLL, Stage};
use super::totals::Totals;
use crate::splat;

/// Longest time for the server to drop the resources of a driver or a guest.
const DROPPED: Duration = Duration::from_secs(60);
/// Prints the guest's SMC-D sockets that do not listen, one line each.
const SOCKETS: &str = "smcd-tool info | tr '{' '\\n' | grep '\"mode\":\"smcd\"'; :";

impl Stage<'_> {
    /// Checks everything. Unbinds the drivers from their functions and binds them again. Returns the traffic
    /// of each function.
    pub(super) async fn judge(&mut self) -> Vec<Carriage> {
        self.guests_and_server();
        let functions = if self.lab.server_is_running() {
            match self.totals().await {
                Ok(totals) => self.carriage(&totals).await,
                Err(why) => {
                    self.failures.push(why);
                    Vec::new()
                }
            }
        } else {
            Vec::new()
        };
        self.carried(&functions);
        self.injected(&functions);
        if self.lab.server_is_running()
            && let Err(why) = self.clear_faults().await
        {
            self.failures.push(why);
        }
        // After a failed step, the checks below mean nothing.
        if self.failures.is_empty() {
            self.sockets().await;
        }
        if self.failures.is_empty() {
            if self.lab.server_is_running() {
                self.nothing_left().await;
            }
            self.rules().await;
        }
        self.lab.hear_out().await;
        self.splats();
        functions
    }

    fn guests_and_server(&mut self) {
        let expect = &self.scenario.expect;
        for guest in self.lab.guests() {
            let ended = expect.guests_ended.contains(&guest.number);
            if guest.is_running() == ended {
                let how = if ended {
                    "runs, but should have ended"
                } else {
                    "its QEMU has ended"
                };
                self.failures.push(guest.failure(how).to_string());
            }
        }
        if self.lab.server_is_running() == expect.server_ended {
            let how = if expect.server_ended {
                "runs, but should have ended"
            } else {
                "has ended"
            };
            self.failures.push(format!("the server {how}"));
        }
    }

    /// The server's present totals.
    pub(super) async fn totals(&self) -> Result<Totals, String> {
        Totals::read(&self.lab.report().await?)
    }

    async fn carriage(&mut self, totals: &Totals) -> Vec<Carriage> {
        let mut all = Vec::new();
        for guest in self.lab.guests().to_vec() {
            for function in 0..self.scenario.lab.functions_per_guest {
                let number = self.lab.number_of(guest.number, function);
                let Some(counts) = totals.carriage(&self.before, number) else {
                    self.failures
                        .push(format!("the server's report has no function {number}"));
                    continue;
                };
                let chid = if guest.is_running() {
                    let command = drive::chid(function);
                    let said = tokio::time::timeout(DROPPED, guest.run(&command)).await;
                    let said = said
                        .ok()
                        .and_then(Result::ok)
                        .filter(|output| output.status == 0);
                    said.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
                } else {
                    None
                };
                all.push(Carriage {
                    guest: guest.number,
                    function,
                    chid,
                    ..counts
                });
            }
        }
        all
    }

    /// Checks that the server's report has every kind of fault in the steps. A new server counts from zero.
    fn injected(&mut self, functions: &[Carriage]) {
        if self.servers > 0 || !self.lab.server_is_running() || !self.failures.is_empty() {
            return;
        }
        for step in &self.scenario.steps {
            let kind = match &step.action {
                Action::Fault(fault) => fault.action.name(),
                Action::Inject(inject) => inject.action.name(),
                _ => continue,
            };
            if !functions.iter().any(|each| each.faults.contains_key(kind)) {
                let why = format!("the server's report counts no fault {kind}");
                self.failures.push(why);
            }
        }
    }

    fn carried(&mut self, functions: &[Carriage]) {
        for expected in &self.scenario.expect.carried {
            let at = format!("guest {} function {}", expected.guest, expected.function);
            let found = functions
                .iter()
                .find(|each| (each.guest, each.function) == (expected.guest, expected.function));
            let Some(found) = found else {
                self.failures.push(format!("{at}: its traffic is unknown"));
                continue;
            };
            if expected.chid.is_some() && expected.chid != found.chid {
                self.failures.push(format!(
                    "{at}: CHID {}, expected {}",
                    found.chid.as_deref().unwrap_or("unknown"),
                    expected.chid.as_deref().unwrap_or_default()
                ));
            }
            let counts = [
                ("moves", found.moves, expected.moves),
                ("interrupts", found.interrupts, expected.interrupts),
            ];
            for (what, count, range) in counts {
                // The counters are exact in a double.
                if let Err(why) = range.judge(count as f64) {
                    self.failures.push(format!("{at}: {what}: {why}"));
                }
            }
        }
    }

    /// Ends the guest tool, and waits until no SMC-D connection is left.
    async fn sockets(&mut self) {
        let bound = Duration::from_secs(self.scenario.expect.sockets_within_s);
        let living: Vec<_> = self
            .lab
            .guests()
            .iter()
            .filter(|guest| guest.is_running())
            .cloned()
            .collect();
        let mut failures = Vec::new();
        for guest in living {
            let end = Instant::now() + bound;
            let ended = async {
                guest.run("killall smcd-tool 2>/dev/null; :").await?;
                loop {
                    let output = guest.run(SOCKETS).await?;
                    if output.stdout.is_empty() || Instant::now() > end {
                        return Ok::<_, crate::error::Error>(output.stdout);
                    }
                    tokio::time::sleep(POLL * 4).await;
                }
            };
            match tokio::time::timeout(bound + DROPPED, ended).await {
                Ok(Ok(left)) if left.is_empty() => {}
                Ok(Ok(left)) => failures.push(format!(
                    "guest {}: SMC-D connections are still there after {} s: {}",
                    guest.number,
                    bound.as_secs(),
                    String::from_utf8_lossy(&left).trim()
                )),
                Ok(Err(error)) => failures.push(error.to_string()),
                Err(_) => failures.push(guest.failure("it answers no more").to_string()),
            }
        }
        self.failures.extend(failures);
    }

    /// Unbinds every driver and checks that the server holds nothing. Then binds the drivers again.
    async fn nothing_left(&mut self) {
        let mut failures = Vec::new();
        for guest in self.lab.guests().to_vec() {
            for function in 0..self.scenario.lab.functions_per_guest {
                let at = Place {
                    guest: guest.number,
                    function,
                };
                if self.scenario.expect.lost_functions.contains(&at) {
                    continue;
                }
                let left = if guest.is_running() {
                    tokio::time::timeout(DROPPED * 2, self.driver_taken(at)).await
                } else {
                    Ok(self.held_until_dropped(at, &GUEST_HOLDS).await)
                };
                let why = match left {
                    Ok(Ok(())) => continue,
                    Ok(Err(why)) => why,
                    Err(_) => {
                        let stacks = drive::stacks();
                        let said = tokio::time::timeout(DROPPED, guest.run(&stacks)).await;
                        let said = said.ok().and_then(Result::ok).map(|said| said.stdout);
                        format!(
                            "the driver does not come off and back within {} s; the kernel waits in: {}",
                            (DROPPED * 2).as_secs(),
                            String::from_utf8_lossy(&said.unwrap_or_default()).trim()
                        )
                    }
                };
                failures.push(format!("guest {} function {function}: {why}", guest.number));
            }
        }
        self.failures.extend(failures);
    }

    async fn driver_taken(&self, at: Place) -> Result<(), String> {
        let plugged = self.scenario.lab.plugged;
        let present = format!(
            "[ -e /sys/bus/pci/devices/{} ]",
            crate::qemu::address(at.function)
        );
        if plugged.is_some_and(|plugged| at.function >= plugged)
            && self.shell(at.guest, &present).await.is_err()
        {
            return self.held_until_dropped(at, &GUEST_HOLDS).await;
        }
        self.shell(at.guest, &drive::unbind(at.function)).await?;
        let held = self.held_until_dropped(at, &DRIVER_HOLDS).await;
        self.shell(at.guest, &drive::bind(at.function)).await?;
        held
    }

    /// Waits until the server's report has no resources of `keys` for a function, except for allowed DMBs.
    async fn held_until_dropped(&self, at: Place, keys: &[&str]) -> Result<(), String> {
        let number = self.lab.number_of(at.guest, at.function);
        let end = Instant::now() + DROPPED;
        loop {
            let report = self.lab.report().await?;
            let held: Vec<String> = keys
                .iter()
                .filter_map(|key| {
                    let value = &report["functions"][number][*key];
                    let most = if *key == "dmbs" {
                        self.scenario.expect.dmbs_left
                    } else {
                        0
                    };
                    let none = value == false || value.as_u64().is_some_and(|count| count <= most);
                    (!none).then(|| format!("{key}: {value}"))
                })
                .collect();
            if held.is_empty() {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(format!("the server still holds {}", held.join(", ")));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn rules(&mut self) {
        let mut broken = std::mem::take(&mut self.broken);
        if self.lab.server_is_running() {
            match self.totals().await {
                Ok(totals) => broken.extend(totals.newly_broken(&self.before)),
                Err(why) => return self.failures.push(why),
            }
        }
        let expected = &self.scenario.expect.rules_broken;
        for (rule, said) in &broken {
            let allowed = &self.scenario.expect.rules_allowed;
            if !expected.contains(rule) && !allowed.contains(rule) {
                self.failures.push(said.clone());
            }
        }
        for rule in expected {
            if !broken.iter().any(|(each, _)| each == rule) {
                self.failures
                    .push(format!("rule {rule} is not broken, but should be"));
            }
        }
    }

    fn splats(&mut self) {
        let allowed = &self.scenario.expect.splats;
        for heard in &self.heard {
            let console = heard.console();
            for line in splat::find(&String::from_utf8_lossy(&console)) {
                if !allowed.iter().any(|beginning| line.starts_with(beginning)) {
                    let number = heard.guest_number();
                    self.failures
                        .push(format!("guest {number}: kernel splat: {line}"));
                }
            }
        }
    }
}

/// The resources of a driver that must be gone after it is unbound.
const DRIVER_HOLDS: [&str; 4] = ["dmbs", "sba", "ieq", "vlans"];
/// The resources of an ended guest that must be gone in the server. The function itself keeps its state until
/// the next client resets it.
const GUEST_HOLDS: [&str; 4] = ["connected", "dma_maps", "guest_files", "eventfds"];
