//! Tests the largest resident memory of the released program. A debug build needs more for its code, so its
//! own share is left out.

use vfio_user_ism_tests::{Client, Daemon, Driver, Ram, Via};

const KIB: u64 = 1024;

/// Returns VmRSS in bytes, and the part of it that is the process's own (RssAnon).
fn resident(daemon: &Daemon) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.unwrap().parse::<u64>().unwrap() * KIB
    };
    (field("VmRSS:"), field("RssAnon:"))
}

/// Starts a server of so many functions, each with a client that ran a command.
fn with_functions(count: u64) -> (Daemon, Vec<Driver>) {
    let functions: Vec<_> = (0..count)
        .map(|at| {
            let gid = format!("{:#x}", 0x1500_0000_0000_0001 + at);
            serde_json::json!({ "name": format!("ism{at}"), "gid": gid })
        })
        .collect();
    let profile = serde_json::json!({
        "schema_version": 1, "name": "many", "functions": functions,
    });
    let daemon = Daemon::with_text(&profile.to_string());
    let drivers = (0..count)
        .map(|at| {
            let mut driver = Driver::probe(&daemon.socket(&format!("ism{at}")), Via::Region);
            driver.gid();
            driver
        })
        .collect();
    (daemon, drivers)
}

#[test]
fn one_function_needs_at_most_16_mib_and_each_further_one_256_kib() {
    let (one, _drivers) = with_functions(1);
    let (whole, own) = resident(&one);
    let first = if cfg!(debug_assertions) { own } else { whole };
    assert!(first <= 16 << 20, "{first} bytes, resident {whole}");
    let (many, _drivers) = with_functions(33);
    let each = (resident(&many).0.saturating_sub(whole)) / 32;
    assert!(each <= 256 * KIB, "{each} bytes for each function more");
}

#[test]
fn all_maps_need_at_most_16_mib() {
    let daemon = Daemon::start();
    let mut client = Client::open(&daemon.only());
    let ram = Ram::new(1 << 20);
    let map = |client: &mut Client, at: u64| {
        client
            .map(at * 0x2000, 0x1000, &ram, at % 256 * 0x1000)
            .ok();
    };
    map(&mut client, 0);
    let before = resident(&daemon).0;
    (1..65_535).for_each(|at| map(&mut client, at));
    let maps = resident(&daemon).0.saturating_sub(before);
    assert!(maps <= 16 << 20, "{maps} bytes");
}
