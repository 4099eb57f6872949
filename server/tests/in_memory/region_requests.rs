//! Tests of requests through the zPCI I/O region, and of the places of their bytes.

use rustix::fs::{Mode, OFlags};
use std::os::fd::AsRawFd;

use vfio_user_protocol::Request;
use vfio_user_protocol::message::{DmaAccess, DmaMap, RegionAccess};

use crate::support::*;

const READ: u64 = 1;
const STORE_BLOCK: u64 = 2;

fn request(flags: u64, gaddr: u64, offset: u64, len: u16) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [flags, gaddr, offset] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend([0; 4]);
    bytes.extend(len.to_ne_bytes());
    bytes.extend([2, 0]);
    bytes
}

async fn ask(client: &mut Client, bytes: &[u8]) -> u32 {
    client.ask(&write(9, 16, bytes)).await.header.error
}

#[tokio::test]
async fn a_load_whose_result_cannot_be_delivered_is_not_begun() {
    let (hub, mut client) = ready().await;
    let ram = memfd(0x3000);
    client.map(0, 0x1000, 0, Some(&ram)).await;
    let path = format!("/proc/self/fd/{}", ram.as_raw_fd());
    let read_only = rustix::fs::open(path, OFlags::RDONLY, Mode::empty()).unwrap();
    let map = DmaMap {
        access: DmaAccess::Unstated,
        readable: true,
        writable: false,
        offset: 0x1000,
        iova: 0x1000,
        size: 0x1000,
    };
    client.ok(&Request::DmaMap(map), &[&read_only]).await;
    client.map(0x2000, 0x1000, 0, None).await;
    // The memory is read-only, behind messages, or not mapped (nor an address in this process).
    for gaddr in [0x1000, 0x2000, 0x3000] {
        assert_eq!(ask(&mut client, &request(READ, gaddr, 0, 8)).await, 5);
    }
    assert_eq!(hub.report().functions[0].paths[0].loads, 0);
    assert_eq!(ask(&mut client, &request(READ, 0x800, 0, 8)).await, 0);
    assert_eq!(hub.report().functions[0].paths[0].loads, 1);
}

#[tokio::test]
async fn bytes_come_appended_from_the_dma_map_or_from_the_process() {
    let (hub, mut client) = ready().await;
    let ram = memfd(0x1000);
    client.map(0x10_0000, 0x1000, 0, Some(&ram)).await;
    let block = [0x5a; 16];
    rustix::io::pwrite(&ram, &block, 8).unwrap();
    let appended = [request(STORE_BLOCK, 0, 16, 16), block.to_vec()].concat();
    assert_eq!(ask(&mut client, &appended).await, 0);
    let from_map = request(STORE_BLOCK, 0x10_0008, 32, 16);
    assert_eq!(ask(&mut client, &from_map).await, 0);
    let page = vec![0x5a; 4096];
    let in_process = page.as_ptr().addr() as u64 + 4096 - page.as_ptr().addr() as u64 % 4096 - 64;
    let from_process = request(STORE_BLOCK, in_process, 48, 16);
    assert_eq!(ask(&mut client, &from_process).await, 0);
    let path = &hub.report().functions[0].paths[0];
    assert_eq!((path.stores, path.stored_bytes), (3, 48));
    // A load without gaddr leaves its register image after the request's header.
    assert_eq!(ask(&mut client, &request(READ, 0, 4, 2)).await, 0);
    let image = RegionAccess {
        offset: 48,
        region: 9,
        count: 8,
    };
    let body = client.ok(&Request::RegionRead(image), &[]).await;
    assert_eq!(body[16..22], [0; 6], "the value is right-aligned");
    // A reset clears the register image.
    client.ok(&Request::DeviceReset, &[]).await;
    let gone = client.ask(&Request::RegionRead(image)).await;
    assert!(gone.header.is_error() || gone.body[16..] == [0; 8]);
}
