//! Listens, serves one client after the other for every function, and ends on a signal.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tracing::Instrument;
use vfio_user_protocol::{Errno, HEADER_LEN, Header};

use crate::connection::Connection;
use crate::hub::{Function, Hub};
use crate::listen::Source;
use crate::peer::Peer;
use crate::record::LogLimit;
use crate::socket;

/// How long a refused second client may take to say something before it is only hung up on.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(1);
/// Refused clients that are told so at the same time; others are only hung up on.
const REFUSALS: usize = 8;
/// Bytes of a refused client's first message that are taken, so that it is not cut off in the
/// middle of its VERSION.
const REFUSED_LEN: usize = 8 << 10;
/// How long a client that comes while the one before is leaving waits for the function.
const HANDOVER: Duration = Duration::from_secs(5);
/// How long accept pauses when the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves every function from its source until `stop` turns true, or every source is a connected
/// socket whose client has left.
pub async fn serve(
    hub: &Arc<Hub>,
    sources: Vec<Source>,
    stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut tasks = JoinSet::new();
    for (function, source) in hub.functions().zip(sources) {
        let span = tracing::info_span!("client", function = function.plan().name);
        match source {
            Source::Listener(listener) => {
                listener.set_nonblocking(true)?;
                let listener = UnixListener::from_std(listener)?;
                let stop = stop.clone();
                tasks.spawn(accept(listener, function, stop).instrument(span));
            }
            Source::Connected(stream) => {
                stream.set_nonblocking(true)?;
                let stream = UnixStream::from_std(stream)?;
                let stop = stop.clone();
                tasks.spawn(only_client(stream, function, stop).instrument(span));
            }
        }
    }
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            tracing::error!(%error, "a function's task ended");
        }
    }
    Ok(())
}

async fn only_client(stream: UnixStream, function: Function, mut stop: watch::Receiver<bool>) {
    let peer = Peer::of(&stream);
    function.connect(peer);
    let _release = Release(function.clone());
    tokio::select! {
        () = client(stream, peer, function) => {}
        () = stopped(&mut stop) => {}
    }
}

/// The client that has a function, as the accepting task sees it.
#[derive(Default)]
struct Current {
    stream: Weak<UnixStream>,
    /// Closed once the function is free again.
    gone: Option<oneshot::Receiver<()>>,
}

impl Current {
    /// Waits for a client that hung up to be done with; one that is still there is left alone.
    async fn leave(&mut self) {
        let there = self.stream.upgrade();
        if there.is_some_and(|stream| !socket::is_hung_up(&stream)) {
            return;
        }
        if let Some(gone) = self.gone.take() {
            let _ = tokio::time::timeout(HANDOVER, gone).await;
        }
    }
}

async fn accept(listener: UnixListener, function: Function, mut stop: watch::Receiver<bool>) {
    let mut clients = JoinSet::new();
    let mut current = Current::default();
    let (mut failures, mut refusals) = (LogLimit::default(), LogLimit::default());
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
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
        let peer = Peer::of(&stream);
        // A client that closed its socket and comes back at once finds the function free.
        tokio::select! {
            () = current.leave() => {}
            () = stopped(&mut stop) => break,
        }
        if function.connect(peer) {
            let (sender, gone) = oneshot::channel();
            let stream = Arc::new(stream);
            current = Current {
                stream: Arc::downgrade(&stream),
                gone: Some(gone),
            };
            let function = function.clone();
            let task = async move {
                // Dropped with the task, also when that is aborted, in reverse order.
                let _gone: oneshot::Sender<()> = sender;
                let _release = Release(function.clone());
                client(stream, peer, function).await;
            };
            clients.spawn(task.in_current_span());
        } else {
            if let Some(times) = refusals.due() {
                let pid = peer.map(Peer::pid);
                tracing::warn!(pid, times, "a second client is refused");
            }
            if clients.len() <= REFUSALS {
                clients.spawn(refuse(stream).in_current_span());
            }
        }
    }
    clients.shutdown().await;
}

/// Waits until the server is to end.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Gives a function back.
struct Release(Function);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.disconnect();
    }
}

async fn client(stream: impl Into<Arc<UnixStream>>, peer: Option<Peer>, function: Function) {
    tracing::info!(pid = peer.map(Peer::pid), "connected");
    match Connection::new(stream, peer, function).run().await {
        Ok(()) => tracing::info!("disconnected"),
        Err(error) => tracing::warn!("connection closed: {error}"),
    }
}

/// Tells a second client EBUSY in answer to its first message, then hangs up.
async fn refuse(stream: UnixStream) {
    let mut message = vec![0; REFUSED_LEN];
    let told = tokio::time::timeout(REFUSAL_PATIENCE, async {
        let received = socket::receive(&stream, &mut message).await?;
        let head = message.get(..received.bytes);
        if let Some(head) = head.and_then(<[u8]>::first_chunk::<HEADER_LEN>) {
            let reply = Header::decode(head).error_reply(Errno::EBUSY);
            socket::send(&stream, &reply.encode()).await?;
        }
        std::io::Result::Ok(())
    });
    if let Ok(Err(error)) = told.await {
        tracing::debug!(%error, "a refused client");
    }
}
