//! Tests of PCI configuration space: identity, BAR sizing, capabilities, writable bits.

use serde_json::json;
use vfio_user_ism_tests::client::CONFIG;
use vfio_user_ism_tests::{Client, Daemon};

fn config(client: &mut Client) -> Vec<u8> {
    client.read(CONFIG, 0, 256).data()
}

fn u16_at(config: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([config[at], config[at + 1]])
}

/// Walks the list of capabilities. Returns offset and id of each.
#[track_caller]
fn capabilities(config: &[u8]) -> Vec<(usize, u8)> {
    let mut found = Vec::new();
    let mut at = usize::from(config[0x34]);
    while at != 0 {
        found.push((at, config[at]));
        at = usize::from(config[at + 1]);
        assert!(found.len() < 48, "the list is a ring");
    }
    found
}

/// Returns the size of a 64-bit BAR, found like an operating system does.
#[track_caller]
fn bar_size(client: &mut Client, bar: u64) -> u64 {
    let at = 0x10 + 4 * bar;
    let before = client.read(CONFIG, at, 8).data();
    client.write(CONFIG, at, &[0xff; 4]).ok();
    client.write(CONFIG, at + 4, &[0xff; 4]).ok();
    let mask = u64::from_le_bytes(client.read(CONFIG, at, 8).data().try_into().unwrap());
    client.write(CONFIG, at, &before).ok();
    assert_eq!(mask & 0xf, 4, "64-bit memory");
    (!(mask & !0xf)).wrapping_add(1)
}

#[test]
fn the_function_is_an_ism() {
    let daemon = Daemon::start();
    let config = config(&mut daemon.client());
    assert_eq!((u16_at(&config, 0), u16_at(&config, 2)), (0x1014, 0x04ed));
    assert_eq!(
        config[8..12],
        [0; 4],
        "no revision, no class, as on hardware"
    );
    assert_eq!(config[0x0e] & 0x7f, 0, "header type");
    assert_eq!(u16_at(&config, 6) & 0x10, 0x10, "a capability list");
}

#[test]
fn the_class_is_the_profiles() {
    let daemon = Daemon::with_device(&json!({ "class_code": "0x028001" }));
    let mut client = daemon.client();
    let class = |client: &mut Client| client.read(CONFIG, 8, 4).data();
    assert_eq!(class(&mut client), [0, 0x01, 0x80, 0x02]);
    client.write(CONFIG, 8, &[0xff; 4]).ok();
    assert_eq!(class(&mut client), [0, 0x01, 0x80, 0x02], "read-only");
}

#[test]
fn bars_are_sized_by_writing_ones() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let sizes: Vec<_> = [0, 2, 4].map(|bar| bar_size(&mut client, bar)).into();
    assert_eq!(sizes, [1 << 48, 4096, 4096]);
    let daemon = Daemon::with_device(&json!({ "data_bar_bits": 40 }));
    assert_eq!(bar_size(&mut daemon.client(), 0), 1 << 40);
}

#[test]
fn msi_is_there_and_msix_as_the_profile_says() {
    let daemon = Daemon::start();
    let config_with = config(&mut daemon.client());
    let ids: Vec<_> = capabilities(&config_with)
        .iter()
        .map(|(_, id)| *id)
        .collect();
    assert_eq!(ids, [0x05, 0x11]);
    let (msi, _) = capabilities(&config_with)[0];
    assert_eq!(
        u16_at(&config_with, msi + 2),
        0x80,
        "64-bit, one vector, off"
    );
    let (msix, _) = capabilities(&config_with)[1];
    assert_eq!(u16_at(&config_with, msix + 2) & 0x7ff, 0, "one vector");
    assert_eq!(config_with[msix + 4] & 7, 4, "the table is in BAR 4");

    let daemon = Daemon::with_device(&json!({ "msix": false }));
    let without = config(&mut daemon.client());
    assert_eq!(capabilities(&without), [(msi, 0x05)]);
    assert_eq!(without[0x20..0x28], [0; 8], "no BAR 4");
}

#[test]
fn read_only_fields_ignore_writes() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let before = config(&mut client);
    client.write(CONFIG, 0, &[0xff; 256]).ok();
    let after = config(&mut client);
    let (msi, _) = capabilities(&after)[0];
    for at in (0..4)
        .chain(6..0x10)
        .chain(0x28..0x3c)
        .chain([msi, msi + 1])
    {
        assert_eq!(after[at], before[at], "byte {at:#x}");
    }
    client.write(CONFIG, 0, &[0; 256]).ok();
    assert_eq!(config(&mut client)[..4], before[..4]);
}

#[test]
fn writable_bits_are_kept() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    client.write(CONFIG, 4, &[0x06, 0x04]).ok();
    assert_eq!(client.read(CONFIG, 4, 2).data(), [0x06, 0x04]);
    let (msi, _) = capabilities(&config(&mut client))[0];
    client
        .write(
            CONFIG,
            msi as u64 + 4,
            &0x1122_3344_5566_7788_u64.to_le_bytes(),
        )
        .ok();
    client.write(CONFIG, msi as u64 + 2, &[0x81, 0]).ok();
    let config = config(&mut client);
    assert_eq!(
        config[msi + 4..msi + 12],
        0x1122_3344_5566_7788_u64.to_le_bytes()
    );
    assert_eq!(u16_at(&config, msi + 2), 0x81);
}

#[test]
fn reads_of_any_width_and_alignment_agree() {
    let daemon = Daemon::start();
    let mut client = daemon.client();
    let whole = config(&mut client);
    for len in [1, 2, 3, 4, 7, 8] {
        for at in 0..64 {
            let part = client.read(CONFIG, at, len).data();
            assert_eq!(part, whole[at as usize..][..len as usize]);
        }
    }
}
