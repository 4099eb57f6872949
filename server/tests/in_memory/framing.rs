//! Tests of messages in a stream: order of replies, posted requests, descriptors, and errors that end a
//! connection.

use vfio_user_ism_server::client::error::ConnectionError;
use vfio_user_protocol::message::{DmaAccess, DmaMap, RegionAccess};
use vfio_user_protocol::{Header, Request};

use crate::support::*;

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let (_hub, mut client) = ready().await;
    let mut stream = Vec::new();
    for id in 100..200u16 {
        let (region, count) = if id % 3 == 0 {
            (42, 1)
        } else {
            (7, 1 + u32::from(id % 50))
        };
        Request::RegionRead(RegionAccess {
            offset: 0,
            region,
            count,
        })
        .encode(id, 0, &mut stream);
    }
    client.send_bytes(&stream, &[]).await;
    for id in 100..200u16 {
        let reply = client.receive().await;
        assert_eq!(reply.header.message_id, id);
        assert_eq!(reply.header.is_error(), id % 3 == 0);
    }
}

#[tokio::test]
async fn one_byte_at_a_time_is_understood() {
    let (_hub, mut client) = ready().await;
    let mut stream = Vec::new();
    Request::RegionRead(RegionAccess {
        offset: 0,
        region: 7,
        count: 4,
    })
    .encode(9, 0, &mut stream);
    for byte in stream {
        client.send_bytes(&[byte], &[]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.receive().await.body[16..], [0x14, 0x10, 0xed, 0x04]);
}

#[tokio::test]
async fn posted_requests_get_no_reply_not_even_an_error() {
    let (_hub, mut client) = ready().await;
    client.post(2, 0, &[0; 8]).await;
    client.post(42, 0, &[0; 8]).await;
    client.post(2, u64::MAX - 2, &[0; 8]).await;
    let reply = client.ask(&Request::DeviceReset).await;
    assert!(!reply.header.is_error());
}

#[tokio::test]
async fn descriptors_belong_to_the_message_they_came_with() {
    let (_hub, mut client) = ready().await;
    let ram = memfd(0x4000);
    // A message without a descriptor, one with a descriptor, and a third one, received at once or in pieces.
    let mut stream = Vec::new();
    let map = |iova| DmaMap {
        access: DmaAccess::Unstated,
        readable: true,
        writable: true,
        offset: 0,
        iova,
        size: 0x1000,
    };
    Request::DmaMap(map(0)).encode(1, 0, &mut stream);
    client.send_bytes(&stream, &[]).await;
    stream.clear();
    Request::DmaMap(map(0x1000)).encode(2, 0, &mut stream);
    Request::DeviceReset.encode(3, 0, &mut stream);
    client.send_bytes(&stream, &[&ram]).await;
    for id in 1..=3 {
        let reply = client.receive().await;
        assert_eq!(
            (reply.header.message_id, reply.header.is_error()),
            (id, false)
        );
    }
    // A request that takes no descriptor is refused with one, and the stream stays in step.
    let reply = client.ask_with(&Request::DeviceReset, &[&ram]).await;
    assert_eq!(reply.header.error, 22);
    assert!(!client.ask(&Request::DeviceReset).await.header.is_error());
}

#[tokio::test]
async fn what_cannot_be_understood_ends_the_connection() {
    for bytes in [
        Header {
            message_id: 1,
            command: 9,
            message_size: 3,
            flags: 0,
            error: 0,
        },
        Header {
            message_id: 1,
            command: 9,
            message_size: u32::MAX,
            flags: 0,
            error: 0,
        },
        Header {
            message_id: 1,
            command: 9,
            message_size: 16,
            flags: 7,
            error: 0,
        },
    ] {
        let hub = hub();
        let (mut client, task) = connect(&hub).await;
        client.hello().await;
        client.send_bytes(&bytes.encode(), &[]).await;
        let ended = tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
        assert!(
            matches!(ended, Err(ConnectionError::Malformed(_))),
            "{ended:?}"
        );
    }
}

#[tokio::test]
async fn anything_before_version_ends_the_connection() {
    let hub = hub();
    let (mut client, task) = connect(&hub).await;
    client.send(&Request::DeviceReset, 0, &[]).await;
    let ended = tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
    assert!(ended.unwrap_err().to_string().contains("DEVICE_RESET"));
}
