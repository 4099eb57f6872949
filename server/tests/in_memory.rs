//! A client and a connection joined by a socket pair, in one process: order of replies, posted
//! writes, descriptors, memory without descriptors, disconnects.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::EventfdFlags;
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use vfio_user_ism::connection::{Connection, ConnectionError};
use vfio_user_ism::hub::{Function, Hub};
use vfio_user_ism::peer::Peer;
use vfio_user_ism::profile;
use vfio_user_protocol::header::NO_REPLY;
use vfio_user_protocol::message::{
    DmaMap, DmaUnmap, IrqAction, IrqData, MultiWrites, RegionAccess, RegionWrite, SetIrqs, Version,
};
use vfio_user_protocol::{HEADER_LEN, Header, Request};

const PATIENCE: Duration = Duration::from_secs(20);
/// Pages of the test guest: SBA, event queue, DMB of four pages.
const SBA: u64 = 0x10_0000;
const IEQ: u64 = 0x10_1000;
const DMB: u64 = 0x20_0000;
const SBA_INDEX: u32 = 40;

struct Client {
    stream: UnixStream,
    next_id: u16,
}

#[derive(Debug)]
struct Reply {
    header: Header,
    body: Vec<u8>,
}

impl Client {
    async fn send(&mut self, request: &Request<'_>, flags: u32, fds: &[&OwnedFd]) -> u16 {
        let id = self.next_id;
        self.next_id += 1;
        let mut bytes = Vec::new();
        request.encode(id, flags, &mut bytes);
        self.send_bytes(&bytes, fds).await;
        id
    }

    async fn send_bytes(&mut self, bytes: &[u8], fds: &[&OwnedFd]) {
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

    async fn receive(&mut self) -> Reply {
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

    async fn ask(&mut self, request: &Request<'_>) -> Reply {
        self.ask_with(request, &[]).await
    }

    async fn ask_with(&mut self, request: &Request<'_>, fds: &[&OwnedFd]) -> Reply {
        let id = self.send(request, 0, fds).await;
        let reply = self.receive().await;
        assert_eq!(reply.header.message_id, id);
        reply
    }

    async fn ok(&mut self, request: &Request<'_>, fds: &[&OwnedFd]) -> Vec<u8> {
        let reply = self.ask_with(request, fds).await;
        assert!(
            !reply.header.is_error(),
            "{request:?}: errno {}",
            reply.header.error
        );
        reply.body
    }

    async fn hello(&mut self) {
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

    async fn map(&mut self, iova: u64, size: u64, offset: u64, fd: Option<&OwnedFd>) {
        let map = DmaMap {
            readable: true,
            writable: true,
            offset,
            iova,
            size,
        };
        let fds: Vec<_> = fd.into_iter().collect();
        self.ok(&Request::DmaMap(map), &fds).await;
    }

    async fn post(&mut self, region: u32, offset: u64, data: &[u8]) {
        self.send(&write(region, offset, data), NO_REPLY, &[]).await;
    }

    async fn load(&mut self, region: u32, offset: u64, count: u32) -> Vec<u8> {
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

    /// Runs an ISM command the way the driver does; the response without its header.
    async fn command(&mut self, code: u32, payload: &[u8]) -> (u16, Vec<u8>) {
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

    /// Registers SBA, event queue and one DMB that the function itself may write; its token.
    async fn register(&mut self, gid: u64) -> u64 {
        assert_eq!(self.command(0x01, &SBA.to_be_bytes()).await.0, 0);
        assert_eq!(
            self.command(0x02, &[IEQ.to_be_bytes(), 512u64.to_be_bytes()].concat())
                .await
                .0,
            0
        );
        let mut payload = DMB.to_be_bytes().to_vec();
        for word in [0x4000, SBA_INDEX, 0, 0] {
            payload.extend(word.to_be_bytes());
        }
        payload.extend(gid.to_be_bytes());
        let (code, response) = self.command(0x0a, &payload).await;
        assert_eq!(code, 0);
        u64::from_be_bytes(response[..8].try_into().unwrap())
    }
}

fn write(region: u32, offset: u64, data: &[u8]) -> Request<'_> {
    let access = RegionAccess {
        offset,
        region,
        count: data.len() as u32,
    };
    Request::RegionWrite(RegionWrite { access, data })
}

/// A guest's memory, sealed as QEMU's is.
fn memfd(len: u64) -> OwnedFd {
    let fd = rustix::fs::memfd_create("guest", MemfdFlags::ALLOW_SEALING).unwrap();
    rustix::fs::ftruncate(&fd, len).unwrap();
    rustix::fs::fcntl_add_seals(&fd, SealFlags::SHRINK).unwrap();
    fd
}

fn bytes_at(fd: &OwnedFd, offset: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    assert_eq!(rustix::io::pread(fd, &mut bytes, offset).unwrap(), len);
    bytes
}

fn hub() -> Arc<Hub> {
    let plan = profile::parse("built-in", profile::builtin::ISM).unwrap();
    Hub::new(plan, None).unwrap()
}

fn function(hub: &Arc<Hub>) -> Function {
    hub.functions().next().unwrap()
}

async fn connect(hub: &Arc<Hub>) -> (Client, JoinHandle<Result<(), ConnectionError>>) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let function = function(hub);
    assert!(function.connect(None));
    let task = tokio::spawn(async move {
        let peer = Peer::of(&theirs);
        let result = Connection::new(theirs, peer, function.clone()).run().await;
        function.disconnect();
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

async fn ready() -> (Arc<Hub>, Client) {
    let hub = hub();
    let (mut client, _task) = connect(&hub).await;
    client.hello().await;
    (hub, client)
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (_hub, mut client) = ready().await;
    let mut stream = Vec::new();
    for id in 100..200u16 {
        let (region, count) = if id % 3 == 0 {
            (42, 1)
        } else {
            (7, 1 + u32::from(id % 50))
        };
        Request::RegionRead(RegionAccess {
            offset: 0,
            region,
            count,
        })
        .encode(id, 0, &mut stream);
    }
    client.send_bytes(&stream, &[]).await;
    for id in 100..200u16 {
        let reply = client.receive().await;
        assert_eq!(reply.header.message_id, id);
        assert_eq!(reply.header.is_error(), id % 3 == 0);
    }
}

#[tokio::test]
async fn one_byte_at_a_time_is_understood() {
    let (_hub, mut client) = ready().await;
    let mut stream = Vec::new();
    Request::RegionRead(RegionAccess {
        offset: 0,
        region: 7,
        count: 4,
    })
    .encode(9, 0, &mut stream);
    for byte in stream {
        client.send_bytes(&[byte], &[]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.receive().await.body[16..], [0x14, 0x10, 0xed, 0x04]);
}

#[tokio::test]
async fn posted_requests_get_no_reply_not_even_an_error() {
    let (_hub, mut client) = ready().await;
    client.post(2, 0, &[0; 8]).await;
    client.post(42, 0, &[0; 8]).await;
    client.post(2, u64::MAX - 2, &[0; 8]).await;
    let reply = client.ask(&Request::DeviceReset).await;
    assert!(!reply.header.is_error());
}

#[tokio::test]
async fn descriptors_belong_to_the_message_they_came_with() {
    let (_hub, mut client) = ready().await;
    let ram = memfd(0x4000);
    // Without a descriptor, with one, and a request behind, received in one go or not.
    let mut stream = Vec::new();
    let map = |iova| DmaMap {
        readable: true,
        writable: true,
        offset: 0,
        iova,
        size: 0x1000,
    };
    Request::DmaMap(map(0)).encode(1, 0, &mut stream);
    client.send_bytes(&stream, &[]).await;
    stream.clear();
    Request::DmaMap(map(0x1000)).encode(2, 0, &mut stream);
    Request::DeviceReset.encode(3, 0, &mut stream);
    client.send_bytes(&stream, &[&ram]).await;
    for id in 1..=3 {
        let reply = client.receive().await;
        assert_eq!(
            (reply.header.message_id, reply.header.is_error()),
            (id, false)
        );
    }
    // A request that takes none is refused with one, and the stream stays in step.
    let reply = client.ask_with(&Request::DeviceReset, &[&ram]).await;
    assert_eq!(reply.header.error, 22);
    assert!(!client.ask(&Request::DeviceReset).await.header.is_error());
}

#[tokio::test]
async fn a_move_with_signal_reaches_memory_bits_and_eventfd() {
    let (hub, mut client) = ready().await;
    let ram = memfd(0x40_0000);
    client.map(0, 0x40_0000, 0, Some(&ram)).await;
    let eventfd = rustix::event::eventfd(0, EventfdFlags::NONBLOCK).unwrap();
    let set = SetIrqs {
        index: 1,
        start: 0,
        count: 1,
        action: IrqAction::Trigger,
        data: IrqData::Eventfd,
    };
    client.ok(&Request::SetIrqs(set), &[&eventfd]).await;
    let token = client.register(function(&hub).plan().gid).await;
    client.post(0, token | 0x100, b"sixteen bytes...").await;
    client.post(0, token | 1 << 23, &[0x5a; 32]).await;
    client.ok(&Request::DeviceReset, &[]).await;
    assert_eq!(bytes_at(&ram, DMB + 0x100, 16), b"sixteen bytes...");
    assert_eq!(bytes_at(&ram, DMB, 32), [0x5a; 32]);
    let sba = bytes_at(&ram, SBA, 4096);
    assert_eq!(sba[0] & 0x80, 0x80, "summary bit");
    assert_eq!(sba[4 + SBA_INDEX as usize / 8], 0x80 >> (SBA_INDEX % 8));
    let mask = 256 + 2 * SBA_INDEX as usize;
    assert_ne!(sba[mask..mask + 2], [0, 0]);
    let mut count = [0; 8];
    rustix::io::read(&eventfd, &mut count).unwrap();
    assert_eq!(u64::from_ne_bytes(count), 1);
}

#[tokio::test]
async fn writes_in_one_message_are_judged_one_by_one() {
    let (hub, mut client) = ready().await;
    let piece = |at: u64| RegionWrite {
        access: RegionAccess {
            offset: 8 + 8 * at,
            region: 2,
            count: 8,
        },
        data: &[7; 8],
    };
    let items = MultiWrites::items(&[piece(0), piece(1), piece(2)]);
    client
        .ok(
            &Request::RegionWriteMulti(MultiWrites::from_items(&items)),
            &[],
        )
        .await;
    let report = hub.report();
    let function = &report.functions[0];
    let rule = function
        .rules
        .iter()
        .find(|rule| rule.rule == "split-block-store")
        .unwrap();
    assert_eq!((rule.violations, rule.pieces), (1, 3));
    assert_eq!(function.paths[2].stores, 3);
}

/// Answers the server's DMA_READ and DMA_WRITE from `ram` until `replies` of its own have come.
async fn serve_memory(
    client: &mut Client,
    ram: &mut [u8],
    narrow: bool,
    mut replies: usize,
) -> usize {
    let mut served = 0;
    while replies > 0 || served == 0 || !quiet(client).await {
        let message = client.receive().await;
        if message.header.flags & 1 == 1 {
            replies = replies.saturating_sub(1);
            continue;
        }
        served += 1;
        let read = message.header.command == 11;
        let number = |at: usize, len: usize| {
            let mut bytes = [0; 8];
            bytes[..len].copy_from_slice(&message.body[at..at + len]);
            u64::from_ne_bytes(bytes) as usize
        };
        let (iova, count_len) = (number(0, 8), if narrow { 4 } else { 8 });
        let count = number(8, count_len);
        let mut body = message.body[..8 + count_len].to_vec();
        if read {
            assert_eq!(message.body.len(), 16, "a read has the wide layout always");
            body.extend_from_slice(&ram[iova..iova + count]);
        } else {
            let data = &message.body[8 + count_len..];
            assert_eq!(data.len(), count, "the client's layout");
            ram[iova..iova + count].copy_from_slice(data);
            if narrow {
                body.clear();
            }
        }
        let mut bytes = message
            .header
            .reply((HEADER_LEN + body.len()) as u32)
            .encode()
            .to_vec();
        bytes.extend(body);
        client.send_bytes(&bytes, &[]).await;
    }
    served
}

/// Whether nothing more comes for a while.
async fn quiet(client: &mut Client) -> bool {
    for _ in 0..40 {
        let mut byte = [0];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        if rustix::net::recv(&client.stream, &mut byte, flags).is_ok() {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    true
}

async fn move_without_descriptor(narrow: bool) {
    let (hub, mut client) = ready().await;
    let mut ram = vec![0; 0x40_0000];
    client.map(0, 0x40_0000, 0, None).await;
    let eventfd = rustix::event::eventfd(0, EventfdFlags::NONBLOCK).unwrap();
    let set = SetIrqs {
        index: 1,
        start: 0,
        count: 1,
        action: IrqAction::Trigger,
        data: IrqData::Eventfd,
    };
    client.ok(&Request::SetIrqs(set), &[&eventfd]).await;
    let token = client.register(function(&hub).plan().gid).await;
    ram[SBA as usize] = 0x40;
    client.post(0, token | 0x100, &[0x11; 16]).await;
    client.post(0, token | 1 << 23, &[0x22; 32]).await;
    // Answered at once, although the memory is not written yet.
    let id = client
        .send(
            &Request::RegionRead(RegionAccess {
                offset: 0,
                region: 7,
                count: 2,
            }),
            0,
            &[],
        )
        .await;
    let mut count = [0; 8];
    let _ = id;
    let served = serve_memory(&mut client, &mut ram, narrow, 1).await;
    assert!(served >= 6, "{served} messages");
    assert_eq!(ram[DMB as usize + 0x100..][..16], [0x11; 16]);
    assert_eq!(ram[DMB as usize..][..32], [0x22; 32]);
    assert_eq!(ram[SBA as usize], 0xc0, "bits are added");
    assert_eq!(
        rustix::io::read(&eventfd, &mut count),
        Ok(8),
        "the interrupt comes last"
    );
}

#[tokio::test]
async fn memory_without_a_descriptor_is_written_by_messages() {
    move_without_descriptor(false).await;
}

#[tokio::test]
async fn the_older_layout_of_these_messages_is_learnt() {
    move_without_descriptor(true).await;
}

#[tokio::test]
async fn maps_and_interrupts_go_with_the_client_and_the_device_stays() {
    let (hub, mut client) = ready().await;
    let ram = memfd(0x40_0000);
    client.map(0, 0x40_0000, 0, Some(&ram)).await;
    let gid = function(&hub).plan().gid;
    let token = client.register(gid).await;
    drop(client);
    tokio::time::timeout(PATIENCE, async {
        while !function(&hub).connect(None) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    function(&hub).disconnect();
    let (mut client, _task) = connect(&hub).await;
    client.hello().await;
    let report = hub.report();
    assert_eq!(report.functions[0].dma_maps, 0);
    // The DMB is still there, its memory is not.
    let reply = client.ask(&write(0, token, &[1; 8])).await;
    assert_eq!(reply.header.error, 5);
    client.map(0, 0x40_0000, 0, Some(&ram)).await;
    client.ok(&write(0, token, &[1; 8]), &[]).await;
    assert_eq!(bytes_at(&ram, DMB, 8), [1; 8]);
}

#[tokio::test]
async fn unmapping_everything_empties_the_table() {
    let (hub, mut client) = ready().await;
    let ram = memfd(0x4000);
    for page in 0..4 {
        client
            .map(page * 0x10_000, 0x1000, page * 0x1000, Some(&ram))
            .await;
    }
    assert_eq!(hub.report().functions[0].dma_maps, 4);
    client.ok(&Request::DmaUnmap(DmaUnmap::All), &[]).await;
    assert_eq!(hub.report().functions[0].dma_maps, 0);
}

#[tokio::test]
async fn what_cannot_be_understood_ends_the_connection() {
    for bytes in [
        Header {
            message_id: 1,
            command: 9,
            message_size: 3,
            flags: 0,
            error: 0,
        },
        Header {
            message_id: 1,
            command: 9,
            message_size: u32::MAX,
            flags: 0,
            error: 0,
        },
        Header {
            message_id: 1,
            command: 9,
            message_size: 16,
            flags: 7,
            error: 0,
        },
    ] {
        let hub = hub();
        let (mut client, task) = connect(&hub).await;
        client.hello().await;
        client.send_bytes(&bytes.encode(), &[]).await;
        let ended = tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
        assert!(
            matches!(ended, Err(ConnectionError::Malformed(_))),
            "{ended:?}"
        );
    }
}

#[tokio::test]
async fn anything_before_version_ends_the_connection() {
    let hub = hub();
    let (mut client, task) = connect(&hub).await;
    client.send(&Request::DeviceReset, 0, &[]).await;
    let ended = tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
    assert!(ended.unwrap_err().to_string().contains("DEVICE_RESET"));
}
