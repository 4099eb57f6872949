//! Fuzz target: one or two clients of a pair of functions, and one client of an instruction channel. Each is
//! connected by a socket pair in this process.
//!
//! For all actions: every request that wants a reply gets one with its id, in order; a malformed message ends
//! only its own connection; no descriptor leaks.

mod client;
mod lent;
mod message;
mod model;
mod script;

use std::cell::RefCell;
use std::sync::Arc;

use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;
use vfio_user_ism_server::client::connection::Connection;
use vfio_user_ism_server::client::error::ConnectionError;
use vfio_user_ism_server::client::socket::Socket;
use vfio_user_ism_server::hub::{self, ClientKind, Function, Hub};
use vfio_user_ism_server::profile::{self, Plan};

use crate::tape::Tape;
use client::Client;
use lent::Lent;
use script::{Habits, Step};

/// Largest number of actions in one run.
const MOST: usize = 200;

/// Objects that are created once.
struct Stage {
    runtime: Runtime,
    plan: Plan,
    lent: Lent,
}

impl Stage {
    fn new() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        let text = include_str!("../../configs/pair.json");
        Self {
            runtime: runtime.expect("a runtime"),
            plan: profile::parse("pair.json", text).expect("a profile"),
            lent: Lent::new(),
        }
    }
}

thread_local! {
    static STAGE: RefCell<Option<Stage>> = const { RefCell::new(None) };
}

/// Plays an input.
pub fn run(bytes: &[u8]) {
    STAGE.with_borrow_mut(|stage| {
        let stage = stage.get_or_insert_with(Stage::new);
        let before = descriptors();
        stage
            .runtime
            .block_on(play(&stage.plan, &stage.lent, bytes));
        assert_eq!(descriptors(), before, "descriptors leak");
    });
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("procfs").count()
}

/// A client, and the connection that serves it.
struct Pair {
    client: Client,
    server: JoinHandle<Result<(), ConnectionError>>,
    function: Function,
    kind: ClientKind,
}

impl Pair {
    fn new(function: Function, kind: ClientKind, habits: Habits) -> Self {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        assert!(function.connect(kind, None), "the function is free");
        // The client has no peer process, because the input must not write to this process's own memory.
        let socket = Socket::try_from(theirs).expect("a socket");
        let mut connection =
            Connection::new(socket, hub::Client::new(kind, None), function.clone())
                .sharing_its_thread();
        let server = tokio::spawn(async move { connection.run().await });
        let client = Client::new(ours, habits, kind);
        Self {
            client,
            server,
            function,
            kind,
        }
    }

    /// Requests one more reply, ends the stream, and checks how the connection ended.
    async fn end(mut self, lent: &Lent) {
        self.client.farewell(lent).await;
        let result = self.server.await.expect("no panic");
        self.client.model.check_end(&result);
        self.function.disconnect(self.kind);
    }
}

async fn play(plan: &Plan, lent: &Lent, bytes: &[u8]) {
    let mut tape = Tape::new(bytes);
    let habits = Habits::read(&mut tape);
    let hub = Hub::new(plan.clone(), None).expect("a fabric");
    let functions: Vec<Function> = hub.functions().collect();
    let device = |function: &Function| Pair::new(function.clone(), ClientKind::Device, habits);
    let mut pairs: Vec<Pair> = functions
        .iter()
        .take(1 + usize::from(habits.two))
        .map(device)
        .collect();
    if habits.channel {
        pairs.push(Pair::new(functions[0].clone(), ClientKind::Channel, habits));
    }
    for pair in &mut pairs {
        if habits.greet {
            pair.client.say(message::hello(), Vec::new(), lent).await;
        }
    }
    for _ in 0..MOST {
        if tape.is_empty() {
            break;
        }
        let (which, step) = script::step(&mut tape, pairs.len());
        match step {
            Step::Send { bytes, lend } => pairs[which].client.say(bytes, lend, lent).await,
            Step::Wait => pairs[which].client.wait(lent).await,
            Step::Leave => {
                let (function, kind) = (pairs[which].function.clone(), pairs[which].kind);
                let old = pairs.remove(which);
                old.end(lent).await;
                pairs.insert(which, Pair::new(function, kind, habits));
                pairs[which]
                    .client
                    .say(message::hello(), Vec::new(), lent)
                    .await;
            }
        }
    }
    for pair in pairs {
        pair.end(lent).await;
    }
    check_left(&hub);
}

/// Checks that everything the clients lent is gone.
fn check_left(hub: &Arc<Hub>) {
    for function in hub.report().functions {
        let held = &function.held;
        assert!(!held.connected && !held.channel_connected);
        let lent = (held.dma_maps, held.guest_files, held.eventfds);
        assert_eq!(lent, (0, 0, 0), "maps, files or eventfds leak");
    }
}
