//! Tests of data moves: bytes, bits and interrupts, in memory with and without a descriptor.

use std::time::Duration;

use rustix::net::RecvFlags;
use vfio_user_protocol::message::{DmaUnmap, MultiWrites, RegionAccess, RegionWrite};
use vfio_user_protocol::{HEADER_LEN, Request};

use crate::support::*;

#[tokio::test]
async fn a_move_with_signal_reaches_memory_bits_and_eventfd() {
    let (hub, mut client) = ready().await;
    let ram = memfd(0x40_0000);
    client.map(0, 0x40_0000, 0, Some(&ram)).await;
    let eventfd = client.take_msi().await;
    let token = client.register(function(&hub).plan().config.gid).await;
    client.post(0, token | 0x100, b"sixteen bytes...").await;
    client.post(0, token | 1 << 23, &[0x5a; 32]).await;
    client.ok(&Request::DeviceReset, &[]).await;
    assert_eq!(bytes_at(&ram, DMB + 0x100, 16), b"sixteen bytes...");
    assert_eq!(bytes_at(&ram, DMB, 32), [0x5a; 32]);
    let sba = bytes_at(&ram, SBA, 4096);
    assert_eq!(sba[0] & 0x80, 0x80, "summary bit");
    assert_eq!(sba[4 + SBA_INDEX as usize / 8], 0x80 >> (SBA_INDEX % 8));
    let mask = 256 + 2 * SBA_INDEX as usize;
    assert_ne!(sba[mask..mask + 2], [0, 0]);
    assert_eq!(interrupts(&eventfd), 1);
}

#[tokio::test]
async fn writes_in_one_message_are_judged_one_by_one() {
    let (hub, mut client) = ready().await;
    let piece = |at: u64| RegionWrite {
        access: RegionAccess {
            offset: 8 + 8 * at,
            region: 2,
            count: 8,
        },
        data: &[7; 8],
    };
    let items = MultiWrites::items(&[piece(0), piece(1), piece(2)]);
    client
        .ok(
            &Request::RegionWriteMulti(MultiWrites::from_items(&items)),
            &[],
        )
        .await;
    hub.settle();
    let report = hub.report();
    let function = &report.functions[0];
    let rule = function
        .rules
        .iter()
        .find(|rule| rule.rule == "split-block-store")
        .unwrap();
    assert_eq!((rule.violations, rule.pieces), (1, 3));
    assert_eq!(function.paths[2].stores, 3);
}

/// Answers the server's DMA_READ and DMA_WRITE from `ram` until `replies` replies to the client have come.
async fn serve_memory(
    client: &mut Client,
    ram: &mut [u8],
    narrow: bool,
    mut replies: usize,
) -> usize {
    let mut served = 0;
    while replies > 0 || served == 0 || !quiet(client).await {
        let message = client.receive().await;
        if message.header.flags & 1 == 1 {
            replies = replies.saturating_sub(1);
            continue;
        }
        served += 1;
        answer_memory(client, ram, narrow, &message).await;
    }
    served
}

/// Answers one DMA_READ or DMA_WRITE of the server.
async fn answer_memory(client: &mut Client, ram: &mut [u8], narrow: bool, message: &Reply) {
    let read = message.header.command == 11;
    let number = |at: usize, len: usize| match message.body[at..at + len] {
        [a, b, c, d] => u32::from_ne_bytes([a, b, c, d]) as usize,
        ref wide => u64::from_ne_bytes(wide.try_into().unwrap()) as usize,
    };
    let (iova, count_len) = (number(0, 8), if narrow { 4 } else { 8 });
    let count = number(8, count_len);
    let mut body = message.body[..8 + count_len].to_vec();
    if read {
        assert_eq!(message.body.len(), 16, "a read has the wide layout always");
        body.extend_from_slice(&ram[iova..iova + count]);
    } else {
        let data = &message.body[8 + count_len..];
        assert_eq!(data.len(), count, "the client's layout");
        ram[iova..iova + count].copy_from_slice(data);
        if narrow {
            body.clear();
        }
    }
    let mut bytes = message
        .header
        .reply((HEADER_LEN + body.len()) as u32)
        .encode()
        .to_vec();
    bytes.extend(body);
    client.send_bytes(&bytes, &[]).await;
}

/// True if nothing more comes for a while.
async fn quiet(client: &mut Client) -> bool {
    for _ in 0..40 {
        let mut byte = [0];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        if rustix::net::recv(&client.stream, &mut byte, flags).is_ok() {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    true
}

async fn move_without_descriptor(narrow: bool) {
    let (hub, mut client) = ready().await;
    let mut ram = vec![0; 0x40_0000];
    client.map(0, 0x40_0000, 0, None).await;
    let eventfd = client.take_msi().await;
    let token = client.register(function(&hub).plan().config.gid).await;
    ram[SBA as usize] = 0x40;
    client.post(0, token | 0x100, &[0x11; 16]).await;
    client.post(0, token | 1 << 23, &[0x22; 32]).await;
    // The reply comes at once, although the memory is not written yet.
    client
        .send(
            &Request::RegionRead(RegionAccess {
                offset: 0,
                region: 7,
                count: 2,
            }),
            0,
            &[],
        )
        .await;
    let served = serve_memory(&mut client, &mut ram, narrow, 1).await;
    assert!(served >= 6, "{served} messages");
    assert_eq!(ram[DMB as usize + 0x100..][..16], [0x11; 16]);
    assert_eq!(ram[DMB as usize..][..32], [0x22; 32]);
    assert_eq!(ram[SBA as usize], 0xc0, "bits are added");
    assert_eq!(interrupts(&eventfd), 1, "the interrupt comes last");
}

#[tokio::test]
async fn memory_without_a_descriptor_is_written_by_messages() {
    move_without_descriptor(false).await;
}

#[tokio::test]
async fn the_older_layout_of_these_messages_is_learnt() {
    move_without_descriptor(true).await;
}

#[tokio::test]
async fn what_follows_a_message_under_way_waits_for_its_answer() {
    let (hub, mut client) = ready().await;
    let file = memfd(0x40_0000);
    client.map(0, 0x40_0000, 0, Some(&file)).await;
    // The first buffer's memory comes without a descriptor, all other memory with one.
    let far = 0x80_0000;
    client.map(far, 0x4000, 0, None).await;
    let eventfd = client.take_msi().await;
    let gid = function(&hub).plan().config.gid;
    let near_token = client.register(gid).await;
    let far_token = client.register_dmb(far, SBA_INDEX + 1, gid).await;
    client.post(0, far_token | 0x100, &[0x11; 16]).await;
    let asked = client.receive().await;
    assert_eq!(asked.header.command, 11, "a DMA_READ is under way");
    client.post(0, near_token | 1 << 23, &[0x22; 32]).await;
    let id = client
        .send(&Request::DeviceGetIrqInfo { index: 1 }, 0, &[])
        .await;
    assert_eq!(client.receive().await.header.message_id, id);
    assert_eq!(
        bytes_at(&file, DMB, 32),
        [0; 32],
        "the second move came first"
    );
    assert_eq!(bytes_at(&file, SBA, 1), [0]);
    assert_eq!(interrupts(&eventfd), 0);

    let mut ram = vec![0; 0x84_0000];
    answer_memory(&mut client, &mut ram, false, &asked).await;
    serve_memory(&mut client, &mut ram, false, 0).await;
    assert_eq!(ram[far as usize + 0x100..][..16], [0x11; 16]);
    assert_eq!(bytes_at(&file, DMB, 32), [0x22; 32]);
    assert_eq!(bytes_at(&file, SBA, 1), [0x80]);
    assert_eq!(interrupts(&eventfd), 1);
}

#[tokio::test]
async fn a_client_that_does_not_answer_is_not_owed_without_end() {
    let (hub, mut client) = ready().await;
    client.map(0, 0x40_0000, 0, None).await;
    let token = client.register(function(&hub).plan().config.gid).await;
    let mut refused = 0;
    for _ in 0..2000 {
        let id = client.send(&write(0, token, &[1; 8]), 0, &[]).await;
        let mut reply = client.receive().await;
        while reply.header.message_id != id || reply.header.command != 10 {
            reply = client.receive().await;
        }
        refused += usize::from(reply.header.is_error());
    }
    assert!((900..1100).contains(&refused), "{refused} of 2000 refused");
}

#[tokio::test]
async fn what_waits_for_memory_that_is_unmapped_is_not_written() {
    let (hub, mut client) = ready().await;
    let file = memfd(0x40_0000);
    client.map(0, 0x40_0000, 0, Some(&file)).await;
    let far = 0x80_0000;
    client.map(far, 0x4000, 0, None).await;
    let gid = function(&hub).plan().config.gid;
    client.register(gid).await;
    let token = client.register_dmb(far, SBA_INDEX + 1, gid).await;
    client.post(0, token, &[0x11; 16]).await;
    let asked = client.receive().await;
    client.post(0, token | 0x100, &[0x22; 16]).await;
    let (iova, size) = (far, 0x4000);
    let unmap = Request::DmaUnmap(DmaUnmap::Range { iova, size });
    client.ok(&unmap, &[]).await;
    // The write in progress goes no further, and the waiting one is never sent.
    let mut ram = vec![0; 0x84_0000];
    answer_memory(&mut client, &mut ram, false, &asked).await;
    assert!(quiet(&mut client).await);
    assert_eq!(ram[far as usize..][..0x200], [0; 0x200]);
}
