//! Kernel splats: the reports of a Linux kernel about a fault in itself, found in a console log.

use std::path::Path;

/// The beginnings of kernel reports (Linux 6.12 and 7.2: `lib/bug.c`, `kernel/panic.c`,
/// `kernel/locking/lockdep.c`, `mm/kasan/report.c`, `mm/kmemleak.c`, `kernel/hung_task.c`,
/// `kernel/rcu/tree_stall.h`, `lib/refcount.c`, `arch/s390/kernel/dumpstack.c`).
const BEGINNINGS: [&str; 20] = [
    "BUG: ",
    // lockdep draws a box around its report.
    "[ BUG: ",
    // The allocator puts the cache's name after this.
    "BUG ",
    "WARNING: ",
    "Kernel panic",
    "Oops: ",
    "kernel BUG at ",
    "Unable to handle kernel ",
    "UBSAN: ",
    "kmemleak: ",
    "refcount_t: ",
    "watchdog: BUG: ",
    "INFO: task ",
    "INFO: possible recursive locking",
    "INFO: possible circular locking",
    "INFO: trying to register non-static key",
    "rcu: INFO: ",
    "INFO: rcu_",
    "list_add corruption",
    "list_del corruption",
];
/// Reports of [`BEGINNINGS`] that no fault causes.
const HARMLESS: [&str; 2] = [
    "kmemleak: Kernel memory leak detector",
    "kmemleak: Automatic memory scanning thread started",
];

/// The messages in `text` that begin a report.
///
/// A message begins with its line, or behind the kernel's time stamp anywhere in a line: a shell may
/// have written its prompt there.
pub(crate) fn find(text: &str) -> Vec<&str> {
    let begins = |said: &str, words: &[&str]| words.iter().any(|word| said.starts_with(word));
    text.lines()
        .map(message)
        .filter(|said| begins(said, &BEGINNINGS) && !begins(said, &HARMLESS) || is_check(said))
        .collect()
}

/// Whether the kernel died from a program check (`die` in `arch/s390/kernel/dumpstack.c`), as in
/// `specification exception: 0006 ilc:2 [#1] SMP`.
fn is_check(said: &str) -> bool {
    let behind = said.split_once(" ilc:").map(|(_, behind)| behind);
    behind.is_some_and(|behind| behind.contains(" [#"))
}

/// The kernel's message in a line of the console: the text after the last time stamp.
fn message(line: &str) -> &str {
    let stamp = |text: &str| {
        let seconds = text.rsplit_once('[').map(|(_, stamp)| stamp.trim_start());
        seconds.is_some_and(|seconds| {
            seconds.contains('.') && seconds.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        })
    };
    let line = line.trim_end();
    let ends = line.rmatch_indices("] ").map(|(at, _)| line.split_at(at));
    let mut stamped = ends.filter(|(before, _)| stamp(before));
    stamped.next().map_or(line, |(_, said)| &said[2..])
}

/// The reports in the console log at `path`. An unreadable log has none.
pub(crate) fn in_log(path: &Path) -> Vec<String> {
    let bytes = std::fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    find(&text).into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::find;

    #[test]
    fn reports_of_the_kernel_are_found_with_and_without_time_stamps() {
        let log = "\
[    0.000000] Linux version 7.2.13
[   12.345678] WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected\r
BUG: KASAN: slab-use-after-free in ism_move+0x1c/0x80
[   13.000000] INFO: task smcd-tool:77 blocked for more than 120 seconds.
[   14.000000] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)
[   15.000000] rcu: INFO: rcu_sched self-detected stall on CPU";
        let found = find(log);
        assert_eq!(found.len(), 5, "{found:?}");
        assert_eq!(
            found[0],
            "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected"
        );
        let prompt = "guest0# \x1b[6n[    5.172280] WARNING: CPU: 0 PID: 7 at lib/x.c:3\r\n";
        assert_eq!(find(prompt), ["WARNING: CPU: 0 PID: 7 at lib/x.c:3"]);
    }

    #[test]
    fn reports_that_name_what_they_found_first_are_found() {
        for said in [
            "[ BUG: Invalid wait context ]",
            "BUG kmalloc-64 (Tainted: G           O      ): Right Redzone overwritten",
            "specification exception: 0006 ilc:2 [#1] SMP",
            "monitor event: 0040 ilc:2 [#2] SMP",
        ] {
            assert_eq!(find(&format!("[    9.500000] {said}\r\n")), [said]);
        }
        // This is a program's fault, not the kernel's.
        let program = "User process fault: interruption code 003b ilc:3 in a.out[1000+2000]";
        assert_eq!(find(program), [""; 0]);
    }

    #[test]
    fn ordinary_lines_and_what_programs_print_are_none() {
        let log = "\
[    0.100000] kmemleak: Kernel memory leak detector initialized (mem pool available: 15729)
[    0.200000] random: crng init done
guest0# echo 'see WARNING: none'
guest0# echo '[1] WARNING: none'
[    0.300000] smc: adding smcd device 0007:00:00.0 without pnetid
INFO: nothing of note";
        assert_eq!(find(log), [""; 0]);
    }
}
