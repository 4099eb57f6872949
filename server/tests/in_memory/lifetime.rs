//! Tests of which state ends with a client and which state stays.

use std::time::Duration;

use vfio_user_ism_server::hub::{self, Accesses, ClientKind};
use vfio_user_protocol::Request;
use vfio_user_protocol::message::DmaUnmap;
use zpci_region::Path;

use crate::support::*;

#[tokio::test]
async fn maps_and_interrupts_go_with_the_client_and_the_device_stays() {
    let (hub, mut client) = ready().await;
    let ram = memfd(0x40_0000);
    client.map(0, 0x40_0000, 0, Some(&ram)).await;
    let eventfd = client.take_msi().await;
    let gid = function(&hub).plan().config.gid;
    let token = client.register(gid).await;
    drop(client);
    tokio::time::timeout(PATIENCE, async {
        while !function(&hub).connect(ClientKind::Device, None) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    function(&hub).disconnect(ClientKind::Device);
    let (mut client, _task) = connect(&hub).await;
    client.hello().await;
    let report = hub.report();
    assert_eq!(report.functions[0].held.dma_maps, 0);
    // The DMB still exists, but its memory is gone.
    let reply = client.ask(&write(0, token, &[1; 8])).await;
    assert_eq!(reply.header.error, 5);
    client.map(0, 0x40_0000, 0, Some(&ram)).await;
    client.ok(&write(0, token | 1 << 23, &[1; 8]), &[]).await;
    assert_eq!(bytes_at(&ram, DMB, 8), [1; 8]);
    assert_eq!(hub.report().functions[0].interrupts, 1);
    assert_eq!(interrupts(&eventfd), 0, "the first client's");
}

#[tokio::test]
async fn unmapping_everything_empties_the_table() {
    let (hub, mut client) = ready().await;
    let ram = memfd(0x4000);
    for page in 0..4 {
        client
            .map(page * 0x10_000, 0x1000, page * 0x1000, Some(&ram))
            .await;
    }
    assert_eq!(hub.report().functions[0].held.dma_maps, 4);
    let body = client.ok(&Request::DmaUnmap(DmaUnmap::All), &[]).await;
    assert_eq!(DmaUnmap::decode_reply(&body).unwrap().1, 0x4000);
    assert_eq!(hub.report().functions[0].held.dma_maps, 0);
}

#[test]
fn a_report_on_the_way_leaves_an_open_run_open() {
    let hub = hub();
    let function = function(&hub);
    let mut client = hub::Client::new(ClientKind::Device, None);
    assert!(function.connect(ClientKind::Device, None));
    let mut piece = |offset| {
        Accesses::new(&function)
            .write(&mut client, Path::Bar, 2, offset, &[0; 8], true)
            .unwrap();
    };
    piece(8);
    piece(16);
    assert_eq!(hub.report().violations, 0);
    piece(24);
    hub.settle();
    let report = hub.report();
    assert_eq!((report.number, report.violations), (2, 1));
    assert_eq!(report.functions[0].rules[0].pieces, 3);
}
