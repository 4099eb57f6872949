//! Whole messages, made once and sent again and again.

use std::os::fd::AsFd;
use std::rc::Rc;

use vfio_user_ism_tests::Ram;
use vfio_user_ism_tests::client::{
    ZPCI, access, command, dma_map, dma_unmap, region_write, write_multi,
};
use vfio_user_ism_tests::driver::zpci_request;
use vfio_user_ism_tests::wire::{NO_REPLY, message};

use crate::link::Link;

/// A message, or several in a row, and the bytes of what they are answered with.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// The sent message.
    pub bytes: Vec<u8>,
    /// Bytes of the answer.
    pub reply: usize,
    /// Memory whose descriptor goes along.
    pub ram: Option<Rc<Ram>>,
}

impl Exchange {
    fn new(number: u16, body: &[u8], reply: usize) -> Self {
        let bytes = message(7, number, 0, body);
        let ram = None;
        Self { bytes, reply, ram }
    }

    /// Whether a message of it goes to the zPCI I/O region.
    pub(crate) fn is_zpci(&self) -> bool {
        // An access: header, u64 offset, u32 region.
        let region = self.bytes.get(24..28);
        let command = self.bytes.get(2).copied().map(u16::from);
        matches!(command, Some(command::REGION_READ | command::REGION_WRITE))
            && region == Some(&ZPCI.to_ne_bytes())
    }

    /// Sends it; the bytes of the answer.
    pub(crate) fn send(&self, link: &mut Link) -> usize {
        let fds = self.ram.as_ref().map(|ram| ram.as_fd());
        link.send(&self.bytes, fds.as_slice());
        self.reply
    }

    /// Sends it, and waits for the answer.
    pub(crate) fn call(&self, link: &mut Link) {
        let reply = self.send(link);
        if reply > 0 {
            link.receive(reply);
        }
    }

    /// Both, in one go.
    pub(crate) fn then(mut self, next: &Self) -> Self {
        self.bytes.extend(&next.bytes);
        self.reply += next.reply;
        self
    }
}

/// REGION_READ.
pub(crate) fn read(region: u32, offset: u64, len: usize) -> Exchange {
    let body = access(region, offset, len as u32).0;
    Exchange::new(command::REGION_READ, &body, 32 + len)
}

/// REGION_WRITE.
pub(crate) fn write(region: u32, offset: u64, data: &[u8]) -> Exchange {
    Exchange::new(
        command::REGION_WRITE,
        &region_write(region, offset, data),
        32,
    )
}

/// REGION_WRITE that wants no reply.
pub(crate) fn posted(region: u32, offset: u64, data: &[u8]) -> Exchange {
    let body = region_write(region, offset, data);
    let bytes = message(7, command::REGION_WRITE, NO_REPLY, &body);
    Exchange {
        bytes,
        reply: 0,
        ram: None,
    }
}

/// REGION_WRITE_MULTI.
pub(crate) fn multi(writes: &[(u32, u64, &[u8])]) -> Exchange {
    Exchange::new(command::WRITE_MULTI, &write_multi(writes), 24)
}

/// One PCISTB through the zPCI I/O region, its payload appended.
pub(crate) fn store(pcias: u8, offset: u64, data: &[u8]) -> Exchange {
    let request = zpci_request(2, 0, pcias, offset, data.len() as u16);
    write(ZPCI, 16, &request.raw(data).0)
}

/// One PCISTB through the zPCI I/O region, its payload at `gaddr`.
pub(crate) fn store_from(pcias: u8, offset: u64, gaddr: u64, len: usize) -> Exchange {
    write(
        ZPCI,
        16,
        &zpci_request(2, gaddr, pcias, offset, len as u16).0,
    )
}

/// One PCILG of 8 bytes through the zPCI I/O region: the request, and the read of its result.
pub(crate) fn load(pcias: u8, offset: u64) -> Exchange {
    let request = zpci_request(1, 0, pcias, offset, 8).0;
    write(ZPCI, 16, &request).then(&read(ZPCI, 48, 8))
}

/// One PCILG of 8 bytes through the zPCI I/O region, its result put at `gaddr`.
pub(crate) fn load_to(pcias: u8, offset: u64, gaddr: u64) -> Exchange {
    write(ZPCI, 16, &zpci_request(1, gaddr, pcias, offset, 8).0)
}

/// DMA_MAP of `size` bytes from `offset` of `ram` on.
pub(crate) fn map(iova: u64, size: u64, ram: &Rc<Ram>, offset: u64) -> Exchange {
    Exchange {
        ram: Some(Rc::clone(ram)),
        ..Exchange::new(command::DMA_MAP, &dma_map(iova, size, offset), 16)
    }
}

/// DMA_UNMAP.
pub(crate) fn unmap(iova: u64, size: u64) -> Exchange {
    Exchange::new(command::DMA_UNMAP, &dma_unmap(0, iova, size), 40)
}
