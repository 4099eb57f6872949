//! DMBs and the rings of SMC-D in them.

use std::collections::HashMap;

use ism::Command;

use super::row::{NO_LANE, Row};
use crate::decode::be;
use crate::decode::cdc::{self, Cdc, Cursor};

/// The fill of a ring after a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fill {
    /// Number of the line.
    pub at: u32,
    /// Microseconds of the line.
    pub time: u64,
    /// Bytes that were written and not yet read.
    pub bytes: u32,
}

/// One DMB, from its registration to its end.
#[derive(Clone, Debug)]
pub(crate) struct Dmb {
    /// Token of the DMB.
    pub token: u64,
    /// Lane of the function that owns its memory.
    pub owner: u8,
    /// Lane of the function that wrote first, or [`NO_LANE`].
    pub writer: u8,
    /// Bytes; 0 if the registration is not in the file.
    pub len: u32,
    /// Microseconds of its registration, or of its first use.
    pub since: u64,
    /// Microseconds of its end.
    pub until: Option<u64>,
    /// The fill of its ring over time.
    pub fills: Vec<Fill>,
    /// Most bytes that the ring held.
    pub fullest: u32,
    ended: bool,
    producer: Cursor,
    consumer: Cursor,
    peer: Option<usize>,
}

impl Dmb {
    /// Bytes of the ring, after the room for CDC messages.
    pub(crate) fn ring(&self) -> u32 {
        self.len.saturating_sub(cdc::LEN as u32)
    }
}

/// All DMBs, in the order of their first appearance.
#[derive(Debug, Default)]
pub(crate) struct Dmbs {
    all: Vec<Dmb>,
    /// The DMB that has a token in a file's fabric now. The owner's lane gives the file.
    now: HashMap<(usize, u64), usize>,
    /// The file of every lane.
    files: Vec<usize>,
}

impl Dmbs {
    /// All DMBs. The DMB with number N is at N - 1.
    pub(crate) fn all(&self) -> &[Dmb] {
        &self.all
    }

    /// The number of a DMB in rows. 0 if it is too large for a row.
    fn number(at: usize) -> u16 {
        u16::try_from(at + 1).unwrap_or(0)
    }

    pub(super) fn learn_file(&mut self, lane: u8, file: usize) {
        let lane = usize::from(lane);
        if self.files.len() <= lane {
            self.files.resize(lane + 1, 0);
        }
        self.files[lane] = file;
    }

    fn key(&self, lane: u8, token: u64) -> (usize, u64) {
        let file = self.files.get(usize::from(lane)).copied().unwrap_or(0);
        (file, token)
    }

    /// The number of the DMB that has `token` now. 0 if there is none.
    pub(super) fn find(&self, lane: u8, token: u64) -> u16 {
        let at = self.now.get(&self.key(lane, token));
        at.map_or(0, |at| Self::number(*at))
    }

    /// Notes a successful command of `row.from`.
    pub(super) fn command(&mut self, row: &Row, code: u32, request: &[u8], response: &[u8]) {
        match Command::from_code(code) {
            Some(Command::RegDmb) => {
                let len = be(request, 16, 4).unwrap_or(0) as u32;
                if let Some(token) = be(response, 8, 8) {
                    self.add(row.from, token, len, row.time);
                }
            }
            Some(Command::UnregDmb) => {
                if let Some(at) = be(request, 8, 8)
                    .and_then(|token| self.now.get(&self.key(row.from, token)).copied())
                {
                    self.end(at, row.time);
                }
            }
            _ => {}
        }
    }

    fn add(&mut self, owner: u8, token: u64, len: u32, time: u64) -> usize {
        let at = self.all.len();
        self.all.push(Dmb {
            token,
            owner,
            writer: NO_LANE,
            len,
            since: time,
            until: None,
            fills: Vec::new(),
            fullest: 0,
            ended: false,
            producer: Cursor::default(),
            consumer: Cursor::default(),
            peer: None,
        });
        let key = self.key(owner, token);
        self.now.insert(key, at);
        at
    }

    fn end(&mut self, at: usize, time: u64) {
        self.all[at].until = Some(time);
        self.all[at].ended = true;
    }

    /// The owner was reset or left, so all its DMBs are gone.
    pub(super) fn owner_gone(&mut self, owner: u8, time: u64) {
        for at in 0..self.all.len() {
            if self.all[at].owner == owner && !self.all[at].ended {
                self.end(at, time);
            }
        }
    }

    /// Notes a move of `from` into the DMB with `token`. Returns the DMB's number.
    pub(super) fn moved(&mut self, from: u8, owner: u8, token: u64, time: u64) -> u16 {
        let known = self.now.get(&self.key(owner, token)).copied();
        let known = known.filter(|at| self.all[*at].owner == owner);
        let at = known.unwrap_or_else(|| self.add(owner, token, 0, time));
        if self.all[at].writer == NO_LANE {
            self.all[at].writer = from;
        }
        Self::number(at)
    }

    /// Notes a CDC message in DMB `number`, and so the present fill of the connection's rings.
    pub(super) fn cdc(&mut self, number: u16, message: &Cdc, at: u32, time: u64) {
        let Some(here) = usize::from(number).checked_sub(1) else {
            return;
        };
        let ring = self.all[here].ring();
        if ring == 0 {
            return;
        }
        if message.producer.ahead_of(self.all[here].producer, ring) < 0 {
            // The DMB serves a new connection.
            self.all[here].consumer = Cursor::default();
        }
        self.all[here].producer = message.producer;
        self.fill(here, at, time);
        if let Some(peer) = self.peer(here) {
            self.all[peer].consumer = message.consumer;
            self.fill(peer, at, time);
        }
    }

    fn fill(&mut self, at: usize, line: u32, time: u64) {
        let dmb = &mut self.all[at];
        let ring = dmb.ring();
        let bytes = dmb.producer.ahead_of(dmb.consumer, ring);
        let bytes = u32::try_from(bytes.clamp(0, i64::from(ring))).unwrap_or(0);
        if dmb.fills.last().is_some_and(|last| last.bytes == bytes) {
            return;
        }
        dmb.fullest = dmb.fullest.max(bytes);
        dmb.fills.push(Fill {
            at: line,
            time,
            bytes,
        });
    }

    /// The DMB of the other direction. The files do not name it, because SMC agrees on it over TCP. It is the
    /// oldest DMB between the same two functions that has no peer yet.
    fn peer(&mut self, here: usize) -> Option<usize> {
        if let Some(peer) = self.all[here].peer.filter(|peer| !self.all[*peer].ended) {
            return Some(peer);
        }
        let (owner, writer, len) = {
            let dmb = &self.all[here];
            (dmb.owner, dmb.writer, dmb.len)
        };
        let fits = |(at, dmb): &(usize, &Dmb)| {
            let other_way = dmb.owner == writer && [owner, NO_LANE].contains(&dmb.writer);
            *at != here && other_way && dmb.peer.is_none() && !dmb.ended && dmb.len > 0
        };
        let candidates = || self.all.iter().enumerate().filter(fits);
        let same_size = candidates().find(|(_, dmb)| dmb.len == len);
        let (peer, _) = same_size.or_else(|| candidates().next())?;
        self.all[here].peer = Some(peer);
        self.all[peer].peer = Some(here);
        Some(peer)
    }
}
