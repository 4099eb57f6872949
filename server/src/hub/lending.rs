//! The memory and the interrupt descriptors that a client lends its function.

use std::os::fd::OwnedFd;

use vfio_user_protocol::message::{
    DmaAccess, DmaMap as MapRequest, DmaUnmap, IrqAction, IrqData, SetIrqs,
};
use vfio_user_protocol::{Errno, Refused};

use super::function::Function;
use super::state::State;
use crate::guest::{Guest, irq};

/// The result of DMA_UNMAP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unmapped {
    /// Number of bytes that were unmapped.
    pub bytes: u64,
    /// True if the write in progress goes to the unmapped memory.
    pub under_way: bool,
}

impl Function {
    /// Carries out DMA_MAP.
    pub fn dma_map(&self, map: &MapRequest, fd: Option<OwnedFd>) -> Result<(), Refused> {
        let mut state = self.hub.lock();
        if fd.is_none() && map.access != DmaAccess::Unstated {
            return Err(Refused::invalid(
                "DMA_MAP: the flags allow mapping or file I/O, expected a descriptor as well",
            ));
        }
        let maps = &mut state.guests.0[self.id.0].maps;
        let file = fd.map(|fd| (fd, map.offset));
        let permissions = (map.readable, map.writable);
        let by_file_io = map.access == DmaAccess::FileIo;
        maps.map_by(map.iova, map.size, permissions, file, by_file_io)
            .map_err(|error| {
                if let Some(over) = error.over() {
                    state.journal.tally_mut(self.id).ran_over(over);
                }
                Refused::new(Errno(error.errno()), format!("DMA_MAP: {error}"))
            })
    }

    /// Carries out DMA_UNMAP. Queued writes to the memory are cancelled, with the rest of their move or
    /// event.
    pub fn dma_unmap(&self, unmap: &DmaUnmap) -> Result<Unmapped, Refused> {
        let mut state = self.hub.lock();
        let State {
            guests, journal, ..
        } = &mut *state;
        let Guest { maps, queue, .. } = &mut guests.0[self.id.0];
        let (bytes, (not_written, under_way)) = match unmap {
            DmaUnmap::All => (maps.clear(), queue.cancel(0, None)),
            DmaUnmap::Range { iova, size } => {
                let bytes = maps.unmap(*iova, *size).map_err(|error| {
                    Refused::new(Errno(error.errno()), format!("DMA_UNMAP: {error}"))
                })?;
                (bytes, queue.cancel(*iova, Some(*size)))
            }
        };
        for lost in not_written {
            journal.not_written(self.id, lost, None, "the memory was unmapped");
        }
        Ok(Unmapped { bytes, under_way })
    }

    /// Puts the function into the error state until the next DEVICE_RESET: loads and stores fail, and the
    /// error interrupt informs the client.
    pub fn fail(&self) {
        self.hub.lock().fail(self.id);
        self.hub.flush_events();
    }

    /// Number of vectors of an interrupt index, if PCI has the index.
    pub fn irq_count(&self, index: u32) -> Option<u32> {
        self.hub.lock().guests.0[self.id.0].irqs.count(index)
    }

    /// Carries out DEVICE_SET_IRQS, with the descriptors that came along.
    pub fn set_irqs(&self, set: &SetIrqs<'_>, fds: Vec<OwnedFd>) -> Result<(), Refused> {
        let refuse = |reason: String| Err(Refused::invalid(format!("DEVICE_SET_IRQS: {reason}")));
        let mut state = self.hub.lock();
        let irqs = &mut state.guests.0[self.id.0].irqs;
        let Some(count) = irqs.count(set.index) else {
            return refuse(format!("index {}, expected 0..{}", set.index, irq::INDEXES));
        };
        if set.start.saturating_add(set.count) > count {
            return refuse(format!(
                "vectors {}..{} of index {}, which has {count}",
                set.start,
                set.start.saturating_add(set.count),
                set.index
            ));
        }
        if fds.len() > set.count as usize || (set.data != IrqData::Eventfd && !fds.is_empty()) {
            return refuse(format!(
                "{} descriptors for {} vectors",
                fds.len(),
                set.count
            ));
        }
        if let Some(at) = fds.iter().position(|fd| !irq::is_eventfd(fd)) {
            return refuse(format!("descriptor {at} is not an eventfd"));
        }
        if set.index == irq::ERROR && set.action != IrqAction::Trigger {
            return Err(Refused::new(
                Errno::ENOTTY,
                "DEVICE_SET_IRQS: the error interrupt cannot be masked",
            ));
        }
        match (set.action, set.data) {
            (IrqAction::Trigger, IrqData::None) if set.count == 0 => irqs.disable(set.index),
            (IrqAction::Trigger, IrqData::Eventfd) => {
                let eventfds = fds
                    .into_iter()
                    .map(Some)
                    .chain(std::iter::repeat_with(|| None));
                irqs.assign(set.index, set.start, eventfds.take(set.count as usize));
            }
            (IrqAction::Mask | IrqAction::Unmask, IrqData::Eventfd) => {
                return refuse(
                    "masking by eventfd is not supported, expected none or bool".to_owned(),
                );
            }
            (IrqAction::Trigger, _) => irqs.trigger(set.index, set.chosen()),
            (IrqAction::Mask, _) => irqs.mask(set.index, set.chosen()),
            (IrqAction::Unmask, _) => irqs.unmask(set.index, set.chosen()),
        }
        Ok(())
    }
}
