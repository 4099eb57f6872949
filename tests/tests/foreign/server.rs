//! Tests of the byte-level client with the server of the `vfio_user` crate, because a client that checks
//! servers must itself be correct.

use std::fs::File;
use std::io::Result;
use std::os::fd::AsFd;

use vfio_user::{DmaMapFlags, DmaUnmapFlags, IrqInfo, Server, ServerBackend, ServerRegion};
use vfio_user_ism_tests::client::irq::{EVENTFD, MSI, TRIGGER};
use vfio_user_ism_tests::client::{command, set_irqs};
use vfio_user_ism_tests::wire::{Bytes, u32_at, u64_at};
use vfio_user_ism_tests::{Client, Eventfd, Ram};

const REGION_LEN: usize = 64;

/// One region of plain memory, and the calls that it received.
#[derive(Default)]
struct Memory {
    bytes: Vec<u8>,
    told: Vec<String>,
}

impl ServerBackend for Memory {
    fn region_read(&mut self, _region: u32, offset: u64, data: &mut [u8]) -> Result<()> {
        data.copy_from_slice(&self.bytes[offset as usize..][..data.len()]);
        Ok(())
    }

    fn region_write(&mut self, _region: u32, offset: u64, data: &[u8]) -> Result<()> {
        self.bytes[offset as usize..][..data.len()].copy_from_slice(data);
        Ok(())
    }

    fn dma_map(
        &mut self,
        flags: DmaMapFlags,
        offset: u64,
        address: u64,
        size: u64,
        fd: Option<File>,
    ) -> Result<()> {
        self.told.push(format!(
            "map {} {offset:#x} {address:#x} {size:#x} {}",
            flags.bits(),
            fd.is_some()
        ));
        Ok(())
    }

    fn dma_unmap(&mut self, _flags: DmaUnmapFlags, address: u64, size: u64) -> Result<()> {
        self.told.push(format!("unmap {address:#x} {size:#x}"));
        Ok(())
    }

    fn reset(&mut self) -> Result<()> {
        self.told.push("reset".to_owned());
        Ok(())
    }

    fn set_irqs(
        &mut self,
        index: u32,
        flags: u32,
        start: u32,
        count: u32,
        fds: Vec<File>,
    ) -> Result<()> {
        self.told.push(format!(
            "irqs {index} {flags:#x} {start} {count} {}",
            fds.len()
        ));
        Ok(())
    }
}

/// Runs a client against a server with one region and one MSI vector. Returns the calls that the server
/// received.
fn serve(test: impl FnOnce(&mut Client)) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("server.sock");
    let mut region = ServerRegion {
        region_info: Default::default(),
        sparse_areas: Vec::new(),
        mmap_fd: None,
    };
    region.region_info.flags = 3;
    region.region_info.size = REGION_LEN as u64;
    region.region_info.argsz = 32;
    let irqs = [0, 1].map(|index| IrqInfo {
        index,
        flags: 1,
        count: index,
    });
    let server = Server::new(&path, true, irqs.into(), vec![region]).unwrap();
    let mut memory = Memory {
        bytes: vec![0; REGION_LEN],
        ..Memory::default()
    };
    std::thread::scope(|threads| {
        let served = threads.spawn(|| server.run(&mut memory));
        let mut client = Client::open(&path);
        test(&mut client);
        drop(client);
        served.join().unwrap().unwrap();
    });
    memory.told
}

#[test]
fn the_foreign_server_describes_reads_and_writes_regions() {
    serve(|client| {
        let info = client
            .request(command::GET_INFO, Bytes::new().u32(16).raw(&[0; 12]))
            .ok();
        assert_eq!((u32_at(&info, 8), u32_at(&info, 12)), (1, 2));
        let body = Bytes::new().u32(32).u32(0).u32(0).raw(&[0; 20]);
        let info = client.request(command::GET_REGION_INFO, body).ok();
        assert_eq!(u64_at(&info, 16), REGION_LEN as u64);
        client.write(0, 8, &[1, 2, 3]).ok();
        client.post(0, 11, &[4]);
        assert_eq!(client.read(0, 7, 6).data(), [0, 1, 2, 3, 4, 0]);
    });
}

#[test]
fn maps_interrupts_and_resets_reach_the_foreign_server() {
    let told = serve(|client| {
        let ram = Ram::new(8192);
        client.map(0x10000, 4096, &ram, 4096).ok();
        client.map_without_fd(0x20000, 4096).ok();
        client.unmap(0x10000, 4096).ok();
        let eventfd = Eventfd::new();
        let body = set_irqs(EVENTFD | TRIGGER, MSI, 0, 1, &[]);
        client
            .request_with(command::SET_IRQS, body, &[eventfd.as_fd()])
            .ok();
        client.reset();
    });
    assert_eq!(
        told,
        [
            "map 3 0x1000 0x10000 0x1000 true",
            "map 3 0x0 0x20000 0x1000 false",
            "unmap 0x10000 0x1000",
            "irqs 1 0x24 0 1 1",
            "reset",
        ]
    );
}
