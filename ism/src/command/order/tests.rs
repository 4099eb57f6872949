use super::super::response::{Payload, ResponseCode, image};
use super::*;
use crate::judged::broken;
use zpci_region::{Instruction, Path};

const HEADER_16: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 16];

fn judged(window: &Window, offset: u64, data: &[u8]) -> Vec<&'static str> {
    let value = Store {
        path: Path::Region,
        instruction: Instruction::Pcistb,
        pcias: 2,
        offset,
        data,
        gaddr: None,
    };
    broken(|judgement| {
        store(window, &value, judgement);
        if let Some(request) = window.clone().store(offset, data) {
            header(&request, &request.parse(), judgement);
        }
    })
}

fn judged_load(window: &Window, offset: u64, len: usize) -> Vec<&'static str> {
    let value = Load {
        path: Path::Region,
        pcias: 2,
        offset,
        len,
        gaddr: None,
    };
    broken(|judgement| load(window, &value, judgement))
}

fn with_payload(len: usize) -> Window {
    let mut window = Window::default();
    window.store(8, &vec![0; len]);
    window
}

fn answered(starved: bool) -> Window {
    let mut window = Window::default();
    window.store(0, &HEADER_16);
    let outcome = match starved {
        true => Err(ResponseCode::MissingPayload),
        false => Ok(Payload::default().u64(1)),
    };
    window.answer(image(3, outcome), starved);
    window
}

#[test]
fn payload_then_header_breaks_nothing() {
    assert!(judged(&Window::default(), 8, &[0; 8]).is_empty());
    assert!(judged(&with_payload(8), 0, &HEADER_16).is_empty());
    assert!(judged(&Window::default(), 0, &[0, 0, 0, 3, 0, 0, 0, 8]).is_empty());
}

#[test]
fn a_header_wants_all_of_its_payload_before_it() {
    assert_eq!(
        judged(&Window::default(), 0, &HEADER_16),
        ["header-without-payload"]
    );
    assert_eq!(
        judged(&with_payload(7), 0, &HEADER_16),
        ["header-without-payload"]
    );
    let mut gap = Window::default();
    gap.store(9, &[0; 7]);
    assert_eq!(judged(&gap, 0, &HEADER_16), ["payload-gap"]);
}

#[test]
fn more_payload_than_announced_is_a_bad_length() {
    assert_eq!(
        judged(&with_payload(9), 0, &HEADER_16),
        ["bad-command-length"]
    );
    assert_eq!(
        judged(&with_payload(16), 0, &[0, 0, 0, 1, 0, 0, 0, 24]),
        ["bad-command-length"]
    );
}

#[test]
fn a_torn_header_is_told_once() {
    let mut window = with_payload(8);
    assert_eq!(judged(&window, 4, &HEADER_16[4..]), ["torn-header"]);
    window.store(4, &HEADER_16[4..]);
    assert!(judged(&window, 0, &HEADER_16[..4]).is_empty());
    assert_eq!(judged(&Window::default(), 7, &[16, 0]), ["torn-header"]);
}

#[test]
fn a_header_with_more_behind_it_is_not_alone() {
    let mut both = HEADER_16.to_vec();
    both.extend([0; 8]);
    assert_eq!(judged(&Window::default(), 0, &both), ["header-not-alone"]);
}

#[test]
fn reserved_bytes_unknown_codes_and_reversed_headers_are_told() {
    assert_eq!(
        judged(&Window::default(), 0, &[0, 0, 0, 3, 0, 1, 0, 8]),
        ["reserved-not-zero"]
    );
    assert_eq!(
        judged(&Window::default(), 0, &[0, 0, 0, 0x0c, 0, 0, 0, 8]),
        ["unknown-command"]
    );
    let mut window = Window::default();
    let reversed = window.store(0, &[8, 0, 0, 0, 3, 0, 0, 0]).unwrap();
    assert!(unknown(&reversed).contains("bytes reversed the header is READ_GID"));
    let other = window.store(0, &[9, 0, 0, 0, 3, 0, 0, 0]).unwrap();
    assert!(!unknown(&other).contains("reversed"));
}

#[test]
fn a_store_before_the_response_was_loaded_overlaps() {
    let mut window = answered(false);
    assert_eq!(judged(&window, 8, &[0; 8]), ["command-overlap"]);
    assert_eq!(
        judged(&window, 0, &[0, 0, 0, 3, 0, 0, 0, 8]),
        ["command-overlap"]
    );
    window.loaded(8, 8);
    assert_eq!(judged(&window, 8, &[0; 8]), ["command-overlap"]);
    window.loaded(0, 8);
    assert_eq!(judged(&window, 8, &[0; 8]), ["response-half-read"]);
    assert_eq!(
        judged(&window, 0, &[0, 0, 0, 3, 0, 0, 0, 8]),
        ["response-half-read"]
    );
    window.loaded(8, 7);
    assert_eq!(judged(&window, 8, &[0; 8]), ["response-half-read"]);
    window.loaded(8, 8);
    assert!(judged(&window, 8, &[0; 8]).is_empty());
}

#[test]
fn a_payload_over_one_that_waits_for_its_header_is_told() {
    let over = &["payload-overwritten"];
    assert_eq!(judged(&with_payload(8), 8, &[0; 8]), over);
    assert_eq!(judged(&with_payload(8), 8, &[0; 16]), over);
    let mixed = &["payload-mixed"];
    assert_eq!(judged(&with_payload(16), 8, &[0; 8]), mixed);
    assert_eq!(judged(&with_payload(16), 16, &[0; 8]), mixed);
    assert_eq!(judged(&with_payload(16), 23, &[0; 8]), mixed);
    // This piece continues the same payload.
    assert!(judged(&with_payload(8), 16, &[0; 8]).is_empty());
    assert!(judged(&with_payload(8), 100, &[0; 8]).is_empty());
    // Both rules apply to a store that covers header and payload.
    let mut both = HEADER_16.to_vec();
    both.extend([0; 8]);
    assert_eq!(
        judged(&with_payload(8), 0, &both),
        ["payload-overwritten", "header-not-alone"]
    );
}

#[test]
fn payload_behind_a_header_that_missed_it_is_late() {
    let mut window = answered(true);
    assert_eq!(judged(&window, 8, &[0; 8]), ["payload-after-header"]);
    window.loaded(0, 8);
    assert!(judged(&window, 8, &[0; 8]).is_empty(), "the next command's");
}

#[test]
fn a_response_is_loaded_after_its_command_and_inside_its_length() {
    assert_eq!(
        judged_load(&Window::default(), 0, 8),
        ["response-before-command"]
    );
    let mut window = answered(false);
    assert!(judged_load(&window, 0, 8).is_empty());
    assert!(judged_load(&window, 8, 8).is_empty());
    assert_eq!(judged_load(&window, 16, 8), ["response-overread"]);
    assert_eq!(judged_load(&window, 9, 8), ["response-overread"]);
    window.loaded(0, 8);
    window.store(8, &[0; 8]);
    assert_eq!(judged_load(&window, 0, 8), ["response-before-command"]);
    window.store(0, &HEADER_16);
    window.answer(image(1, Err(ResponseCode::BadValue)), false);
    assert!(judged_load(&window, 0, 8).is_empty());
}
