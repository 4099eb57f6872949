//! Tests of requests that are refused: their bodies are skipped, and the stream stays in step.

use std::os::fd::AsFd;

use vfio_user_ism_tests::client::command;
use vfio_user_ism_tests::errno::{EINVAL, EOPNOTSUPP};
use vfio_user_ism_tests::wire::message;
use vfio_user_ism_tests::{Bytes, Daemon, Eventfd};

#[test]
fn unknown_and_unsupported_commands_are_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for number in [0, 14, 17, 18, 19, 99, u16::MAX] {
        for len in [0, 1, 16, 100_000] {
            client.request(number, vec![0xa5; len]).refused(EOPNOTSUPP);
        }
    }
    client.reset();
}

#[test]
fn the_servers_own_commands_are_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for number in [command::DMA_READ, command::DMA_WRITE] {
        client
            .request(number, Bytes::new().u64(0).u64(8))
            .refused(EOPNOTSUPP);
    }
}

#[test]
fn a_reply_to_nothing_is_ignored() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for number in [command::DMA_READ, command::RESET, 99] {
        client.wire.send(&message(1, number, 1, &[0; 40]));
    }
    client.reset();
}

#[test]
fn descriptors_where_none_belong_are_refused_and_closed() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let eventfd = Eventfd::new();
    let open = || {
        std::fs::read_dir(format!("/proc/{}/fd", daemon.pid()))
            .unwrap()
            .count()
    };
    let before = open();
    for _ in 0..10 {
        client
            .request_with(command::RESET, [], &[eventfd.as_fd()])
            .refused(EINVAL);
    }
    client.reset();
    assert_eq!(open(), before);
}

#[test]
fn refused_requests_are_counted_and_recorded() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    client.request(99, []).refused(EOPNOTSUPP);
    client.read(6, 0, 8).refused(EINVAL);
    drop(client);
    let stopped = daemon.stop();
    assert_eq!(stopped.function("ism0")["refused_messages"], 2);
    let refused: Vec<_> = stopped.events_named("refused-request").collect();
    assert_eq!(
        (&refused[0]["errno"], &refused[1]["errno"]),
        (&95.into(), &22.into())
    );
    assert_eq!(refused[1]["command"], "REGION_READ");
}
