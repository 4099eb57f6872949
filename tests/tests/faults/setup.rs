//! Two functions with drivers, for tests with and without a fault.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use vfio_user_ism_tests::daemon::Stopped;
use vfio_user_ism_tests::driver::{FIRST_INDEX, header};
use vfio_user_ism_tests::patience::eventually;
use vfio_user_ism_tests::wire::Message;
use vfio_user_ism_tests::{Control, Daemon, Driver, Via, program};

/// GIDs of the two functions.
pub(crate) const GIDS: [u64; 2] = [0x15_0001, 0x15_0002];

/// Returns the profile of two functions with these faults.
pub(crate) fn profile(faults: &[Value]) -> Value {
    let function =
        |at: usize| json!({ "name": format!("ism{at}"), "gid": format!("{:#x}", GIDS[at]) });
    json!({
        "schema_version": 1,
        "name": "faults",
        "functions": [function(0), function(1)],
        "faults": faults,
    })
}

/// Starts a command without loading its response. Returns the reply to the header's store.
pub(crate) fn start(driver: &mut Driver, code: u32, payload: &[u8]) -> Message {
    if !payload.is_empty() {
        driver.store(2, 8, payload).ok();
    }
    driver.store(2, 0, &header(code, 8 + payload.len() as u16))
}

/// Two probed drivers, and a DMB of the second into which the first one writes.
pub(crate) struct Pair {
    pub daemon: Daemon,
    pub control: Control,
    /// The driver of `ism0`, which writes.
    pub writer: Driver,
    /// The driver of `ism1`, which owns the DMB.
    pub owner: Driver,
    /// The token of the DMB.
    pub token: u64,
}

impl Pair {
    /// Creates the pair with these faults in the profile.
    pub(crate) fn with(faults: &[Value]) -> Self {
        let (daemon, socket) = served(faults, &[]);
        Self::on(daemon, &socket)
    }

    /// Creates the pair on this server.
    pub(crate) fn on(daemon: Daemon, socket: &Path) -> Self {
        let control = Control::connect(socket);
        let probe = |name| Driver::probe(&daemon.socket(name), Via::Bar);
        let (writer, mut owner) = (probe("ism0"), probe("ism1"));
        let token = owner.register_dmb(0x4000, FIRST_INDEX, GIDS[0]);
        Self {
            daemon,
            control,
            writer,
            owner,
            token,
        }
    }

    /// Creates the pair and sets these faults after both have probed.
    pub(crate) fn later(faults: &[Value]) -> Self {
        let mut pair = Self::new();
        for fault in faults {
            pair.control.set(fault);
        }
        pair
    }

    /// Creates the pair without faults.
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    /// Waits until a fault with this id was recorded.
    #[track_caller]
    pub(crate) fn wait_for(&self, id: &str) {
        eventually("the fault is injected", || {
            let events = self.daemon.events();
            events
                .iter()
                .any(|event| event["fault"] == id)
                .then_some(())
        });
    }

    /// Ends the server. Returns its results.
    pub(crate) fn stop(self) -> Stopped {
        drop((self.writer, self.owner, self.control));
        self.daemon.stop()
    }
}

/// Starts a server with two functions and these faults. Returns its control socket too.
pub(crate) fn served(faults: &[Value], arguments: &[&str]) -> (Daemon, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let [socket, file] = ["control", "profile.json"].map(|name| folder.path().join(name));
    std::fs::write(&file, profile(faults).to_string()).unwrap();
    let own = [
        "--profile",
        file.to_str().unwrap(),
        "--control",
        socket.to_str().unwrap(),
        "--sandbox",
        "required",
    ];
    let daemon = Daemon::spawn(program::command(), folder, &[&own, arguments].concat());
    (daemon, socket)
}

/// Returns the faults that a server recorded, as id and kind.
pub(crate) fn recorded(stopped: &Stopped) -> Vec<(String, String)> {
    let text = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    let faults = stopped.events_named("fault");
    faults
        .map(|event| (text(event, "fault"), text(event, "kind")))
        .collect()
}
