//! A scenario on a running lab: its steps, one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::format::{Action, Place, Run, Scenario, ServerAction, Step, When};
use super::heard::Heard;
use super::outcome::Outcome;
use super::tail::{Counts, Tail};
use super::totals::Totals;
use super::{command, drive};
use crate::error::Error;
use crate::folder::Folder;
use crate::guest::Guest;
use crate::lab::Lab;
use crate::qemu::Function;
use crate::say::say;

/// Interval between two looks at a state that sends no events.
pub(super) const POLL: Duration = Duration::from_millis(50);

/// Longest time for a guest to print its stacks.
const ANSWER: Duration = Duration::from_secs(30);

/// A running command.
type Running = JoinHandle<Result<(), String>>;

/// A scenario on a lab.
pub(super) struct Stage<'a> {
    pub lab: &'a mut Lab,
    pub scenario: &'a Scenario,
    /// The output of each guest.
    pub heard: Vec<Heard>,
    /// The checks that have failed so far.
    pub failures: Vec<String>,
    /// The server's totals at the start of the scenario, or at the start of its last server.
    pub before: Totals,
    /// The rules that were broken at servers that have ended since: id, and a sentence.
    pub broken: Vec<(String, String)>,
    folder: &'a Folder,
    begun: Instant,
    tail: Option<&'a mut Tail>,
    counts: Counts,
    running: BTreeMap<String, Running>,
    /// The totals of a server just before the scenario stopped it (SIGSTOP). A stopped server writes no report.
    stopped: Option<Totals>,
    /// Number of restarts of the server.
    pub servers: usize,
    /// Ids of the faults that were set.
    faults: Vec<String>,
}

/// Plays `scenario` on `lab` and returns the result. `tail` counts the server's events, if there are any.
///
/// # Errors
/// The lab itself fails: the server writes no report.
pub(super) async fn play(
    scenario: &Scenario,
    lab: &mut Lab,
    folder: &Folder,
    mut tail: Option<&mut Tail>,
) -> Result<Outcome, Error> {
    let before = Totals::read(&lab.report().await?).map_err(Error::Report)?;
    let counts = tail
        .as_mut()
        .map_or_else(Counts::new, |tail| tail.counts().clone());
    let mut stage = Stage {
        heard: lab.guests().iter().map(Heard::new).collect(),
        failures: Vec::new(),
        before,
        broken: Vec::new(),
        stopped: None,
        lab,
        scenario,
        folder,
        begun: Instant::now(),
        tail,
        counts,
        running: BTreeMap::new(),
        servers: 0,
        faults: Vec::new(),
    };
    // Whoever acts after this line acts after `before` and `counts` were read.
    say(format_args!("scenario {}: begins", scenario.name));
    stage.carry_out().await;
    let functions = stage.judge().await;
    Ok(Outcome {
        name: scenario.name.clone(),
        shows: scenario.shows.clone(),
        passed: stage.failures.is_empty(),
        failures: stage.failures,
        seconds: stage.begun.elapsed().as_secs_f64(),
        functions,
    })
}

impl Stage<'_> {
    /// Runs the steps up to the first failure, then waits for the end of every command.
    async fn carry_out(&mut self) {
        let scenario = self.scenario;
        for (index, step) in scenario.steps.iter().enumerate() {
            let bound = Duration::from_secs(step.within_s);
            let done = tokio::time::timeout(bound, self.step(step)).await;
            let done = match done {
                Ok(done) => done,
                Err(_) => {
                    let waits = self.waits().await;
                    Err(format!("it did not end within {} s{waits}", step.within_s))
                }
            };
            if let Err(why) = done {
                let said = format!("step {index} ({}): {why}", name_of(&step.action));
                self.failures.push(said);
                break;
            }
        }
        let bound = Duration::from_secs(60);
        let names: Vec<String> = self.running.keys().cloned().collect();
        for name in names {
            // After a failed step, the other commands may never end.
            let wait = if self.failures.is_empty() {
                bound
            } else {
                Duration::ZERO
            };
            let ended = tokio::time::timeout(wait, self.finish(&name)).await;
            match ended {
                Ok(Err(why)) => self.failures.push(format!("command {name:?}: {why}")),
                Err(_) if self.failures.is_empty() => {
                    let waits = self.waits().await;
                    self.failures
                        .push(format!("command {name:?} did not end within 60 s{waits}"));
                }
                _ => {}
            }
        }
        for (_, task) in std::mem::take(&mut self.running) {
            task.abort();
        }
    }

    /// The stacks of threads and programs in SMC or ism, in every guest.
    async fn waits(&self) -> String {
        let mut all = String::new();
        for guest in self.lab.guests().iter().filter(|guest| guest.is_running()) {
            let command = drive::stacks();
            let said = tokio::time::timeout(ANSWER, guest.run(&command)).await;
            let said = match said.map(|said| said.map(|said| said.stdout)) {
                Ok(Ok(said)) if said.is_empty() => continue,
                Ok(Ok(said)) => format!("waits in {}", String::from_utf8_lossy(&said).trim()),
                _ => "answers no more".to_owned(),
            };
            all.push_str(&format!("; guest {} {said}", guest.number));
        }
        all
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        if let Some(when) = &step.when {
            self.wait_for(when).await;
        }
        self.act(&step.action).await
    }

    async fn wait_for(&mut self, when: &When) {
        let counted = |at: Place, kind: &str, nth: u64| (at, kind.to_owned(), nth);
        let (at, kind, nth) = match when {
            When::AfterS(seconds) => {
                let end = self.begun + Duration::from_secs_f64(*seconds);
                tokio::time::sleep_until(end.into()).await;
                return;
            }
            When::Prints(prints) => {
                while !self.heard[prints.guest].has(&prints.text) {
                    tokio::time::sleep(POLL).await;
                }
                return;
            }
            When::Command(count) => counted(
                Place::of(count.guest, count.function),
                &count.name,
                count.nth,
            ),
            When::Moves(count) => counted(
                Place::of(count.guest, count.function),
                "data-move",
                count.nth,
            ),
            When::Interrupts(count) => counted(
                Place::of(count.guest, count.function),
                "interrupt",
                count.nth,
            ),
        };
        let key = (
            format!("ism{}", self.lab.number_of(at.guest, at.function)),
            kind,
        );
        let before = self.counts.get(&key).copied().unwrap_or_default();
        loop {
            let tail = self.tail.as_mut();
            let now = tail.and_then(|tail| tail.counts().get(&key).copied());
            if now.unwrap_or_default() >= before + nth {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    async fn act(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Run(run) => self.run(run).await,
            Action::Finish(named) => self.finish(&named.name).await,
            Action::Serve(serve) => {
                let command = drive::serve(serve.port, serve.tcp);
                self.shell(serve.guest, &command).await
            }
            Action::WaitS(seconds) => {
                tokio::time::sleep(Duration::from_secs_f64(*seconds)).await;
                Ok(())
            }
            Action::Unbind(at) => self.shell(at.guest, &drive::unbind(at.function)).await,
            Action::Bind(at) => self.shell(at.guest, &drive::bind(at.function)).await,
            Action::Recover(at) => self.shell(at.guest, &drive::recover(at.function)).await,
            Action::PowerOff(at) => {
                self.shell(at.guest, &drive::power(at.function, false))
                    .await
            }
            Action::PowerOn(at) => {
                self.shell(at.guest, &drive::power(at.function, true))
                    .await?;
                self.until_bound(*at).await
            }
            Action::Remove(at) => self.shell(at.guest, &drive::remove(at.function)).await,
            Action::Rescan(of) => self.shell(of.guest, &drive::rescan()).await,
            Action::Reload(of) => self.shell(of.guest, &drive::reload()).await,
            Action::Plug(at) => self.plug(*at).await,
            Action::Unplug(at) => self.unplug(*at).await,
            Action::LinkDown(of) => self.link(of.guest, false).await,
            Action::LinkUp(of) => self.link(of.guest, true).await,
            Action::Pause(of) => self.monitor(of.guest, "stop", json!({})).await,
            Action::Resume(of) => self.monitor(of.guest, "cont", json!({})).await,
            Action::VlanUp(vlan) => self.shell(vlan.guest, &drive::vlan_up(vlan.id)).await,
            Action::VlanDown(vlan) => self.shell(vlan.guest, &drive::vlan_down(vlan.id)).await,
            Action::Reboot(of) => {
                let guest = self.guest(of.guest);
                guest.reboot().await?;
                Ok(self.lab.bound().await?)
            }
            Action::Kill(of) => Ok(self.guest(of.guest).kill().await?),
            Action::Server(what) => self.server(*what).await,
            Action::Fault(fault) => {
                let request = json!({ "request": "set", "fault": fault });
                self.control(&request).await?;
                self.faults.push(fault.id.clone());
                Ok(())
            }
            Action::ClearFaults => self.clear_faults().await,
            Action::Ctl(request) => self.control(request).await.map(drop),
            Action::Inject(inject) => {
                let name = |guest, function| format!("ism{}", self.lab.number_of(guest, function));
                let mut request = json!({
                    "request": "inject",
                    "function": name(inject.guest, inject.function),
                    "do": inject.action,
                });
                if let Some(peer) = inject.peer {
                    request["peer"] = name(peer, 0).into();
                }
                self.control(&request).await.map(drop)
            }
            Action::Qmp(qmp) => {
                let arguments = Value::Object(qmp.arguments.clone());
                self.monitor(qmp.guest, &qmp.execute, arguments).await
            }
        }
    }

    /// A guest by number. The number was checked when the scenario was read.
    pub(super) fn guest(&self, number: usize) -> Arc<Guest> {
        Arc::clone(&self.lab.guests()[number])
    }

    async fn control(&self, request: &Value) -> Result<Value, String> {
        Ok(self.lab.control(request).await?)
    }

    /// Clears the faults of this scenario. It is an error if one never acted, because such a scenario shows
    /// nothing.
    pub(super) async fn clear_faults(&mut self) -> Result<(), String> {
        let ids = std::mem::take(&mut self.faults);
        if ids.is_empty() {
            return Ok(());
        }
        let answer = self.control(&json!({ "request": "faults" })).await?;
        self.control(&json!({ "request": "clear" })).await?;
        let none = Vec::new();
        for fault in answer["faults"].as_array().unwrap_or(&none) {
            let counts = fault["counts"].as_array().unwrap_or(&none).iter();
            let acted = counts
                .filter_map(|count| count["injected"].as_u64())
                .sum::<u64>();
            let id = fault_id(fault);
            if acted == 0 && ids.iter().any(|each| each == id) {
                return Err(format!("fault {id:?} never acted"));
            }
        }
        Ok(())
    }

    /// Runs a command that must succeed.
    pub(super) async fn shell(&self, guest: usize, command: &str) -> Result<(), String> {
        let run = Run {
            guest,
            command: command.to_owned(),
            name: None,
            status: vec![0],
            prints: Vec::new(),
            cut_off: false,
            json: BTreeMap::new(),
        };
        command::carry_out(&run, self.guest(guest), &self.heard[guest]).await
    }

    async fn run(&mut self, run: &Run) -> Result<(), String> {
        let (guest, heard) = (self.guest(run.guest), self.heard[run.guest].clone());
        let Some(name) = &run.name else {
            return command::carry_out(run, guest, &heard).await;
        };
        let run = run.clone();
        let task = tokio::spawn(async move { command::carry_out(&run, guest, &heard).await });
        self.running.insert(name.clone(), task);
        Ok(())
    }

    async fn finish(&mut self, name: &str) -> Result<(), String> {
        let Some(task) = self.running.get_mut(name) else {
            return Ok(());
        };
        let ended = task.await;
        self.running.remove(name);
        ended.unwrap_or_else(|error| Err(error.to_string()))
    }

    async fn until_bound(&self, at: Place) -> Result<(), String> {
        let command = format!("until {}; do sleep 0.1; done", drive::is_bound(at.function));
        self.shell(at.guest, &command).await
    }

    async fn monitor(&self, guest: usize, command: &str, arguments: Value) -> Result<(), String> {
        self.guest(guest).monitor(command, arguments).await?;
        Ok(())
    }

    async fn link(&self, guest: usize, up: bool) -> Result<(), String> {
        self.monitor(guest, "set_link", json!({ "name": "net", "up": up }))
            .await
    }

    async fn plug(&self, at: Place) -> Result<(), String> {
        let socket = self.lab.functions_of(at.guest)[at.function].clone();
        for device in Function::new(at.function, socket).devices() {
            self.monitor(at.guest, "device_add", device).await?;
        }
        self.until_bound(at).await
    }

    async fn unplug(&self, at: Place) -> Result<(), String> {
        let guest = self.guest(at.guest);
        let mut events = guest.qmp.events();
        let id = Function::new(at.function, Default::default()).id();
        let deleted = async {
            guest.monitor("device_del", json!({ "id": id })).await?;
            while let Ok(event) = events.recv().await {
                if event["event"] == "DEVICE_DELETED" && event["data"]["device"] == id.as_str() {
                    return Ok(());
                }
            }
            Err("QEMU's monitor ended".to_owned())
        };
        tokio::select! {
            done = deleted => done,
            how = guest.ended() => Err(how),
        }
        // QEMU may die from the command, which may be the scenario's purpose.
        .or_else(|why| {
            let expected = self.scenario.expect.guests_ended.contains(&at.guest);
            if expected && !guest.is_running() {
                Ok(())
            } else {
                Err(why)
            }
        })
    }

    async fn server(&mut self, what: ServerAction) -> Result<(), String> {
        let done = match what {
            ServerAction::Kill => self.kill_server().await,
            ServerAction::Stop => {
                self.stopped = Some(self.totals().await?);
                self.lab.signal_server(Signal::STOP)
            }
            ServerAction::Continue => {
                self.stopped = None;
                self.lab.signal_server(Signal::CONT)
            }
            ServerAction::Restart => self.restart_server().await,
        };
        Ok(done?)
    }

    /// Kills the server, and keeps the rules that were broken at it.
    async fn kill_server(&mut self) -> Result<(), Error> {
        let totals = match self.stopped.take() {
            Some(totals) => totals,
            None => Totals::read(&self.lab.report().await?).map_err(Error::Report)?,
        };
        self.broken.extend(totals.newly_broken(&self.before));
        self.lab.kill_server().await
    }

    async fn restart_server(&mut self) -> Result<(), Error> {
        if self.lab.server_is_running() {
            self.kill_server().await?;
        }
        self.servers += 1;
        let events = self.tail.as_mut().map(|tail| {
            let path = self
                .folder
                .log(&format!("{}-{}.jsonl", self.scenario.name, self.servers));
            tail.go_on_with(&path);
            path
        });
        self.lab.restart_server(events, self.folder).await?;
        say(format_args!("server: process {}", self.lab.server_id()));
        // A new server counts from zero.
        self.before = Totals::default();
        Ok(())
    }
}

/// The id of a fault in the server's list.
fn fault_id(listed: &Value) -> &str {
    let id = listed["fault"]["id"].as_str().or(listed["id"].as_str());
    id.unwrap_or_default()
}

/// Name of the action in a scenario file.
pub(super) fn name_of(action: &Action) -> String {
    match serde_json::to_value(action) {
        // An action without parameters is only its name.
        Ok(Value::String(name)) => name,
        Ok(value) => {
            let name = value.as_object().and_then(|object| object.keys().next());
            name.cloned().unwrap_or_default()
        }
        Err(error) => error.to_string(),
    }
}
