//! Tests of clients that break the control socket's protocol. No other client notices.

use std::path::PathBuf;

use serde_json::json;
use vfio_user_ism_tests::driver::{DMB, FIRST_INDEX, target};
use vfio_user_ism_tests::patience::eventually;
use vfio_user_ism_tests::{Control, Daemon, Driver, Via, program};

/// Starts a server with a control socket, and a driver that must notice nothing.
fn served() -> (Daemon, PathBuf, Driver) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control");
    let arguments = [
        "--control",
        socket.to_str().unwrap(),
        "--sandbox",
        "required",
    ];
    let daemon = Daemon::spawn(program::command(), folder, &arguments);
    let driver = Driver::probe(&daemon.only(), Via::Region);
    (daemon, socket, driver)
}

/// Checks that function and control socket work.
#[track_caller]
fn works(socket: &std::path::Path, driver: &mut Driver) {
    let mut control = Control::connect(socket);
    control.ok(&json!({ "request": "functions" }));
    assert_ne!(driver.gid(), 0);
}

#[test]
fn a_line_too_long_is_told_and_hung_up_on() {
    let (daemon, socket, mut driver) = served();
    let mut control = Control::connect(&socket);
    // The server may close the connection before everything is sent.
    let _ = control.send(&vec![b'x'; 1 << 20]);
    if let Some(line) = control.line() {
        assert_eq!(line["ok"], false);
        assert!(
            line["error"].as_str().unwrap().contains("65536 bytes"),
            "{line}"
        );
    }
    works(&socket, &mut driver);
    assert_eq!(daemon.stop().ended.code, Some(0));
}

#[test]
fn a_line_too_long_is_refused_with_its_end_too() {
    let (_daemon, socket, _driver) = served();
    let mut client = Control::connect(&socket);
    let request = json!({ "request": "faults" }).to_string();
    let spaces = " ".repeat((64 << 10) + 1 - request.len());
    let line = format!("{request}{spaces}\n");
    client.send(line.as_bytes()).unwrap();
    let told = client.line().unwrap()["error"].to_string();
    assert!(told.contains("more than 65536 bytes"), "{told}");
}

#[test]
fn a_line_as_long_as_may_be_is_read() {
    let (_daemon, socket, _driver) = served();
    let mut control = Control::connect(&socket);
    let request = json!({ "request": "functions" }).to_string();
    let spaces = " ".repeat((64 << 10) - request.len());
    control
        .send(format!("{request}{spaces}\n").as_bytes())
        .unwrap();
    assert_eq!(control.line().unwrap()["ok"], true);
}

#[test]
fn noise_and_half_lines_harm_nobody() {
    let (daemon, socket, mut driver) = served();
    let mut noise: Vec<u8> = (0..=255).cycle().take(4096).collect();
    noise.push(b'\n');
    for bytes in [
        &noise[..],
        b"{\"request\":",
        b"\0\0\0",
        b"\n\n\n\n",
        b"[[[[[[[[",
        b"",
    ] {
        let mut control = Control::connect(&socket);
        control.send(bytes).unwrap();
        drop(control);
        works(&socket, &mut driver);
    }
    let deep = format!("{{\"request\":\"set\",\"fault\":{}\n", "[".repeat(60_000));
    let mut control = Control::connect(&socket);
    control.send(deep.as_bytes()).unwrap();
    assert_eq!(control.line().unwrap()["ok"], false);
    works(&socket, &mut driver);
    assert_eq!(daemon.stop().ended.code, Some(0));
}

#[test]
fn clients_are_limited_and_a_place_is_free_again() {
    let (_daemon, socket, mut driver) = served();
    let mut clients: Vec<Control> = (0..16).map(|_| Control::connect(&socket)).collect();
    for control in &mut clients {
        control.ok(&json!({ "request": "faults" }));
    }
    let mut one_more = Control::connect(&socket);
    let line = one_more.line().expect("a reason");
    assert!(
        line["error"].as_str().unwrap().contains("16 clients"),
        "{line}"
    );
    assert!(one_more.line().is_none());
    assert_ne!(driver.gid(), 0);
    clients.pop();
    eventually("a place is free", || {
        let mut control = Control::connect(&socket);
        control.send(b"{\"request\":\"faults\"}\n").ok()?;
        (control.line()?["ok"] == true).then_some(())
    });
}

#[test]
fn a_client_that_reads_nothing_holds_nobody_up() {
    let (daemon, socket, mut driver) = served();
    let mut deaf = Control::connect(&socket);
    // Answers pile up until the server waits only for this client, and then closes the connection.
    let mut sent = 0;
    while sent < 20_000 && deaf.send(b"{\"request\":\"metrics\"}\n").is_ok() {
        sent += 1;
        if sent % 64 == 0 {
            works(&socket, &mut driver);
        }
    }
    works(&socket, &mut driver);
    assert_eq!(daemon.stop().ended.code, Some(0));
}

#[test]
fn a_follower_that_reads_nothing_holds_nobody_up() {
    let (daemon, socket, mut driver) = served();
    let mut deaf = Control::connect(&socket);
    deaf.ok(&json!({ "request": "events" }));
    let gid = driver.gid();
    let token = driver.register_dmb(1 << 16, FIRST_INDEX, gid);
    // These are some 24 MB of events.
    for n in 0..3000_u64 {
        driver
            .put(target(token, 0, false, n % 8 * 4096), &[n as u8; 4096])
            .ok();
    }
    assert_eq!(driver.ram.read(DMB, 1).len(), 1);
    works(&socket, &mut driver);
    assert_eq!(daemon.stop().ended.code, Some(0));
    drop(deaf);
}

#[test]
fn more_faults_than_the_limit_are_refused() {
    let (_daemon, socket, mut driver) = served();
    let mut control = Control::connect(&socket);
    for n in 0..256 {
        control.set(&json!({ "id": format!("f{n}"), "do": "lose-interrupt" }));
    }
    let why =
        control.refused(&json!({ "request": "set", "fault": { "id": "more", "do": "lose-data" } }));
    assert!(why.contains("256 faults"), "{why}");
    control.set(&json!({ "id": "f7", "do": "lose-data" }));
    works(&socket, &mut driver);
}

#[test]
fn faults_come_and_go_while_a_function_works() {
    let (daemon, socket, mut driver) = served();
    let gid = driver.gid();
    let token = driver.register_dmb(4096, FIRST_INDEX, gid);
    let changing = std::thread::spawn(move || {
        let mut control = Control::connect(&socket);
        for n in 0..200 {
            control.set(
                &json!({ "id": format!("f{}", n % 9), "when": { "probability": 0.5, "seed": n },
                "do": { "delay-move": { "ms": 1 + n % 3 } } }),
            );
            control.set(&json!({ "id": "i", "do": { "repeat-interrupt": { "times": 3 } } }));
            if n % 10 == 9 {
                control.clear();
            }
        }
        control.clear();
    });
    while !changing.is_finished() {
        driver.put(target(token, 0, true, 0), &[1; 64]).ok();
    }
    changing.join().unwrap();
    eventually("a later move is there", || {
        // A delayed one may come after it, once more.
        driver.put(target(token, 0, true, 0), &[2; 64]).ok();
        (driver.ram.read(DMB, 64) == [2; 64]).then_some(())
    });
    assert_eq!(daemon.stop().ended.code, Some(0));
}

#[test]
fn more_is_put_off_than_may_be_and_comes_at_once() {
    let (daemon, socket, mut driver) = served();
    let mut control = Control::connect(&socket);
    control.set(&json!({ "id": "late", "do": { "delay-move": { "ms": 600_000 } } }));
    let gid = driver.gid();
    let token = driver.register_dmb(4096, FIRST_INDEX, gid);
    for _ in 0..4096 {
        driver.post(target(token, 0, false, 0), &[1; 8]);
    }
    driver.gid();
    assert_eq!(driver.ram.read(DMB, 8), [0; 8]);
    driver.put(target(token, 0, false, 0), &[2; 8]).ok();
    assert_eq!(driver.ram.read(DMB, 8), [2; 8]);
    assert_eq!(daemon.stop().ended.code, Some(0));
}
