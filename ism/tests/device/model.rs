//! A second, simple device. It says how every command, move and departure should change answers, memory and
//! interrupts. It follows the drivers (Linux 6.12 `drivers/s390/net/ism_drv.c` and `ism.h`) and, where they
//! leave a choice, the documents of the emulator. It shares no code with the emulator.

use std::collections::{BTreeMap, BTreeSet};

mod effects;
mod ram;

pub(crate) use ram::Ram;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Buffer {
    pub owner: usize,
    pub iova: u64,
    pub len: u64,
    pub index: u64,
    pub writer: u64,
}

/// The expected response to a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Success (code 0), with this payload.
    Done(Vec<u8>),
    /// Success (code 0), with a new token for this buffer.
    Token(Buffer),
    /// Success (code 0), with QUERY_INFO's 192 bytes. The first 4 (version) and bytes 8 to 15 (state) may
    /// have any value, and VLAN ids may come in any order.
    Info { head: Vec<u8>, vlans: BTreeSet<u16> },
    /// Failure with one of these codes: a command with several errors may report any of them.
    Fails(Vec<u16>),
}

#[derive(Clone, Debug, Default)]
struct Function {
    gid: u64,
    bits: Option<u64>,
    queue: Option<u64>,
    events: u64,
    vlans: BTreeSet<u16>,
    vlan_only: bool,
    gone: bool,
    /// Memory that is missing: windows of 1 MiB, by number.
    missing: BTreeSet<u64>,
}

/// Every function, and the relations between functions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Model {
    functions: Vec<Function>,
    pub buffers: BTreeMap<u64, Buffer>,
    /// Pairs that share a buffer, or shared one and have not parted since.
    partners: BTreeSet<(usize, usize)>,
    pub ram: Ram,
    pub interrupts: Vec<usize>,
}

const MIB: u64 = 1 << 20;

fn be32(bytes: &[u8], at: usize) -> u64 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()).into()
}

fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap())
}

/// Returns the codes of the errors that apply, or success.
fn verdict(faults: &[(bool, u16)], done: Answer) -> Answer {
    let codes: Vec<u16> = faults
        .iter()
        .filter(|(applies, _)| *applies)
        .map(|(_, code)| *code)
        .collect();
    if codes.is_empty() {
        done
    } else {
        Answer::Fails(codes)
    }
}

impl Model {
    pub(crate) fn new(gids: &[u64]) -> Self {
        let function = |gid: &u64| Function {
            gid: *gid,
            ..Function::default()
        };
        Self {
            functions: gids.iter().map(function).collect(),
            interrupts: vec![0; gids.len()],
            ..Self::default()
        }
    }

    /// True if `len` bytes of memory exist.
    fn there(&self, f: usize, iova: u64, len: u64) -> bool {
        let Some(end) = iova.checked_add(len) else {
            return false;
        };
        let missing = &self.functions[f].missing;
        !missing
            .iter()
            .any(|window| iova < (window + 1) * MIB && window * MIB < end)
    }

    /// Removes a window of memory, or restores it.
    pub(crate) fn toggle(&mut self, f: usize, window: u64) {
        let missing = &mut self.functions[f].missing;
        if !missing.remove(&window) {
            missing.insert(window);
        }
    }

    fn by_gid(&self, gid: u64) -> Option<usize> {
        self.functions.iter().position(|f| f.gid == gid)
    }

    /// Records an access by the function: its guest is alive.
    pub(crate) fn heard(&mut self, f: usize) {
        self.functions[f].gone = false;
    }

    /// Runs a complete and well-formed request, header included.
    pub(crate) fn command(&mut self, f: usize, request: &[u8]) -> Answer {
        self.heard(f);
        let (code, payload) = (be32(request, 0), request.len() - 8);
        let expected = match code {
            0x03 | 0x06 | 0x07 | 0x08 | 0x11 | 0x12 => 0,
            0x01 | 0x04 | 0x05 | 0x0b => 8,
            0x02 | 0x09 => 16,
            0x0e => 24,
            0x0a => 32,
            _ => return Answer::Fails(vec![2]),
        };
        if payload != expected {
            return Answer::Fails(vec![3]);
        }
        let done = Answer::Done(Vec::new());
        match code {
            0x01 => {
                let page = be64(request, 8);
                let answer = self.page(f, page, 4096, self.functions[f].bits.is_some());
                if answer == done {
                    self.functions[f].bits = Some(page);
                }
                answer
            }
            0x02 => {
                let (page, len) = (be64(request, 8), be64(request, 16));
                if len != 512 {
                    return Answer::Fails(vec![5, 6]);
                }
                let answer = self.page(f, page, len, self.functions[f].queue.is_some());
                if answer == done {
                    (self.functions[f].queue, self.functions[f].events) = (Some(page), 0);
                }
                answer
            }
            0x03 => Answer::Done(self.functions[f].gid.to_be_bytes().to_vec()),
            0x04 | 0x05 => self.vlan(f, code == 0x04, be64(request, 8)),
            0x06 | 0x07 => {
                self.functions[f].vlan_only = code == 0x06;
                done
            }
            0x08 => self.info(f),
            0x09 => self.reachable(f, request),
            0x0a => self.buffer(f, request),
            0x0b => self.unregister(f, be64(request, 8)),
            0x0e => self.signal(f, request),
            0x11 => {
                if self.functions[f].bits.take().is_some() {
                    self.part(f);
                }
                done
            }
            _ => {
                self.functions[f].queue = None;
                done
            }
        }
    }

    fn page(&self, f: usize, page: u64, len: u64, taken: bool) -> Answer {
        let faults = [
            (taken, 6),
            (!page.is_multiple_of(4096), 5),
            (!self.there(f, page, len), 8),
        ];
        verdict(&faults, Answer::Done(Vec::new()))
    }

    fn vlan(&mut self, f: usize, add: bool, id: u64) -> Answer {
        if id > 0xfff && id != 0x1fff {
            return Answer::Fails(vec![5]);
        }
        let (id, vlans) = (id as u16, &mut self.functions[f].vlans);
        match add {
            true if vlans.len() == 64 && !vlans.contains(&id) => Answer::Fails(vec![12]),
            true => {
                vlans.insert(id);
                Answer::Done(Vec::new())
            }
            false if vlans.remove(&id) => Answer::Done(Vec::new()),
            false => Answer::Fails(vec![14]),
        }
    }

    fn info(&self, f: usize) -> Answer {
        let own = &self.functions[f];
        let count = |test: &dyn Fn(&Buffer) -> bool| {
            self.buffers.values().filter(|buffer| test(buffer)).count() as u32
        };
        let mut head = vec![0; 4];
        head.extend((MIB as u32).to_be_bytes());
        head.extend([0; 8]);
        for word in [own.gid, own.bits.unwrap_or(0), own.queue.unwrap_or(0)] {
            head.extend(word.to_be_bytes());
        }
        let (owned, used) = (
            count(&|buffer| buffer.owner == f),
            count(&|buffer| buffer.writer == own.gid),
        );
        let len = own.queue.map_or(0, |_| 512);
        for word in [len, 0, owned, used, own.vlan_only.into()] {
            head.extend(word.to_be_bytes());
        }
        head.extend((own.vlans.len() as u32).to_be_bytes());
        Answer::Info {
            head,
            vlans: own.vlans.clone(),
        }
    }

    fn reachable(&self, f: usize, request: &[u8]) -> Answer {
        let (gid, in_vlan, vlan) = (be64(request, 8), be32(request, 16), be32(request, 20));
        let Some(peer) = self.by_gid(gid) else {
            return Answer::Fails(vec![9]);
        };
        let both = [&self.functions[f], &self.functions[peer]];
        let shared = match in_vlan {
            0 => both.iter().all(|function| !function.vlan_only),
            _ => both
                .iter()
                .all(|function| function.vlans.iter().any(|id| u64::from(*id) == vlan)),
        };
        let unreachable = self.functions[peer].gone || !shared;
        verdict(&[(unreachable, 10)], Answer::Done(Vec::new()))
    }

    fn buffer(&self, f: usize, request: &[u8]) -> Answer {
        let buffer = Buffer {
            owner: f,
            iova: be64(request, 8),
            len: be32(request, 16),
            index: be32(request, 20),
            writer: be64(request, 32),
        };
        let Buffer {
            iova, len, index, ..
        } = buffer;
        let taken = |other: &Buffer| other.owner == f && other.index == index;
        let faults = [
            (len == 0 || len > MIB || !iova.is_multiple_of(4096), 5),
            (iova.checked_add(len).is_none(), 5),
            (!(32..=1919).contains(&index), 5),
            (self.buffers.values().any(taken), 7),
            (!self.there(f, iova, len), 8),
        ];
        verdict(&faults, Answer::Token(buffer))
    }

    /// Records the token that the device gave for a buffer.
    pub(crate) fn took(&mut self, token: u64, buffer: Buffer) {
        self.buffers.insert(token, buffer);
        if let Some(writer) = self.by_gid(buffer.writer)
            && writer != buffer.owner
        {
            self.partners
                .insert((writer.min(buffer.owner), writer.max(buffer.owner)));
        }
    }

    fn unregister(&mut self, f: usize, token: u64) -> Answer {
        match self.buffers.get(&token).copied() {
            Some(buffer) if buffer.owner != f => return Answer::Fails(vec![13]),
            Some(buffer) => {
                self.buffers.remove(&token);
                let between = self
                    .by_gid(buffer.writer)
                    .map(|writer| (writer.min(f), writer.max(f)));
                let still = self.buffers.values().any(|other| {
                    self.by_gid(other.writer)
                        .map(|writer| (writer.min(other.owner), writer.max(other.owner)))
                        == between
                });
                if let Some(between) = between
                    && !still
                {
                    self.partners.remove(&between);
                }
            }
            None => {}
        }
        Answer::Done(Vec::new())
    }

    /// Clears the page of bits, as the driver's interrupt handler does.
    pub(crate) fn handle(&mut self, f: usize) -> Option<u64> {
        let bits = self.functions[f].bits?;
        self.ram.clear(f, bits, 4096);
        Some(bits)
    }

    /// Informs every partner, once, that a function is gone.
    fn part(&mut self, f: usize) {
        let partners = std::mem::take(&mut self.partners);
        for (a, b) in partners {
            match (a == f, b == f) {
                (false, false) => {
                    self.partners.insert((a, b));
                }
                (first, _) => {
                    let (peer, gid) = (if first { b } else { a }, self.functions[f].gid);
                    self.event(peer, 1, 7, gid, 0, true);
                }
            }
        }
    }

    /// Handles the departure of the client.
    pub(crate) fn detach(&mut self, f: usize) {
        self.functions[f].gone = true;
        self.part(f);
    }

    pub(crate) fn reset(&mut self, f: usize) {
        self.buffers.retain(|_, buffer| buffer.owner != f);
        let old = &self.functions[f];
        self.functions[f] = Function {
            gid: old.gid,
            missing: old.missing.clone(),
            ..Function::default()
        };
        self.part(f);
    }
}
