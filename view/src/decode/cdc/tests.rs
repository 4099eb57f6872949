use super::*;

fn message() -> Vec<u8> {
    let mut bytes = vec![0; LEN];
    bytes[0] = 0xfe;
    bytes[8..14].copy_from_slice(&[0, 1, 0, 0, 0x10, 0]);
    bytes[16..24].copy_from_slice(&[0xff, 0xff, 0, 0, 0, 7, 0x90, 0x40]);
    bytes
}

#[test]
fn a_message_is_taken_apart() {
    let cdc = Cdc::decode(&message()).unwrap();
    let (producer, consumer) = (
        Cursor {
            wrap: 1,
            count: 4096,
        },
        Cursor {
            wrap: 0xffff,
            count: 7,
        },
    );
    assert_eq!((cdc.producer, cdc.consumer), (producer, consumer));
    assert_eq!(
        cdc.flags(),
        "write blocked, cursor update requested, closed"
    );
    assert!(
        cdc.label()
            .starts_with("CDC prod 1/4096 cons 65535/7 · write blocked")
    );
}

#[test]
fn other_bytes_are_no_message() {
    let mut bytes = message();
    assert_eq!(Cdc::decode(&bytes[1..]), None);
    bytes[0] = 0xfd;
    assert_eq!(Cdc::decode(&bytes), None);
}

#[test]
fn a_cursor_is_compared_across_a_wrap() {
    let at = |wrap, count| Cursor { wrap, count };
    assert_eq!(at(0, 90).ahead_of(at(0, 20), 100), 70);
    assert_eq!(at(1, 10).ahead_of(at(0, 90), 100), 20);
    assert_eq!(at(0, 10).ahead_of(at(0xffff, 90), 100), 20);
    assert_eq!(at(0, 0).ahead_of(at(0, 50), 100), -50);
}
