//! A minimal `vfio_user::Server`: the regions of the real server, with no device behind them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Result;
use std::path::Path;

use vfio_user::{DmaMapFlags, DmaUnmapFlags, IrqInfo, Server, ServerBackend, ServerRegion};

/// Bytes kept of each region. Accesses wrap around at the end.
const KEPT: usize = 8 << 10;
/// Sizes of regions 0 to 9, as in the measured server.
const SIZES: [u64; 10] = [1 << 48, 0, 4096, 0, 4096, 0, 0, 256, 0, 4152];

struct Memory {
    regions: Vec<Vec<u8>>,
    maps: BTreeMap<u64, u64>,
}

impl Memory {
    fn at(&mut self, region: u32, offset: u64, len: usize) -> &mut [u8] {
        let start = (offset as usize % (KEPT / 2)).min(KEPT - len);
        &mut self.regions[region as usize][start..start + len]
    }
}

impl ServerBackend for Memory {
    fn region_read(&mut self, region: u32, offset: u64, data: &mut [u8]) -> Result<()> {
        data.copy_from_slice(self.at(region, offset, data.len()));
        Ok(())
    }

    fn region_write(&mut self, region: u32, offset: u64, data: &[u8]) -> Result<()> {
        self.at(region, offset, data.len()).copy_from_slice(data);
        Ok(())
    }

    fn dma_map(
        &mut self,
        _flags: DmaMapFlags,
        _offset: u64,
        address: u64,
        size: u64,
        _fd: Option<File>,
    ) -> Result<()> {
        self.maps.insert(address, size);
        Ok(())
    }

    fn dma_unmap(&mut self, _flags: DmaUnmapFlags, address: u64, _size: u64) -> Result<()> {
        self.maps.remove(&address);
        Ok(())
    }

    fn reset(&mut self) -> Result<()> {
        Ok(())
    }

    fn set_irqs(
        &mut self,
        _index: u32,
        _flags: u32,
        _start: u32,
        _count: u32,
        _fds: Vec<File>,
    ) -> Result<()> {
        Ok(())
    }
}

/// Serves one client on `socket`.
pub(crate) fn serve(socket: &Path) {
    let regions = SIZES.map(|size| {
        let mut region = ServerRegion {
            region_info: Default::default(),
            sparse_areas: Vec::new(),
            mmap_fd: None,
        };
        region.region_info.flags = 3;
        region.region_info.size = size;
        region.region_info.argsz = 32;
        region
    });
    let irqs = [0, 1].map(|index| IrqInfo {
        index,
        flags: 1,
        count: index,
    });
    let server = Server::new(socket, true, irqs.into(), regions.into()).expect("the socket");
    let mut memory = Memory {
        regions: vec![vec![0; KEPT]; SIZES.len()],
        maps: BTreeMap::new(),
    };
    // An error here means that the client left in the middle of a message.
    let _ = server.run(&mut memory);
}
