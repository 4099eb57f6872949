//! Tests of DEVICE_GET_IRQ_INFO: one MSI vector, and one MSI-X vector if the profile has it.

use serde_json::json;
use vfio_user_ism_tests::client::{command, irq::MSI};
use vfio_user_ism_tests::errno::EINVAL;
use vfio_user_ism_tests::wire::{Bytes, u32_at};
use vfio_user_ism_tests::{Client, Daemon};

const EVENTFD: u32 = 1;

#[track_caller]
fn counts(client: &mut Client) -> Vec<u32> {
    let all = (0..5).map(|index| {
        let body = Bytes::new().u32(16).u32(0).u32(index).u32(0);
        let info = client.request(command::GET_IRQ_INFO, body).ok();
        assert_eq!(
            (info.len(), u32_at(&info, 0), u32_at(&info, 8)),
            (16, 16, index)
        );
        let count = u32_at(&info, 12);
        assert_eq!(u32_at(&info, 4) & EVENTFD, u32::from(count > 0));
        count
    });
    all.collect()
}

#[test]
fn msi_and_msix_have_one_vector() {
    let daemon = Daemon::start();
    assert_eq!(counts(&mut daemon.client()), [0, 1, 1, 1, 0]);
}

#[test]
fn a_profile_can_leave_out_msix() {
    let daemon = Daemon::with_device(&json!({ "msix": false }));
    assert_eq!(counts(&mut daemon.client()), [0, 1, 0, 1, 0]);
}

#[test]
fn bad_irq_info_requests_are_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let request = |argsz, index| Bytes::new().u32(argsz).u32(0).u32(index).u32(0).0;
    for body in [
        vec![],
        vec![16, 0, 0, 0],
        request(15, MSI),
        request(16, 5),
        request(16, u32::MAX),
    ] {
        client.request(command::GET_IRQ_INFO, body).refused(EINVAL);
    }
    client.request(command::GET_IRQ_INFO, request(16, MSI)).ok();
}
