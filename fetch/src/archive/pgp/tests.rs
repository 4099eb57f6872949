use super::*;

/// A message that GnuPG 2.2 signed with keys of this test.
const RSA_MESSAGE: &str = include_str!("testdata/rsa.inrelease");
const ED_MESSAGE: &str = include_str!("testdata/ed.inrelease");
const BOTH: &str = include_str!("testdata/both.inrelease");
const MESSAGE: &[u8] = include_bytes!("testdata/message");
const RSA_SIGNATURE: &[u8] = include_bytes!("testdata/rsa.sig");
const ED_SIGNATURE: &[u8] = include_bytes!("testdata/ed.sig");
const KEYS: &[u8] = include_bytes!("testdata/keys.asc");
const TEXT: &str = "Origin: Test\nSuite: toy\n- dash\n\nLast: line";

#[test]
fn what_gnupg_signed_is_read() {
    let keys = keys(KEYS);
    assert_eq!(keys.len(), 2);
    for message in [RSA_MESSAGE, ED_MESSAGE, BOTH] {
        assert_eq!(signed_text(message, &keys).unwrap(), TEXT);
        let carried = message.replace('\n', "\r\n");
        assert_eq!(signed_text(&carried, &keys).unwrap(), TEXT);
    }
    for signature in [RSA_SIGNATURE, ED_SIGNATURE] {
        check_detached(MESSAGE, signature, &keys).unwrap();
        let text = check_detached(b"other", signature, &keys).unwrap_err();
        assert!(text.contains("is wrong"), "{text}");
    }
}

#[test]
fn one_known_key_is_enough_and_none_is_not() {
    let all = keys(KEYS);
    for key in &all {
        let one = std::slice::from_ref(key);
        assert_eq!(signed_text(BOTH, one).unwrap(), TEXT);
    }
    let text = signed_text(BOTH, &[]).unwrap_err();
    let ids: Vec<_> = all
        .iter()
        .map(|key| key.fingerprint()[24..].to_owned())
        .collect();
    assert!(text.contains("no known key signed it"), "{text}");
    assert!(ids.iter().all(|id| text.contains(id)), "{text}");
}

#[test]
fn no_changed_byte_goes_unseen() {
    let keys = keys(KEYS);
    let start = ED_MESSAGE.find("Origin").unwrap();
    for at in start..ED_MESSAGE.find("Last").unwrap() {
        let mut bytes = ED_MESSAGE.as_bytes().to_vec();
        // The signature does not cover white space at a line's end, so the test replaces letters by
        // letters.
        if !bytes[at].is_ascii_alphabetic() {
            continue;
        }
        bytes[at] ^= 1;
        let changed = String::from_utf8(bytes).unwrap();
        assert!(signed_text(&changed, &keys).is_err(), "{at}");
    }
    for (from, to) in [("Origin", "X: y\nOrigin"), ("Last: line", ""), (SIGNED, "")] {
        assert!(signed_text(&ED_MESSAGE.replace(from, to), &keys).is_err());
    }
    let before = format!("Extra: field\n{ED_MESSAGE}");
    assert!(signed_text(&before, &keys).is_err());
}

#[test]
fn no_bytes_make_it_panic() {
    let known = keys(KEYS);
    let armoured = std::str::from_utf8(KEYS).unwrap();
    let binary = unarmoured(armoured).unwrap();
    for end in 0..binary.len() {
        keys(&binary[..end]);
        let mut torn = binary.clone();
        torn[end] ^= 0xff;
        keys(&torn);
    }
    for end in 0..ED_MESSAGE.len() {
        // The rest of the end line does not matter.
        let whole = ED_MESSAGE.find("\n=C7FR").unwrap();
        assert!(
            signed_text(&ED_MESSAGE[..end], &known).is_err() || end >= whole,
            "{end}"
        );
    }
    let signature = unarmoured(std::str::from_utf8(ED_SIGNATURE).unwrap()).unwrap();
    for at in 0..signature.len() {
        let mut torn = signature.clone();
        torn[at] ^= 0xff;
        let _ = check_detached(MESSAGE, &torn, &known);
        let _ = check_detached(MESSAGE, &signature[..at], &known);
    }
}
