// SPDX-License-Identifier: GPL-2.0-or-later
//! Tests that the records agree with the actions of a Linux guest that probes a PCI function.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use crate::support::bare::machine;
use crate::support::{initramfs, qemu, run, run_plugin};
use debian_fetch::{Cache, Guest};
use serde_json::{Value, json};
use vfio_user_ism_tests::daemon::Daemon;

/// Prints the function's configuration space, then runs a program that lacks the privilege for its
/// instruction.
const INIT: &str = "#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
for d in /sys/bus/pci/devices/*; do
    /bin/busybox echo \"FUNCTION ${d##*/} $(/bin/busybox hexdump -v -e '1/1 \"%02x\"' -n 64 $d/config)\"
done
/bin/user
/bin/busybox poweroff -f
";

/// Builds a static program of one PCISTB, which problem state must not execute.
#[track_caller]
fn user_program() -> Vec<u8> {
    const BASE: u64 = 0x100_0000;
    let code = [
        &[0xC0, 0x50, 0x00, 0x00, 0x00, 0x0C][..], // LARL r5,.+24: the 16 bytes at the end
        &[0xA7, 0x29, 0x00, 0x10],                 // LGHI r2,16
        &[0xA7, 0x39, 0x00, 0x08],                 // LGHI r3,8
        &[0xEB, 0x23, 0x50, 0x00, 0x00, 0xD0],     // PCISTB r2,r3,0(r5)
        &[0x00; 4],
        b"0123456789abcdef",
    ]
    .concat();
    let mut file = vec![0x7F, b'E', b'L', b'F', 2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let half = |file: &mut Vec<u8>, value: u16| file.extend(value.to_be_bytes());
    let word = |file: &mut Vec<u8>, value: u32| file.extend(value.to_be_bytes());
    let double = |file: &mut Vec<u8>, value: u64| file.extend(value.to_be_bytes());
    half(&mut file, 2); // executable
    half(&mut file, 22); // S/390
    word(&mut file, 1);
    double(&mut file, BASE + 120); // entry
    double(&mut file, 64); // program headers
    double(&mut file, 0); // section headers
    word(&mut file, 0);
    for value in [64, 56, 1, 64, 0, 0] {
        half(&mut file, value);
    }
    word(&mut file, 1); // loadable
    word(&mut file, 5); // readable, executable
    for value in [
        0,
        BASE,
        BASE,
        120 + code.len() as u64,
        120 + code.len() as u64,
        0x1000,
    ] {
        double(&mut file, value);
    }
    assert_eq!(file.len(), 120);
    file.extend(code);
    file
}

fn hex(text: &str) -> u64 {
    u64::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap()
}

/// Returns the bytes of configuration space by offset, from the last loads of `handle`.
fn loaded_config(records: &[&Value]) -> BTreeMap<u64, u8> {
    let mut config = BTreeMap::new();
    for record in records {
        if record["insn"] != "pcilg" || record["pcias"] != 15 || record["cc"] != 0 {
            continue;
        }
        let length = usize::try_from(record["length"].as_u64().unwrap()).unwrap();
        let value = hex(record["value"].as_str().unwrap()).to_be_bytes();
        for (at, byte) in (hex(record["offset"].as_str().unwrap())..).zip(&value[8 - length..]) {
            config.insert(at, *byte);
        }
    }
    config
}

/// Boots Linux with a forwarded ISM function: QEMU still handles configuration space.
#[test]
#[ignore = "needs QEMU 11.1 and an s390x Linux guest: run ./test"]
fn configuration_space_is_qemus_with_forwarding_on() {
    let server = Daemon::start();
    let dir = tempfile::tempdir().unwrap();
    let initrd = dir.path().join("initrd");
    let cache = Cache::locate().unwrap_or_else(|error| panic!("{error}"));
    let parts = Guest::fetch(&cache).unwrap_or_else(|error| panic!("{error}"));
    let busybox = std::fs::read(&parts.busybox).unwrap();
    let files: [(&str, &[u8]); 3] = [
        ("init", INIT.as_bytes()),
        ("bin/busybox", &busybox),
        ("bin/user", &user_program()),
    ];
    std::fs::write(&initrd, initramfs(&["bin", "proc", "sys", "dev"], &files)).unwrap();
    let mut guest = machine(&[(8, &server.only())]);
    guest.extend(boot(parts.kernel.to_str().unwrap(), &initrd));
    let guest: Vec<&str> = guest.iter().map(String::as_str).collect();
    // Without an id, the plugin finds the only ISM function.
    let forward = format!(",forward={}", server.channel("ism0").display());
    let run = run_plugin(&forward, &guest);
    let shown = run
        .console
        .lines()
        .find_map(|line| line.strip_prefix("FUNCTION 0008:00:00.0 "))
        .unwrap_or_else(|| panic!("no function: {}", run.console));
    assert!(shown.starts_with("1410ed04"), "{shown}");
    let records: Vec<&Value> = run
        .lines
        .iter()
        .filter(|line| line["kind"] == "insn")
        .collect();
    let config = records
        .iter()
        .filter(|record| record["pcias"] == 15 && record["cc"] == 0);
    assert!(config.count() > 50);
    assert!(records.iter().all(|record| record["forwarded"].is_null()));
    let problems = run.lines.iter().filter(|line| line["kind"] == "problem");
    assert_eq!(problems.count(), 0, "{}", run.console);
    let recorded: String = (0..64)
        .map(|at| format!("{:02x}", loaded_config(&records)[&at]))
        .collect();
    assert_eq!(recorded, shown.trim());
}

#[test]
#[ignore = "needs QEMU 11.1 and an s390x Linux guest: run ./test"]
fn the_probing_of_a_function_accounts_for_itself() {
    let dir = tempfile::tempdir().unwrap();
    let initrd = dir.path().join("initrd");
    let cache = Cache::locate().unwrap_or_else(|error| panic!("{error}"));
    let parts = Guest::fetch(&cache).unwrap_or_else(|error| panic!("{error}"));
    let busybox = std::fs::read(&parts.busybox).unwrap();
    let files: [(&str, &[u8]); 3] = [
        ("init", INIT.as_bytes()),
        ("bin/busybox", &busybox),
        ("bin/user", &user_program()),
    ];
    std::fs::write(&initrd, initramfs(&["bin", "proc", "sys", "dev"], &files)).unwrap();
    let kernel = parts.kernel.to_str().unwrap().to_owned();
    let guest = guest_arguments(&kernel, &initrd);
    let guest: Vec<&str> = guest.iter().map(String::as_str).collect();

    let start = Instant::now();
    assert_eq!(qemu(&guest).code, Some(0));
    let without = start.elapsed();
    let start = Instant::now();
    let run = run(&guest);
    eprintln!(
        "guest without the plugin: {without:?}, with it: {:?}",
        start.elapsed()
    );

    let records: Vec<&Value> = run
        .lines
        .iter()
        .filter(|line| line["kind"] == "insn")
        .collect();
    assert_eq!(run.lines.last().unwrap()["kind"], "end", "{}", run.console);

    // Every instruction of the kernel ended with condition code 0 or sets none.
    let kernel: Vec<&&Value> = records
        .iter()
        .filter(|r| r["exception"].is_null())
        .collect();
    for record in &kernel {
        assert_eq!(record["outcome"], "completed", "{record}");
        let expected = if record["insn"] == "sic" {
            Value::Null
        } else {
            json!(0)
        };
        assert_eq!(record["cc"], expected, "{record}");
    }

    // The CLP calls are list, query function, query group, set function; then the handle has its enable bit.
    let commands: Vec<&str> = records
        .iter()
        .filter_map(|record| record["command"].as_str())
        .collect();
    assert_eq!(&commands[..4], ["0x0002", "0x0003", "0x0004", "0x0005"]);
    let listed = &records.iter().find(|r| r["command"] == "0x0002").unwrap()["clp_response"];
    // The list has one entry of 16 bytes after a header of 32: device, vendor, ..., fid, handle.
    let listed = listed.as_str().unwrap();
    assert_eq!(&listed[64..72], "10441af4");
    assert_eq!(&listed[80..88], "00000008", "the fid of the command line");
    let enabled = hex(&format!("0x{}", &listed[88..96])) | 0x8000_0000;

    // Every access uses the enabled handle.
    let accesses: Vec<&&Value> = records
        .iter()
        .filter(|r| r["insn"] == "pcilg" || r["insn"] == "pcistg")
        .collect();
    assert!(accesses.len() > 50);
    for access in &accesses {
        assert_eq!(hex(access["handle"].as_str().unwrap()), enabled);
    }

    // To size the BARs, Linux writes ones to each of the six.
    for bar in 0..6 {
        let offset = format!("{:#x}", 0x10 + 4 * bar);
        assert!(
            accesses.iter().any(|r| r["insn"] == "pcistg"
                && r["pcias"] == 15
                && r["offset"] == offset.as_str()
                && r["bytes"] == "ffffffff"),
            "no sizing of BAR {bar}"
        );
    }

    // The loads together give the bytes that the guest's user saw.
    let shown = run
        .console
        .lines()
        .find_map(|line| line.strip_prefix("FUNCTION 0007:00:00.0 "));
    let shown = shown
        .unwrap_or_else(|| panic!("no function: {}", run.console))
        .trim();
    let config = loaded_config(&records);
    let recorded: String = (0..64).map(|at| format!("{:02x}", config[&at])).collect();
    assert_eq!(recorded, shown);

    // The user's PCISTB was refused, and is recorded too.
    let user = records.last().unwrap();
    assert_eq!(user["insn"], "pcistb");
    assert_eq!(
        user["exception"],
        json!({"code": 2, "name": "privileged-operation"})
    );
    assert_eq!(user["bytes"], "30313233343536373839616263646566");
    assert_eq!(
        (&user["length"], &user["offset"]),
        (&json!(16), &json!("0x8"))
    );
}

fn guest_arguments(kernel: &str, initrd: &Path) -> Vec<String> {
    let devices = [
        "-device",
        "zpci,uid=7,fid=8,target=rng",
        "-device",
        "virtio-rng-pci,id=rng",
    ];
    let mut arguments = devices.map(str::to_owned).to_vec();
    arguments.extend(boot(kernel, initrd));
    arguments
}

fn boot(kernel: &str, initrd: &Path) -> [String; 8] {
    [
        "-smp",
        "2",
        "-kernel",
        kernel,
        "-initrd",
        initrd.to_str().unwrap(),
        "-append",
        "console=ttysclp0",
    ]
    .map(str::to_owned)
}
