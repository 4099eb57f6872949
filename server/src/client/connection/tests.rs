use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use vfio_user_protocol::message::{MultiWrites, RegionAccess, RegionWrite, Version};
use vfio_user_protocol::{Header, Request};
use zpci_region::request::{Op, REQUEST_OFFSET};

use super::*;
use crate::client::peer::Peer;
use crate::hub::Hub;
use crate::profile;

const COUNT: usize = 16;

/// How often the fabric's lock is taken for messages that come together, and their replies' errnos.
async fn judged(kind: ClientKind, requests: &[Request<'_>]) -> (u64, Vec<u32>) {
    judged_after(&[], kind, None, requests).await
}

/// Like [`judged`], with messages that come one by one before, and with the client's process.
async fn judged_after(
    earlier: &[Request<'_>],
    kind: ClientKind,
    peer: Option<Peer>,
    requests: &[Request<'_>],
) -> (u64, Vec<u32>) {
    let plan = profile::parse("built-in", profile::builtin::ISM).unwrap();
    let hub = Hub::new(plan, None).unwrap();
    let function = hub.functions().next().unwrap();
    assert!(function.connect(kind, peer));
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let socket = Socket::try_from(theirs).unwrap();
    let mut connection =
        Connection::new(socket, Client::new(kind, peer), function).sharing_its_thread();
    let version = Version {
        major: 0,
        minor: 0,
        text: "",
    };
    let talk = async {
        let mut bytes = Vec::new();
        for request in [&[Request::Version(version)], earlier].concat() {
            bytes.clear();
            request.encode(1, 0, &mut bytes);
            ours.write_all(&bytes).await.unwrap();
            reply(&mut ours).await;
        }
        let before = hub.taken.load(Ordering::Relaxed);
        bytes.clear();
        for request in requests {
            request.encode(2, 0, &mut bytes);
        }
        ours.write_all(&bytes).await.unwrap();
        let mut errnos = Vec::new();
        for _ in requests {
            errnos.push(reply(&mut ours).await);
        }
        (hub.taken.load(Ordering::Relaxed) - before, errnos)
    };
    tokio::select! {
        ended = connection.run() => panic!("{ended:?}"),
        told = talk => told,
    }
}

async fn reply(stream: &mut UnixStream) -> u32 {
    let mut head = [0; 16];
    stream.read_exact(&mut head).await.unwrap();
    let header = Header::decode(&head);
    let mut body = vec![0; header.message_size as usize - head.len()];
    stream.read_exact(&mut body).await.unwrap();
    header.error
}

fn write(region: u32, offset: u64, data: &[u8]) -> RegionWrite<'_> {
    let access = RegionAccess {
        offset,
        region,
        count: data.len() as u32,
    };
    RegionWrite { access, data }
}

fn instruction(op: Op, pcias: u8) -> Vec<u8> {
    let request = zpci_region::Request {
        op,
        gaddr: 0,
        offset: 0,
        len: 8,
        pcias,
        payload: (op == Op::StoreBlock).then_some(&[7; 8]),
    };
    request.encode()
}

#[tokio::test]
async fn messages_that_come_together_take_the_lock_once() {
    let load = instruction(Op::Load, 2);
    let requests = [(); COUNT].map(|()| Request::RegionWrite(write(9, REQUEST_OFFSET, &load)));
    let (taken, errnos) = judged(ClientKind::Channel, &requests).await;
    assert_eq!((taken, errnos), (1, vec![0; COUNT]));
}

#[tokio::test]
async fn refused_ones_among_them_take_it_anew_only_to_be_logged() {
    let (load, store) = (instruction(Op::Load, 2), instruction(Op::StoreBlock, 0));
    let requests: Vec<_> = (0..2 * COUNT)
        .map(|at| if at % 2 == 0 { &store } else { &load })
        .map(|request| Request::RegionWrite(write(9, REQUEST_OFFSET, request)))
        .collect();
    let (taken, errnos) = judged(ClientKind::Channel, &requests).await;
    let refused = errnos.iter().step_by(2).all(|errno| *errno != 0);
    let loaded = errnos.iter().skip(1).step_by(2).all(|errno| *errno == 0);
    assert!(refused && loaded, "{errnos:?}");
    // Of 16 refusals the first five, the eighth and the last are logged.
    assert_eq!(taken, 1 + 7);
}

#[tokio::test]
async fn the_writes_of_one_message_take_the_lock_once() {
    let items = [(); COUNT].map(|()| write(7, 0x3c, &[1]));
    let items = MultiWrites::items(&items);
    let multi = Request::RegionWriteMulti(MultiWrites::from_items(&items));
    let (taken, errnos) = judged(ClientKind::Device, &[multi]).await;
    assert_eq!((taken, errnos), (1, vec![0]));
}

/// The memory of a client's process may take long to answer.
#[tokio::test]
async fn the_lock_is_given_back_after_each_access_to_the_client_s_process() {
    let value = AtomicU64::new(0);
    let request = zpci_region::Request {
        op: Op::Load,
        gaddr: value.as_ptr().addr() as u64,
        offset: 0,
        len: 8,
        pcias: 2,
        payload: None,
    };
    let load = request.encode();
    // After a long access, the server receives many short ones at once.
    let long = [0; 4096];
    let earlier = [Request::RegionWrite(write(7, 0x3c, &long))];
    let requests = [(); COUNT].map(|()| Request::RegionWrite(write(9, REQUEST_OFFSET, &load)));
    let (ours, _theirs) = UnixStream::pair().unwrap();
    let peer = Peer::of(&ours);
    let (taken, errnos) = judged_after(&earlier, ClientKind::Device, peer, &requests).await;
    assert_eq!((taken, errnos), (COUNT as u64, vec![0; COUNT]));
}
