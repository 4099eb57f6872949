//! Tests of DEVICE_SET_IRQS: eventfds, masks and triggers with every kind of data.

use std::os::fd::{AsFd, BorrowedFd};

use vfio_user_ism_tests::client::irq::{BOOL, EVENTFD, MASK, MSI, MSIX, NONE, TRIGGER, UNMASK};
use vfio_user_ism_tests::client::{command, set_irqs};
use vfio_user_ism_tests::errno::EINVAL;
use vfio_user_ism_tests::{Client, Daemon, Eventfd};

/// Sends DEVICE_SET_IRQS for the only MSI vector.
fn set(client: &mut Client, flags: u32, bools: &[u8]) {
    client
        .request(command::SET_IRQS, set_irqs(flags, MSI, 0, 1, bools))
        .ok();
}

fn request(client: &mut Client, body: Vec<u8>, fds: &[BorrowedFd<'_>]) -> Option<u32> {
    client.request_with(command::SET_IRQS, body, fds).errno()
}

#[test]
fn a_trigger_signals_the_eventfd() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for index in [MSI, MSIX] {
        let eventfd = client.eventfd(index);
        for (flags, bools) in [(NONE | TRIGGER, &[][..]), (BOOL | TRIGGER, &[1])] {
            client
                .request(command::SET_IRQS, set_irqs(flags, index, 0, 1, bools))
                .ok();
            assert_eq!(eventfd.take(), 1);
        }
    }
}

#[test]
fn a_false_bool_leaves_its_vector_alone() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let eventfd = client.eventfd(MSI);
    set(&mut client, BOOL | TRIGGER, &[0]);
    assert_eq!(eventfd.take(), 0);
    set(&mut client, BOOL | MASK, &[0]);
    set(&mut client, NONE | TRIGGER, &[]);
    assert_eq!(eventfd.take(), 1);
}

#[test]
fn an_interrupt_raised_while_masked_comes_once_when_unmasked() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let eventfd = client.eventfd(MSI);
    for (mask, unmask, bools) in [
        (NONE | MASK, NONE | UNMASK, &[][..]),
        (BOOL | MASK, BOOL | UNMASK, &[1]),
    ] {
        set(&mut client, mask, bools);
        set(&mut client, NONE | TRIGGER, &[]);
        set(&mut client, NONE | TRIGGER, &[]);
        assert_eq!(eventfd.take(), 0);
        set(&mut client, unmask, bools);
        assert_eq!(eventfd.take(), 1);
        set(&mut client, unmask, bools);
        assert_eq!(eventfd.take(), 0);
    }
}

#[test]
fn a_new_eventfd_replaces_the_old_one() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let (old, new) = (client.eventfd(MSI), client.eventfd(MSI));
    set(&mut client, NONE | TRIGGER, &[]);
    assert_eq!((old.take(), new.take()), (0, 1));
}

#[test]
fn no_eventfd_or_count_zero_disables() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for disable in [
        set_irqs(EVENTFD | TRIGGER, MSI, 0, 1, &[]),
        set_irqs(NONE | TRIGGER, MSI, 0, 0, &[]),
    ] {
        let eventfd = client.eventfd(MSI);
        client.request(command::SET_IRQS, disable).ok();
        set(&mut client, NONE | TRIGGER, &[]);
        assert_eq!(eventfd.take(), 0);
    }
}

#[test]
fn disabling_an_absent_index_is_no_error() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for index in [0, 3, 4] {
        client
            .request(
                command::SET_IRQS,
                set_irqs(NONE | TRIGGER, index, 0, 0, &[]),
            )
            .ok();
    }
}

#[test]
fn bad_set_irqs_requests_are_refused_and_change_nothing() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let eventfd = client.eventfd(MSI);
    let one = |flags| set_irqs(flags, MSI, 0, 1, &[]);
    let mut short_argsz = set_irqs(BOOL | TRIGGER, MSI, 0, 1, &[1]);
    short_argsz[..4].copy_from_slice(&20_u32.to_ne_bytes());
    for body in [
        vec![],
        one(NONE | TRIGGER)[..19].to_vec(),
        [&one(NONE | TRIGGER)[..], &[0]].concat(),
        one(0),
        one(NONE),
        one(TRIGGER),
        one(NONE | BOOL | TRIGGER),
        one(NONE | MASK | UNMASK),
        one(NONE | 0x40),
        one(BOOL | TRIGGER),
        one(EVENTFD | MASK),
        set_irqs(NONE | TRIGGER, 5, 0, 0, &[]),
        set_irqs(NONE | TRIGGER, MSI, 1, 1, &[]),
        set_irqs(NONE | TRIGGER, MSI, 0, 2, &[]),
        set_irqs(NONE | TRIGGER, MSI, u32::MAX, 2, &[]),
        set_irqs(NONE | TRIGGER, 0, 0, 1, &[]),
        set_irqs(NONE | MASK, MSI, 0, 0, &[]),
        set_irqs(NONE | UNMASK, MSI, 0, 0, &[]),
        // Only start 0 disables an index.
        set_irqs(NONE | TRIGGER, MSI, 1, 0, &[]),
        set_irqs(NONE | TRIGGER, MSI, 2, 0, &[]),
        set_irqs(NONE | TRIGGER, MSI, u32::MAX, 0, &[]),
        set_irqs(NONE | TRIGGER, 0, 1, 0, &[]),
        set_irqs(BOOL | TRIGGER, MSI, 0, 0, &[]),
        set_irqs(EVENTFD | TRIGGER, MSI, 0, 0, &[]),
        set_irqs(EVENTFD | TRIGGER, MSI, 1, 1, &[]),
        set_irqs(BOOL | TRIGGER, MSI, 0, u32::MAX, &[]),
        set_irqs(NONE | TRIGGER, MSI, 0, u32::MAX, &[]),
        short_argsz,
    ] {
        assert_eq!(
            request(&mut client, body.clone(), &[]),
            Some(EINVAL),
            "{body:?}"
        );
    }
    assert_eq!(eventfd.take(), 0);
    set(&mut client, NONE | TRIGGER, &[]);
    assert_eq!(eventfd.take(), 1);
}

#[test]
fn descriptors_that_do_not_fit_are_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let (one, two) = (Eventfd::new(), Eventfd::new());
    let (_reader, pipe) = rustix::pipe::pipe().unwrap();
    let eventfds = set_irqs(EVENTFD | TRIGGER, MSI, 0, 1, &[]);
    assert_eq!(
        request(&mut client, eventfds.clone(), &[one.as_fd(), two.as_fd()]),
        Some(EINVAL)
    );
    assert_eq!(
        request(&mut client, eventfds.clone(), &[pipe.as_fd()]),
        Some(EINVAL)
    );
    let trigger = set_irqs(NONE | TRIGGER, MSI, 0, 1, &[]);
    assert_eq!(request(&mut client, trigger, &[one.as_fd()]), Some(EINVAL));
    assert_eq!(request(&mut client, eventfds, &[one.as_fd()]), None);
}

#[test]
fn a_full_eventfd_does_not_stop_the_server() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let eventfd = client.eventfd(MSI);
    rustix::io::write(&eventfd, &(u64::MAX - 1).to_ne_bytes()).unwrap();
    set(&mut client, NONE | TRIGGER, &[]);
    client.reset();
    let count = eventfd.take();
    // A server that gets no processor takes its own write for one that waits (EVENTFD_MS), and makes room for it.
    assert!([u64::MAX - 1, 1].contains(&count), "{count}");
}
