//! Tests of many requests without a wait: replies come in order, and posted writes take effect before later
//! reads.

use std::os::fd::AsFd;

use vfio_user_ism_tests::client::{CONFIG, access, command, dma_map, region_write, write_multi};
use vfio_user_ism_tests::driver::{IOVA, code, header};
use vfio_user_ism_tests::wire::{NO_REPLY, message};
use vfio_user_ism_tests::{Daemon, Driver, Ram, Via};

#[test]
fn replies_come_in_the_order_of_the_requests() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let mut stream = Vec::new();
    for value in 0..=255 {
        stream.extend(message(
            value,
            command::REGION_WRITE,
            0,
            &region_write(CONFIG, 0x3c, &[value as u8]),
        ));
        stream.extend(message(
            value,
            command::REGION_READ,
            0,
            &access(CONFIG, 0x3c, 1).0,
        ));
        stream.extend(message(value, 99, 0, &[1, 2, 3]));
    }
    client.wire.send(&stream);
    for value in 0..=255 {
        client.reply_to(value).ok();
        assert_eq!(client.reply_to(value).data(), [value as u8]);
        assert!(client.reply_to(value).errno().is_some());
    }
}

#[test]
fn ids_are_echoed_and_need_not_be_unique() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for id in [7, 7, 0, u16::MAX, 7] {
        client.wire.send(&message(id, command::RESET, 0, &[]));
    }
    for id in [7, 7, 0, u16::MAX, 7] {
        client.reply_to(id).ok();
    }
}

#[test]
fn posted_writes_take_effect_before_a_later_read() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for value in 0..100 {
        client.post(CONFIG, 0x3c, &[value]);
        client.send(
            command::WRITE_MULTI,
            NO_REPLY,
            write_multi(&[(CONFIG, 0x10, &[value; 8])]),
        );
        let first = client.send(command::REGION_READ, 0, access(CONFIG, 0x3c, 1));
        let second = client.send(command::REGION_READ, 0, access(CONFIG, 0x17, 1));
        assert_eq!(client.reply_to(first).data(), [value]);
        assert_eq!(client.reply_to(second).data(), [value]);
    }
}

#[test]
fn a_whole_command_may_be_posted_ahead_of_its_response() {
    let daemon = Daemon::start();
    let mut driver = Driver::attach(&daemon.only(), Via::Bar);
    for vlan in 1..50_u64 {
        driver.client.post(2, 8, &vlan.to_be_bytes());
        driver.client.post(2, 0, &header(code::ADD_VLAN_ID, 16));
        driver.response().ok();
    }
    let info = driver.run(code::QUERY_INFO, []).ok();
    assert_eq!(info[60..64], 49_u32.to_be_bytes());
}

#[test]
fn a_map_in_flight_is_there_for_the_command_behind_it() {
    let daemon = Daemon::start();
    let mut driver = Driver::attach(&daemon.only(), Via::Bar);
    let iova = 0x5_0000_0000_u64;
    let map = driver
        .client
        .send(command::DMA_MAP, 0, dma_map(iova, 4096, 0));
    driver.client.post(2, 8, &iova.to_be_bytes());
    driver.client.post(2, 0, &header(code::REG_SBA, 16));
    driver.client.reply_to(map).ok();
    driver.response().ok();
}

#[test]
fn descriptors_belong_to_the_message_they_came_with() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let ram = Ram::new(4096);
    let files = || {
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", daemon.pid())).unwrap();
        maps.matches("guest-ram").count()
    };
    let [without, with, after] = [IOVA, IOVA + 4096, IOVA + 8192];
    let first = client.send(command::DMA_MAP, 0, dma_map(without, 4096, 0));
    let body = dma_map(with, 4096, 0);
    client
        .wire
        .send_with_fds(&message(1, command::DMA_MAP, 0, &body), &[ram.as_fd()]);
    let last = client.send(command::DMA_MAP, 0, dma_map(after, 4096, 0));
    for id in [first, 1, last] {
        client.reply_to(id).ok();
    }
    assert_eq!(files(), 1);
    client.unmap(without, 4096).ok();
    client.unmap(after, 4096).ok();
    assert_eq!(files(), 1);
    client.unmap(with, 4096).ok();
    assert_eq!(files(), 0);
}
