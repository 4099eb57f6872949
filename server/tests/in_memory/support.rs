//! A client and a connection joined by a socket pair, for the tests here.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::EventfdFlags;
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use vfio_user_ism_server::client::connection::Connection;
use vfio_user_ism_server::client::error::ConnectionError;
use vfio_user_ism_server::client::peer::Peer;
use vfio_user_ism_server::client::socket::Socket;
use vfio_user_ism_server::hub::{self, ClientKind, Function, Hub};
use vfio_user_ism_server::profile;
use vfio_user_protocol::header::NO_REPLY;
use vfio_user_protocol::message::{
    DmaAccess, DmaMap, IrqAction, IrqData, RegionAccess, RegionWrite, SetIrqs, Version,
};
use vfio_user_protocol::{HEADER_LEN, Header, Request};

/// Limit for a test that hangs. The machine may be very busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
/// Addresses of the test guest's memory: SBA, event queue, DMB of four pages.
pub(crate) const SBA: u64 = 0x10_0000;
pub(crate) const IEQ: u64 = 0x10_1000;
pub(crate) const DMB: u64 = 0x20_0000;
pub(crate) const SBA_INDEX: u32 = 40;

pub(crate) struct Client {
    pub stream: UnixStream,
    pub next_id: u16,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub header: Header,
    pub body: Vec<u8>,
}

impl Client {
    pub(crate) async fn send(
        &mut self,
        request: &Request<'_>,
        flags: u32,
        fds: &[&OwnedFd],
    ) -> u16 {
        let id = self.next_id;
        self.next_id += 1;
        let mut bytes = Vec::new();
        request.encode(id, flags, &mut bytes);
        self.send_bytes(&bytes, fds).await;
        id
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8], fds: &[&OwnedFd]) {
        self.stream.writable().await.unwrap();
        let borrowed: Vec<_> = fds.iter().map(|fd| fd.as_fd()).collect();
        let mut space = vec![std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(16))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !borrowed.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(&borrowed)));
        }
        let vectors = [std::io::IoSlice::new(bytes)];
        let sent = rustix::net::sendmsg(&self.stream, &vectors, &mut control, SendFlags::empty());
        assert_eq!(sent.unwrap(), bytes.len());
    }

    pub(crate) async fn receive(&mut self) -> Reply {
        tokio::time::timeout(PATIENCE, async {
            let mut head = [0; HEADER_LEN];
            self.stream.read_exact(&mut head).await.unwrap();
            let header = Header::decode(&head);
            let mut body = vec![0; header.message_size as usize - HEADER_LEN];
            self.stream.read_exact(&mut body).await.unwrap();
            Reply { header, body }
        })
        .await
        .expect("a reply in time")
    }

    pub(crate) async fn ask(&mut self, request: &Request<'_>) -> Reply {
        self.ask_with(request, &[]).await
    }

    pub(crate) async fn ask_with(&mut self, request: &Request<'_>, fds: &[&OwnedFd]) -> Reply {
        let id = self.send(request, 0, fds).await;
        let reply = self.receive().await;
        assert_eq!(reply.header.message_id, id);
        reply
    }

    pub(crate) async fn ok(&mut self, request: &Request<'_>, fds: &[&OwnedFd]) -> Vec<u8> {
        let reply = self.ask_with(request, fds).await;
        assert!(
            !reply.header.is_error(),
            "{request:?}: errno {}",
            reply.header.error
        );
        reply.body
    }

    pub(crate) async fn hello(&mut self) {
        self.ok(
            &Request::Version(Version {
                major: 0,
                minor: 0,
                text: "",
            }),
            &[],
        )
        .await;
    }

    pub(crate) async fn map(&mut self, iova: u64, size: u64, offset: u64, fd: Option<&OwnedFd>) {
        let map = DmaMap {
            access: DmaAccess::Unstated,
            readable: true,
            writable: true,
            offset,
            iova,
            size,
        };
        let fds: Vec<_> = fd.into_iter().collect();
        self.ok(&Request::DmaMap(map), &fds).await;
    }

    pub(crate) async fn post(&mut self, region: u32, offset: u64, data: &[u8]) {
        self.send(&write(region, offset, data), NO_REPLY, &[]).await;
    }

    /// Posts the first two pieces of a block store in one send: a pause between them would end the run.
    pub(crate) async fn post_pieces(&mut self) {
        let mut both = Vec::new();
        write(2, 8, &[1; 8]).encode(1, NO_REPLY, &mut both);
        write(2, 16, &[2; 8]).encode(2, NO_REPLY, &mut both);
        self.send_bytes(&both, &[]).await;
    }

    pub(crate) async fn load(&mut self, region: u32, offset: u64, count: u32) -> Vec<u8> {
        let body = self
            .ok(
                &Request::RegionRead(RegionAccess {
                    offset,
                    region,
                    count,
                }),
                &[],
            )
            .await;
        body[16..].to_vec()
    }

    /// Runs an ISM command like the driver. Returns the code and the bytes after the response's header.
    pub(crate) async fn command(&mut self, code: u32, payload: &[u8]) -> (u16, Vec<u8>) {
        if !payload.is_empty() {
            self.post(2, 8, payload).await;
        }
        let mut header = [0; 8];
        header[..4].copy_from_slice(&code.to_be_bytes());
        header[6..].copy_from_slice(&(8 + payload.len() as u16).to_be_bytes());
        self.post(2, 0, &header).await;
        let response = self.load(2, 0, 8).await;
        let code = u16::from_be_bytes([response[4], response[5]]);
        let len = u16::from_be_bytes([response[6], response[7]]);
        let rest = if len > 8 {
            self.load(2, 8, u32::from(len) - 8).await
        } else {
            Vec::new()
        };
        (code, rest)
    }

    /// Makes the function deliver MSI interrupts by an eventfd.
    pub(crate) async fn take_msi(&mut self) -> OwnedFd {
        let eventfd = rustix::event::eventfd(0, EventfdFlags::NONBLOCK).unwrap();
        let set = SetIrqs {
            index: 1,
            start: 0,
            count: 1,
            action: IrqAction::Trigger,
            data: IrqData::Eventfd,
        };
        self.ok(&Request::SetIrqs(set), &[&eventfd]).await;
        eventfd
    }

    /// Registers SBA, event queue and one DMB that the function itself may write. Returns its token.
    pub(crate) async fn register(&mut self, gid: u64) -> u64 {
        assert_eq!(self.command(0x01, &SBA.to_be_bytes()).await.0, 0);
        assert_eq!(
            self.command(0x02, &[IEQ.to_be_bytes(), 512u64.to_be_bytes()].concat())
                .await
                .0,
            0
        );
        self.register_dmb(DMB, SBA_INDEX, gid).await
    }

    /// Registers a DMB of four pages at `iova` that `gid` may write. Returns its token.
    pub(crate) async fn register_dmb(&mut self, iova: u64, index: u32, gid: u64) -> u64 {
        let mut payload = iova.to_be_bytes().to_vec();
        for word in [0x4000, index, 0, 0] {
            payload.extend(word.to_be_bytes());
        }
        payload.extend(gid.to_be_bytes());
        let (code, response) = self.command(0x0a, &payload).await;
        assert_eq!(code, 0);
        u64::from_be_bytes(response[..8].try_into().unwrap())
    }
}

pub(crate) fn write(region: u32, offset: u64, data: &[u8]) -> Request<'_> {
    let access = RegionAccess {
        offset,
        region,
        count: data.len() as u32,
    };
    Request::RegionWrite(RegionWrite { access, data })
}

/// Creates a guest's memory, sealed like QEMU's.
pub(crate) fn memfd(len: u64) -> OwnedFd {
    let fd = rustix::fs::memfd_create("guest", MemfdFlags::ALLOW_SEALING).unwrap();
    rustix::fs::ftruncate(&fd, len).unwrap();
    rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK).unwrap();
    fd
}

#[track_caller]
pub(crate) fn bytes_at(fd: &OwnedFd, offset: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    assert_eq!(rustix::io::pread(fd, &mut bytes, offset).unwrap(), len);
    bytes
}

pub(crate) fn hub() -> Arc<Hub> {
    let plan = profile::parse("built-in", profile::builtin::ISM).unwrap();
    Hub::new(plan, None).unwrap()
}

pub(crate) fn function(hub: &Arc<Hub>) -> Function {
    hub.functions().next().unwrap()
}

pub(crate) async fn connect(hub: &Arc<Hub>) -> (Client, JoinHandle<Result<(), ConnectionError>>) {
    connect_as(hub, ClientKind::Device).await
}

pub(crate) async fn connect_as(
    hub: &Arc<Hub>,
    kind: ClientKind,
) -> (Client, JoinHandle<Result<(), ConnectionError>>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let function = function(hub);
    assert!(function.connect(kind, None));
    let task = tokio::spawn(async move {
        let client = hub::Client::new(kind, Peer::of(&theirs));
        let result = Connection::new(Socket::try_from(theirs).unwrap(), client, function.clone())
            .run()
            .await;
        function.disconnect(kind);
        result
    });
    (
        Client {
            stream: ours,
            next_id: 1,
        },
        task,
    )
}

pub(crate) async fn ready() -> (Arc<Hub>, Client) {
    let hub = hub();
    let (mut client, _task) = connect(&hub).await;
    client.hello().await;
    (hub, client)
}

/// Returns the number of interrupts on an eventfd since the last call.
pub(crate) fn interrupts(eventfd: &OwnedFd) -> u64 {
    let mut count = [0; 8];
    rustix::io::read(eventfd, &mut count).map_or(0, |_| u64::from_ne_bytes(count))
}
