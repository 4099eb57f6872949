//! Tests that stores, loads and data moves allocate nothing. A counting allocator watches the serving thread.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::{MemfdFlags, SealFlags};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use vfio_user_ism_server::client::connection::Connection;
use vfio_user_ism_server::client::socket::Socket;
use vfio_user_ism_server::hub::{Client, ClientKind, Hub};
use vfio_user_ism_server::profile;
use vfio_user_ism_server::serve::threads::Threads;
use vfio_user_protocol::header::NO_REPLY;
use vfio_user_protocol::message::{
    DmaAccess, DmaMap, IrqAction, IrqData, MultiWrites, RegionAccess, RegionWrite, SetIrqs, Version,
};
use vfio_user_protocol::{HEADER_LEN, Header, Request};
use zpci_region::request::{Op, REQUEST_OFFSET, RESULT_OFFSET};

/// Number of allocations by the serving thread.
static COUNT: AtomicU64 = AtomicU64::new(0);

thread_local! {
    /// True if the allocations of this thread are counted.
    static COUNTED: Cell<bool> = const { Cell::new(false) };
}

/// The system's allocator, with a count of allocations.
struct Counting;

// SAFETY: every call is passed unchanged to the system's allocator. The count touches an atomic and a
// thread's cell without a destructor, and allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

fn count() {
    if COUNTED.with(Cell::get) {
        COUNT.fetch_add(1, Ordering::Relaxed);
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// This address is inside the DMA window that CLP reports.
const RAM: u64 = 0x1_0010_0000;
const SBA: u64 = RAM;
const IEQ: u64 = RAM + 0x1000;
const SOURCE: u64 = RAM + 0x2000;
const DMB: u64 = 0x1_0020_0000;
const SENDER_GID: u64 = 0x1500_0000_0000_0001;

/// A client with blocking calls.
struct Peer(UnixStream);

impl Peer {
    #[track_caller]
    fn send(&mut self, bytes: &[u8], fds: &[&OwnedFd]) {
        let fds: Vec<_> = fds.iter().map(|fd| fd.as_fd()).collect();
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        }
        let vectors = [std::io::IoSlice::new(bytes)];
        let sent = rustix::net::sendmsg(&self.0, &vectors, &mut control, SendFlags::empty());
        assert_eq!(sent, Ok(bytes.len()));
    }

    #[track_caller]
    fn reply(&mut self) -> Vec<u8> {
        let mut head = [0; HEADER_LEN];
        self.0.read_exact(&mut head).unwrap();
        let header = Header::decode(&head);
        assert!(!header.is_error(), "errno {}", header.error);
        let mut body = vec![0; header.message_size as usize - HEADER_LEN];
        self.0.read_exact(&mut body).unwrap();
        body
    }

    fn ask(&mut self, request: &Request<'_>, fds: &[&OwnedFd]) -> Vec<u8> {
        self.send(&encoded(request, 0), fds);
        self.reply()
    }

    /// Runs an ISM command. Returns the bytes after the response's header.
    #[track_caller]
    fn command(&mut self, code: u32, payload: &[u8]) -> Vec<u8> {
        if !payload.is_empty() {
            self.ask(&write(2, 8, payload), &[]);
        }
        let mut header = [0; 8];
        header[..4].copy_from_slice(&code.to_be_bytes());
        header[6..].copy_from_slice(&(8 + payload.len() as u16).to_be_bytes());
        self.ask(&write(2, 0, &header), &[]);
        let head = self.ask(&read(2, 0, 8), &[]).split_off(16);
        assert_eq!(head[4..6], [0, 0]);
        match u16::from_be_bytes([head[6], head[7]]) {
            8 => Vec::new(),
            len => self.ask(&read(2, 8, u32::from(len) - 8), &[]).split_off(16),
        }
    }
}

fn encoded(request: &Request<'_>, flags: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    request.encode(1, flags, &mut bytes);
    bytes
}

fn write(region: u32, offset: u64, data: &[u8]) -> Request<'_> {
    let count = data.len() as u32;
    let access = RegionAccess {
        offset,
        region,
        count,
    };
    Request::RegionWrite(RegionWrite { access, data })
}

fn read(region: u32, offset: u64, count: u32) -> Request<'static> {
    Request::RegionRead(RegionAccess {
        offset,
        region,
        count,
    })
}

/// Builds a message with a request for the zPCI I/O region.
fn zpci(op: Op, gaddr: u64, pcias: u8, offset: u64, len: u16, payload: Option<&[u8]>) -> Vec<u8> {
    let request = zpci_region::Request {
        op,
        gaddr,
        offset,
        len,
        pcias,
        payload,
    };
    encoded(&write(9, REQUEST_OFFSET, &request.encode()), 0)
}

/// Connects a client to function `at`, whose thread is counted.
#[track_caller]
fn connect(hub: &Arc<Hub>, threads: &Threads, at: usize) -> Peer {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_read_timeout(Some(Duration::from_secs(180)))
        .unwrap();
    let function = hub.functions().nth(at).unwrap();
    assert!(function.connect(ClientKind::Device, None));
    threads.handle(at).spawn(async move {
        COUNTED.with(|counted| counted.set(true));
        let client = Client::new(ClientKind::Device, None);
        let socket = Socket::try_from(theirs).unwrap();
        let _ = Connection::new(socket, client, function).run().await;
    });
    let mut peer = Peer(ours);
    let version = Version {
        major: 0,
        minor: 0,
        text: "",
    };
    peer.ask(&Request::Version(version), &[]);
    peer
}

/// Sets up a guest with memory, an interrupt, SBA and event queue.
fn guest(hub: &Arc<Hub>, threads: &Threads, at: usize) -> Peer {
    let mut peer = connect(hub, threads, at);
    let ram = rustix::fs::memfd_create("guest", MemfdFlags::ALLOW_SEALING).unwrap();
    rustix::fs::ftruncate(&ram, 4 << 20).unwrap();
    rustix::fs::fcntl_add_seals(&ram, SealFlags::SHRINK).unwrap();
    let map = DmaMap {
        access: DmaAccess::Unstated,
        readable: true,
        writable: true,
        offset: 0,
        iova: RAM,
        size: 4 << 20,
    };
    peer.ask(&Request::DmaMap(map), &[&ram]);
    let eventfd = rustix::event::eventfd(0, rustix::event::EventfdFlags::NONBLOCK).unwrap();
    let set = SetIrqs {
        index: 1,
        start: 0,
        count: 1,
        action: IrqAction::Trigger,
        data: IrqData::Eventfd,
    };
    peer.ask(&Request::SetIrqs(set), &[&eventfd]);
    peer.command(0x01, &SBA.to_be_bytes());
    peer.command(0x02, &[IEQ.to_be_bytes(), 512u64.to_be_bytes()].concat());
    peer
}

/// Registers a DMB for `gid`. Returns its token.
fn register(peer: &mut Peer, gid: u64) -> u64 {
    let mut payload = DMB.to_be_bytes().to_vec();
    for word in [0x4000, 40u32, 0, 0] {
        payload.extend(word.to_be_bytes());
    }
    payload.extend(gid.to_be_bytes());
    u64::from_be_bytes(peer.command(0x0a, &payload)[..8].try_into().unwrap())
}

/// Sends `messages` repeatedly. Returns the number of the server's allocations meanwhile.
#[track_caller]
fn allocations(peer: &mut Peer, messages: &[u8], replies: usize) -> u64 {
    let mut room = vec![0; 64 << 10];
    let mut round = |peer: &mut Peer| {
        peer.0.write_all(messages).unwrap();
        peer.0.read_exact(&mut room[..replies]).unwrap();
        let flags = u32::from_ne_bytes(room[8..12].try_into().unwrap());
        assert_eq!(flags, 1, "refused");
    };
    // First, buffers grow to their final size. So does the runtime's list of tasks that gave others a turn: a
    // task does so after 128 messages.
    (0..300).for_each(|_| round(peer));
    let before = COUNT.load(Ordering::Relaxed);
    (0..100).for_each(|_| round(peer));
    COUNT.load(Ordering::Relaxed) - before
}

#[test]
fn a_store_a_load_and_a_move_allocate_nothing() {
    let pair = include_str!("../../configs/pair.json");
    let hub = Hub::new(profile::parse("pair", pair).unwrap(), None).unwrap();
    let threads = Threads::start(hub.names()).unwrap();
    let mut sender = guest(&hub, &threads, 0);
    let mut receiver = guest(&hub, &threads, 1);
    let own = register(&mut sender, SENDER_GID);
    let peers = register(&mut receiver, SENDER_GID);
    let signal = peers | 1 << 23;
    assert!(COUNT.load(Ordering::Relaxed) > 0, "nothing is counted");

    let page = [7; 4096];
    // This goes into the data space: payloads without a header would break a rule, and a violation allocates.
    let posted = encoded(&write(0, own + 1024, &[1; 8]), NO_REPLY);
    let result = encoded(&read(9, RESULT_OFFSET, 8), 0);
    let item = |n: u64| RegionWrite {
        access: RegionAccess {
            offset: own + n * 16 + 8,
            region: 0,
            count: 8,
        },
        data: &[1; 8],
    };
    let items = MultiWrites::items(&[item(3), item(1)]);
    let multi = Request::RegionWriteMulti(MultiWrites::from_items(&items));
    // Loads come first: after stores into the command window, a load would be out of order.
    let cases: [(&str, Vec<u8>, usize); 11] = [
        ("REGION_READ", encoded(&read(2, 0, 8), 0), 40),
        ("config space", encoded(&read(7, 0, 4), 0), 36),
        (
            "load",
            [zpci(Op::Load, 0, 2, 0, 8, None), result].concat(),
            72,
        ),
        ("load, iova", zpci(Op::Load, SOURCE, 2, 0, 8, None), 32),
        (
            "store of 8",
            zpci(Op::StoreBlock, 0, 0, own, 8, Some(&page[..8])),
            32,
        ),
        (
            "store of 4096",
            zpci(Op::StoreBlock, 0, 0, own, 4096, Some(&page)),
            32,
        ),
        (
            "store, iova",
            zpci(Op::StoreBlock, SOURCE, 0, own, 4096, None),
            32,
        ),
        ("move", encoded(&write(0, peers, &page), 0), 32),
        ("move with signal", encoded(&write(0, signal, &page), 0), 32),
        ("REGION_WRITE_MULTI", encoded(&multi, 0), 24),
        (
            "posted REGION_WRITE and another",
            [posted, encoded(&write(0, own + 256, &[1; 8]), 0)].concat(),
            32,
        ),
    ];
    for (name, messages, replies) in cases {
        let count = allocations(&mut sender, &messages, replies);
        assert_eq!(count, 0, "allocations in 100 times: {name}");
    }
    // No rule was broken, because a violation allocates.
    let report = hub.report();
    assert_eq!(report.violations, 0, "{report:?}");
}
