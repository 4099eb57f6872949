//! Fails for inputs that begin with three letters. It checks the fuzzer itself: the fuzzer must find them, so
//! that the run fails. It runs only if it is named.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    assert!(!bytes.starts_with(b"ISM"), "found, as it should be");
});
