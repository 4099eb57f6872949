//! Tests of the state that outlives a client, and of a second client.

use vfio_user_ism_tests::client::irq::{MSI, NONE, TRIGGER};
use vfio_user_ism_tests::client::{CONFIG, QEMU, command, set_irqs, version};
use vfio_user_ism_tests::driver::{FIRST_INDEX, IOVA, RAM_LEN, code, target};
use vfio_user_ism_tests::errno::{EBUSY, EIO};
use vfio_user_ism_tests::patience::eventually;
use vfio_user_ism_tests::{Client, Daemon, Driver, Ram, Via};

#[test]
fn after_a_client_device_state_stays_and_maps_and_interrupts_go() {
    let daemon = Daemon::start();
    let mut driver = Driver::probe(&daemon.only(), Via::Bar);
    let gid = driver.gid();
    let token = driver.register_dmb(4096, FIRST_INDEX, gid);
    driver.client.write(CONFIG, 0x3c, &[7]).ok();
    let Driver {
        client, ram, irq, ..
    } = driver;
    drop(client);
    daemon.wait_until_free();

    let mut client = daemon.client();
    assert_eq!(client.read(CONFIG, 0x3c, 1).data(), [7]);
    // The buffer is registered, but its memory is gone.
    client
        .write(0, target(token, 0, true, 0), &[1; 8])
        .refused(EIO);
    client
        .request(command::SET_IRQS, set_irqs(NONE | TRIGGER, MSI, 0, 1, &[]))
        .ok();
    assert_eq!(irq.take(), 0, "the old client's eventfd is gone");
    client.map(IOVA, RAM_LEN, &ram, 0).ok();
    client.write(0, target(token, 0, true, 0), &[1; 8]).ok();
    assert_eq!(ram.read(vfio_user_ism_tests::driver::DMB, 8), [1; 8]);
}

#[test]
fn no_descriptor_of_a_client_stays_open() {
    let daemon = Daemon::start();
    let resources = || {
        let open = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid()))
            .unwrap()
            .count();
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", daemon.pid())).unwrap();
        (open, maps.matches("guest-ram").count())
    };
    let come_and_go = || {
        drop(Driver::attach(&daemon.only(), Via::Bar));
        daemon.wait_until_free();
    };
    // After the first client, the descriptors that the server opens at its start are closed.
    come_and_go();
    let before = resources();
    (0..5).for_each(|_| come_and_go());
    assert_eq!(resources(), before);
}

#[test]
fn one_client_after_the_other_is_served() {
    let daemon = Daemon::start();
    for _ in 0..20 {
        let mut client = daemon.client();
        client.map(IOVA, 4096, &Ram::new(4096), 0).ok();
        drop(client);
        daemon.wait_until_free();
    }
    let stopped = daemon.stop();
    assert_eq!(stopped.function("ism0")["clients"], 20);
    assert_eq!(stopped.events_named("disconnected").count(), 20);
}

#[test]
fn a_second_client_is_refused_at_once_and_the_first_not_disturbed() {
    let daemon = Daemon::start();
    let mut first = daemon.client();
    first.map(IOVA, 4096, &Ram::new(4096), 0).ok();
    for _ in 0..3 {
        let mut second = Client::connect(&daemon.only());
        second
            .request(command::VERSION, version(0, 0, QEMU))
            .refused(EBUSY);
        second.wire.expect_closed();
        first.unmap(IOVA, 4096).ok();
        first.map(IOVA, 4096, &Ram::new(4096), 0).ok();
    }
    drop(first);
    let stopped = daemon.stop();
    assert_eq!(stopped.function("ism0")["clients_refused"], 3);
    assert_eq!(stopped.events_named("client-refused").count(), 3);
}

#[test]
fn a_second_client_that_says_nothing_is_hung_up_on() {
    let daemon = Daemon::start();
    let mut first = daemon.client();
    let mut second = Client::connect(&daemon.only());
    second.wire.expect_closed();
    first.reset();
}

#[test]
fn a_half_closed_connection_gets_its_answers_and_ends() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let id = client.send(command::RESET, 0, []);
    client.wire.finish();
    client.reply_to(id).ok();
    client.wire.expect_closed();
    daemon.wait_until_free();
}

#[test]
fn a_client_that_is_killed_mid_message_frees_the_function() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    client.wire.send(&[1, 0, 13, 0, 16]);
    drop(client);
    daemon.wait_until_free();
    let mut driver = Driver::attach(&daemon.only(), Via::Region);
    driver.run(code::READ_GID, []).ok();
    eventually("the log tells of it", || {
        daemon.stderr().contains("5 bytes into").then_some(())
    });
}
