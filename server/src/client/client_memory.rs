//! Memory that came without a descriptor, reached by DMA_READ and DMA_WRITE, one message at a time.
//!
//! The client's layout of these messages is learnt from its first DMA_READ reply; before it is
//! known, a write is preceded by a read of the same bytes.

use vfio_user_protocol::header::Command;
use vfio_user_protocol::message::dma::{self, DmaLayout};
use vfio_user_protocol::{Errno, Frame, Session};

use crate::hub::{ClientWork, Function};

/// What is being done in the client's memory.
#[derive(Debug)]
pub struct ClientMemory {
    layout: Option<DmaLayout>,
    work: Option<Work>,
    /// There may be more work.
    ask: bool,
}

impl Default for ClientMemory {
    fn default() -> Self {
        Self {
            layout: None,
            work: None,
            ask: true,
        }
    }
}

/// One piece of work, carried out in parts of at most the agreed transfer size.
#[derive(Debug)]
struct Work {
    iova: u64,
    bytes: Vec<u8>,
    /// `bytes` are masks to be ORed in.
    bits: bool,
    /// Bytes that are finished.
    done: usize,
    /// Bytes of the part under way.
    part: usize,
    step: Step,
}

/// What the part under way needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// Read it: to set bits, or only to learn the layout.
    Read,
    /// Write it.
    Write,
}

impl Work {
    fn new(work: ClientWork, layout: Option<DmaLayout>) -> Self {
        let (iova, bytes, bits) = match work {
            ClientWork::SetBits { iova, masks } => (iova, masks, true),
            ClientWork::Write { iova, bytes } => (iova, bytes, false),
        };
        let step = if bits || layout.is_none() {
            Step::Read
        } else {
            Step::Write
        };
        Self {
            iova,
            bytes,
            bits,
            done: 0,
            part: 0,
            step,
        }
    }

    fn part_iova(&self) -> u64 {
        self.iova.saturating_add(self.done as u64)
    }

    fn part_mut(&mut self) -> &mut [u8] {
        self.bytes
            .get_mut(self.done..self.done + self.part)
            .unwrap_or_default()
    }
}

impl ClientMemory {
    /// There may be work ([`Function::woken`]).
    pub fn woken(&mut self) {
        self.ask = true;
    }

    /// Appends the next message to `out`, if there is something to do and no message is out.
    pub fn next_message(
        &mut self,
        session: &mut Session,
        function: &Function,
        out: &mut Vec<u8>,
    ) -> bool {
        if !session.is_open() || session.is_waiting() {
            return false;
        }
        if self.work.is_none() && self.ask {
            self.work = function
                .client_work()
                .map(|work| Work::new(work, self.layout));
        }
        let Some(work) = &mut self.work else {
            self.ask = false;
            return false;
        };
        let command = if work.step == Step::Read {
            Command::DmaRead
        } else {
            Command::DmaWrite
        };
        let Some(id) = session.begin(command) else {
            return false;
        };
        work.part =
            (work.bytes.len() - work.done).min(session.limits().max_data_xfer_size as usize);
        let iova = work.part_iova();
        match work.step {
            Step::Read => dma::encode_dma_read(id, iova, work.part as u32, out),
            Step::Write => {
                let layout = self.layout.unwrap_or(DmaLayout::Wide);
                dma::encode_dma_write(id, layout, iova, work.part_mut(), out);
            }
        }
        true
    }

    /// Takes the client's reply to the message that was out.
    pub fn answered(&mut self, frame: &Frame<'_>, result: Result<(), Errno>, function: &Function) {
        let Some(mut work) = self.work.take() else {
            return;
        };
        let iova = work.part_iova();
        let needed = work.bits || work.step == Step::Write;
        let given_up = |error: &dyn std::fmt::Display| {
            let (name, command) = (&function.plan().name, frame.header.name());
            tracing::warn!(function = name, %command, iova, "memory not written: {error}");
        };
        match (work.step, result) {
            (_, Err(error)) if needed => return given_up(&error),
            (Step::Write, _) => {
                work.done += work.part;
                if work.done == work.bytes.len() {
                    return;
                }
                work.step = if work.bits { Step::Read } else { Step::Write };
            }
            (Step::Read, result) => {
                let read = result.and_then(|()| {
                    dma::decode_dma_read_reply(frame.body, iova, work.part as u32)
                        .map_err(|error| error.errno)
                });
                match read {
                    Ok((layout, data)) => {
                        self.layout = Some(layout);
                        if work.bits {
                            work.part_mut()
                                .iter_mut()
                                .zip(data)
                                .for_each(|(mask, byte)| *mask |= byte);
                        }
                    }
                    Err(error) if needed => return given_up(&error),
                    // Memory that cannot be read tells no layout: the documented one is taken.
                    Err(_) => self.layout = Some(DmaLayout::Wide),
                }
                work.step = Step::Write;
            }
        }
        self.work = Some(work);
    }
}
