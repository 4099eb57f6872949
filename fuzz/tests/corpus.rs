//! Runs the kept inputs of the fuzz targets without a fuzzer, so that fixed errors stay fixed.

use std::sync::RwLock;

use vfio_user_ism_fuzz::{corpus, device, frame, profile, session};

/// The session target counts the descriptors of the process, so it runs alone.
static ALONE: RwLock<()> = RwLock::new(());

#[track_caller]
fn replay(target: &str, run: fn(&[u8])) {
    let inputs = corpus::read(&corpus::file(target)).unwrap();
    assert!(inputs.len() > 100, "{} inputs are kept", inputs.len());
    for (name, bytes) in &inputs {
        // The test harness shows this if the test fails.
        println!("{target}: {name}");
        run(bytes);
    }
}

#[test]
fn kept_frames_break_nothing() {
    let _shared = ALONE.read();
    replay("frame", frame::run);
}

#[test]
fn kept_devices_break_nothing() {
    let _shared = ALONE.read();
    replay("device", device::run);
}

#[test]
fn kept_profiles_break_nothing() {
    let _shared = ALONE.read();
    replay("profile", profile::run);
}

#[test]
fn kept_sessions_break_nothing() {
    let _alone = ALONE.write();
    replay("session", session::run);
}
