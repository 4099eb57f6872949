//! Tests of the error interrupt (VFIO_PCI_ERR_IRQ_INDEX): SIGUSR2 puts every function into the error state,
//! and a reset ends it.

use rustix::process::Signal;
use vfio_user_ism_tests::client::irq::{BOOL, EVENTFD, MASK, NONE, TRIGGER, UNMASK};
use vfio_user_ism_tests::client::{CONFIG, ZPCI, command, set_irqs};
use vfio_user_ism_tests::errno::{EINVAL, EIO, ENOTTY};
use vfio_user_ism_tests::patience::eventually;
use vfio_user_ism_tests::{Bytes, Daemon, Driver, Via};

const ERROR: u32 = 3;
const REQUEST: u32 = 4;

#[test]
fn an_error_is_signalled_and_lasts_until_a_reset() {
    let daemon = Daemon::start();
    let mut driver = Driver::attach(&daemon.only(), Via::Bar);
    let error = driver.client.eventfd(ERROR);
    driver.gid();
    daemon.signal(Signal::USR2);
    error.wait();
    driver.client.read(2, 0, 8).refused(EIO);
    driver.client.write(2, 8, &[0; 8]).refused(EIO);
    driver.client.write(0, 0, &[0; 8]).refused(EIO);
    driver.client.read(ZPCI, 0, 16).refused(EIO);
    assert_eq!(driver.client.read(CONFIG, 0, 2).data(), [0x14, 0x10]);
    assert_eq!(error.take(), 0, "once");
    driver.client.reset();
    driver.gid();
    drop(driver);
    let stopped = daemon.stop();
    assert_eq!(stopped.events_named("error").count(), 1);
}

#[test]
fn the_error_state_outlasts_its_client_and_is_every_functions_own() {
    let daemon = Daemon::with_profile("pair");
    let mut first = Driver::attach(&daemon.socket("ism0"), Via::Bar);
    let error = first.client.eventfd(ERROR);
    daemon.signal(Signal::USR2);
    error.wait();
    let mut second = Driver::attach(&daemon.socket("ism1"), Via::Bar);
    eventually("the other function fails after it", || {
        second.client.read(2, 0, 8).errno()
    });
    second.client.read(2, 0, 8).refused(EIO);
    second.client.reset();
    second.gid();
    first.client.read(2, 0, 8).refused(EIO);
}

#[test]
fn the_error_interrupt_is_triggered_and_never_masked() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let error = client.eventfd(ERROR);
    for (flags, bools) in [(NONE | TRIGGER, &[][..]), (BOOL | TRIGGER, &[1])] {
        client
            .request(command::SET_IRQS, set_irqs(flags, ERROR, 0, 1, bools))
            .ok();
        assert_eq!(error.take(), 1);
    }
    for action in [MASK, UNMASK] {
        client
            .request(command::SET_IRQS, set_irqs(NONE | action, ERROR, 0, 1, &[]))
            .refused(ENOTTY);
    }
    for body in [
        set_irqs(NONE | TRIGGER, ERROR, 1, 1, &[]),
        set_irqs(NONE | TRIGGER, ERROR, 0, 2, &[]),
        set_irqs(NONE | TRIGGER, ERROR, 1, 0, &[]),
        set_irqs(EVENTFD | TRIGGER, ERROR, 1, 1, &[]),
        set_irqs(NONE | TRIGGER, REQUEST, 0, 1, &[]),
    ] {
        client.request(command::SET_IRQS, body).refused(EINVAL);
    }
    // Without an eventfd, nobody is informed.
    client
        .request(
            command::SET_IRQS,
            set_irqs(NONE | TRIGGER, ERROR, 0, 0, &[]),
        )
        .ok();
    daemon.signal(Signal::USR2);
    while client.read(2, 0, 8).errno().is_none() {}
    assert_eq!(error.take(), 0);
}

#[test]
fn the_error_index_is_an_eventfd_of_one_vector_that_cannot_be_masked() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let info = |index| Bytes::new().u32(16).u32(0).u32(index).u32(0);
    let reply = client.request(command::GET_IRQ_INFO, info(ERROR)).ok();
    // It is an eventfd and not resizable, as in Linux.
    assert_eq!(reply, Bytes::new().u32(16).u32(1 | 8).u32(ERROR).u32(1).0);
    let reply = client.request(command::GET_IRQ_INFO, info(REQUEST)).ok();
    assert_eq!(reply, Bytes::new().u32(16).u32(0).u32(REQUEST).u32(0).0);
}
