//! Tests of serving: clients one after the other, a second client, and the end.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use vfio_user_ism_server::hub::Hub;
use vfio_user_ism_server::{EventLog, Request, ServeConfig, Server, SocketChoice};
use vfio_user_ism_server::{profile, sandbox};
use vfio_user_protocol::header::NO_REPLY;
use vfio_user_protocol::message::Version;
use zpci_region::Severity;

use crate::support::*;

/// A server with the built-in profile, a socket, an event file and a report file.
struct Served {
    folder: tempfile::TempDir,
    hub: Arc<Hub>,
    requests: mpsc::Sender<Request>,
    task: JoinHandle<Option<Severity>>,
}

impl Served {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(ServeConfig {
            plan: profile::parse("built-in", profile::builtin::ISM).unwrap(),
            sockets: SocketChoice::Path(folder.path().join("sock")),
            events: Some(EventLog {
                path: folder.path().join("events"),
                limit: 1 << 30,
            }),
            capture: None,
            metrics: None,
            control: None,
            report: Some(folder.path().join("report")),
            sandbox: sandbox::Mode::Off,
            poll: Duration::ZERO,
        });
        let mut server = server.unwrap();
        let hub = Arc::clone(server.hub());
        let (requests, asked) = mpsc::channel(1);
        let task = tokio::spawn(async move {
            server.serve(asked).await.unwrap();
            server.end().unwrap()
        });
        Self {
            folder,
            hub,
            requests,
            task,
        }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("sock")
    }

    async fn client(&self) -> Client {
        Client {
            stream: UnixStream::connect(self.socket()).await.unwrap(),
            next_id: 1,
        }
    }

    /// Waits until the running server has written an event.
    async fn wait_for(&self, event: &str) {
        let told = format!("\"event\":\"{event}\"");
        let written = async {
            let path = self.folder.path().join("events");
            while !std::fs::read_to_string(&path).unwrap().contains(&told) {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, written)
            .await
            .unwrap_or_else(|_| panic!("no event {event}"));
    }

    /// Ends the server. Returns the names of its events in order.
    async fn end(self) -> Vec<String> {
        self.requests.send(STOP).await.unwrap();
        let ended = tokio::time::timeout(PATIENCE, self.task).await;
        ended.expect("the server ends").unwrap();
        let text = std::fs::read_to_string(self.folder.path().join("events")).unwrap();
        let name = |line: &str| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            line["event"].as_str().unwrap().to_owned()
        };
        text.lines().map(name).collect()
    }
}

const STOP: Request = Request::Stop;
const HELLO: vfio_user_protocol::Request<'_> = vfio_user_protocol::Request::Version(Version {
    major: 0,
    minor: 0,
    text: "",
});

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_closed_its_socket_can_come_back_at_once() {
    let served = Served::start();
    let mut posted = Vec::new();
    for _ in 0..300 {
        write(7, 0x3c, &[1]).encode(1, NO_REPLY, &mut posted);
    }
    for _ in 0..50 {
        let mut client = served.client().await;
        client.hello().await;
        client.map(0, 0x1000, 0, None).await;
        // This work is still to be done when the socket is closed.
        client.send_bytes(&posted, &[]).await;
    }
    let report = served.hub.report();
    assert_eq!(
        (
            report.functions[0].clients,
            report.functions[0].clients_refused
        ),
        (50, 0)
    );
    let events = served.end().await;
    let count = |name| events.iter().filter(|event| *event == name).count();
    assert_eq!((count("connected"), count("disconnected")), (50, 50));
}

#[tokio::test]
async fn a_second_client_is_told_that_the_function_is_busy() {
    let served = Served::start();
    let mut first = served.client().await;
    first.hello().await;
    // None of these clients sends anything: others must still get their answer.
    let mut silent = Vec::new();
    for _ in 0..3 {
        silent.push(served.client().await);
    }
    let mut second = served.client().await;
    assert_eq!(second.ask(&HELLO).await.header.error, 16);
    first
        .ok(&vfio_user_protocol::Request::DeviceReset, &[])
        .await;
    drop(silent);
    let events = served.end().await;
    let expected = [
        "connected",
        "client-refused",
        "client-refused",
        "client-refused",
        "client-refused",
        "reset",
        "disconnected",
    ];
    assert_eq!(events, expected);
}

#[tokio::test]
async fn the_end_of_the_server_is_the_end_of_its_client() {
    let served = Served::start();
    let hub = Arc::clone(&served.hub);
    let mut client = served.client().await;
    client.hello().await;
    client.map(0, 0x1000, 0, None).await;
    assert_eq!(hub.report().functions[0].held.dma_maps, 1);
    let events = served.end().await;
    assert_eq!(events, ["connected", "disconnected"]);
    assert_eq!(hub.report().functions[0].held.dma_maps, 0);
}

#[tokio::test]
async fn a_run_of_pieces_ends_when_nothing_more_comes() {
    let served = Served::start();
    let mut client = served.client().await;
    client.hello().await;
    client.post_pieces().await;
    served.wait_for("violation").await;
    client
        .ok(&vfio_user_protocol::Request::DeviceReset, &[])
        .await;
    served.wait_for("reset").await;
    let events = served.end().await;
    let expected = [
        "connected",
        "store",
        "store",
        "violation",
        "reset",
        "disconnected",
    ];
    assert_eq!(events, expected);
}

#[tokio::test]
async fn a_run_of_pieces_ends_with_its_client() {
    let served = Served::start();
    let mut client = served.client().await;
    client.hello().await;
    client.post_pieces().await;
    client
        .ok(
            &vfio_user_protocol::Request::DeviceGetIrqInfo { index: 0 },
            &[],
        )
        .await;
    drop(client);
    served.wait_for("disconnected").await;
    let events = served.end().await;
    let expected = ["connected", "store", "store", "violation", "disconnected"];
    assert_eq!(events, expected);
}

#[tokio::test]
async fn a_server_in_this_process_reports_when_asked_and_removes_its_sockets_at_the_end() {
    let served = Served::start();
    let mut client = served.client().await;
    client.hello().await;
    served.requests.send(Request::Report).await.unwrap();
    let report = served.folder.path().join("report");
    let written = async {
        // The file is incomplete JSON until it is written.
        loop {
            let text = std::fs::read(&report).unwrap_or_default();
            if let Ok(report) = serde_json::from_slice::<serde_json::Value>(&text) {
                break report;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let report = tokio::time::timeout(PATIENCE, written).await.unwrap();
    assert_eq!(report["functions"][0]["clients"], 1);
    // Half a command: the split block store is the most severe violation of this client.
    client.post_pieces().await;
    served.wait_for("violation").await;
    served.requests.send(STOP).await.unwrap();
    let worst = tokio::time::timeout(PATIENCE, served.task).await;
    assert_eq!(worst.unwrap().unwrap(), Some(Severity::Warn));
    for name in ["sock", "sock.insn"] {
        assert!(!served.folder.path().join(name).exists(), "{name}");
    }
}
