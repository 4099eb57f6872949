//! The actions of one client between connecting and disconnecting.

use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use super::chaos;
use super::choice::Choice;
use crate::client::{Client, ZPCI};
use crate::driver::{DMB, Driver, FIRST_INDEX, IOVA, Via, code, dmb, target, zpci_request};
use crate::memory::Ram;
use crate::wire::Bytes;

/// The state that all clients share.
#[derive(Debug)]
pub struct Stage {
    /// Tokens of DMBs that may still exist.
    tokens: Mutex<Vec<u64>>,
    server: u32,
}

impl Stage {
    /// Creates the empty state for the server with this process id.
    pub fn new(server: u32) -> Self {
        let tokens = Mutex::default();
        Self { tokens, server }
    }

    fn tell(&self, token: u64) {
        let mut tokens = self.tokens.lock().unwrap();
        if tokens.len() > 64 {
            tokens.remove(0);
        }
        tokens.push(token);
    }

    fn hear(&self, choice: &mut Choice) -> Option<u64> {
        let tokens = self.tokens.lock().unwrap();
        (!tokens.is_empty()).then(|| choice.one_of(&tokens))
    }
}

/// The actions of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names describe them")]
pub enum Scenario {
    Driver,
    Strangers,
    Mapper,
    Truncated,
    Silent,
    Deaf,
    CutOff,
    Noise,
    Descriptors,
    Crowd,
    Channel,
    ChannelCutOff,
}

impl Scenario {
    /// All scenarios.
    pub const ALL: [Scenario; 12] = [
        Scenario::Driver,
        Scenario::Strangers,
        Scenario::Mapper,
        Scenario::Truncated,
        Scenario::Silent,
        Scenario::Deaf,
        Scenario::CutOff,
        Scenario::Noise,
        Scenario::Descriptors,
        Scenario::Crowd,
        Scenario::Channel,
        Scenario::ChannelCutOff,
    ];

    /// The scenario's name in the results.
    pub fn name(self) -> &'static str {
        match self {
            Scenario::Driver => "driver",
            Scenario::Strangers => "moves to others",
            Scenario::Mapper => "maps",
            Scenario::Truncated => "memory cut while mapped",
            Scenario::Silent => "memory that does not answer",
            Scenario::Deaf => "replies not read",
            Scenario::CutOff => "dies in a message",
            Scenario::Noise => "noise",
            Scenario::Descriptors => "odd descriptors",
            Scenario::Crowd => "second clients",
            Scenario::Channel => "instruction channel",
            Scenario::ChannelCutOff => "channel dies in a message",
        }
    }

    /// Chooses a scenario for a function's socket or for its channel.
    pub fn choose(choice: &mut Choice, channel: bool) -> Self {
        if channel {
            return choice.one_of(&[
                Scenario::Channel,
                Scenario::ChannelCutOff,
                Scenario::Noise,
                Scenario::Crowd,
            ]);
        }
        choice.one_of(&Scenario::ALL[..10])
    }

    /// Plays the scenario as a client of `socket`.
    pub fn play(self, socket: &Path, at: usize, stage: &Stage, choice: &mut Choice) {
        match self {
            Scenario::Driver => driver(socket, stage, choice),
            Scenario::Strangers => strangers(socket, stage, choice),
            Scenario::Mapper => mapper(socket, choice),
            Scenario::Truncated => truncated(socket, choice),
            Scenario::Silent => silent(socket, stage, choice),
            Scenario::Deaf => chaos::deaf(&mut open(socket), choice),
            Scenario::CutOff => chaos::cut_off(&mut open(socket), choice),
            Scenario::Noise => chaos::noise(Client::connect(socket), choice),
            Scenario::Descriptors => chaos::descriptors(&mut open(socket), choice),
            Scenario::Crowd => chaos::crowd(&mut open(socket), socket, choice),
            Scenario::Channel => channel(socket, choice),
            Scenario::ChannelCutOff => chaos::cut_off(&mut open(socket), choice),
        }
        if choice.below(16) == 0 {
            // Another thread asks for a report meanwhile.
            if at == 0 {
                chaos::ask_for_report(stage.server);
            }
            thread::sleep(Duration::from_millis(choice.below(20)));
        }
    }
}

fn open(socket: &Path) -> Client {
    Client::open(socket)
}

/// Creates a driver with SBA and event queue, whatever the previous client left.
fn probe(socket: &Path, choice: &mut Choice) -> Driver {
    let via = choice.one_of(&[Via::Bar, Via::Region]);
    let mut driver = Driver::attached(open(socket), via, None);
    driver.client.reset();
    driver.register();
    driver
}

/// A correct driver: its moves arrive.
#[track_caller]
fn driver(socket: &Path, stage: &Stage, choice: &mut Choice) {
    let mut driver = probe(socket, choice);
    let gid = driver.gid();
    let index = FIRST_INDEX + choice.below(100) as u32;
    let token = driver.register_dmb(1 << 20, index, gid);
    stage.tell(token);
    for round in 0..choice.below(20) {
        let offset = choice.below(255) * 4096;
        let len = 8 * (1 + choice.below(512)) as usize;
        let data = choice.bytes(len);
        let signal = round % 2 == 1;
        driver.put(target(token, 0, signal, offset), &data).ok();
        assert_eq!(
            driver.ram.read(DMB + offset, len),
            data,
            "a move did not arrive"
        );
    }
    let signal = Bytes::new()
        .be64(gid)
        .be32(1)
        .be32(0x80)
        .be64(choice.number());
    driver.run(code::SIGNAL_IEQ, signal).ok();
    match choice.below(3) {
        0 => {
            driver.run(code::UNREG_DMB, token.to_be_bytes()).ok();
            driver.run(code::UNREG_IEQ, []).ok();
            driver.run(code::UNREG_SBA, []).ok();
        }
        1 => driver.client.reset(),
        _ => {}
    }
}

/// Moves data into buffers of others, or buffers that are gone.
fn strangers(socket: &Path, stage: &Stage, choice: &mut Choice) {
    let mut driver = probe(socket, choice);
    for _ in 0..choice.below(30) {
        let token = stage.hear(choice).unwrap_or_else(|| choice.number());
        let data = choice.bytes(64);
        let signal = choice.below(2) == 0;
        let reply = driver.put(target(token, 0, signal, choice.below(1 << 20)), &data);
        let _either_way = reply.errno();
    }
    let rgid = 0x1500_0000_0000_0001 + choice.below(4);
    let payload = dmb(IOVA + DMB, 1 << 20, FIRST_INDEX, rgid);
    let response = driver.run(code::REG_DMB, payload);
    if response.code == 0 {
        stage.tell(response.number());
    }
}

/// Maps and unmaps ranges, with and without descriptors, also overlapping ones.
fn mapper(socket: &Path, choice: &mut Choice) {
    let mut client = open(socket);
    let rams: Vec<Ram> = (1..=4).map(|mib| Ram::new(mib << 20)).collect();
    for _ in 0..choice.below(100) {
        let iova = choice.below(64) << 20;
        let _either_way = match choice.below(4) {
            0 => client.unmap(iova, 1 << 20),
            1 => client.map_without_fd(iova, (1 + choice.below(3)) << 20),
            2 => client.unmap(0, 64 << 20),
            _ => {
                let ram = &rams[choice.below(4) as usize];
                client.map(iova, 1 << 20, ram, choice.below(4) << 20)
            }
        }
        .errno();
    }
}

/// Truncates its memory while the device stores into it.
fn truncated(socket: &Path, choice: &mut Choice) {
    let mut driver = probe(socket, choice);
    let gid = driver.gid();
    let ram = Ram::unsealed(1 << 20);
    let iova = 0x9_0000_0000;
    driver.client.map(iova, 1 << 20, &ram, 0).ok();
    let token = driver
        .run(code::REG_DMB, dmb(iova, 1 << 20, FIRST_INDEX, gid))
        .number();
    for _ in 0..choice.below(20) {
        ram.resize(choice.below(257) * 4096);
        let data = choice.bytes(4096);
        let to = target(token, 0, choice.below(2) == 0, choice.below(256) * 4096);
        let _either_way = driver.put(to, &data).errno();
    }
}

/// Lends memory that takes messages, and does not answer them.
fn silent(socket: &Path, stage: &Stage, choice: &mut Choice) {
    let mut driver = probe(socket, choice);
    let gid = driver.gid();
    let iova = 0x9_0000_0000;
    driver.client.map_without_fd(iova, 1 << 20).ok();
    let token = driver
        .run(code::REG_DMB, dmb(iova, 1 << 20, FIRST_INDEX, gid))
        .number();
    stage.tell(token);
    for _ in 0..choice.below(40) {
        let data = choice.bytes(4096);
        let _either_way = driver.put(target(token, 0, true, 0), &data).errno();
    }
}

/// Sends instructions through the channel, some of them invalid. None touches the command window, which the
/// function's driver uses.
fn channel(socket: &Path, choice: &mut Choice) {
    let mut client = open(socket);
    for _ in 0..choice.below(30) {
        let (flags, pcias) = choice.one_of(&[(1, 2), (2, 0), (4, 0), (8, 2), (2, 5), (3, 2)]);
        let offset = choice.one_of(&[0, 8, 16, 4000]);
        let len = choice.one_of(&[8, 64]);
        let data = if flags == 1 {
            Vec::new()
        } else {
            choice.bytes(len)
        };
        let len = if flags == 1 { 8 } else { len as u16 };
        let request = zpci_request(flags, 0, pcias, offset, len).raw(&data);
        let _either_way = client.write(ZPCI, 16, &request.0).errno();
        let _either_way = client.read(ZPCI, 48, 8).errno();
    }
    client.read(ZPCI, 0, 16).ok();
}
