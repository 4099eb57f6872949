//! Tests of DEVICE_GET_REGION_IO_FDS: the answer has no descriptors.

use vfio_user_ism_tests::Daemon;
use vfio_user_ism_tests::client::command;
use vfio_user_ism_tests::errno::EINVAL;
use vfio_user_ism_tests::wire::Bytes;

fn request(argsz: u32, flags: u32, index: u32, count: u32) -> Bytes {
    Bytes::new().u32(argsz).u32(flags).u32(index).u32(count)
}

#[test]
fn every_region_has_an_empty_answer() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for index in 0..10 {
        let reply = client.request(command::GET_REGION_IO_FDS, request(512, 0, index, 0));
        assert!(reply.fds.is_empty());
        assert_eq!(reply.ok(), request(16, 0, index, 0).0);
    }
}

#[test]
fn bad_region_io_fds_requests_are_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for (argsz, flags, index, count) in
        [(15, 0, 0, 0), (16, 1, 0, 0), (16, 0, 10, 0), (16, 0, 0, 1)]
    {
        let body = request(argsz, flags, index, count);
        client
            .request(command::GET_REGION_IO_FDS, body)
            .refused(EINVAL);
    }
    client
        .request(command::GET_REGION_IO_FDS, [])
        .refused(EINVAL);
}
