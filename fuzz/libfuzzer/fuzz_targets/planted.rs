//! Fails for inputs that begin with three letters: the fuzzer must find them, and the run must
//! fail. Not part of a run unless it is named.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    assert!(!bytes.starts_with(b"ISM"), "found, as it should be");
});
