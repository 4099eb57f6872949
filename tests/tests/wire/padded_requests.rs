//! Tests of info requests like those of SPDK's client and libvfio-user's sample: as long as argsz, with zeros
//! after the request.

use vfio_user_ism_tests::Daemon;
use vfio_user_ism_tests::client::command::{
    GET_INFO, GET_IRQ_INFO, GET_REGION_INFO, GET_REGION_IO_FDS,
};
use vfio_user_ism_tests::errno::EINVAL;
use vfio_user_ism_tests::wire::u32_at;

/// The commands, and the bytes of their requests.
const REQUESTS: [(u16, usize); 4] = [
    (GET_INFO, 16),
    (GET_REGION_INFO, 32),
    (GET_IRQ_INFO, 16),
    (GET_REGION_IO_FDS, 16),
];

/// Builds a request of `len` bytes for index 2 (for the device itself in GET_INFO, which has no index).
fn request(number: u16, argsz: u32, len: usize) -> Vec<u8> {
    let mut body = vec![0; len];
    body[..4].copy_from_slice(&argsz.to_ne_bytes());
    if number != GET_INFO {
        body[8..12].copy_from_slice(&2_u32.to_ne_bytes());
    }
    body
}

#[test]
fn an_info_request_may_be_as_long_as_its_answer() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for (number, fixed) in REQUESTS {
        let plain = client.request(number, request(number, 4064, fixed)).ok();
        for len in [fixed + 1, fixed + 8, 100, 4064] {
            let reply = client.request(number, request(number, 4064, len));
            assert_eq!(reply.ok(), plain, "command {number}, {len} bytes");
        }
        assert!(u32_at(&plain, 0) <= 4064);
    }
}

#[test]
fn info_requests_padded_past_argsz_or_with_more_than_zeros_are_refused() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    for (number, fixed) in REQUESTS {
        let exact = fixed as u32;
        client
            .request(number, request(number, exact, fixed + 1))
            .refused(EINVAL);
        client
            .request(number, request(number, 100, 101))
            .refused(EINVAL);
        for at in [fixed, 4063] {
            let mut body = request(number, 4064, 4064);
            body[at] = 1;
            client.request(number, body).refused(EINVAL);
        }
        client.request(number, request(number, exact, fixed)).ok();
    }
}
