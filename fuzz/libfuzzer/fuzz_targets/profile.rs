#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| vfio_user_ism_fuzz::profile::run(bytes));
