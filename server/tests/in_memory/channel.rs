//! Tests of a device client and an instruction channel client at the same function.

use vfio_user_ism_server::hub::{self, Accesses, ClientKind};
use vfio_user_protocol::Request;
use vfio_user_protocol::message::RegionAccess;
use zpci_region::Path;

use crate::support::*;

const READ: u64 = 1;
const STORE_BLOCK: u64 = 2;

fn request(flags: u64, pcias: u8, offset: u64, len: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [flags, 0, offset] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend([0; 4]);
    bytes.extend(len.to_ne_bytes());
    bytes.extend([pcias, 0]);
    bytes.extend(payload);
    bytes
}

/// A move by the channel into memory without a descriptor is sent only to the client that lent the memory.
#[tokio::test]
async fn work_for_the_memory_goes_to_the_client_that_has_it() {
    let (hub, mut client) = ready().await;
    let (mut channel, _task) = connect_as(&hub, ClientKind::Channel).await;
    channel.hello().await;
    let ram = memfd(0x2000);
    client.map(SBA, 0x2000, 0, Some(&ram)).await;
    client.map(DMB, 0x4000, 0, None).await;
    let token = client.register(function(&hub).plan().config.gid).await;
    let store = request(STORE_BLOCK, 0, token, 4, &[1, 2, 3, 4]);
    let body = channel.ok(&write(9, 16, &store), &[]).await;
    assert_eq!(body.len(), 16);
    // The server first learns the layout of messages by a read.
    let sent = client.receive().await;
    assert_eq!(sent.header.command, 11, "DMA_READ");
    assert_eq!(sent.body[..8], DMB.to_ne_bytes());
    // The channel gets its reply and nothing else.
    let load = request(READ, 2, 0, 8, &[]);
    channel.ok(&write(9, 16, &load), &[]).await;
}

/// The memory of the device client goes with it, and the channel's next move fails.
#[tokio::test]
async fn a_move_fails_once_the_memory_has_gone() {
    let (hub, mut client) = ready().await;
    let (mut channel, _task) = connect_as(&hub, ClientKind::Channel).await;
    channel.hello().await;
    let ram = memfd(0x40_0000);
    client.map(0, 0x40_0000, 0, Some(&ram)).await;
    let token = client.register(function(&hub).plan().config.gid).await;
    let store = request(STORE_BLOCK, 0, token, 4, &[1, 2, 3, 4]);
    channel.ok(&write(9, 16, &store), &[]).await;
    drop(client);
    tokio::time::timeout(PATIENCE, async {
        while hub.report().functions[0].held.dma_maps > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(channel.ask(&write(9, 16, &store)).await.header.error, 5);
    assert_eq!(bytes_at(&ram, DMB, 4), [1, 2, 3, 4]);
}

/// Two clients of the same kind never have the function at the same time; one of each kind may.
#[tokio::test]
async fn one_client_of_each_kind() {
    let hub = hub();
    let function = function(&hub);
    for kind in [ClientKind::Device, ClientKind::Channel] {
        assert!(function.connect(kind, None));
        assert!(!function.connect(kind, None));
    }
    function.disconnect(ClientKind::Channel);
    assert!(!function.connect(ClientKind::Device, None));
    assert!(function.connect(ClientKind::Channel, None));
    let report = &hub.report().functions[0];
    assert_eq!(
        (
            report.clients,
            report.channel_clients,
            report.clients_refused
        ),
        (1, 2, 3)
    );
}

/// The server carries out requests that it received completely before the stream ended, and ignores an
/// incomplete one.
#[tokio::test]
async fn the_end_inside_a_message_carries_out_what_came_before() {
    let (hub, mut client) = ready().await;
    let (mut channel, task) = connect_as(&hub, ClientKind::Channel).await;
    channel.hello().await;
    let header = [0, 0, 0, 3, 0, 0, 0, 8];
    let mut bytes = Vec::new();
    write(9, 16, &request(STORE_BLOCK, 2, 0, 8, &header)).encode(1, 0, &mut bytes);
    let whole = bytes.len();
    write(
        9,
        16,
        &request(STORE_BLOCK, 2, 0, 8, &[0, 0, 0, 8, 0, 0, 0, 8]),
    )
    .encode(2, 0, &mut bytes);
    channel.send_bytes(&bytes[..whole + 30], &[]).await;
    channel.receive().await;
    drop(channel);
    let ended = tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
    assert_eq!(
        ended.unwrap_err().to_string(),
        "the stream ended 30 bytes into a message"
    );
    assert_eq!(client.load(2, 0, 8).await, [0, 0, 0, 3, 0, 0, 0, 16]);
}

/// A reply to no request has no effect.
#[tokio::test]
async fn a_stray_reply_is_ignored() {
    let (hub, _client) = ready().await;
    let (mut channel, _task) = connect_as(&hub, ClientKind::Channel).await;
    channel.hello().await;
    let mut bytes = Vec::new();
    Request::DeviceReset.encode(7, 0, &mut bytes);
    // The flags mark the message as a reply.
    bytes[8..12].copy_from_slice(&1u32.to_ne_bytes());
    channel.send_bytes(&bytes, &[]).await;
    let header = RegionAccess {
        offset: 8,
        region: 9,
        count: 2,
    };
    let reply = channel.ask(&Request::RegionRead(header)).await;
    assert_eq!(reply.body[16..], 4096u16.to_ne_bytes());
}

/// A run of pieces belongs to the client that stored them: a pause of the other client does not end it.
#[test]
fn a_run_of_pieces_is_ended_by_its_own_client() {
    let hub = hub();
    let function = function(&hub);
    let mut client = hub::Client::new(ClientKind::Channel, None);
    for offset in [8, 16] {
        let store = request(STORE_BLOCK, 2, offset, 8, &[0; 8]);
        Accesses::new(&function)
            .write(&mut client, Path::Bar, 9, 16, &store, false)
            .unwrap();
    }
    function.settle(ClientKind::Device);
    assert_eq!(hub.report().violations, 0);
    function.settle(ClientKind::Channel);
    assert_eq!(hub.report().violations, 1);
}
