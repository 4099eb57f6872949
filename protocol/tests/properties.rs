//! What holds for every input: nothing panics, and how a stream is cut does not matter.

use proptest::prelude::*;
use vfio_user_protocol::message::{DeviceInfo, RegionInfo, Version, dma};
use vfio_user_protocol::{Header, Limits, Next, Request, next_frame};

/// The frames in `stream` when it arrives in pieces of at most `piece` bytes.
fn frames(stream: &[u8], piece: usize) -> Vec<(Header, Vec<u8>)> {
    let limits = Limits::default();
    let mut buffer = Vec::new();
    let mut frames = Vec::new();
    for part in stream.chunks(piece) {
        buffer.extend_from_slice(part);
        while let Ok(Next::Frame(frame)) = next_frame(&buffer, &limits) {
            frames.push((frame.header, frame.body.to_vec()));
            let total = frame.total;
            buffer.drain(..total);
        }
    }
    frames
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    (
        any::<u16>(),
        0u16..20,
        prop::sample::select(vec![0u32, 0x10, 1, 0x21]),
        prop::collection::vec(any::<u8>(), 0..80),
    )
        .prop_map(|(message_id, command, flags, body)| {
            let message_size = 16 + body.len() as u32;
            let mut bytes = Header {
                message_id,
                command,
                message_size,
                flags,
                error: 0,
            }
            .encode()
            .to_vec();
            bytes.extend(body);
            bytes
        })
}

proptest! {
    #[test]
    fn one_byte_at_a_time_gives_the_same_frames(messages in prop::collection::vec(message(), 0..6), piece in 1usize..40) {
        let stream = messages.concat();
        let whole = frames(&stream, usize::MAX);
        prop_assert_eq!(whole.len(), messages.len());
        prop_assert_eq!(&frames(&stream, 1), &whole);
        prop_assert_eq!(&frames(&stream, piece), &whole);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), command in any::<u16>()) {
        let _ = next_frame(&bytes, &Limits::default());
        let header = Header { message_id: 0, command: command % 20, message_size: 0, flags: 0, error: 0 };
        if let Ok(Request::Version(version)) = Request::decode(&header, &bytes) {
            let _ = version.negotiate();
        }
        let _ = DeviceInfo::decode(&bytes);
        let _ = RegionInfo::decode(&bytes);
        let _ = dma::decode_dma_read_reply(&bytes, 0, 8);
        let _ = dma::decode_dma_request(&bytes);
    }

    #[test]
    fn what_decodes_encodes_to_the_same_request(bytes in prop::collection::vec(any::<u8>(), 0..64), command in 1u16..16) {
        let header = Header { message_id: 0, command, message_size: 0, flags: 0, error: 0 };
        if let Ok(request) = Request::decode(&header, &bytes) {
            let mut out = Vec::new();
            request.encode(0, 0, &mut out);
            let again = Request::decode(&header, &out[16..]);
            // NaN-free types: equality is exact.
            prop_assert_eq!(again.unwrap(), request);
        }
    }

    #[test]
    fn a_version_reply_fits_the_request(text in "\\{\"capabilities\":\\{(\"max_msg_fds\":[1-9])?\\}\\}", room in 4usize..400) {
        let version = Version { major: 0, minor: 0, text: &text };
        let mut out = Vec::new();
        version.negotiate().unwrap().encode(room, &mut out);
        prop_assert!(out.len() <= room);
    }
}
