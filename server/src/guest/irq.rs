//! Interrupts of one function: eventfds, masks and pending interrupts.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::guest::irq_watch;

/// The IRQ index of INTx (VFIO_PCI_INTX_IRQ_INDEX).
pub const INTX: u32 = 0;
/// The IRQ index of MSI (VFIO_PCI_MSI_IRQ_INDEX).
pub const MSI: u32 = 1;
/// The IRQ index of MSI-X (VFIO_PCI_MSIX_IRQ_INDEX).
pub const MSIX: u32 = 2;
/// The IRQ index of the error interrupt (VFIO_PCI_ERR_IRQ_INDEX).
pub const ERROR: u32 = 3;
/// Number of IRQ indexes: INTx, MSI, MSI-X, error, request (VFIO_PCI_NUM_IRQS).
pub const INDEXES: u32 = 5;

/// State of one interrupt vector.
#[derive(Debug, Default)]
struct Vector {
    eventfd: Option<Arc<OwnedFd>>,
    masked: bool,
    pending: bool,
    /// True if an interrupt waits until all messages of one receive are handled.
    held: bool,
}

impl Vector {
    /// Signals the interrupt. Returns false if the server gave up the eventfd.
    fn trigger(&mut self) -> bool {
        if self.masked {
            self.pending = true;
        } else if let Some(eventfd) = &self.eventfd
            && !signal(eventfd)
        {
            self.eventfd = None;
            return false;
        }
        true
    }
}

/// Interrupts of one function, by index and vector.
#[derive(Debug)]
pub struct IrqTable {
    vectors: [Vec<Vector>; INDEXES as usize],
    msix_used: bool,
    raised: u64,
    given_up: u64,
    /// True while interrupts are held.
    holds: bool,
}

impl IrqTable {
    /// Creates a table with one MSI vector, one error vector, and one MSI-X vector if the function has MSI-X.
    pub fn new(msix: bool) -> Self {
        let one = || vec![Vector::default()];
        Self {
            vectors: [
                Vec::new(),
                one(),
                if msix { one() } else { Vec::new() },
                one(),
                Vec::new(),
            ],
            msix_used: false,
            raised: 0,
            given_up: 0,
            holds: false,
        }
    }

    /// Number of vectors of an index; `None` for an index that PCI does not have.
    pub fn count(&self, index: u32) -> Option<u32> {
        self.vectors
            .get(index as usize)
            .map(|vectors| vectors.len() as u32)
    }

    /// Number of interrupts that the device has raised.
    pub fn raised(&self) -> u64 {
        self.raised
    }

    /// Number of vectors that have an eventfd.
    pub fn eventfds(&self) -> usize {
        let vectors = self.vectors.iter().flatten();
        vectors.filter(|vector| vector.eventfd.is_some()).count()
    }

    /// True if a vector of the index has an eventfd.
    pub fn is_bound(&self, index: u32) -> bool {
        let vectors = self.vectors.get(index as usize);
        vectors.is_some_and(|vectors| vectors.iter().any(|vector| vector.eventfd.is_some()))
    }

    /// True if MSI-X had an eventfd since the client came or the device was reset.
    pub fn msix_used(&self) -> bool {
        self.msix_used
    }

    /// Number of eventfds that the server no longer uses because they made it wait.
    pub fn given_up(&self) -> u64 {
        self.given_up
    }

    /// Drops every eventfd and mask: the client is gone, or the index is disabled.
    pub fn clear(&mut self) {
        for index in 0..INDEXES {
            self.disable(index);
        }
        self.msix_used = false;
    }

    /// Disables an index: its vectors lose their eventfds and masks.
    pub fn disable(&mut self, index: u32) {
        for vector in self.slice(index, 0, u32::MAX) {
            *vector = Vector::default();
        }
    }

    /// Assigns eventfds from vector `start` on; a vector without one is disabled.
    pub fn assign(
        &mut self,
        index: u32,
        start: u32,
        eventfds: impl IntoIterator<Item = Option<OwnedFd>>,
    ) {
        let vectors = self.slice(index, start, u32::MAX);
        for (vector, eventfd) in vectors.iter_mut().zip(eventfds) {
            vector.eventfd = eventfd.map(Arc::new);
        }
        self.msix_used |= self.is_bound(MSIX);
    }

    /// Forgets interrupts that were raised while masked, and that MSI-X was used, because the device was
    /// reset.
    pub fn forget_pending(&mut self) {
        self.msix_used = self.is_bound(MSIX);
        let vectors = self.vectors.iter_mut().flatten();
        vectors.for_each(|vector| vector.pending = false);
    }

    /// Masks the chosen vectors of an index.
    pub fn mask(&mut self, index: u32, chosen: impl IntoIterator<Item = u32>) {
        for vector in chosen {
            if let Some(vector) = self.one(index, vector) {
                vector.masked = true;
            }
        }
    }

    /// Unmasks vectors and delivers the interrupts that were raised while they were masked.
    pub fn unmask(&mut self, index: u32, chosen: impl IntoIterator<Item = u32>) {
        for vector in chosen {
            if let Some(vector) = self.one(index, vector) {
                vector.masked = false;
                if std::mem::take(&mut vector.pending) && !vector.trigger() {
                    self.given_up += 1;
                }
            }
        }
    }

    /// Fires vectors as if the device had raised them.
    pub fn trigger(&mut self, index: u32, chosen: impl IntoIterator<Item = u32>) {
        for vector in chosen {
            if let Some(vector) = self.one(index, vector)
                && !vector.trigger()
            {
                self.given_up += 1;
            }
        }
    }

    /// Raises `vector` for the device: by MSI-X if the client uses MSI-X, otherwise by MSI.
    pub fn raise(&mut self, vector: u16) {
        let index = self.raised_by(vector);
        self.trigger(index, [u32::from(vector)]);
    }

    /// Like [`IrqTable::raise`], but at the next [`IrqTable::release`]. Returns false if other interrupts are
    /// already held.
    pub fn hold(&mut self, vector: u16) -> bool {
        let index = self.raised_by(vector);
        if let Some(vector) = self.one(index, u32::from(vector)) {
            vector.held = true;
        }
        !std::mem::replace(&mut self.holds, true)
    }

    /// Raises the held interrupts: each eventfd is written once, however many interrupts it stands for.
    pub fn release(&mut self) {
        if !std::mem::take(&mut self.holds) {
            return;
        }
        for vector in self.vectors.iter_mut().flatten() {
            if std::mem::take(&mut vector.held) && !vector.trigger() {
                self.given_up += 1;
            }
        }
    }

    /// Counts an interrupt and returns the index that the client uses.
    fn raised_by(&mut self, vector: u16) -> u32 {
        self.raised += 1;
        match self.one(MSIX, u32::from(vector)) {
            Some(slot) if slot.eventfd.is_some() => MSIX,
            _ => MSI,
        }
    }

    fn one(&mut self, index: u32, vector: u32) -> Option<&mut Vector> {
        self.vectors
            .get_mut(index as usize)?
            .get_mut(vector as usize)
    }

    fn slice(&mut self, index: u32, start: u32, count: u32) -> &mut [Vector] {
        let Some(vectors) = self.vectors.get_mut(index as usize) else {
            return &mut [];
        };
        let start = (start as usize).min(vectors.len());
        let end = start.saturating_add(count as usize).min(vectors.len());
        vectors.get_mut(start..end).unwrap_or(&mut [])
    }
}

/// True if the descriptor is an eventfd. A write to anything else could block or do harm.
pub fn is_eventfd(fd: &OwnedFd) -> bool {
    std::fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd()))
        .is_ok_and(|target| target.as_os_str() == "anon_inode:[eventfd]")
}

/// Adds 1 to an eventfd. A full eventfd already has a signal pending, so the server does not wait for room.
/// Returns false if the owner made the server wait all the same.
///
/// A larger number could wait although poll reports room, which is room for 1.
pub fn signal(eventfd: &Arc<OwnedFd>) -> bool {
    let nonblocking =
        rustix::fs::fcntl_getfl(eventfd).is_ok_and(|flags| flags.contains(OFlags::NONBLOCK));
    if !nonblocking {
        let mut fds = [PollFd::from_borrowed_fd(eventfd.as_fd(), PollFlags::OUT)];
        let ready = rustix::event::poll(&mut fds, Some(&Timespec::default()));
        if !ready.is_ok_and(|count| count == 1) {
            return true;
        }
    }
    let written = irq_watch::write(eventfd);
    match written.result {
        Ok(_) | Err(Errno::AGAIN) => {}
        Err(error) => tracing::warn!(%error, "cannot write to an eventfd"),
    }
    if written.waited {
        tracing::warn!(
            "another process filled an eventfd while the server signalled it: the server no longer uses it"
        );
    }
    !written.waited
}

#[cfg(test)]
mod tests {
    use rustix::event::{EventfdFlags, eventfd};

    use super::*;

    fn pair(flags: EventfdFlags) -> (OwnedFd, OwnedFd) {
        let fd = eventfd(0, flags).unwrap();
        (fd.try_clone().unwrap(), fd)
    }

    fn count(fd: &OwnedFd) -> u64 {
        let mut fds = [PollFd::new(fd, PollFlags::IN)];
        if rustix::event::poll(&mut fds, Some(&Timespec::default())).unwrap() == 0 {
            return 0;
        }
        let mut value = [0; 8];
        rustix::io::read(fd, &mut value).unwrap();
        u64::from_ne_bytes(value)
    }

    #[test]
    fn msix_is_preferred_only_while_the_client_has_it() {
        let mut table = IrqTable::new(true);
        let (msi, msi_seen) = pair(EventfdFlags::NONBLOCK);
        let (msix, msix_seen) = pair(EventfdFlags::NONBLOCK);
        table.assign(MSI, 0, [Some(msi)]);
        table.raise(0);
        assert_eq!((count(&msi_seen), count(&msix_seen)), (1, 0));
        table.assign(MSIX, 0, [Some(msix)]);
        table.raise(0);
        assert_eq!((count(&msi_seen), count(&msix_seen)), (0, 1));
        table.disable(MSIX);
        table.raise(0);
        assert_eq!((count(&msi_seen), count(&msix_seen)), (1, 0));
    }

    #[test]
    fn a_masked_vector_is_delivered_once_when_unmasked() {
        let mut table = IrqTable::new(false);
        let (msi, seen) = pair(EventfdFlags::NONBLOCK);
        table.assign(MSI, 0, [Some(msi)]);
        table.mask(MSI, [0]);
        table.raise(0);
        table.raise(0);
        assert_eq!(count(&seen), 0);
        table.unmask(MSI, [0]);
        assert_eq!(count(&seen), 1);
        table.unmask(MSI, [0]);
        assert_eq!(count(&seen), 0);
    }

    #[test]
    fn held_interrupts_come_as_one_when_they_are_released() {
        let mut table = IrqTable::new(false);
        let (msi, seen) = pair(EventfdFlags::NONBLOCK);
        table.assign(MSI, 0, [Some(msi)]);
        assert!(table.hold(0));
        assert!(!table.hold(0), "one is held already");
        assert_eq!((count(&seen), table.raised()), (0, 2));
        table.release();
        assert_eq!(count(&seen), 1);
        table.release();
        assert_eq!(count(&seen), 0);
    }

    #[test]
    fn a_full_blocking_eventfd_does_not_block() {
        let mut table = IrqTable::new(false);
        let (msi, seen) = pair(EventfdFlags::empty());
        rustix::io::write(&seen, &(u64::MAX - 1).to_ne_bytes()).unwrap();
        table.assign(MSI, 0, [Some(msi)]);
        table.raise(0);
        assert_eq!(count(&seen), u64::MAX - 1);
    }

    #[test]
    fn only_an_eventfd_is_one() {
        assert!(is_eventfd(&pair(EventfdFlags::empty()).0));
        let directory = rustix::fs::open("/", OFlags::RDONLY, rustix::fs::Mode::empty()).unwrap();
        assert!(!is_eventfd(&directory));
        assert!(!is_eventfd(&rustix::pipe::pipe().unwrap().1));
    }

    #[test]
    fn vectors_out_of_range_are_ignored() {
        let mut table = IrqTable::new(false);
        assert_eq!(
            (table.count(MSI), table.count(MSIX), table.count(INDEXES)),
            (Some(1), Some(0), None)
        );
        table.raise(7);
        table.trigger(99, [0]);
        table.disable(99);
    }
}
