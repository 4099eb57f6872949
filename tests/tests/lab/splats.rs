//! Tests that the lab finds a kernel's real reports of faults that a module commits (`lab/guest/plant/`).

use debian_fetch::Cache;
use lab::kit::has_debug;
use vfio_user_ism_tests::program::Ended;

use super::running::lab;

/// Builds a guest command that commits `faults` one after the other.
fn commit(faults: &[&str]) -> String {
    let all = faults.join(" ");
    format!(
        "for fault in {all}; do echo $fault >/sys/module/plant/parameters/fault || exit 9; done; "
    )
}

/// Runs `commands` in a guest that has the module. A report of the kernel must fail the lab.
fn planted(words: &[&str], commands: &str) -> Ended {
    let run = format!("insmod /lib/lab/plant.ko || exit 8; {commands}");
    lab(&[words, &["--plant", "--fail-on-splat", "--run", &run]].concat())
}

/// Builds a guest command that waits until its kernel prints `text`, but not for ever.
fn until_said(text: &str) -> String {
    format!(
        "n=0; until dmesg | grep -q '{text}' || [ $n -eq 600 ]; do n=$((n + 1)); sleep 1; done; "
    )
}

/// Builds a guest command that commits `fault` until its kernel prints `text`, but at most ten times. The
/// kernel does not notice every one of them.
fn again_until_said(fault: &str, text: &str) -> String {
    let commit = commit(&[fault]);
    format!(
        "n=0; until dmesg | grep -q '{text}' || [ $n -eq 10 ]; do n=$((n + 1)); {commit}sleep 10; done; "
    )
}

/// Checks that the lab names each of `reports` and ends with their exit status.
#[track_caller]
fn assert_told(ended: &Ended, reports: &[&str]) {
    assert_eq!(ended.code, Some(4), "{}", ended.stderr);
    let lines = ended.stderr.lines();
    let said: Vec<_> = lines
        .filter_map(|line| line.strip_prefix("lab: guest 0: kernel splat: "))
        .collect();
    for report in reports {
        let told = said.iter().any(|said| said.starts_with(report));
        assert!(told, "{report}: {said:#?}\n{}", ended.stderr);
    }
}

/// Debian's kernel notices these faults without any debugging option.
#[test]
#[ignore = "needs QEMU 11.1, the plugin and a Linux guest: run ./test"]
fn the_reports_of_debians_kernel_are_found() {
    let soon = "sysctl.kernel.hung_task_timeout_secs=2 rcupdate.rcu_cpu_stall_timeout=3";
    let append = format!("slub_debug=FZ,kmalloc-64 {soon}");
    // After an oops, a kernel no longer looks for hung tasks.
    let commands = [
        commit(&[
            "warning",
            "refcount",
            "schedule-in-atomic",
            "overflow",
            "hung-task",
        ]),
        until_said("INFO: task plant-sleeper"),
        again_until_said("stall", "rcu: INFO: "),
        commit(&["oops", "list"]),
    ];
    let ended = planted(&["--append", &append], &commands.concat());
    assert_told(
        &ended,
        &[
            "WARNING: ",
            "refcount_t: addition on 0",
            "BUG: scheduling while atomic: plant",
            "BUG kmalloc-",
            "INFO: task plant-sleeper",
            "rcu: INFO: rcu_",
            "Unable to handle kernel pointer dereference",
            "Oops: ",
            "kernel BUG at ",
            "monitor event: ",
        ],
    );
}

#[test]
#[ignore = "needs QEMU 11.1, the plugin and a Linux guest: run ./test"]
fn a_panic_ends_the_lab_and_is_found() {
    let ended = planted(&[], &(commit(&["panic"]) + "sleep 600"));
    assert_eq!(ended.code, Some(3), "{}", ended.stderr);
    let told = "Kernel panic - not syncing: plant: a panic";
    assert!(ended.stderr.contains(told), "{}", ended.stderr);
}

/// True if the cache has the debug kernel. Building it takes ten minutes or more, so `./test` does not.
fn debug_kernel() -> bool {
    let there = Cache::locate().is_ok_and(|cache| has_debug(&cache, None));
    if !there {
        eprintln!(
            "left out: there is no debug kernel here. `vfio-user-ism fetch lab-debug` builds it"
        );
    }
    there
}

/// Only a kernel with its own checks notices these faults. lockdep stops after its first report, so each of
/// its faults has its own guest.
#[test]
#[ignore = "needs QEMU 11.1, the plugin and the debug kernel: run vfio-user-ism fetch lab-debug and ./test"]
fn the_reports_of_the_debug_kernel_are_found() {
    if !debug_kernel() {
        return;
    }
    let kernel = ["--kernel", "debug", "--memory", "1024"];
    let words = [&kernel[..], &["--append", "kasan_multi_shot"]].concat();
    let faults = [
        "sleep-in-atomic",
        "use-after-free",
        "overflow",
        "shift",
        "leak",
    ];
    let scan = "mount -t debugfs none /sys/kernel/debug; n=0; \
        until dmesg | grep -q 'new suspected memory leaks' || [ $n -eq 60 ]; do \
        echo scan >/sys/kernel/debug/kmemleak; n=$((n + 1)); sleep 6; done";
    let ended = planted(&words, &(commit(&faults) + scan));
    assert_told(
        &ended,
        &[
            "BUG: sleeping function called from invalid context",
            "BUG: KASAN: slab-use-after-free in ",
            "BUG: KASAN: slab-out-of-bounds in ",
            "UBSAN: shift-out-of-bounds in ",
            "kmemleak: ",
            "[ BUG: Invalid wait context ]",
        ],
    );

    for (fault, report) in [
        (
            "missing-unlock",
            "WARNING: lock held when returning to user space",
        ),
        (
            "lock-order",
            "WARNING: possible circular locking dependency detected",
        ),
    ] {
        assert_told(&planted(&kernel, &commit(&[fault])), &[report]);
    }
}
