//! Tests of the instruction channel, a second connection to the same function.

use std::os::fd::AsFd;

use vfio_user_ism_tests::client::{
    CONFIG, QEMU, ZPCI, access, command, dma_map, region_write, version,
};
use vfio_user_ism_tests::driver::{
    DMB, FIRST_INDEX, IOVA, RAM_LEN, SBA, channel, code, header, pcilg, target, zpci_request,
};
use vfio_user_ism_tests::errno::{EBUSY, EINVAL, EIO, ENXIO, EPERM};
use vfio_user_ism_tests::patience::eventually;
use vfio_user_ism_tests::wire::{message, u32_at, u64_at};
use vfio_user_ism_tests::{Bytes, Client, Daemon, Driver, Ram, Via};

/// Connects a client to the channel of `ism0` and exchanges VERSION.
fn open(daemon: &Daemon) -> Client {
    Client::open(&daemon.channel("ism0"))
}

/// Issues a PCISTB. Returns the errno of a refusal.
fn pcistb(client: &mut Client, pcias: u8, offset: u64, data: &[u8]) -> Option<u32> {
    let request = zpci_request(2, 0, pcias, offset, data.len() as u16);
    client.write(ZPCI, 16, &request.raw(data).0).errno()
}

#[test]
fn an_ism_driver_works_over_the_channel_by_socket_and_by_ring() {
    for via in [Via::Channel, Via::Ring] {
        let daemon = Daemon::start();
        let mut driver = Driver::probe(&daemon.only(), via);
        let gid = driver.gid();
        assert_eq!(gid, 0x1500_0000_0000_0001);
        assert_eq!(driver.run(code::QUERY_INFO, []).ok().len(), 192);
        let token = driver.register_dmb(0x4000, FIRST_INDEX, gid);
        let data: Vec<u8> = (0..4096u32).map(|at| (at * 7) as u8).collect();
        driver.put(target(token, 0, false, 0x1000), &data).ok();
        driver.put(target(token, 0, true, 3), b"odd tail").ok();
        assert_eq!(driver.irq.wait(), 1);
        assert_eq!(driver.ram.read(DMB + 0x1000, 4096), data);
        assert_eq!(driver.ram.read(DMB + 3, 8), b"odd tail");
        assert_eq!(driver.ram.read(SBA, 8), [0x80, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(driver.ram.read(SBA + 8, 1), [0x80]);
        driver.run(code::UNREG_DMB, token.to_be_bytes()).ok();
        driver.run(code::UNREG_IEQ, []).ok();
        driver.run(code::UNREG_SBA, []).ok();
        drop(driver);
        let stopped = daemon.stop();
        assert_eq!(stopped.report["violations"], 0, "{}", stopped.report);
        let function = stopped.function("ism0");
        assert_eq!(
            (&function["clients"], &function["channel_clients"]),
            (&1.into(), &1.into())
        );
        let region = &function["paths"][0];
        assert_eq!(region["path"], "region");
        assert!(region["loads"].as_u64() > Some(20) && region["stores"].as_u64() > Some(10));
        let channels: Vec<_> = stopped
            .events_named("connected")
            .map(|event| event["channel"].as_bool().unwrap())
            .collect();
        assert_eq!(channels, [false, true]);
        let channels = stopped.events_named("disconnected");
        assert_eq!(channels.filter(|event| event["channel"] == true).count(), 1);
    }
}

/// If a client posts its moves, a move that comes after its DMB is gone is no error of the function.
#[test]
fn a_client_that_posts_moves_tells_a_late_one_from_a_wrong_one() {
    const POSTS: &str = r#"{"capabilities":{"posted_moves":true}}"#;
    for (posts, late) in [(QEMU, EIO), (POSTS, ENXIO)] {
        let daemon = Daemon::start();
        let mut driver = Driver::probe(&daemon.only(), Via::Bar);
        let mut channel = Client::connect(&daemon.channel("ism0"));
        let answer = channel.request(command::VERSION, version(0, 0, posts)).ok();
        let answer = String::from_utf8(answer[4..].to_vec()).unwrap();
        assert_eq!(
            answer.contains("\"posted_moves\":true"),
            posts == POSTS,
            "{answer}"
        );
        let gid = driver.gid();
        let token = driver.register_dmb(0x4000, FIRST_INDEX, gid);
        let mut store = |offset, data: &[u8]| pcistb(&mut channel, 0, offset, data);
        assert_eq!(store(target(token, 0, false, 32), b"in time"), None);
        // This move is wrong: it is past the end of the DMB.
        assert_eq!(
            store(target(token, 0, false, 0x4000), b"outside"),
            Some(EIO)
        );
        // The memory goes before the DMB, as when a guest is reset.
        driver.client.unmap(IOVA, RAM_LEN).ok();
        assert_eq!(store(target(token, 0, false, 32), b"too late"), Some(late));
        driver.client.reset();
        assert_eq!(store(target(token, 0, false, 32), b"too late"), Some(late));
    }
}

/// All waiting messages are received, judged and answered together.
#[test]
fn many_stores_in_one_go_are_answered_in_order() {
    let daemon = Daemon::start();
    let mut driver = Driver::probe(&daemon.only(), Via::Bar);
    let mut client = open(&daemon);
    let gid = driver.gid();
    let token = driver.register_dmb(0x4000, FIRST_INDEX, gid);
    let mut stream = Vec::new();
    for id in 0..200_u16 {
        // Every tenth move is past the end of the DMB.
        let at = if id % 10 == 9 {
            0x4000
        } else {
            u64::from(id) * 64
        };
        let request = zpci_request(2, 0, 0, target(token, 0, false, at), 64);
        let body = region_write(ZPCI, 16, &request.raw(&[id as u8; 64]).0);
        stream.extend(message(id, command::REGION_WRITE, 0, &body));
    }
    client.wire.send(&stream);
    for id in 0..200_u16 {
        let refused = (id % 10 == 9).then_some(EIO);
        assert_eq!(client.reply_to(id).errno(), refused, "{id}");
    }
    for id in (0..200_u64).filter(|id| id % 10 != 9) {
        assert_eq!(driver.ram.read(DMB + id * 64, 64), [id as u8; 64]);
    }
    // The descriptor belongs to none of these messages, so one of them is refused.
    let one = |id, at: u64| {
        let request = zpci_request(2, 0, 0, target(token, 0, false, at), 8);
        let body = region_write(ZPCI, 16, &request.raw(&[0xAA; 8]).0);
        message(id, command::REGION_WRITE, 0, &body)
    };
    let fd = std::fs::File::open("/dev/null").unwrap();
    client
        .wire
        .send_with_fds(&[one(1, 0), one(2, 8)].concat(), &[fd.as_fd()]);
    let answers = [1, 2].map(|id| client.reply_to(id).errno());
    assert_eq!(answers.iter().flatten().collect::<Vec<_>>(), [&EINVAL]);
    assert_eq!(
        pcistb(&mut client, 0, target(token, 0, false, 0), b"goes on"),
        None
    );
}

#[test]
fn a_load_on_one_connection_sees_the_stores_of_the_other() {
    let daemon = Daemon::start();
    let (mut main, mut other) = (daemon.client(), open(&daemon));
    let gid = header(code::READ_GID, 8);
    for round in 0..50 {
        // One client issues a command and the other loads its response, and the reverse.
        assert_eq!(pcistb(&mut other, 2, 0, &gid), None);
        assert_eq!(main.read(2, 8, 8).data()[7], 1, "{round}");
        main.write(2, 0, &header(code::QUERY_INFO, 8)).ok();
        assert_eq!(
            pcilg(&mut other, 2, 0, 8).unwrap(),
            [0, 0, 0, 8, 0, 0, 0, 200]
        );
        assert_eq!(main.read(2, 0, 8).data(), [0, 0, 0, 8, 0, 0, 0, 200]);
    }
}

#[test]
fn each_connection_has_its_own_register_image() {
    let daemon = Daemon::start();
    let (mut main, mut other) = (daemon.client(), open(&daemon));
    other.read(ZPCI, 48, 8).refused(EINVAL);
    main.write(2, 0, &header(code::READ_GID, 8)).ok();
    let load = |client: &mut Client, offset| {
        let request = zpci_request(1, 0, 2, offset, 8);
        client.write(ZPCI, 16, &request.0).ok();
    };
    load(&mut main, 8);
    other.read(ZPCI, 48, 8).refused(EINVAL);
    load(&mut other, 0);
    assert_eq!(main.read(ZPCI, 48, 8).data(), [0x15, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(other.read(ZPCI, 48, 8).data(), [0, 0, 0, 3, 0, 0, 0, 16]);
    // A reset by one client clears its own loaded value, but not the other's.
    main.reset();
    main.read(ZPCI, 48, 8).refused(EINVAL);
    assert_eq!(other.read(ZPCI, 48, 8).data(), [0, 0, 0, 3, 0, 0, 0, 16]);
}

#[test]
fn the_channel_describes_the_device_and_the_zpci_region() {
    let daemon = Daemon::with_device(&serde_json::json!({ "payload_carrier": "iova" }));
    let mut client = open(&daemon);
    let info = client.request(
        command::GET_INFO,
        [16u32, 0, 0, 0].map(u32::to_ne_bytes).concat(),
    );
    assert_eq!(u32_at(&info.ok(), 8), 10);
    let ask = |index: u32| [32, 0, index, 0, 0, 0, 0, 0].map(u32::to_ne_bytes).concat();
    let region = client.request(command::GET_REGION_INFO, ask(9)).ok();
    assert_eq!(u64_at(&region, 16), 48 + 4096, "payload is appended here");
    let region = client.request(command::GET_REGION_INFO, ask(0)).ok();
    assert_eq!(u64_at(&region, 16), 1 << 48);
    assert_eq!(client.read(ZPCI, 8, 2).data(), 4096u16.to_ne_bytes());
}

#[test]
fn the_channel_appends_payloads_whatever_carrier_the_profile_names() {
    for carrier in ["auto", "appended", "iova", "process"] {
        let daemon = Daemon::with_device(&serde_json::json!({ "payload_carrier": carrier }));
        let mut driver = Driver::probe(&daemon.only(), Via::Channel);
        assert_eq!(driver.gid(), 0x1500_0000_0000_0001, "{carrier}");
        // gaddr is in the memory of the other connection, and is ignored.
        let channel = driver.channel.as_mut().unwrap();
        let from_memory = zpci_request(2, IOVA, 2, 8, 8);
        channel.write(ZPCI, 16, &from_memory.0).refused(EINVAL);
    }
}

#[test]
fn requests_that_are_no_instructions_are_not_permitted() {
    let daemon = Daemon::start();
    let mut client = open(&daemon);
    let ram = Ram::new(0x1000);
    for number in [0, 2, 3, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18, 99, 0xffff] {
        client.request(number, []).refused(EPERM);
    }
    client.map(0, 0x1000, &ram, 0).refused(EPERM);
    client
        .request(command::DMA_MAP, dma_map(0, 0x1000, 0))
        .refused(EPERM);
    for region in [0, 1, 2, 4, CONFIG, 8, 10] {
        client.read(region, 0, 8).refused(EPERM);
        client.write(region, 0, &[0; 8]).refused(EPERM);
    }
    let request = access(ZPCI, 8, 2);
    let with_fd = client.request_with(command::REGION_READ, request, &[ram.as_fd()]);
    with_fd.refused(EINVAL);
    client
        .request(command::VERSION, version(0, 0, QEMU))
        .refused(EINVAL);
    // The channel still works, and the requests had no effect.
    assert_eq!(client.read(ZPCI, 8, 2).data(), 4096u16.to_ne_bytes());
    drop(client);
    assert_eq!(daemon.stop().function("ism0")["dma_maps"], 0);
}

#[test]
fn version_comes_first_on_the_channel() {
    let daemon = Daemon::start();
    let mut client = Client::connect(&daemon.channel("ism0"));
    client.send(
        command::GET_INFO,
        0,
        [16u32, 0, 0, 0].map(u32::to_ne_bytes).concat(),
    );
    client.wire.expect_closed();
}

#[test]
fn a_second_client_is_told_that_the_channel_is_busy() {
    let daemon = Daemon::start();
    let mut first = open(&daemon);
    let mut second = Client::connect(&daemon.channel("ism0"));
    second
        .request(command::VERSION, version(0, 0, QEMU))
        .refused(EBUSY);
    second.wire.expect_closed();
    // Neither affects the device's own socket.
    daemon.client().reset();
    assert_eq!(first.read(ZPCI, 8, 2).data(), 4096u16.to_ne_bytes());
    drop(first);
    let stopped = daemon.stop();
    assert_eq!(stopped.function("ism0")["clients_refused"], 1);
    let refused: Vec<_> = stopped.events_named("client-refused").collect();
    assert_eq!((refused.len(), &refused[0]["channel"]), (1, &true.into()));
}

#[test]
fn a_channel_that_dies_inside_a_message_leaves_the_other_working() {
    let daemon = Daemon::start();
    let mut driver = Driver::probe(&daemon.only(), Via::Bar);
    let gid = driver.gid();
    let token = driver.register_dmb(0x4000, FIRST_INDEX, gid);
    let request = zpci_request(2, 0, 0, target(token, 0, false, 0), 4096).raw(&[7; 4096]);
    let body = access(ZPCI, 16, 32 + 4096).raw(&request.0).0;
    let whole = message(9, command::REGION_WRITE, 0, &body);
    for cut in [1, 15, 16, 17, 40, 63, 1000, whole.len() - 1] {
        let mut client = Client::open(&daemon.channel("ism0"));
        client.wire.send(&whole[..cut]);
        drop(client);
        assert_eq!(driver.gid(), gid, "cut at {cut}");
    }
    assert_eq!(
        driver.ram.read(DMB, 4096),
        [0; 4096],
        "no cut store is carried out"
    );
    // A complete request is carried out, although nobody waits for its reply.
    let mut client = Client::open(&daemon.channel("ism0"));
    client.wire.send(&whole);
    drop(client);
    eventually("the store is carried out", || {
        (driver.ram.read(DMB, 4096) == [7; 4096]).then_some(())
    });
    driver.put(target(token, 0, true, 0), &[1; 8]).ok();
    assert_eq!(driver.irq.wait(), 1);
}

#[test]
fn a_client_that_dies_inside_a_message_leaves_the_channel_working() {
    let daemon = Daemon::start();
    let mut driver = Driver::probe(&daemon.only(), Via::Channel);
    let gid = driver.gid();
    let token = driver.register_dmb(0x4000, FIRST_INDEX, gid);
    let Driver {
        client,
        channel,
        ram,
        ..
    } = driver;
    let (mut client, mut channel) = (client, channel.unwrap());
    client
        .wire
        .send(&message(9, command::REGION_WRITE, 0, &[0; 24])[..30]);
    drop(client);
    daemon.wait_until_free();
    // Commands still work. The memory is gone, and a move into it fails instead of waiting.
    assert_eq!(pcistb(&mut channel, 2, 0, &header(code::READ_GID, 8)), None);
    assert_eq!(pcilg(&mut channel, 2, 8, 8).unwrap(), gid.to_be_bytes());
    assert_eq!(
        pcistb(&mut channel, 0, target(token, 0, false, 0), &[1; 8]),
        Some(EIO)
    );
    assert_eq!(ram.read(DMB, 8), [0; 8]);
    // The next client brings the memory back.
    let mut client = daemon.client();
    client.map(IOVA, 4 << 20, &ram, 0).ok();
    assert_eq!(
        pcistb(&mut channel, 0, target(token, 0, false, 0), &[1; 8]),
        None
    );
    assert_eq!(ram.read(DMB, 8), [1; 8]);
}

#[test]
fn the_channel_works_while_no_device_client_is_connected() {
    let daemon = Daemon::start();
    for _ in 0..3 {
        let mut client = Client::open(&daemon.channel("ism0"));
        assert_eq!(pcistb(&mut client, 2, 0, &header(code::READ_GID, 8)), None);
        let response = pcilg(&mut client, 2, 0, 8).unwrap();
        assert_eq!(response, [0, 0, 0, 3, 0, 0, 0, 16]);
    }
}

#[test]
fn a_function_with_only_a_channel_client_is_gone_when_that_client_leaves() {
    let daemon = Daemon::with_profile("pair");
    let mut driver = Driver::attach(&daemon.socket("ism0"), Via::Bar);
    let reaches = |driver: &mut Driver| {
        let other = Bytes::new().be64(0x1500_0000_0000_0002).be64(0);
        driver.run(code::QUERY_RGID, other).code == 0
    };
    let mut other = Client::open(&daemon.channel("ism1"));
    assert_eq!(pcistb(&mut other, 2, 0, &header(code::READ_GID, 8)), None);
    assert!(reaches(&mut driver));
    drop(other);
    eventually("it is gone", || (!reaches(&mut driver)).then_some(()));
    // A channel client that leaves a function with a device client has no effect on the function.
    let mut device = Driver::attach(&daemon.socket("ism1"), Via::Bar);
    device.gid();
    drop(Client::open(&daemon.channel("ism1")));
    drop(Client::open(&daemon.channel("ism1")));
    assert!(reaches(&mut driver), "the first of the two has left");
}

#[test]
fn every_function_has_its_own_channel() {
    let daemon = Daemon::with_profile("pair");
    let mut drivers =
        ["ism0", "ism1"].map(|name| Driver::probe(&daemon.socket(name), Via::Channel));
    let gids = [0, 1].map(|at| drivers[at].gid());
    assert_eq!(gids, [0x1500_0000_0000_0001, 0x1500_0000_0000_0002]);
    // Both move at the same time, each into the other's memory.
    let tokens = [0, 1].map(|at| drivers[at].register_dmb(0x4000, FIRST_INDEX, gids[1 - at]));
    std::thread::scope(|scope| {
        for (at, driver) in drivers.iter_mut().enumerate() {
            let token = tokens[1 - at];
            scope.spawn(move || {
                for round in 0..200u32 {
                    let data = [round as u8 + at as u8; 1024];
                    driver.put(target(token, 0, true, 1024), &data).ok();
                    assert_eq!(driver.gid(), gids[at]);
                }
            });
        }
    });
    for (at, driver) in drivers.iter().enumerate() {
        assert!(driver.irq.wait() >= 1);
        let last = 199 + 1 - at as u8;
        assert_eq!(driver.ram.read(DMB + 1024, 1024), [last; 1024]);
    }
    drop(drivers);
    assert_eq!(daemon.stop().report["violations"], 0);
}

#[test]
fn a_run_of_pieces_is_not_cut_by_the_other_connection_being_idle() {
    let daemon = Daemon::start();
    let (mut main, mut other) = (daemon.client(), open(&daemon));
    // The device client has accessed the function while the channel's run was open.
    for at in 0..4 {
        assert_eq!(pcistb(&mut other, 2, 8 + 8 * at, &[0; 8]), None);
        main.read(CONFIG, 0, 2).ok();
    }
    drop((main, other));
    let stopped = daemon.stop();
    let runs: Vec<_> = stopped.events_named("violation").collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    assert_eq!(
        (&runs[0]["rule"], &runs[0]["pieces"]),
        (&"split-block-store".into(), &4.into())
    );
    assert_eq!(runs[0]["path"], "region");
}

#[test]
fn the_channel_socket_is_private_and_removed_at_the_end() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("x.sock");
    let mut serve = vfio_user_ism_tests::program::command();
    serve
        .arg("--socket-path")
        .arg(&socket)
        .args(["--ready-fd", "1"]);
    let daemon = Daemon::wait_ready(serve, folder);
    let path = channel(&socket);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let plugin = daemon.announced.lines().nth(1).unwrap();
    assert!(plugin.starts_with("-plugin file="), "{plugin}");
    assert!(plugin.contains("libvfio_user_ism_plugin.so,"), "{plugin}");
    assert!(
        plugin.ends_with(&format!(",forward={}", path.display())),
        "{plugin}"
    );
    assert_eq!(
        pcistb(&mut Client::open(&path), 2, 0, &header(code::READ_GID, 8)),
        None
    );
    daemon.signal(rustix::process::Signal::TERM);
    eventually("the socket is removed", || (!path.exists()).then_some(()));
}
