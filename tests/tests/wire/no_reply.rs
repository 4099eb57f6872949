//! Tests of the no-reply flag: no reply comes for any outcome.

use vfio_user_ism_tests::Daemon;
use vfio_user_ism_tests::client::{CONFIG, access, command, dma_map, set_irqs};
use vfio_user_ism_tests::driver::IOVA;
use vfio_user_ism_tests::errno::EEXIST;
use vfio_user_ism_tests::wire::NO_REPLY;

#[test]
fn a_request_with_no_reply_gets_none_for_success_or_failure() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    client.post(CONFIG, 0x3c, &[1]);
    client.post(6, 0, &[1]);
    client.post(0, 0x1234_0000_0000, &[1; 8]);
    client.send(command::REGION_READ, NO_REPLY, access(CONFIG, 0, 4));
    client.send(command::SET_IRQS, NO_REPLY, set_irqs(0, 9, 9, 9, &[]));
    client.send(command::RESET, NO_REPLY, []);
    client.send(99, NO_REPLY, [1, 2, 3]);
    // The next reply is that of the next request that wants one.
    assert_eq!(client.read(CONFIG, 0, 2).data(), [0x14, 0x10]);
}

#[test]
fn a_request_with_no_reply_is_carried_out() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    client.send(command::DMA_MAP, NO_REPLY, dma_map(IOVA, 4096, 0));
    client.map_without_fd(IOVA, 4096).refused(EEXIST);
}

#[test]
fn a_posted_write_that_breaks_a_rule_is_recorded() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    client.post(0, 0x1234_0000_0000, &[1; 16]);
    client.reset();
    drop(client);
    let stopped = daemon.stop();
    assert_eq!(stopped.rules(), ["unknown-dmb"]);
    let store = stopped.events_named("store").next().unwrap();
    assert_eq!(store["posted"], true);
    assert_eq!(store["result"], "rejected");
    assert!(
        stopped.ended.stderr.contains("unknown-dmb"),
        "{}",
        stopped.ended.stderr
    );
}
