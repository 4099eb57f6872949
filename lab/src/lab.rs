//! A running lab: server, switch and guests.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use harness::{Serving, Task};
use rustix::process::Signal;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::error::Error;
use crate::folder::Folder;
use crate::guest::{Guest, Wiring};
use crate::qemu::{address, fid};
use crate::say::say;
use crate::server::Server;
use crate::setup::Setup;
use crate::switch::Switch;
use crate::{control, profile};

/// Longest time for the server to write a report.
const REPORT: Duration = Duration::from_secs(120);
/// Interval between two looks at the report.
const POLL: Duration = Duration::from_millis(5);

/// A running lab. [`Lab::stop`] ends it in order. Otherwise it is killed when this value is dropped.
#[derive(Debug)]
pub struct Lab {
    guests: Vec<Arc<Guest>>,
    server: Server,
    serving: Serving,
    per_guest: usize,
    switch: Switch,
    report: PathBuf,
    observing: bool,
    /// Held during a request for a report, so that one request cannot take the answer to another.
    asking: Mutex<()>,
}

impl Lab {
    /// Starts the server and every QEMU. The guests are not ready yet: see [`Lab::ready`].
    ///
    /// # Errors
    /// Something cannot be started.
    pub async fn start(setup: &Setup, folder: &Folder) -> Result<Self, Error> {
        let guests = setup.recipe.guests;
        let profile = profile_path(setup, folder)?;
        let report = match &setup.report {
            Some(path) => std::path::absolute(path).map_err(Error::file("use", path))?,
            None => folder.log("report.json"),
        };
        // A report of an earlier run must not count for this one.
        match std::fs::remove_file(&report) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::file("replace", &report)(error));
            }
            _ => {}
        }
        let sockets = setup.sockets.clone().unwrap_or_else(|| folder.passing(""));
        let serving = Serving {
            program: setup.program.clone(),
            profile: Some(profile.clone()),
            sockets,
            events: setup.events.clone(),
            capture: setup.capture.clone(),
            report: Some(report.clone()),
            control: setup.control.clone(),
        };
        let server = Server::start(&serving, folder).await?;
        say(format_args!("server: process {}", server.id()));
        let used = guests * setup.functions_per_guest;
        let (functions, needed) = (server.functions.len(), used + setup.spare);
        if functions < needed {
            server.stop().await;
            return Err(Error::Usage(format!(
                "{} has {functions} function(s), expected {needed} at least",
                profile.display()
            )));
        }
        for socket in server.functions.iter().skip(used) {
            say(format_args!(
                "spare function: socket {}, instruction channel {}",
                socket.display(),
                harness::Server::channel(socket).display()
            ));
        }
        let mut lab = Self {
            guests: Vec::new(),
            server,
            serving,
            per_guest: setup.functions_per_guest,
            switch: Switch::new(setup.lose_frames_after),
            report,
            observing: setup.observe,
            asking: Mutex::new(()),
        };
        for number in 0..guests {
            if let Err(error) = lab.add_guest(number, setup, folder) {
                // The first error is the one to report.
                let _ = lab.stop().await;
                return Err(error);
            }
        }
        Ok(lab)
    }

    fn add_guest(&mut self, number: usize, setup: &Setup, folder: &Folder) -> Result<(), Error> {
        let network = folder.passing(&format!("guest{number}-network.sock"));
        self.switch.add_port(&network)?;
        let functions: Vec<PathBuf> = self.functions_of(number).to_vec();
        let task = if setup.observe {
            Task {
                out: Some(folder.log(&format!("guest{number}-records.jsonl"))),
                ..Task::default()
            }
        } else {
            let channels = functions.iter().enumerate();
            let channel =
                |(index, socket): (usize, &PathBuf)| (harness::Server::channel(socket), fid(index));
            Task {
                forward: channels.map(channel).collect(),
                // The guest must know the CHID that all functions of the fabric share.
                clp: Some("on"),
                moves: Some(setup.moves),
                ring: setup.ring,
                ..Task::default()
            }
        };
        let plugged = setup.plugged.unwrap_or(functions.len());
        let wiring = Wiring {
            plugin: setup.plugin.as_ref().map(|plugin| plugin.argument(&task)),
            functions: functions.into_iter().take(plugged).collect(),
            network,
        };
        let guest = Guest::start(number, &setup.recipe, wiring, folder)?;
        say(format_args!(
            "guest {number}: QEMU is process {}",
            guest.qemu_id()
        ));
        self.guests.push(Arc::new(guest));
        Ok(())
    }

    /// Waits until every guest can run commands. Prints errors of their start.
    ///
    /// # Errors
    /// A guest ended, or did not come up in time; the server ended.
    pub async fn ready(&self, patience: Duration) -> Result<(), Error> {
        let waiting = async {
            for guest in &self.guests {
                guest.ready(patience).await?;
                let trouble = guest.run("cat /run/lab/trouble 2>/dev/null").await?;
                for line in String::from_utf8_lossy(&trouble.stdout).lines() {
                    say(format_args!("guest {}: {line}", guest.number));
                }
            }
            Ok(())
        };
        tokio::select! {
            ready = waiting => ready,
            error = self.server.ended() => Err(error),
        }
    }

    /// Checks that every guest's driver is bound to its function. Under [`Setup::observe`], no driver can be.
    ///
    /// # Errors
    /// It is not, or a guest ended.
    pub async fn bound(&self) -> Result<(), Error> {
        for guest in self.guests.iter().filter(|_| !self.observing) {
            let answer = guest.run(&bound_command(guest.functions)).await?;
            if answer.status != 0 {
                let said = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
                return Err(guest.failure(&format!("no driver is bound to its function: {said}")));
            }
        }
        Ok(())
    }

    /// Waits until every running guest's console log has all reports of the kernel so far.
    pub async fn hear_out(&self) {
        let mut hearing = tokio::task::JoinSet::new();
        for guest in self.guests.iter().filter(|guest| guest.is_running()) {
            let guest = Arc::clone(guest);
            hearing.spawn(async move { guest.hear_out().await });
        }
        while hearing.join_next().await.is_some() {}
    }

    /// A guest by number.
    pub fn guest(&self, number: usize) -> Option<&Arc<Guest>> {
        self.guests.get(number)
    }

    /// All guests, in order.
    pub fn guests(&self) -> &[Arc<Guest>] {
        &self.guests
    }

    /// Waits for an unexpected end of the server.
    pub async fn server_ended(&self) -> Error {
        self.server.ended().await
    }

    /// Whether the server is running.
    pub fn server_is_running(&self) -> bool {
        self.server.is_running()
    }

    /// Sends the server a signal.
    ///
    /// # Errors
    /// It has ended.
    pub fn signal_server(&self, signal: Signal) -> Result<(), Error> {
        self.server.signal(signal)
    }

    /// Kills the server, and waits until it has ended.
    ///
    /// # Errors
    /// It has ended before.
    pub async fn kill_server(&self) -> Result<(), Error> {
        self.server.signal(Signal::KILL)?;
        self.server.ended().await;
        Ok(())
    }

    /// Starts a new server in place of one that has ended. Its events go to `events`.
    ///
    /// # Errors
    /// It cannot be started.
    pub async fn restart_server(
        &mut self,
        events: Option<PathBuf>,
        folder: &Folder,
    ) -> Result<(), Error> {
        self.serving.events = events;
        // The new server numbers its reports from 1. So no report of the previous one must be there.
        let _ = std::fs::remove_file(&self.report);
        self.server = Server::start(&self.serving, folder).await?;
        Ok(())
    }

    /// Sends a request to the server's control socket (`docs/faults.md`) and returns the answer.
    ///
    /// # Errors
    /// It cannot be reached, or refuses.
    pub async fn control(&self, request: &Value) -> Result<Value, Error> {
        let path = self.serving.control.as_deref();
        let path =
            path.ok_or_else(|| Error::Control("the lab has no control socket".to_owned()))?;
        let answer = control::ask(path, request).await;
        let answer = answer.map_err(Error::file("use the control socket", path))?;
        if answer["ok"] == true {
            return Ok(answer);
        }
        let why = answer["error"].as_str().unwrap_or("no reason");
        Err(Error::Control(why.to_owned()))
    }

    /// Process id of the server.
    pub fn server_id(&self) -> u32 {
        self.server.id()
    }

    /// Number of the guest's function in the profile.
    pub fn number_of(&self, guest: usize, function: usize) -> usize {
        guest * self.per_guest + function
    }

    /// Sockets of a guest's functions.
    pub fn functions_of(&self, guest: usize) -> &[PathBuf] {
        let first = guest * self.per_guest;
        let range = first..first + self.per_guest;
        self.server.functions.get(range).unwrap_or_default()
    }

    /// Sockets of all functions, in the profile's order. Those of the guests come first.
    pub fn functions(&self) -> &[PathBuf] {
        &self.server.functions
    }

    /// The server's totals so far.
    ///
    /// # Errors
    /// It does not write them.
    pub async fn report(&self) -> Result<Value, Error> {
        let _asking = self.asking.lock().await;
        next_report(&self.report, || self.server.ask_for_report()).await
    }

    /// Ends the guests, then the server. Returns the server's totals.
    ///
    /// # Errors
    /// The report cannot be read.
    pub async fn stop(&mut self) -> Result<Value, Error> {
        let mut ending = tokio::task::JoinSet::new();
        for guest in self.guests.drain(..) {
            ending.spawn(async move { guest.stop().await });
        }
        while ending.join_next().await.is_some() {}
        self.server.stop().await;
        let text = std::fs::read(&self.report).map_err(Error::file("read", &self.report))?;
        serde_json::from_slice(&text)
            .map_err(|error| Error::file("read", &self.report)(error.into()))
    }
}

/// Asks for a report, and waits until the file at `path` has one with a higher number than before. The server
/// counts all its reports, also those that others ask for. So the lab cannot know the number in advance.
async fn next_report(path: &Path, ask: impl FnOnce() -> Result<(), Error>) -> Result<Value, Error> {
    let before = present_report(path).and_then(|report| report["number"].as_u64());
    ask()?;
    let written = async {
        loop {
            if let Some(report) = present_report(path)
                && report["number"].as_u64() > before
            {
                return report;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(REPORT, written)
        .await
        .map_err(|_| Error::file("wait for", path)(std::io::ErrorKind::TimedOut.into()))
}

/// The report in the file at `path`. None if there is no file, or if the server has not written all of it yet: an
/// incomplete file is no JSON.
fn present_report(path: &Path) -> Option<Value> {
    let text = std::fs::read(path).ok()?;
    serde_json::from_slice(&text).ok()
}

fn profile_path(setup: &Setup, folder: &Folder) -> Result<PathBuf, Error> {
    if let Some(path) = &setup.profile {
        return Ok(path.clone());
    }
    let path = folder.log("profile.json");
    let functions = setup.recipe.guests * setup.functions_per_guest;
    let text = serde_json::to_vec_pretty(&profile::with_functions(functions, setup.spare));
    let written = text
        .map_err(std::io::Error::from)
        .and_then(|text| std::fs::write(&path, text));
    written.map_err(Error::file("write", &path))?;
    Ok(path)
}

/// A command that checks that a driver is bound to each of the first `functions`. If not, it prints the
/// functions and the kernel's messages about them.
fn bound_command(functions: usize) -> String {
    let tests: Vec<String> = (0..functions)
        .map(|index| format!("[ -e {}/driver ]", address(index)))
        .collect();
    format!(
        "cd /sys/bus/pci/devices && {} || \
         {{ echo functions: *; dmesg | grep -i -e 'ism' -e pci -e dibs | tail -n 5; exit 1; }}",
        tests.join(" && ")
    )
}

#[cfg(test)]
mod tests {
    use super::{POLL, next_report};
    use serde_json::json;
    use std::path::Path;

    fn write(path: &Path, number: u64) {
        std::fs::write(path, json!({ "number": number }).to_string()).unwrap();
    }

    #[tokio::test]
    async fn a_report_that_somebody_else_asked_for_is_not_the_answer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        // Others asked five times. The lab has not asked yet.
        write(&path, 5);
        let answer = path.clone();
        let asked = next_report(&path, || {
            tokio::spawn(async move {
                tokio::time::sleep(POLL * 4).await;
                std::fs::write(&answer, "{\"numb").unwrap();
                tokio::time::sleep(POLL * 4).await;
                // Two more were counted, and were not written to the file.
                write(&answer, 8);
            });
            Ok(())
        });
        assert_eq!(asked.await.unwrap()["number"], 8);
    }

    #[tokio::test]
    async fn the_first_report_may_have_any_number() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        for begun in [None, Some("{")] {
            let _ = std::fs::remove_file(&path);
            if let Some(begun) = begun {
                std::fs::write(&path, begun).unwrap();
            }
            let asked = next_report(&path, || {
                write(&path, 1);
                Ok(())
            });
            assert_eq!(asked.await.unwrap()["number"], 1);
        }
    }
}
