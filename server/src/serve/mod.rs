//! Serves the clients of every function, one after the other, until a signal.

pub mod descriptor_limit;
pub(crate) mod metrics;
pub mod threads;

use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tracing::Instrument;
use vfio_user_protocol::{Errno, HEADER_LEN, Header};

use crate::client::connection::Connection;
use crate::client::error::ConnectionError;
use crate::client::peer::Peer;
use crate::client::socket::Socket;
use crate::hub::{Client, ClientKind, Function, Hub};
use crate::limits::{Over, REFUSAL_MS, REFUSALS, REFUSED_LEN};
use crate::listen::{Source, Sources};
use crate::record::LogLimit;
use crate::serve::threads::Threads;

/// Time that a new client waits for the function while the previous one leaves.
const HANDOVER: Duration = Duration::from_secs(5);
/// The pause after an accept that failed because the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves every function from its sources. It ends when `stop` turns true, or when every device client came
/// as a connected socket and has left; instruction channels do not keep the server running. The thread of a
/// function serves both of its clients.
pub async fn serve(
    hub: &Arc<Hub>,
    sources: Sources,
    threads: &Threads,
    stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut clients = JoinSet::new();
    let mut channels = JoinSet::new();
    for (at, (function, source)) in hub.functions().zip(sources.clients).enumerate() {
        let span = tracing::info_span!("client", function = function.plan().config.name);
        let (stop, thread) = (stop.clone(), threads.handle(at));
        let task = one_source(source, Seat::device(function), stop, thread)?;
        clients.spawn_on(task.instrument(span), thread);
    }
    for (at, (function, source)) in hub.functions().zip(sources.channels).enumerate() {
        let span = tracing::info_span!("channel", function = function.plan().config.name);
        let (stop, thread) = (stop.clone(), threads.handle(at));
        let task = one_source(source, Seat::channel(function), stop, thread)?;
        channels.spawn_on(task.instrument(span), thread);
    }
    while let Some(ended) = clients.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a function's task ended");
        }
    }
    channels.shutdown().await;
    Ok(())
}

/// Serves the clients of one source, one after the other.
fn one_source(
    source: Source,
    seat: Seat,
    stop: watch::Receiver<bool>,
    thread: &Handle,
) -> std::io::Result<Pin<Box<dyn Future<Output = ()> + Send>>> {
    // A socket belongs to the runtime of the thread that waits for it.
    let _runtime = thread.enter();
    Ok(match source {
        Source::Listener(listener) => {
            listener.set_nonblocking(true)?;
            Box::pin(accept(UnixListener::from_std(listener)?, seat, stop))
        }
        Source::Connected(stream) => Box::pin(only_client(Socket::try_from(stream)?, seat, stop)),
    })
}

async fn only_client(socket: Socket, seat: Seat, mut stop: watch::Receiver<bool>) {
    let peer = Peer::of(&socket);
    seat.take(peer);
    let _release = Release(seat.clone());
    tokio::select! {
        () = client(socket, peer, seat) => {}
        () = stopped(&mut stop) => {}
    }
}

/// The place of one client at a function: one for the device, one for the channel.
#[derive(Clone)]
struct Seat {
    function: Function,
    kind: ClientKind,
}

impl Seat {
    fn device(function: Function) -> Self {
        let kind = ClientKind::Device;
        Self { function, kind }
    }

    fn channel(function: Function) -> Self {
        let kind = ClientKind::Channel;
        Self { function, kind }
    }

    /// Takes the place for a client. Returns false while another client has it.
    fn take(&self, peer: Option<Peer>) -> bool {
        self.function.connect(self.kind, peer)
    }
}

/// The connected client, as the accepting task sees it.
#[derive(Default)]
struct Current {
    socket: Weak<Socket>,
    /// Closed once the place is free again.
    gone: Option<oneshot::Receiver<()>>,
}

impl Current {
    /// Waits until the client is done, if it has hung up. A client that is still connected is not affected.
    async fn leave(&mut self) {
        let there = self.socket.upgrade();
        if there.is_some_and(|socket| !socket.is_hung_up()) {
            return;
        }
        if let Some(gone) = self.gone.take() {
            let _ = tokio::time::timeout(HANDOVER, gone).await;
        }
    }
}

async fn accept(listener: UnixListener, seat: Seat, mut stop: watch::Receiver<bool>) {
    let mut clients = JoinSet::new();
    let mut current = Current::default();
    let (mut failures, mut refusals) = (LogLimit::default(), LogLimit::default());
    loop {
        let socket = tokio::select! {
            accepted = accepted(&listener) => match accepted {
                Ok(socket) => socket,
                Err(error) => {
                    if let Some(times) = failures.due() {
                        tracing::warn!(%error, times, "accept failed");
                    }
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            Some(_) = clients.join_next() => continue,
            () = stopped(&mut stop) => break,
        };
        tokio::select! {
            () = seat.function.open() => {}
            () = stopped(&mut stop) => break,
        }
        let peer = Peer::of(&socket);
        // A client that closed its socket and returns at once must find its place free.
        tokio::select! {
            () = current.leave() => {}
            () = stopped(&mut stop) => break,
        }
        if seat.take(peer) {
            let (sender, gone) = oneshot::channel();
            let socket = Arc::new(socket);
            current = Current {
                socket: Arc::downgrade(&socket),
                gone: Some(gone),
            };
            let seat = seat.clone();
            let task = async move {
                // The task drops these in reverse order, even if it is aborted.
                let _gone: oneshot::Sender<()> = sender;
                let _release = Release(seat.clone());
                client(socket, peer, seat).await;
            };
            clients.spawn(task.in_current_span());
        } else {
            if let Some(times) = refusals.due() {
                let pid = peer.map(Peer::pid);
                tracing::warn!(pid, times, "a second client is refused");
            }
            if clients.len() <= REFUSALS {
                clients.spawn(refuse(socket).in_current_span());
            }
        }
    }
    clients.shutdown().await;
}

async fn accepted(listener: &UnixListener) -> std::io::Result<Socket> {
    let (stream, _) = listener.accept().await?;
    Socket::try_from(stream)
}

/// Waits until the server must end.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Gives a client's place back when it is dropped.
struct Release(Seat);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.function.disconnect(self.0.kind);
    }
}

async fn client(socket: impl Into<Arc<Socket>>, peer: Option<Peer>, seat: Seat) {
    tracing::info!(pid = peer.map(Peer::pid), "connected");
    let client = Client::new(seat.kind, peer);
    let function = seat.function.clone();
    let socket = socket.into();
    function.lend_socket(seat.kind, &socket);
    match Connection::new(socket, client, seat.function).run().await {
        Ok(()) => tracing::info!("disconnected"),
        Err(error) => {
            tracing::warn!("connection closed: {error}");
            if let ConnectionError::Malformed(malformed) = &error
                && let Some(over) = Over::closed(malformed)
            {
                function.ran_over(over);
            }
        }
    }
}

/// Answers the first message of a second client with EBUSY and closes the connection.
async fn refuse(socket: Socket) {
    let mut message = vec![0; REFUSED_LEN];
    let told = tokio::time::timeout(Duration::from_millis(REFUSAL_MS), async {
        let received = socket.receive(&mut message).await?;
        let head = message.get(..received.bytes);
        if let Some(head) = head.and_then(<[u8]>::first_chunk::<HEADER_LEN>) {
            let reply = Header::decode(head).error_reply(Errno::EBUSY);
            socket.send(&reply.encode()).await?;
        }
        std::io::Result::Ok(())
    });
    if let Ok(Err(error)) = told.await {
        tracing::debug!(%error, "cannot answer a refused client");
    }
}
