//! Tests of the unmodified drivers of Linux 6.12 in one guest.

use lab::Lab;
use serde_json::Value;

use super::running::{
    assert_clean, broken, descriptors, function, interrupts, lab, says, serve, stop_serving, tool,
    with_lab,
};

const MIB: u64 = 1 << 20;

/// Returns the server's resources for a guest, from its report.
fn held(report: &Value) -> Value {
    let function = function(report, 0);
    let keys = [
        "dma_maps",
        "guest_files",
        "eventfds",
        "dmbs",
        "connected",
        "channel_connected",
    ];
    let mut held: serde_json::Map<_, _> = keys
        .iter()
        .map(|key| ((*key).to_owned(), function[*key].clone()))
        .collect();
    held.insert(
        "open_descriptors".into(),
        report["open_descriptors"].clone(),
    );
    Value::Object(held)
}

/// Returns the same resources and the server's descriptors once the guest has unmapped memory that it no
/// longer uses. Linux does that a second later (`drivers/iommu/dma-iommu.c`, `IOVA_SINGLE_FQ_TIMEOUT`), so the
/// guest's own clock must tell the time: on a busy machine the guest is late.
async fn settled(lab: &Lab) -> (Value, usize) {
    says(lab.guest(0).unwrap(), "sleep 3").await;
    let held = held(&lab.report().await.unwrap());
    (held, descriptors(lab.server_id()))
}

/// Builds a command that unbinds the driver and binds it again, so many times.
fn rebind(times: u32) -> String {
    format!(
        "cd /sys/bus/pci/drivers/ism; i=0; while [ $i -lt {times} ]; do \
         echo 0007:00:00.0 >unbind && echo 0007:00:00.0 >bind && [ -e 0007:00:00.0 ] || exit 1; \
         i=$((i+1)); done"
    )
}

/// Builds a command that unloads and loads the modules, so many times.
fn reload(times: u32) -> String {
    format!(
        "i=0; while [ $i -lt {times} ]; do sh /lab/unload smc_diag smc ism || exit 1; \
         for module in ism smc smc_diag; do insmod /lib/lab/plain/$module.ko || exit 1; done; \
         i=$((i+1)); done; [ -e /sys/bus/pci/drivers/ism/0007:00:00.0 ]"
    )
}

#[test]
#[ignore = "needs QEMU 11.1, the plugin and a Linux guest: run ./test"]
fn smcd_moves_every_byte_and_the_driver_comes_and_goes_without_a_leak() {
    let report = with_lab(&[], |lab| {
        Box::pin(async move {
            let guest = lab.guest(0).unwrap();
            lab.bound().await.unwrap_or_else(|error| panic!("{error}"));

            let set = "cat /sys/bus/pci/devices/0007:00:00.0/pchid /proc/sys/net/smc/*mem \
                       /sys/module/rcupdate/parameters/rcu_cpu_stall_timeout";
            let set = says(guest, set).await;
            // The CHID of the profile, buffers as large as a DMB, and time for a busy host.
            let set: Vec<&str> = set.split_whitespace().collect();
            assert_eq!(set, ["0x07c0", "1048576", "1048576", "120"]);

            let before = interrupts(guest).await;
            serve(guest, 5000).await;
            let send = format!(
                "send --to 127.0.0.1 --port 5000 --bytes {} --require-smcd",
                64 * MIB
            );
            let sent = tool(guest, &send).await;
            assert_eq!(sent["bytes"], 64 * MIB, "{sent}");
            assert_eq!(sent["mismatches"], 0, "{sent}");
            assert_eq!(sent["smcd"], 1, "{sent}");
            let taken = interrupts(guest).await - before;
            let report = lab.report().await.unwrap();
            let raised = function(&report, 0)["interrupts"].as_u64().unwrap();
            assert!(
                taken > 0 && taken <= raised,
                "{taken} taken, {raised} raised"
            );
            // 64 MiB are 16384 pages.
            assert!(
                function(&report, 0)["moves"].as_u64() >= Some(16384),
                "{report}"
            );
            stop_serving(guest, 5000).await;

            // The first round creates objects that stay.
            for (what, again) in [("rebind", rebind as fn(u32) -> String), ("reload", reload)] {
                says(guest, &again(2)).await;
                let before = settled(lab).await;
                says(guest, &again(20)).await;
                assert_eq!(settled(lab).await, before, "{what}");
            }

            serve(guest, 5000).await;
            let again =
                format!("send --to 127.0.0.1 --port 5000 --bytes {MIB} --both --require-smcd");
            let sent = tool(guest, &again).await;
            assert_eq!(
                (&sent["bytes"], &sent["mismatches"]),
                (&(2 * MIB).into(), &0.into())
            );
        })
    });
    assert_clean(&report);
}

/// The test sees how QEMU 11.1.3 executes the driver's instructions; the driver does not bind.
#[test]
#[ignore = "needs QEMU 11.1, the plugin and a Linux guest: run ./test"]
fn observing_shows_what_qemu_does_instead() {
    let keep = tempfile::tempdir().unwrap();
    let ended = lab(&[
        "--observe",
        "--keep",
        keep.path().to_str().unwrap(),
        "--run",
        "[ -e /sys/bus/pci/drivers/ism/0007:00:00.0 ] || echo not bound",
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(ended.stdout, "not bound\n");

    let records = std::fs::read_to_string(keep.path().join("guest0-records.jsonl")).unwrap();
    let stores: Vec<Value> = records
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter(|record: &Value| record["insn"] == "pcistb")
        .collect();
    // These are the driver's first two block stores: the SBA's address and the command's header.
    for (store, offset) in stores.iter().zip(["0x8", "0x0"]) {
        assert_eq!(store["offset"], offset, "{store}");
        assert_eq!(store["length"], 8, "{store}");
        assert_eq!(store["exception"]["name"], "specification", "{store}");
    }
    assert!(stores.len() >= 2, "{}", stores.len());
    let report: Value =
        serde_json::from_slice(&std::fs::read(keep.path().join("report.json")).unwrap()).unwrap();
    let rules = broken(&report);
    let warned = |rule: &(String, String)| rule.0 == "response-before-command" && rule.1 == "warn";
    assert!(rules.iter().any(warned), "{rules:?}");
    assert!(
        ended.stderr.contains("rule response-before-command (warn)"),
        "{}",
        ended.stderr
    );
}
