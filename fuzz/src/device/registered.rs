//! The registrations of drivers, derived from the responses to them.

use std::collections::BTreeMap;

/// A registered buffer, with the fields of REG_DMB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buffer {
    pub owner: usize,
    pub rgid: u64,
    pub iova: u64,
    pub len: u32,
    pub index: u32,
}

/// Registered pages and buffers of every function.
#[derive(Clone, Debug)]
pub(super) struct Registered {
    pub sba: Vec<Option<u64>>,
    pub queue: Vec<Option<u64>>,
    pub buffers: BTreeMap<u64, Buffer>,
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("4 bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().expect("8 bytes"))
}

impl Registered {
    /// Creates an empty state for so many functions.
    pub(super) fn new(functions: usize) -> Self {
        Self {
            sba: vec![None; functions],
            queue: vec![None; functions],
            buffers: BTreeMap::new(),
        }
    }

    /// Records a command that got response code 0.
    pub(super) fn done(&mut self, function: usize, request: &[u8], response: &[u8]) {
        match u32_at(request, 0) {
            0x01 => self.sba[function] = Some(u64_at(request, 8)),
            0x02 => self.queue[function] = Some(u64_at(request, 8)),
            0x0a => {
                let buffer = Buffer {
                    owner: function,
                    iova: u64_at(request, 8),
                    len: u32_at(request, 16),
                    index: u32_at(request, 20),
                    rgid: u64_at(request, 32),
                };
                let before = self.buffers.insert(u64_at(response, 8), buffer);
                assert_eq!(before, None, "two DMBs have one token");
            }
            0x0b => {
                self.buffers.remove(&u64_at(request, 8));
            }
            0x11 => self.sba[function] = None,
            0x12 => self.queue[function] = None,
            _ => {}
        }
    }

    /// Forgets the registrations of a function that was reset.
    pub(super) fn reset(&mut self, function: usize) {
        self.sba[function] = None;
        self.queue[function] = None;
        self.buffers.retain(|_, buffer| buffer.owner != function);
    }
}
