//! Fetches and builds the kits, and boots them under QEMU without any ISM function.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};

use debian_fetch::{Cache, Initramfs, Machine, Qemu, Series};
use lab::{KernelChoice, Kit, OwnKernel, Smc};
use serde_json::Value;

/// Loads the modules of an order file, and prints refused ones.
const LOAD: &str = "\
for module in $(cat ORDER); do insmod $module || echo \"REFUSED $module\"; done
ip link set lo up
";

/// The guest's console. The guest runs `commands` after it has loaded the modules of `smc`.
fn boot(kit: &Kit, smc: Smc, commands: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    let initramfs = dir.path().join("initramfs");
    let load = LOAD.replace("ORDER", smc.order_file());
    let init = format!("{load}{commands}\necho THE-END\npoweroff -f");
    kit.initramfs(&initramfs, |made| made.init(&init)).unwrap();
    console(kit.kernel(), &initramfs)
}

#[track_caller]
fn console(kernel: &Path, initramfs: &Path) -> String {
    let qemu = Qemu::find(Machine::S390x, None, &Cache::locate().unwrap()).unwrap();
    let mut child = Command::new(qemu.program)
        .args(["-machine", "s390-ccw-virtio", "-cpu", "max", "-m", "512"])
        .args(["-display", "none", "-serial", "stdio", "-monitor", "none"])
        .args(["-no-reboot", "-append", "console=ttysclp0 panic=-1"])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(initramfs)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut text = Vec::new();
    // A crash of the guest ends QEMU (panic=-1, -no-reboot), so this loop ends, too.
    child.stdout.take().unwrap().read_to_end(&mut text).unwrap();
    child.wait().unwrap();
    let text = String::from_utf8_lossy(&text).replace('\r', "");
    assert!(text.contains("THE-END"), "{text}");
    assert!(!text.contains("REFUSED"), "{text}");
    text
}

/// The JSON objects in a console's text, in order.
#[track_caller]
fn results(console: &str) -> Vec<Value> {
    let lines = console.lines().filter(|line| line.starts_with('{'));
    lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect()
}

/// Commands for both builds of smc. Without a device, the tool refuses `--require-smcd`.
const TRAFFIC: &str = "\
smcd-tool serve --port 5000 --count 5 >/served &
smcd-tool send --to 127.0.0.1 --port 5000 --bytes 1000003 --conns 3 --both
smcd-tool send --to 127.0.0.1 --port 5000 --bytes 200000 --spoil 123456
echo spoilt $?
smcd-tool ping --to 127.0.0.1 --port 5000 --size 100 --count 50
wait
cat /served
smcd-tool serve --port 5001 & server=$!
smcd-tool hold --to 127.0.0.1 --port 5001 --conns 2 2>/held >/ended & holder=$!
until grep -q holding /held; do sleep 0.1; done
cat /held
smcd-tool info
kill -9 $server
wait $holder; echo held $?
cat /ended
smcd-tool serve --port 5002 & server=$!
smcd-tool send --to 127.0.0.1 --port 5002 --bytes 1 --require-smcd >/required; echo required $?
cat /required
";

/// Checks the output of [`TRAFFIC`]. All connections must run as `mode` says.
#[track_caller]
fn check_traffic(console: &str, mode: &str) {
    let other = if mode == "smcd" { "fallback" } else { "smcd" };
    let results = results(console);
    let [sent, spoilt, ping, served, info, held, ..] = results.as_slice() else {
        panic!("{console}");
    };
    for (result, connections) in [(sent, 3), (spoilt, 1), (ping, 1), (held, 2)] {
        assert_eq!(result[mode], connections, "{result}");
        assert_eq!(result[other], 0, "{result}");
    }
    assert_eq!(sent["bytes"], 3 * 2 * 1_000_003, "{sent}");
    assert_eq!(sent["mismatches"], 0, "{sent}");
    assert!(sent["mb_per_s"].as_f64().unwrap() > 0.0, "{sent}");
    assert_eq!(spoilt["mismatches"], 1, "{spoilt}");
    let words = "connection 0: 1 wrong bytes at the server, the first at 123456\n";
    assert!(console.contains(words), "{console}");
    assert!(console.contains("spoilt 1\n"), "{console}");
    assert_eq!(ping["count"], 50, "{ping}");
    let times = ["min_us", "p50_us", "p99_us", "max_us"].map(|key| ping[key].as_f64().unwrap());
    assert!(times[0] > 0.0 && times.is_sorted(), "{ping}");
    assert_eq!(served["connections"], 5, "{served}");
    assert_eq!(served["failed"], 0, "{served}");
    assert_eq!(served["bytes"], 3 * 1_000_003 + 200_000, "{served}");
    assert_eq!(served["mismatches"], 1, "{served}");
    // Both ends of two connections.
    let of_mode = |socket: &&Value| socket["mode"] == mode && socket["state"] == 1;
    let sockets = info["sockets"].as_array().unwrap().iter();
    assert_eq!(sockets.filter(of_mode).count(), 4, "{info}");
    let groups = info["link_groups"].as_array().unwrap().iter();
    let in_groups: u64 = groups.map(|g| g["connections"].as_u64().unwrap()).sum();
    assert_eq!(in_groups, if mode == "smcd" { 4 } else { 0 }, "{info}");
    assert_eq!(held["eof"], 2, "{held}");
    assert!(console.contains("held 0\n"), "{console}");
}

#[test]
#[ignore = "needs QEMU, and fetches and builds a kernel's modules"]
fn linux_6_12_moves_bytes_over_tcp_and_over_its_own_software_ism() {
    let kit = Kit::prepare(
        &Cache::locate().unwrap(),
        &KernelChoice::Debian(Series::LINUX_6_12),
    )
    .unwrap();
    assert!(kit.has_smc() && kit.release().starts_with("6.12."));

    let console = boot(&kit, Smc::Plain, TRAFFIC);
    check_traffic(&console, "fallback");
    assert_eq!(results(&console)[0]["fallback_reason"], "0x03030000");
    assert!(
        console.contains("only 0 of 1 connections run over SMC-D"),
        "{console}"
    );
    assert!(console.contains("required 1\n"), "{console}");

    let console = boot(&kit, Smc::Loopback, TRAFFIC);
    assert!(
        console.contains("adding smcd device loopback-ism"),
        "{console}"
    );
    check_traffic(&console, "smcd");
    assert!(console.contains("required 0\n"), "{console}");
}

#[test]
#[ignore = "needs QEMU, and fetches and builds a kernel's modules"]
fn linux_7_2_loads_ism_over_dibs() {
    let kit = Kit::prepare(
        &Cache::locate().unwrap(),
        &KernelChoice::Debian(Series::LINUX_7_2),
    )
    .unwrap();
    assert!(!kit.has_smc() && kit.modules(Smc::Loopback).is_empty());

    // The same kernel as the user's own, with an initrd of the user.
    let dir = tempfile::tempdir().unwrap();
    let initrd = dir.path().join("initrd");
    let brought = Initramfs::new(kit.busybox()).unwrap();
    let brought = brought.file("brought", 0o644, "from home\n");
    brought.init("echo lost").write(&initrd).unwrap();
    let own = KernelChoice::Own(OwnKernel {
        kernel: kit.kernel().to_owned(),
        initrd: Some(initrd),
        modules: kit.modules(Smc::Plain)[0]
            .file()
            .parent()
            .map(Path::to_owned),
    });
    let own = Kit::prepare(&Cache::locate().unwrap(), &own).unwrap();
    assert_eq!(own.modules(Smc::Plain), kit.modules(Smc::Plain));

    let commands = "cat /brought\nuname -r\ncat /proc/modules\nls -1 /sys/bus/pci/drivers";
    let console = boot(&own, Smc::Plain, commands);
    assert!(console.contains("\nfrom home\n"), "{console}");
    assert!(
        console.contains(&format!("\n{}\n", kit.release())),
        "{console}"
    );
    let loaded = |name: &str| console.lines().any(|line| line.starts_with(name));
    assert!(loaded("dibs ") && loaded("ism "), "{console}");
    assert!(console.contains("\nism\n"), "{console}");
}
