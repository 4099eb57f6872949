//! Runs the code of a message in the server, without a socket, for callgrind
//! (`bench/tests/runs/instructions.rs`). `hot-path CASE TIMES` handles the message of a case so many times;
//! `hot-path --list` prints the names of the cases.
#![forbid(unsafe_code)]

use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{MemfdFlags, SealFlags};
use vfio_user_ism_server::client::client_memory::ClientMemory;
use vfio_user_ism_server::client::dispatch::{self, Call};
use vfio_user_ism_server::guest::memory::DmaMap;
use vfio_user_ism_server::hub::{Accesses, Client, ClientKind, Function, Hub};
use vfio_user_ism_server::profile;
use vfio_user_ism_server::record::{EventFile, LogLimit};
use vfio_user_ism_tests::client::{access, dma_unmap, region_write};
use vfio_user_ism_tests::client::{command, dma_map, irq, set_irqs, version, write_multi};
use vfio_user_ism_tests::driver::{code, dmb, header, target, zpci_request};
use vfio_user_ism_tests::wire::message;
use vfio_user_protocol::{Next, Session, next_frame};

/// Address and size of the memory, and offsets in it.
const IOVA: u64 = 0x1_0000_0000;
const RAM_LEN: u64 = 4 << 20;
const SOURCE: u64 = IOVA + 0x20_0000;
const DMB: u64 = IOVA + 0x10_0000;
/// GID of the function whose messages are counted.
const GID: u64 = 0x1500_0000_0000_0001;

/// Events are written after this number of messages.
const WRITTEN_EVERY: u64 = 100;

const PAIR: &str = r#"{
    "schema_version": 1, "name": "pair",
    "functions": [
        { "name": "ism0", "gid": "0x1500000000000001" },
        { "name": "ism1", "gid": "0x1500000000000002" }
    ]
}"#;

/// A connection without a socket.
struct Peer {
    function: Function,
    session: Session,
    client: Client,
    memory: ClientMemory,
    refusals: LogLimit,
    out: Vec<u8>,
}

impl Peer {
    /// Creates a client of function `at` with memory, an interrupt and an SBA.
    fn guest(hub: &Arc<Hub>, at: usize) -> Self {
        let function = hub.functions().nth(at).expect("a function");
        assert!(function.connect(ClientKind::Device, None));
        let mut peer = Self {
            function,
            session: Session::new(),
            client: Client::new(ClientKind::Device, None),
            memory: ClientMemory::default(),
            refusals: LogLimit::default(),
            out: Vec::new(),
        };
        peer.ask(command::VERSION, &version(0, 0, ""), Vec::new());
        let ram = rustix::fs::memfd_create("guest", MemfdFlags::ALLOW_SEALING).unwrap();
        rustix::fs::ftruncate(&ram, RAM_LEN).unwrap();
        rustix::fs::fcntl_add_seals(&ram, SealFlags::SHRINK).unwrap();
        peer.ask(command::DMA_MAP, &dma_map(IOVA, RAM_LEN, 0), vec![ram]);
        let flags = rustix::event::EventfdFlags::NONBLOCK;
        let eventfd = rustix::event::eventfd(0, flags).unwrap();
        let body = set_irqs(irq::EVENTFD | irq::TRIGGER, irq::MSI, 0, 1, &[]);
        peer.ask(command::SET_IRQS, &body, vec![eventfd]);
        peer.run(code::REG_SBA, &IOVA.to_be_bytes());
        peer
    }

    /// Handles one message like a connection. Callgrind counts only the instructions in this function.
    #[inline(never)]
    fn carry_out(&mut self, bytes: &[u8], fds: Vec<OwnedFd>) {
        self.out.clear();
        let limits = *self.session.limits();
        let Ok(Next::Frame(frame)) = next_frame(bytes, &limits) else {
            panic!("not one message")
        };
        self.session.classify(&frame).expect("a request");
        let mut accesses = Accesses::new(&self.function);
        let mut call = Call {
            accesses: &mut accesses,
            session: &mut self.session,
            client: &mut self.client,
            memory: &mut self.memory,
            out: &mut self.out,
            sent_fd: None,
            ring: None,
            refusals: &mut self.refusals,
        };
        dispatch::answer(&mut call, &frame, Ok(fds));
        accesses.release();
        self.function.paused();
    }

    fn ask(&mut self, number: u16, body: &[u8], fds: Vec<OwnedFd>) -> &[u8] {
        self.carry_out(&message(1, number, 0, body), fds);
        assert_eq!(self.out[8], 1, "command {number} is refused");
        &self.out[16..]
    }

    /// Runs an ISM command. Returns the first 8 bytes after the response's header.
    fn run(&mut self, code: u32, payload: &[u8]) -> [u8; 8] {
        if !payload.is_empty() {
            self.ask(
                command::REGION_WRITE,
                &region_write(2, 8, payload),
                Vec::new(),
            );
        }
        let head = header(code, 8 + payload.len() as u16);
        self.ask(
            command::REGION_WRITE,
            &region_write(2, 0, &head),
            Vec::new(),
        );
        let reply = self.ask(command::REGION_READ, &access(2, 0, 16).0, Vec::new());
        assert_eq!(reply[20..22], [0, 0], "command {code:#x} failed");
        reply[24..32].try_into().expect("8 bytes")
    }

    fn register(&mut self) -> u64 {
        u64::from_be_bytes(self.run(code::REG_DMB, &dmb(DMB, 0x1_0000, 40, GID)))
    }
}

fn hub(events: bool) -> Arc<Hub> {
    let file = events.then(|| EventFile::create("/dev/null".as_ref(), u64::MAX).unwrap());
    Hub::new(profile::parse("pair", PAIR).unwrap(), file).unwrap()
}

fn zpci(flags: u64, gaddr: u64, pcias: u8, offset: u64, len: u16, payload: &[u8]) -> Vec<u8> {
    let request = zpci_request(flags, gaddr, pcias, offset, len).raw(payload);
    message(
        1,
        command::REGION_WRITE,
        0,
        &region_write(9, 16, &request.0),
    )
}

/// Returns the messages of a case, for the first function of a pair.
fn messages(name: &str, own: u64, other: u64) -> Vec<Vec<u8>> {
    let page = [1; 4096];
    let region = |number, body: Vec<u8>| message(1, number, 0, &body);
    match name {
        "region-read-8" => vec![region(command::REGION_READ, access(2, 0, 8).0)],
        "region-write-8" => vec![region(
            command::REGION_WRITE,
            // This goes into a DMB, because a payload without a header would break a rule.
            region_write(0, own, &page[..8]),
        )],
        "write-multi-16" => {
            let writes: Vec<(u32, u64, &[u8])> =
                (0..16).map(|n| (0, own + n * 16, &page[..8])).collect();
            vec![region(command::WRITE_MULTI, write_multi(&writes))]
        }
        "command" => {
            let payload = [GID.to_be_bytes(), [0; 8]].concat();
            let head = header(code::QUERY_RGID, 24);
            vec![
                region(command::REGION_WRITE, region_write(2, 8, &payload)),
                region(command::REGION_WRITE, region_write(2, 0, &head)),
                region(command::REGION_READ, access(2, 0, 8).0),
            ]
        }
        "store-8" | "store-8-events" => vec![zpci(2, 0, 0, own, 8, &page[..8])],
        "store-4096" | "store-4096-events" => vec![zpci(2, 0, 0, own, 4096, &page)],
        "store-8-iova" => vec![zpci(2, SOURCE, 0, own, 8, &[])],
        "load-8" => vec![
            zpci(1, 0, 2, 0, 8, &[]),
            region(command::REGION_READ, access(9, 48, 8).0),
        ],
        "load-8-iova" => vec![zpci(1, SOURCE, 2, 0, 8, &[])],
        "move-8" => vec![zpci(2, 0, 0, other, 8, &page[..8])],
        "move-8-signal" => vec![zpci(2, 0, 0, target(other, 0, true, 0), 8, &page[..8])],
        "map-unmap-without-fd" => vec![
            region(command::DMA_MAP, dma_map(0x1000, 0x1000, 0)),
            region(command::DMA_UNMAP, dma_unmap(0, 0x1000, 0x1000)),
        ],
        _ => panic!("no case {name}; --list names them"),
    }
}

const CASES: [&str; 15] = [
    "command",
    "region-read-8",
    "region-write-8",
    "write-multi-16",
    "store-8",
    "store-8-events",
    "store-4096",
    "store-4096-events",
    "store-8-iova",
    "store-8-of-256",
    "load-8",
    "load-8-iova",
    "move-8",
    "move-8-signal",
    "map-unmap-without-fd",
];
/// Number of functions of the fabric in `store-8-of-256`, and number of busy ones.
const FUNCTIONS: usize = 256;
const BUSY: usize = 64;
const LOOKUPS: [(&str, u64); 3] = [
    ("lookup-1", 1),
    ("lookup-1000", 1000),
    ("lookup-65535", 65_535),
];

/// Stores through several functions in turn, on a fabric with many functions.
fn one_of_many(times: u64) {
    let functions: Vec<String> = (0..FUNCTIONS as u64)
        .map(|at| format!(r#"{{ "name": "ism{at}", "gid": "{:#x}" }}"#, GID + at))
        .collect();
    let functions = functions.join(",");
    let profile =
        format!(r#"{{ "schema_version": 1, "name": "many", "functions": [{functions}] }}"#);
    let hub = Hub::new(profile::parse("many", &profile).unwrap(), None).unwrap();
    let mut peers: Vec<(Peer, Vec<u8>)> = (0..BUSY)
        .map(|at| {
            let mut peer = Peer::guest(&hub, at);
            let dmb = dmb(DMB, 0x1_0000, 40, GID + at as u64);
            let token = u64::from_be_bytes(peer.run(code::REG_DMB, &dmb));
            (peer, zpci(2, 0, 0, token, 8, &[1; 8]))
        })
        .collect();
    for time in 0..times {
        let (peer, store) = &mut peers[time as usize % BUSY];
        peer.carry_out(store, Vec::new());
        assert_eq!(peer.out[8], 1, "refused");
    }
}

fn lookups(count: u64, times: u64) {
    let mut maps = DmaMap::new(65_535);
    for at in 0..count {
        maps.map(at * 0x2000, 0x1000, (true, true), None).unwrap();
    }
    let mut state = 1u64;
    for _ in 0..times {
        // The addresses are scattered over the maps.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        let iova = ((state >> 32) % count) * 0x2000 + 8;
        assert_eq!(look_up(&maps, iova), 8);
    }
}

/// Looks up 8 bytes. Returns how many were found. Callgrind counts only the instructions in this function.
#[inline(never)]
fn look_up(maps: &DmaMap, iova: u64) -> usize {
    let mut found = 0;
    maps.segments(iova, 8, true, |part| {
        found += part.len;
        Ok(())
    })
    .unwrap();
    found
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "--list") {
        let lookups = LOOKUPS.iter().map(|(name, _)| name);
        CASES
            .iter()
            .chain(lookups)
            .for_each(|name| println!("{name}"));
        return;
    }
    let [name, times] = &arguments[..] else {
        panic!("usage: hot-path CASE TIMES")
    };
    let times: u64 = times.parse().expect("a number of times");
    if let Some((_, count)) = LOOKUPS.iter().find(|(known, _)| known == name) {
        return lookups(*count, times);
    }
    if name == "store-8-of-256" {
        return one_of_many(times);
    }
    let hub = hub(name.ends_with("events"));
    let mut peer = Peer::guest(&hub, 0);
    let mut other = Peer::guest(&hub, 1);
    let (own, others) = (peer.register(), other.register());
    let messages = messages(name, own, others);
    // The set-up is short and breaks rules.
    let before = hub.report().violations;
    for time in 0..times {
        for message in &messages {
            peer.carry_out(message, Vec::new());
        }
        // In the server, another thread does this.
        if time % WRITTEN_EVERY == 0 {
            hub.flush_events();
        }
    }
    assert_eq!(peer.out[8], 1, "{name} is refused");
    assert_eq!(hub.report().violations, before, "{name} breaks a rule");
}
