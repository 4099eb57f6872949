//! Tests of requests that are refused, and of the state after them.

use rustix::event::EventfdFlags;
use vfio_user_protocol::Request;
use vfio_user_protocol::message::{
    IrqAction, IrqData, MultiWrites, RegionAccess, RegionWrite, SetIrqs, Version,
};

use crate::support::*;

fn read(region: u32, offset: u64, count: u32) -> Request<'static> {
    Request::RegionRead(RegionAccess {
        offset,
        region,
        count,
    })
}

fn set(start: u32, count: u32, action: IrqAction, data: IrqData<'_>) -> Request<'_> {
    Request::SetIrqs(SetIrqs {
        index: 1,
        start,
        count,
        action,
        data,
    })
}

#[tokio::test]
async fn no_transfer_is_larger_than_agreed() {
    let hub = hub();
    let (mut client, _task) = connect(&hub).await;
    let version = Version {
        major: 0,
        minor: 0,
        text: r#"{"capabilities":{"max_data_xfer_size":64}}"#,
    };
    client.ok(&Request::Version(version), &[]).await;
    client.ok(&read(7, 0, 64), &[]).await;
    assert_eq!(client.ask(&read(7, 0, 65)).await.header.error, 22);
    client.ok(&write(7, 0, &[0; 64]), &[]).await;
    assert_eq!(client.ask(&write(7, 0, &[0; 65])).await.header.error, 22);
    assert_eq!(hub.report().functions[0].refused_messages, 2);
}

#[tokio::test]
async fn a_refused_write_among_several_does_not_stop_the_others() {
    let (_hub, mut client) = ready().await;
    let piece = |region, data| RegionWrite {
        access: RegionAccess {
            offset: 0x3c,
            region,
            count: 1,
        },
        data,
    };
    let items = MultiWrites::items(&[piece(42, &[1]), piece(7, &[5])]);
    let request = Request::RegionWriteMulti(MultiWrites::from_items(&items));
    assert_eq!(client.ok(&request, &[]).await, 1u64.to_ne_bytes());
    assert_eq!(client.load(7, 0x3c, 1).await, [5]);
}

#[tokio::test]
async fn interrupts_are_set_within_the_index_and_by_eventfds_only() {
    let (hub, mut client) = ready().await;
    let eventfd = rustix::event::eventfd(0, EventfdFlags::NONBLOCK).unwrap();
    let (_reader, pipe) = rustix::pipe::pipe().unwrap();
    let (trigger, by_eventfd) = (IrqAction::Trigger, IrqData::Eventfd);
    for (request, fd) in [
        (set(1, 1, trigger, by_eventfd), &eventfd),
        (set(0, 2, trigger, by_eventfd), &eventfd),
        (set(0, 1, trigger, IrqData::None), &eventfd),
        (set(0, 1, IrqAction::Mask, by_eventfd), &eventfd),
        (set(0, 1, trigger, by_eventfd), &pipe),
    ] {
        let reply = client.ask_with(&request, &[fd]).await;
        assert_eq!(reply.header.error, 22, "{request:?}");
    }
    client
        .ok(&set(0, 1, trigger, by_eventfd), &[&eventfd])
        .await;
    client
        .ok(&set(0, 1, trigger, IrqData::Bool(&[0])), &[])
        .await;
    assert_eq!(interrupts(&eventfd), 0);
    client
        .ok(&set(0, 1, trigger, IrqData::Bool(&[1])), &[])
        .await;
    assert_eq!(interrupts(&eventfd), 1);
    // Messages mask, fire and unmask the interrupt, and then disable it.
    client
        .ok(&set(0, 1, IrqAction::Mask, IrqData::None), &[])
        .await;
    client.ok(&set(0, 1, trigger, IrqData::None), &[]).await;
    assert_eq!(interrupts(&eventfd), 0);
    client
        .ok(&set(0, 1, IrqAction::Unmask, IrqData::None), &[])
        .await;
    assert_eq!(interrupts(&eventfd), 1);
    client.ok(&set(0, 0, trigger, IrqData::None), &[]).await;
    client.ok(&set(0, 1, trigger, IrqData::None), &[]).await;
    assert_eq!(interrupts(&eventfd), 0);
    assert_eq!(
        hub.report().functions[0].interrupts,
        0,
        "the device raised none"
    );
}
