//! Tests with a client in C that uses only docs/contract.md and its header.

use std::path::Path;
use std::process::Command;

use vfio_user_ism_tests::Daemon;
use vfio_user_ism_tests::program::repository;

/// Compiles the client and runs it against a socket. Returns its lines.
#[track_caller]
fn client(arguments: &[&Path]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("client");
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let compiled = Command::new(&compiler)
        .args(["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror", "-I"])
        .arg(repository().join("contract"))
        .arg("-o")
        .arg(&binary)
        .arg(repository().join("tests/tests/contract/client.c"))
        .output()
        .unwrap_or_else(|error| panic!("{compiler}: {error}"));
    let messages = String::from_utf8_lossy(&compiled.stderr);
    assert!(compiled.status.success(), "{messages}");
    let output = Command::new(&binary).args(arguments).output().unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{messages}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(str::to_owned).collect()
}

const DEVICE: [&str; 5] = [
    "pchid 0x7c0 pft 5 dma 0x100000000",
    "maxstbl 4096 relaxed 1 noi 1",
    "util 64",
    "pfip 4",
    "max 4096",
];

/// Returns the stores that the device saw: BAR, offset and bytes.
fn stores(daemon: Daemon) -> Vec<(u64, u64, String)> {
    let stopped = daemon.stop();
    let stores = stopped.events_named("store").map(|event| {
        (
            event["pcias"].as_u64().unwrap(),
            event["offset"].as_u64().unwrap(),
            event["bytes"].as_str().unwrap().to_owned(),
        )
    });
    stores.collect()
}

#[test]
fn a_client_written_from_the_page_drives_the_zpci_io_region() {
    for on_channel in [true, false] {
        let daemon = Daemon::start();
        let socket = match on_channel {
            true => daemon.channel("ism0"),
            false => daemon.only(),
        };
        let lines = client(&[&socket]);
        let mut expected = DEVICE.to_vec();
        expected.extend([
            "store 0",
            // The plain store breaks a rule of the command space, but is carried out.
            "register 0",
            "command 0",
            "response 0x300000010",
            "gid 0x1500000000000001",
            "across 5",
            "absent 5",
            "nothing 22",
            "two 22",
            "partial 22",
        ]);
        assert_eq!(lines, expected);
        let block: String = (0..24).map(|i| format!("{:02x}", 0xA0 + i)).collect();
        let seen = stores(daemon);
        assert_eq!(seen[0], (2, 0x803, block), "{seen:?}");
        assert_eq!(seen[1], (2, 0x900, "a0a1a2a3".to_owned()), "{seen:?}");
        assert_eq!(seen[2], (2, 0, "0000000300000008".to_owned()), "{seen:?}");
    }
}

#[test]
fn a_client_written_from_the_page_writes_whole_bars() {
    let daemon = Daemon::start();
    let lines = client(&[&daemon.only(), Path::new("bars")]);
    let mut expected = DEVICE.to_vec();
    expected.extend(["store 0", "command 0", "gid 0x1500000000000001"]);
    assert_eq!(lines, expected);
    let block: String = (0..24).map(|i| format!("{:02x}", 0xA0 + i)).collect();
    let seen = stores(daemon);
    assert_eq!(seen[0], (2, 0x803, block), "{seen:?}");
}
