//! Tests of a QEMU with the changes of `qemu/`: without a plugin, with both kinds of block stores.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use lab::{Guest, Lab};
use serde_json::{Value, json};
use vfio_user_ism_tests::program::run;
use vfio_user_ism_tests::zpci;

use super::running::{PATIENCE, assert_clean, broken, lab, says, serve, succeeded, tool, with_lab};

/// Returns the arguments that select the QEMU and the kind of block stores; `None` if the test is skipped.
fn qemu(test: &str, stores: &str) -> Option<Vec<String>> {
    let qemu = zpci::qemu(test)?;
    Some(vec![
        format!("--qemu={}", qemu.display()),
        "--qemu-arg=-global".to_owned(),
        format!("--qemu-arg=zpci.stores={stores}"),
    ])
}

/// Runs `intercept` with one kind of block stores.
#[track_caller]
fn intercept(test: &str, stores: &str) {
    let Some(mut arguments) = qemu(test, stores) else {
        return;
    };
    arguments.insert(0, "intercept".to_owned());
    arguments.extend(["--format".to_owned(), "json".to_owned()]);
    let ended = run(&arguments);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    let cases = report["cases"].as_array().unwrap();
    let count = |label: &str| cases.iter().filter(|case| case["label"] == label).count();
    let (whole, specified) = (count("whole"), count("as-specified"));
    let others: Vec<_> = cases
        .iter()
        .filter(|case| case["good"] != true)
        .map(|case| (&case["id"], &case["label"]))
        .collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(whole > 50 && specified > 50, "{whole}, {specified}");
}

#[test]
#[ignore = "needs a QEMU with the changes of qemu/: run ./test"]
fn the_region_carries_every_instruction_as_the_guest_executed_it() {
    intercept(
        "zpci_qemu::the_region_carries_every_instruction_as_the_guest_executed_it",
        "region",
    );
}

#[test]
#[ignore = "needs a QEMU with the changes of qemu/: run ./test"]
fn the_bar_carries_every_instruction_as_the_guest_executed_it() {
    intercept(
        "zpci_qemu::the_bar_carries_every_instruction_as_the_guest_executed_it",
        "bar",
    );
}

/// A block store to the MSI-X table, which QEMU emulates, must not be longer than QEMU's buffer for it.
#[test]
#[ignore = "needs a QEMU with the changes of qemu/: run ./test"]
fn a_long_block_store_to_the_msix_table_is_refused() {
    let test = "zpci_qemu::a_long_block_store_to_the_msix_table_is_refused";
    let Some(mut arguments) = qemu(test, "auto") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let plan = folder.path().join("plan.json");
    let case = |length: u32| {
        json!({
            "id": length.to_string(), "group": "long", "instruction": "pcistb", "space": 4, "length": length,
        })
    };
    let text = json!({
        "schema-version": 1, "name": "long", "cases": [case(136), case(256), case(4096)],
    });
    std::fs::write(&plan, text.to_string()).unwrap();
    arguments.insert(0, "intercept".to_owned());
    arguments.extend(["--plan".to_owned(), plan.to_str().unwrap().to_owned()]);
    let ended = run(&arguments);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
}

/// Runs a lab that must break no rule, cause no kernel report and move its bytes through ISM.
#[track_caller]
fn clean(arguments: &[String], more: &[&str]) -> String {
    let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    words.extend(["--require-ism", "--fail-on-splat"]);
    words.extend(more);
    let ended = lab(&words);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let none = ended.stderr.contains("no plugin is loaded");
    assert!(none, "{}", ended.stderr);
    assert!(!ended.stderr.contains(": rule "), "{}", ended.stderr);
    ended.stdout
}

/// Tests SMC-D between two guests, with ten connections in both directions. The guest sees the fabric's CHID
/// and the type of an ISM function.
#[track_caller]
fn two_guests(test: &str, stores: &str) {
    let Some(arguments) = qemu(test, stores) else {
        return;
    };
    let said = clean(
        &arguments,
        &[
            "--guests",
            "2",
            "--beside",
            "1:smcd-tool serve --port 5000",
            "--run",
            "i=0; until smcd-tool send --to 10.0.0.2 --port 5000 --bytes 4000000 --conns 10 --both \
             --require-smcd; do i=$((i+1)); [ $i -lt 60 ] || exit 1; sleep 0.3; done; cd /sys/bus/pci/devices/0007:00:00.0; \
             cat pchid pft uid",
        ],
    );
    assert!(said.contains("\"mismatches\":0"), "{said}");
    assert!(said.ends_with("0x07c0\n0x05\n0x7\n"), "{said}");
}

#[test]
#[ignore = "needs a QEMU with the changes of qemu/: run ./test"]
fn two_guests_talk_smcd_through_the_region_and_see_the_fabrics_chid() {
    two_guests(
        "zpci_qemu::two_guests_talk_smcd_through_the_region_and_see_the_fabrics_chid",
        "region",
    );
}

#[test]
#[ignore = "needs a QEMU with the changes of qemu/: run ./test"]
fn two_guests_talk_smcd_through_the_bar_and_see_the_fabrics_chid() {
    two_guests(
        "zpci_qemu::two_guests_talk_smcd_through_the_bar_and_see_the_fabrics_chid",
        "bar",
    );
}

/// Sends until the server listens.
const SEND: &str = "i=0; until smcd-tool send --to 127.0.0.1 --port 5000 --bytes 1000000 \
    --require-smcd; do i=$((i+1)); [ $i -lt 60 ] || exit 1; sleep 0.3; done";

#[test]
#[ignore = "needs a QEMU with the changes of qemu/: run ./test"]
fn a_function_without_msix_interrupts_and_has_its_profiles_chid() {
    let test = "zpci_qemu::a_function_without_msix_interrupts_and_has_its_profiles_chid";
    let Some(arguments) = qemu(test, "auto") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("profile.json");
    let text = r#"{"schema_version": 1, "name": "msi", "device": {"msix": false, "pchid": 291},
        "functions": [{"name": "ism0", "gid": "0x1500000000000001"}]}"#;
    std::fs::write(&profile, text).unwrap();
    let run = format!(
        "smcd-tool serve --port 5000 >/dev/null & {SEND}; grep 0007 /proc/interrupts; \
         cat /sys/bus/pci/devices/0007:00:00.0/pchid"
    );
    let profile = profile.to_str().unwrap();
    let said = clean(&arguments, &["--profile", profile, "--run", &run]);
    assert!(said.contains("PCI-MSI"), "{said}");
    assert!(said.ends_with("0x0123\n"), "{said}");
}

#[test]
#[ignore = "needs a QEMU with the changes of qemu/: run ./test"]
fn a_guest_sees_the_pnetid() {
    let Some(arguments) = qemu("zpci_qemu::a_guest_sees_the_pnetid", "bar") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("profile.json");
    // SMC-D uses a function with a PNETID only for peers on that network, so no byte goes through it.
    let text = r#"{"schema_version": 1, "name": "net", "device": {"pnetid": "NET1"},
        "functions": [{"name": "ism0", "gid": "0x1500000000000001"}]}"#;
    std::fs::write(&profile, text).unwrap();
    let mut words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    words.extend(["--profile", profile.to_str().unwrap(), "--run"]);
    words.push("od -An -tx1 /sys/bus/pci/devices/0007:00:00.0/util_string");
    let ended = lab(&words);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    // The name is in EBCDIC, padded with blanks.
    let said = &ended.stdout;
    assert!(said.starts_with(" d5 c5 e3 f1 40 40 40 40 40"), "{said}");
}

/// The monitor of QEMU.
struct Monitor(BufReader<UnixStream>);

impl Monitor {
    #[track_caller]
    fn connect(path: &Path) -> Self {
        let stream = UnixStream::connect(path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut monitor = Self(BufReader::new(stream));
        monitor.hear();
        monitor.execute("qmp_capabilities", &json!({}));
        monitor
    }

    #[track_caller]
    fn hear(&mut self) -> Value {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("the monitor said {line:?}: {e}"))
    }

    #[track_caller]
    fn ask(&mut self, command: &str, arguments: &Value) -> Value {
        let line = json!({ "execute": command, "arguments": arguments });
        writeln!(self.0.get_mut(), "{line}").unwrap();
        loop {
            let answer = self.hear();
            if answer["event"].is_null() {
                return answer;
            }
        }
    }

    #[track_caller]
    fn execute(&mut self, command: &str, arguments: &Value) {
        let answer = self.ask(command, arguments);
        assert!(answer["return"].is_object(), "{command}: {answer}");
    }

    /// Waits until QEMU reports that the device is gone. Returns false if the guest keeps it.
    #[track_caller]
    fn gone(&mut self, id: &str) -> bool {
        let stream = self.0.get_ref().try_clone().unwrap();
        stream.set_read_timeout(Some(LET_GO)).unwrap();
        let gone = loop {
            let mut line = String::new();
            if matches!(self.0.read_line(&mut line), Err(_) | Ok(0)) {
                break false;
            }
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == "DEVICE_DELETED" && event["data"]["device"] == id {
                break true;
            }
        };
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        gone
    }
}

/// Returns the argument of `lab` for a monitor at this path.
fn monitored(path: &Path) -> [String; 2] {
    [
        "--qemu-arg=-qmp".to_owned(),
        format!("--qemu-arg=unix:{},server=on,wait=off", path.display()),
    ]
}

/// Plugs a spare function in vain, and then again with a property that fits.
async fn refuse_and_plug(lab: &Lab, monitor: &Path) {
    let guest = lab.guest(0).unwrap();
    let mut monitor = Monitor::connect(monitor);
    let function = json!({
        "driver": "vfio-user-pci", "id": "spare",
        "socket": { "type": "unix", "path": lab.functions()[1] },
    });
    let zpci = |id: &str, stores: &str| {
        json!({
            "driver": "zpci", "id": id, "uid": 9, "fid": 9, "target": "spare", "stores": stores,
        })
    };
    monitor.execute("device_add", &zpci("odd", "odd"));
    let answer = monitor.ask("device_add", &function);
    let said = answer["error"]["desc"].as_str().unwrap_or_default();
    assert!(said.contains("stores=odd: expected auto"), "{answer}");
    // A device that still has a function waits for the guest to let go of it.
    monitor.execute("device_del", &json!({ "id": "odd" }));
    monitor.execute("device_add", &zpci("good", "auto"));
    monitor.execute("device_add", &function);
    says(guest, &BOUND.replace("0007:", "0009:")).await;
}

#[test]
#[ignore = "needs a QEMU with the changes of qemu/: run ./test"]
fn a_function_that_qemu_refuses_leaves_nothing_behind() {
    let test = "zpci_qemu::a_function_that_qemu_refuses_leaves_nothing_behind";
    let Some(qemu) = zpci::qemu(test) else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("qmp");
    let qemu = format!("--qemu={}", qemu.display());
    let monitor = monitored(&path);
    let words = [&qemu, &monitor[0], &monitor[1], "--spare", "1"];
    with_lab(&words, |lab| {
        Box::pin(async move { refuse_and_plug(lab, &path).await })
    });
}

/// Limit for a guest that lets go of its function. The guest has nothing else to do.
const LET_GO: Duration = Duration::from_secs(120);
/// Prints where the guest's tasks are that wait for the end of all SMC-D connections of a function.
const HELD: &str =
    "cat $(grep -l smc_smcd_terminate_all /proc/[0-9]*/stack 2>/dev/null) </dev/null";

/// The guest met a fault of Linux in `docs/found.md`.
struct MetFault;

/// Waits in the guest until the function is back and the driver has bound.
const BOUND: &str = "i=0; until [ -e /sys/bus/pci/drivers/ism/0007:00:00.0 ]; do i=$((i+1)); \
    [ $i -lt 600 ] || exit 1; sleep 0.1; done";
/// Sends bytes for ever. Each connection that breaks is followed by another one.
const TRAFFIC: &str = "(while :; do smcd-tool send --to 127.0.0.1 --port 5000 --bytes 40000000 \
    --conns 4 --timeout 20; sleep 0.2; done) >/dev/null 2>&1 & echo $! >/run/lab/traffic";

/// Fails if a connection used a function after it was freed, or an interrupt came while the driver left. Either may
/// end the guest.
async fn met_no_fault(guest: &Guest) -> Result<(), MetFault> {
    if !guest.is_running() {
        guest.ended().await;
    }
    let known = [
        "refcount_t: addition on 0",
        "Unable to handle kernel pointer dereference",
    ];
    let splats = guest.splats();
    let met = |splat: &String| known.iter().any(|known| splat.contains(known));
    if splats.iter().any(met) {
        return Err(MetFault);
    }
    Ok(())
}

/// Returns the output of a command that must succeed, unless the guest meets such a fault.
async fn goes_on(guest: &Guest, command: &str) -> Result<String, MetFault> {
    let ran = guest.run(command).await;
    met_no_fault(guest).await?;
    Ok(succeeded(command, ran))
}

/// Unplugs the function in the middle of traffic, plugs it again and sends bytes through it, three times.
async fn unplug_and_plug(lab: &Lab, monitor: &Path) -> Result<(), MetFault> {
    let guest = lab.guest(0).unwrap();
    serve(guest, 5000).await;
    let send = "send --to 127.0.0.1 --port 5000 --bytes 1000000 --require-smcd";
    tool(guest, send).await;
    let mut monitor = Monitor::connect(monitor);
    for cycle in 0..3 {
        let moves = |report: &Value| report["functions"][0]["moves"].as_u64().unwrap();
        says(guest, TRAFFIC).await;
        let before = moves(&lab.report().await.unwrap());
        let end = Instant::now() + PATIENCE;
        while moves(&lab.report().await.unwrap()) < before + 20 {
            assert!(Instant::now() < end, "no traffic");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        monitor.execute("device_del", &json!({ "id": "ism" }));
        if !monitor.gone("ism") {
            let held = goes_on(guest, HELD).await?;
            assert!(held.contains("smc_smcd_terminate_all"), "not gone: {held}");
            return Err(MetFault);
        }
        goes_on(guest, "[ ! -e /sys/bus/pci/devices/0007:00:00.0 ]").await?;
        goes_on(
            guest,
            "kill $(cat /run/lab/traffic); killall smcd-tool; true",
        )
        .await?;

        let zpci = json!({
            "driver": "zpci", "id": format!("zpci{cycle}"), "uid": 7, "fid": 8, "target": "ism",
        });
        monitor.execute("device_add", &zpci);
        let socket = lab.functions()[0].clone();
        let function = json!({
            "driver": "vfio-user-pci", "id": "ism",
            "socket": { "type": "unix", "path": socket },
        });
        monitor.execute("device_add", &function);
        goes_on(guest, BOUND).await?;
        serve(guest, 5000).await;
        let sent = tool(guest, send).await;
        assert_eq!(sent["mismatches"], 0, "{sent}");
    }
    met_no_fault(guest).await?;
    assert!(guest.is_running());
    assert_eq!(guest.splats(), Vec::<String>::new());
    Ok(())
}

#[test]
#[ignore = "needs a QEMU with the changes of qemu/: run ./test"]
fn a_function_leaves_and_comes_again_under_traffic() {
    let test = "zpci_qemu::a_function_leaves_and_comes_again_under_traffic";
    let Some(arguments) = qemu(test, "auto") else {
        return;
    };
    let mut attempts = 1;
    // Linux does not survive each removal of a function in use. What it then does is checked above.
    let report = loop {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("qmp");
        let monitor = monitored(&path);
        let words: Vec<&str> = arguments
            .iter()
            .chain(&monitor)
            .map(String::as_str)
            .collect();
        let passed = Rc::new(Cell::new(false));
        let tell = Rc::clone(&passed);
        let report = with_lab(&words, |lab| {
            Box::pin(async move { tell.set(unplug_and_plug(lab, &path).await.is_ok()) })
        });
        if passed.get() {
            break report;
        }
        assert!(attempts < 5, "Linux failed {attempts} times");
        attempts += 1;
    };
    assert_clean(&report);
    let warned = broken(&report);
    assert!(warned.iter().all(|(_, severity)| severity == "note"));
    assert_eq!(report["functions"][0]["clients"], 4);
}
