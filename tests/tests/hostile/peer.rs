//! Tests of hostile or broken peers: each of seven defects that another server had (peer input made it panic,
//! allocate, stall or lose step), and messages with every kind of error.

use vfio_user_ism_tests::client::{CONFIG, QEMU, access, command, region_write, version};
use vfio_user_ism_tests::errno::{EINVAL, EOPNOTSUPP};
use vfio_user_ism_tests::wire::{Bytes, message};
use vfio_user_ism_tests::{Client, Daemon};

/// Checks that the server still serves, including a new client.
#[track_caller]
fn still_serves(daemon: &mut Daemon) {
    daemon.wait_until_free();
    daemon.client().reset();
    assert!(daemon.is_alive());
}

/// Builds a header with these values.
fn header(size: u32, flags: u32) -> Vec<u8> {
    Bytes::new()
        .u16(1)
        .u16(command::RESET)
        .u32(size)
        .u32(flags)
        .u32(0)
        .0
}

#[test]
fn a_size_below_the_header_closes_the_connection() {
    let mut daemon = Daemon::start();
    for size in [0, 1, 15] {
        let mut client = daemon.client();
        client.wire.send(&header(size, 0));
        client.wire.expect_closed();
        still_serves(&mut daemon);
        daemon.wait_until_free();
    }
}

#[test]
fn a_version_shorter_than_its_fields_is_refused() {
    let mut daemon = Daemon::start();
    let mut client = Client::connect(&daemon.only());
    client.request(command::VERSION, [0, 0]).refused(EINVAL);
    drop(client);
    still_serves(&mut daemon);
}

#[test]
fn a_version_without_nul_is_refused() {
    let mut daemon = Daemon::start();
    let mut client = Client::connect(&daemon.only());
    let body = version(0, 0, QEMU);
    client
        .request(command::VERSION, &body[..body.len() - 1])
        .refused(EINVAL);
    drop(client);
    still_serves(&mut daemon);
}

#[test]
fn memory_is_not_allocated_on_a_peers_word() {
    let mut daemon = Daemon::start();
    let mut client = daemon.client();
    for count in [(1 << 20) + 1, 1 << 31, u32::MAX] {
        client.read(0, 0, count).refused(EINVAL);
        client
            .request(command::REGION_WRITE, access(0, 0, count))
            .refused(EINVAL);
    }
    client.wire.send(&header(u32::MAX, 0));
    client.wire.expect_closed();
    drop(client);
    still_serves(&mut daemon);
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let peak = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .unwrap();
    let kib: u64 = peak.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(kib < 256 << 10, "{peak}");
}

#[test]
fn messages_may_come_one_byte_at_a_time() {
    let daemon = Daemon::start();
    let mut client = Client::connect(&daemon.only());
    let stream = [
        message(1, command::VERSION, 0, &version(0, 0, QEMU)),
        message(
            2,
            command::REGION_WRITE,
            0,
            &region_write(CONFIG, 0x3c, &[5]),
        ),
        message(3, command::REGION_READ, 0, &access(CONFIG, 0x3c, 1).0),
    ];
    for byte in stream.concat() {
        client.wire.send(&[byte]);
    }
    client.reply_to(1).ok();
    client.reply_to(2).ok();
    assert_eq!(client.reply_to(3).data(), [5]);
}

#[test]
fn a_reply_larger_than_the_socket_takes_is_not_cut() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    // The client receives nothing until all requests are sent: the replies do not fit the socket's buffer.
    let len = 1 << 20;
    let ids: Vec<_> = (0..4)
        .map(|_| client.send(command::REGION_READ, 0, access(0, 0, len)))
        .collect();
    for id in ids {
        assert_eq!(client.reply_to(id).data().len(), len as usize);
    }
}

#[test]
fn an_unsupported_command_leaves_nothing_of_itself_in_the_stream() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    // The body is itself a message: a server that does not skip it would answer that too.
    let inner = message(77, command::RESET, 0, &[]);
    client.request(17, inner).refused(EOPNOTSUPP);
    client.reset();
}

#[test]
fn the_largest_message_is_accepted_and_one_more_byte_is_not() {
    let mut daemon = Daemon::start();
    let mut client = daemon.client();
    client.write(CONFIG, 0, &vec![0; 1 << 20]).refused(EINVAL);
    let mut size = (1 << 20) + 16 + 64 + 1;
    client.wire.send_to_the_deaf(&header(size, 0));
    client.wire.expect_closed();
    still_serves(&mut daemon);
    size = 1 << 30;
    daemon.wait_until_free();
    let mut client = daemon.client();
    client.wire.send_to_the_deaf(&header(size, 0));
    client.wire.expect_closed();
}

#[test]
fn a_type_that_is_neither_command_nor_reply_closes_the_connection() {
    let mut daemon = Daemon::start();
    for flags in [2, 3, 0xf] {
        let mut client = daemon.client();
        client.wire.send(&header(16, flags));
        client.wire.expect_closed();
        still_serves(&mut daemon);
        daemon.wait_until_free();
    }
}

#[test]
fn a_message_cut_off_by_the_end_of_the_stream_is_not_carried_out() {
    let mut daemon = Daemon::start();
    let whole = message(
        9,
        command::REGION_WRITE,
        0,
        &region_write(CONFIG, 0x3c, &[5; 4]),
    );
    for len in [1, 15, 16, 20, whole.len() - 1] {
        let mut client = daemon.client();
        client.wire.send(&whole[..len]);
        client.wire.finish();
        client.wire.expect_closed();
        daemon.wait_until_free();
    }
    assert_eq!(daemon.client().read(CONFIG, 0x3c, 1).data(), [0]);
    still_serves(&mut daemon);
}

#[test]
fn noise_closes_the_connection() {
    let mut daemon = Daemon::start();
    for seed in 1..20_u64 {
        let mut client = daemon.client();
        let mut state = seed;
        let noise: Vec<u8> = (0..4096)
            .map(|_| {
                // This is Knuth's multiplicative generator; the bytes only need to vary.
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(seed);
                (state >> 56) as u8
            })
            .collect();
        client.wire.send_to_the_deaf(&noise);
        client.wire.expect_closed();
        still_serves(&mut daemon);
        daemon.wait_until_free();
    }
}

#[test]
fn too_many_descriptors_close_the_connection_and_leave_none_open() {
    let mut daemon = Daemon::start();
    let eventfd = vfio_user_ism_tests::Eventfd::new();
    let fds = [std::os::fd::AsFd::as_fd(&eventfd); 17];
    let mut client = daemon.client();
    let open = || {
        std::fs::read_dir(format!("/proc/{}/fd", daemon.pid()))
            .unwrap()
            .count()
    };
    let before = open();
    client
        .wire
        .send_with_fds(&message(1, command::SET_IRQS, 0, &[0; 20]), &fds);
    client.wire.expect_closed();
    daemon.wait_until_free();
    // Only the connection itself is gone.
    assert_eq!(open(), before - 1);
    still_serves(&mut daemon);
}
