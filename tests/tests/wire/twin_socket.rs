//! Tests of the twin socket: the server's commands, and the replies to them, on a separate socket.

use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};
use vfio_user_ism_tests::client::{command, dma_unmap, irq::MSI, version};
use vfio_user_ism_tests::driver::target;
use vfio_user_ism_tests::lender::{BUFFER, LEN, Layout, Lender};
use vfio_user_ism_tests::wire::{Message, NO_REPLY, Wire, message, u64_at};
use vfio_user_ism_tests::{Client, Daemon};

/// Sends VERSION with these capabilities. Returns the server's capabilities and descriptors.
fn agree(client: &mut Client, capabilities: &Value) -> (Value, Vec<OwnedFd>) {
    let text = json!({ "capabilities": capabilities }).to_string();
    let mut reply = client.request(command::VERSION, version(0, 0, &text));
    let fds = std::mem::take(&mut reply.fds);
    let body = reply.ok();
    let text = std::str::from_utf8(&body[4..])
        .unwrap()
        .trim_end_matches('\0');
    let answer: Value = serde_json::from_str(text).unwrap();
    (answer["capabilities"].clone(), fds)
}

fn wanted() -> Value {
    json!({ "twin_socket": { "supported": true } })
}

/// Creates a lender with a twin socket.
#[track_caller]
fn lender(daemon: &Daemon) -> (Lender, Wire) {
    let mut client = Client::connect(&daemon.only());
    let (answer, mut fds) = agree(&mut client, &wanted());
    assert_eq!(
        answer["twin_socket"],
        json!({ "supported": true, "fd_index": 0 })
    );
    assert_eq!(fds.len(), 1);
    let twin = Wire::new(UnixStream::from(fds.remove(0)));
    (Lender::over(client, Layout::Wide), twin)
}

/// Answers a command on the twin socket.
#[track_caller]
fn serve(guest: &mut Lender, twin: &mut Wire) -> Message {
    let message = twin.receive().expect("the server closed the twin socket");
    assert!(!message.is_reply());
    let at = (u64_at(&message.body, 0) - 0x1_0000_0000) as usize;
    let count = u64_at(&message.body, 8) as usize;
    let answer = if message.command == command::DMA_READ {
        [&message.body[..], &guest.memory[at..at + count]].concat()
    } else {
        guest.memory[at..at + count].copy_from_slice(&message.body[16..]);
        message.body[..12].to_vec()
    };
    twin.send(&vfio_user_ism_tests::wire::message(
        message.id,
        message.command,
        1,
        &answer,
    ));
    message
}

#[test]
fn it_is_offered_to_clients_that_ask_and_to_no_other() {
    let daemon = Daemon::start();
    for (capabilities, offered) in [
        (wanted(), true),
        (
            json!({ "twin_socket": { "supported": true }, "max_msg_fds": 1 }),
            true,
        ),
        (
            json!({ "twin_socket": { "supported": true }, "max_data_xfer_size": 4096, "max_dma_maps": 3 }),
            true,
        ),
        (json!({ "twin_socket": { "supported": false } }), false),
        (json!({ "twin_socket": {} }), false),
        (json!({}), false),
        (
            json!({ "twin_socket": { "supported": true }, "max_msg_fds": 0 }),
            false,
        ),
    ] {
        let mut client = Client::connect(&daemon.only());
        let (answer, fds) = agree(&mut client, &capabilities);
        assert_eq!(fds.len(), usize::from(offered), "{capabilities}");
        assert_eq!(
            answer.get("twin_socket").is_some(),
            offered,
            "{capabilities}"
        );
        if offered {
            assert_eq!(answer["twin_socket"]["supported"], true);
        }
        drop(client);
        daemon.wait_until_free();
    }
}

#[test]
fn the_instruction_channel_has_none() {
    let daemon = Daemon::start();
    let name = "ism0";
    let mut client = Client::connect(&daemon.channel(name));
    let (answer, fds) = agree(&mut client, &wanted());
    assert!(fds.is_empty() && answer.get("twin_socket").is_none());
}

#[test]
fn a_move_goes_over_the_twin_socket_alone() {
    let daemon = Daemon::start();
    let (mut guest, mut twin) = lender(&daemon);
    let irq = guest.client.eventfd(MSI);
    let token = guest.register();
    for n in 1..4 {
        let place = target(token, 0, true, 64 * u64::from(n));
        guest.client.write(0, place, &[n; 64]).ok();
    }
    while twin.wait_for_bytes_or(&irq) {
        serve(&mut guest, &mut twin);
    }
    irq.wait();
    while guest.memory[0x10c0..0x1100] != [3; 64] {
        serve(&mut guest, &mut twin);
    }
    assert_eq!(guest.memory[0x1040..0x1080], [1; 64]);
    assert_eq!(guest.memory[0], 0x80);
    guest.client.reset();
    assert!(
        guest.client.put_aside().is_empty(),
        "a command on the main socket"
    );
}

#[test]
fn a_client_that_always_has_messages_is_heard_on_its_twin_socket() {
    let daemon = Daemon::start();
    let (mut guest, mut twin) = lender(&daemon);
    let token = guest.register();
    for n in 1..20 {
        let place = target(token, 0, false, 64 * u64::from(n));
        guest.client.write(0, place, &[n; 64]).ok();
    }
    let mut main = UnixStream::from(guest.client.wire.as_fd().try_clone_to_owned().unwrap());
    let read = message(1, command::GET_INFO, NO_REPLY, &[16, 0, 0, 0].repeat(4));
    let many = read.repeat(100);
    std::thread::scope(|threads| {
        let served = threads.spawn(|| {
            while guest.memory[0x14c0..0x1500] != [19; 64] {
                serve(&mut guest, &mut twin);
            }
        });
        while !served.is_finished() {
            main.write_all(&many).unwrap();
        }
    });
}

#[test]
fn an_unmap_waits_for_what_is_in_flight_on_the_twin_socket() {
    let daemon = Daemon::start();
    let (mut guest, mut twin) = lender(&daemon);
    let irq = guest.client.eventfd(MSI);
    let token = guest.register();
    for n in 0..4 {
        let place = target(token, 0, true, 64 * n);
        guest.client.write(0, place, &[7; 64]).ok();
    }
    let first = serve(&mut guest, &mut twin);
    assert_eq!(u64_at(&first.body, 0), BUFFER);
    let id = guest.client.send(command::DMA_UNMAP, 0, dma_unmap(2, 0, 0));
    // At most one more command was on its way.
    let reply = guest.client.reply_to(id);
    assert_eq!(u64_at(&reply.ok(), 16), LEN);
    let mut late = 0;
    guest.client.reset();
    while twin.has_bytes() {
        serve(&mut guest, &mut twin);
        guest.client.reset();
        late += 1;
    }
    assert!(late <= 1, "{late} messages after the unmap");
    assert_eq!(irq.take(), 0);
}

#[test]
fn replies_on_the_main_socket_and_commands_on_the_twin_are_no_good() {
    let daemon = Daemon::start();
    let (mut guest, mut twin) = lender(&daemon);
    let token = guest.register();
    guest
        .client
        .write(0, target(token, 0, false, 0), &[5; 8])
        .ok();
    let asked = twin.receive().unwrap();
    // The server ignores this reply, because it answers no command.
    let stray = [&asked.body[..], &[0; 8]].concat();
    guest
        .client
        .wire
        .send(&message(asked.id, asked.command, 1, &stray));
    guest.client.reset();
    assert!(!twin.has_bytes());
    // A request is not allowed there, so the connection ends.
    twin.send(&message(1, command::RESET, 0, &[]));
    assert!(twin.receive().is_none());
    assert!(guest.client.wire.receive().is_none());
}

#[test]
fn descriptors_are_given_back_with_the_client() {
    let daemon = Daemon::start();
    let open = || {
        std::fs::read_dir(format!("/proc/{}/fd", daemon.pid()))
            .unwrap()
            .count()
    };
    let before = open();
    for _ in 0..5 {
        let (guest, twin) = lender(&daemon);
        assert_eq!(open(), before + 2);
        let _ = twin.as_fd();
        drop((guest, twin));
        daemon.wait_until_free();
    }
    assert_eq!(open(), before);
}
