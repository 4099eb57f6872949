//! Fuzz target: splits a client's stream into messages. Bounds must hold, and writing a message must give the
//! bytes that were read.

use vfio_user_protocol::message::{Reply, dma};
use vfio_user_protocol::session::Role;
use vfio_user_protocol::{Frame, HEADER_LEN, Kind, Limits, Next, Request, Session, next_frame};

/// Reads every message of the stream.
pub fn run(stream: &[u8]) {
    let limits = Limits::default();
    let mut session = Session::new();
    let mut rest = stream;
    loop {
        match next_frame(rest, &limits) {
            Err(_) => return,
            Ok(Next::NeedMore { at_least }) => {
                assert!(
                    at_least > rest.len(),
                    "the decoder asks for {at_least} bytes, which are here already"
                );
                assert!(at_least <= limits.max_message());
                return;
            }
            Ok(Next::Frame(frame)) => {
                bounds(rest, &frame, &limits);
                roles(&mut session, &frame);
                bodies(&frame);
                rest = &rest[frame.total..];
            }
        }
    }
}

/// Checks that a frame is the front of its buffer, and that fewer bytes are no frame.
fn bounds(buffer: &[u8], frame: &Frame<'_>, limits: &Limits) {
    assert!((HEADER_LEN..=buffer.len()).contains(&frame.total));
    assert_eq!(frame.header.message_size as usize, frame.total);
    assert_eq!(frame.header.encode(), buffer[..HEADER_LEN]);
    assert_eq!(frame.body, &buffer[HEADER_LEN..frame.total]);
    for len in [0, HEADER_LEN - 1, HEADER_LEN, frame.total - 1] {
        if len < frame.total {
            let Ok(Next::NeedMore { at_least }) = next_frame(&buffer[..len], limits) else {
                panic!("{len} of {} bytes count as a message", frame.total);
            };
            assert!((len + 1..=frame.total).contains(&at_least));
        }
    }
}

/// Checks that requests except VERSION need an open session, and that a reply without a request is stray.
fn roles(session: &mut Session, frame: &Frame<'_>) {
    let was_open = session.is_open();
    match session.classify(frame) {
        Ok(Role::Request) => {
            assert_eq!(frame.header.kind(), Some(Kind::Command));
            if let Ok(Request::Version(version)) = Request::decode(&frame.header, frame.body)
                && let Ok(negotiated) = version.negotiate()
            {
                assert_eq!(session.open(negotiated).is_ok(), !was_open);
            }
        }
        Ok(Role::Reply(_)) => panic!("a reply without a request counts as awaited"),
        Ok(Role::StrayReply) => assert_eq!(frame.header.kind(), Some(Kind::Reply)),
        Err(_) => assert!(!was_open),
    }
}

/// Checks that a parsed message encodes to the same bytes, and parses from them again.
fn bodies(frame: &Frame<'_>) {
    if let Ok(request) = Request::decode(&frame.header, frame.body) {
        assert_eq!(request.command() as u16, frame.header.command);
        let (id, flags) = (frame.header.message_id, frame.header.flags);
        let mut once = Vec::new();
        request.encode(id, flags, &mut once);
        let Ok(Next::Frame(again)) = next_frame(&once, &Limits::default()) else {
            panic!("{request:?} does not encode to a message");
        };
        assert_eq!((again.total, again.header.message_id), (once.len(), id));
        let understood = Request::decode(&again.header, again.body);
        assert_eq!(understood.as_ref(), Ok(&request));
        if let Request::Version(version) = &request
            && let Ok(negotiated) = version.negotiate()
        {
            let mut reply = Vec::new();
            negotiated.encode(frame.body.len(), &mut reply);
            assert!(reply.len() <= frame.body.len());
        }
    }
    let _ = Reply::decode(&frame.header, frame.body);
    if let Ok((layout, iova, data)) = dma::decode_dma_write(frame.body) {
        let mut out = Vec::new();
        dma::encode_dma_write(1, layout, iova, data, &mut out);
        assert_eq!(&out[HEADER_LEN..], frame.body);
    }
    if let Ok((layout, iova, count)) = dma::decode_dma_read(frame.body) {
        let data = vec![0x5a; (count as usize).min(1 << 16)];
        let mut out = Vec::new();
        dma::encode_dma_read_reply(&frame.header, layout, iova, &data, &mut out);
        let read =
            dma::decode_dma_read_reply(&out[HEADER_LEN..], Some(layout), iova, data.len() as u32);
        let (layout, data) = (Some(layout), &data[..]);
        assert_eq!(read, Ok(dma::DmaReadReply::Data { layout, data }));
    }
}
