//! The effects of the model on guests: events, and data moves with their signals.

use super::{Answer, Model, be32, be64};

impl Model {
    pub(super) fn signal(&mut self, f: usize, request: &[u8]) -> Answer {
        let Some(to) = self.by_gid(be64(request, 8)) else {
            return Answer::Fails(vec![9]);
        };
        let (trigger, code, info) = (be32(request, 16), be32(request, 20), be64(request, 24));
        let sender = self.functions[f].gid;
        match self.event(to, 2, code, sender, info, trigger != 0) {
            None => Answer::Done(Vec::new()),
            Some(code) => Answer::Fails(vec![code]),
        }
    }

    /// Puts an event into a queue. Returns the error if that fails.
    pub(super) fn event(
        &mut self,
        to: usize,
        kind: u64,
        code: u64,
        tok: u64,
        info: u64,
        now: bool,
    ) -> Option<u16> {
        let (Some(bits), Some(queue)) = (self.functions[to].bits, self.functions[to].queue) else {
            return Some(11);
        };
        let count = self.functions[to].events;
        let (slot, time) = (count % 15, count + 1);
        let entry = queue + 32 + 32 * slot;
        let there =
            self.there(to, queue, 8) && self.there(to, entry, 32) && self.there(to, bits, 1);
        if !there {
            return Some(8);
        }
        for (n, field) in [kind << 32 | code, tok, time, info].iter().enumerate() {
            self.ram
                .write(to, entry + 8 * n as u64, &field.to_be_bytes());
        }
        // The index goes from 1 to 15 and back to 1: Linux 6.12 `ism_handle_event` hangs at any other value.
        self.ram.write(to, queue, &(slot + 1).to_be_bytes());
        self.ram.or(to, bits, &[0xc0]);
        self.functions[to].events = time;
        self.interrupts[to] += usize::from(now);
        None
    }

    /// Carries out a store into BAR 0. Returns false if it has no effect.
    pub(crate) fn data(&mut self, f: usize, offset: u64, data: &[u8]) -> bool {
        self.heard(f);
        let (token, element) = (offset >> 32 << 32, offset >> 24 & 0xff);
        let (signal, at) = (offset >> 23 & 1 == 1, offset & 0x7f_ffff);
        let len = data.len() as u64;
        if len == 0 || at % 4096 + len > 4096 {
            return false;
        }
        let Some(buffer) = self.buffers.get(&token).copied() else {
            return false;
        };
        if buffer.writer != self.functions[f].gid || at + len > buffer.len {
            return false;
        }
        let (to, target) = (buffer.owner, buffer.iova + at);
        let bits = self.functions[to].bits.filter(|_| signal);
        if !self.there(to, target, len) || bits.is_some_and(|bits| !self.there(to, bits, 1)) {
            return false;
        }
        self.ram.write(to, target, data);
        if let Some(bits) = bits {
            let mask = if element < 16 {
                0x8000_u16 >> element
            } else {
                0
            };
            self.ram
                .or(to, bits + 256 + 2 * buffer.index, &mask.to_be_bytes());
            self.ram.or(
                to,
                bits + 4 + buffer.index / 8,
                &[0x80 >> (buffer.index % 8)],
            );
            self.ram.or(to, bits, &[0x80]);
            self.interrupts[to] += 1;
        }
        true
    }
}
