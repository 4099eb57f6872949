//! Listens, serves one client after the other for every function, and ends on a signal.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::Instrument;
use vfio_user_protocol::{Errno, HEADER_LEN, Header};

use crate::connection::Connection;
use crate::hub::{Function, Hub};
use crate::listen::Source;
use crate::peer::Peer;
use crate::socket;

/// How long a refused second client may take to say something before it is only hung up on.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(1);
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
    tokio::select! {
        () = client(stream, peer, function.clone()) => {}
        () = stopped(&mut stop) => {}
    }
    function.disconnect();
}

async fn accept(listener: UnixListener, function: Function, mut stop: watch::Receiver<bool>) {
    let mut clients = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
            Some(_) = clients.join_next() => continue,
            () = stopped(&mut stop) => break,
        };
        let peer = Peer::of(&stream);
        if function.connect(peer) {
            let function = function.clone();
            let task = async move {
                // Dropped with the task, also when that is aborted: the function is free again.
                let _release = Release(function.clone());
                client(stream, peer, function).await;
            };
            clients.spawn(task.in_current_span());
        } else {
            tracing::warn!(pid = peer.map(Peer::pid), "a second client is refused");
            // One may wait to be told; beyond that the door is simply shut.
            if clients.len() < 2 {
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

async fn client(stream: UnixStream, peer: Option<Peer>, function: Function) {
    tracing::info!(pid = peer.map(Peer::pid), "connected");
    match Connection::new(stream, peer, function).run().await {
        Ok(()) => tracing::info!("disconnected"),
        Err(error) => tracing::warn!("connection closed: {error}"),
    }
}

/// Tells a second client EBUSY in answer to its first message, then hangs up.
async fn refuse(stream: UnixStream) {
    let mut head = [0; HEADER_LEN];
    let told = tokio::time::timeout(REFUSAL_PATIENCE, async {
        let received = socket::receive(&stream, &mut head).await?;
        if received.bytes == HEADER_LEN {
            let reply = Header::decode(&head).error_reply(Errno::EBUSY);
            socket::send(&stream, &reply.encode()).await?;
        }
        std::io::Result::Ok(())
    });
    if let Ok(Err(error)) = told.await {
        tracing::debug!(%error, "a refused client");
    }
}
