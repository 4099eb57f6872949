//! Whole messages, which are built once and sent many times.

use std::os::fd::AsFd;
use std::rc::Rc;

use vfio_user_ism_tests::Ram;
use vfio_user_ism_tests::client::{
    ZPCI, access, command, dma_map, dma_unmap, region_write, write_multi,
};
use vfio_user_ism_tests::driver::zpci_request;
use vfio_user_ism_tests::wire::{NO_REPLY, message};

use crate::link::Link;

/// One or several messages, and the size of their replies.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// The bytes to send.
    pub bytes: Vec<u8>,
    /// Number of bytes of the replies.
    pub reply: usize,
    /// Memory whose descriptor is sent along.
    pub ram: Option<Rc<Ram>>,
}

impl Exchange {
    fn new(number: u16, body: &[u8], reply: usize) -> Self {
        let bytes = message(7, number, 0, body);
        let ram = None;
        Self { bytes, reply, ram }
    }

    /// True if one of the messages goes to the zPCI I/O region.
    pub(crate) fn is_zpci(&self) -> bool {
        // An access begins with the header, u64 offset, u32 region.
        let region = self.bytes.get(24..28);
        let command = self.bytes.get(2).copied().map(u16::from);
        matches!(command, Some(command::REGION_READ | command::REGION_WRITE))
            && region == Some(&ZPCI.to_ne_bytes())
    }

    /// Sends the messages. Returns the number of bytes of the replies.
    pub(crate) fn send(&self, link: &mut Link) -> usize {
        let fds = self.ram.as_ref().map(|ram| ram.as_fd());
        link.send(&self.bytes, fds.as_slice());
        self.reply
    }

    /// Sends the messages and waits for the replies.
    pub(crate) fn call(&self, link: &mut Link) {
        let reply = self.send(link);
        if reply > 0 {
            link.receive(reply);
        }
    }

    /// Joins two exchanges, to be sent in one call.
    pub(crate) fn then(mut self, next: &Self) -> Self {
        self.bytes.extend(&next.bytes);
        self.reply += next.reply;
        self
    }
}

/// Builds a REGION_READ.
pub(crate) fn read(region: u32, offset: u64, len: usize) -> Exchange {
    let body = access(region, offset, len as u32).0;
    Exchange::new(command::REGION_READ, &body, 32 + len)
}

/// Builds a REGION_WRITE.
pub(crate) fn write(region: u32, offset: u64, data: &[u8]) -> Exchange {
    Exchange::new(
        command::REGION_WRITE,
        &region_write(region, offset, data),
        32,
    )
}

/// Builds a REGION_WRITE that wants no reply.
pub(crate) fn posted(region: u32, offset: u64, data: &[u8]) -> Exchange {
    let body = region_write(region, offset, data);
    let bytes = message(7, command::REGION_WRITE, NO_REPLY, &body);
    Exchange {
        bytes,
        reply: 0,
        ram: None,
    }
}

/// Builds a REGION_WRITE_MULTI.
pub(crate) fn multi(writes: &[(u32, u64, &[u8])]) -> Exchange {
    Exchange::new(command::WRITE_MULTI, &write_multi(writes), 24)
}

/// Builds a PCISTB through the zPCI I/O region, with its payload appended.
pub(crate) fn store(pcias: u8, offset: u64, data: &[u8]) -> Exchange {
    let request = zpci_request(2, 0, pcias, offset, data.len() as u16);
    write(ZPCI, 16, &request.raw(data).0)
}

/// Builds a PCISTB through the zPCI I/O region, with its payload at `gaddr`.
pub(crate) fn store_from(pcias: u8, offset: u64, gaddr: u64, len: usize) -> Exchange {
    write(
        ZPCI,
        16,
        &zpci_request(2, gaddr, pcias, offset, len as u16).0,
    )
}

/// Builds a PCILG of 8 bytes through the zPCI I/O region: the request, and the read of its result.
pub(crate) fn load(pcias: u8, offset: u64) -> Exchange {
    let request = zpci_request(1, 0, pcias, offset, 8).0;
    write(ZPCI, 16, &request).then(&read(ZPCI, 48, 8))
}

/// Builds a PCILG of 8 bytes through the zPCI I/O region, with its result at `gaddr`.
pub(crate) fn load_to(pcias: u8, offset: u64, gaddr: u64) -> Exchange {
    write(ZPCI, 16, &zpci_request(1, gaddr, pcias, offset, 8).0)
}

/// Builds a DMA_MAP of `size` bytes from `offset` of `ram`.
pub(crate) fn map(iova: u64, size: u64, ram: &Rc<Ram>, offset: u64) -> Exchange {
    Exchange {
        ram: Some(Rc::clone(ram)),
        ..Exchange::new(command::DMA_MAP, &dma_map(iova, size, offset), 16)
    }
}

/// Builds a DMA_UNMAP.
pub(crate) fn unmap(iova: u64, size: u64) -> Exchange {
    Exchange::new(command::DMA_UNMAP, &dma_unmap(0, iova, size), 40)
}
