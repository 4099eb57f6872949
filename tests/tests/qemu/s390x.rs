//! Tests with unmodified QEMU as the client: an s390x machine that boots Debian's Linux.

use serde_json::json;
use vfio_user_ism_tests::Daemon;
use vfio_user_ism_tests::qemu::{self, Linux};

/// Shows each PCI function, then starts a shell on the console.
const INIT: &str = r#"
for function in /sys/bus/pci/devices/*; do
    echo "function: ${function##*/}"
    for file in vendor device class resource; do
        echo "$file:" $(cat "$function/$file")
    done
done
echo "functions: end"
export PS1='guest''> '
exec setsid cttyhack sh
"#;

/// The guest's output about a function.
struct Shown {
    vendor: String,
    device: String,
    class: String,
    /// Sizes of BARs 0 to 5; 0 for one that does not exist.
    bars: Vec<u64>,
}

fn boot(daemon: &Daemon) -> Linux {
    let zpci = "zpci,uid=7,fid=8,target=ism0".to_owned();
    Linux::boot(INIT, &[zpci, qemu::device(&daemon.only(), "ism0", "")])
}

fn shown(guest: &mut Linux, function: &str) -> Shown {
    guest.expect(&format!("function: {function}\n"));
    let mut field = |name: &str| {
        guest.expect(&format!("{name}: "));
        guest.expect("\n")
    };
    let [vendor, device, class] = ["vendor", "device", "class"].map(&mut field);
    let numbers: Vec<u64> = field("resource")
        .split_whitespace()
        .map(|word| u64::from_str_radix(word.trim_start_matches("0x"), 16).unwrap())
        .collect();
    let size = |bar: &[u64]| if bar[2] == 0 { 0 } else { bar[1] - bar[0] + 1 };
    let bars = numbers.chunks_exact(3).take(6).map(size).collect();
    Shown {
        vendor,
        device,
        class,
        bars,
    }
}

#[test]
#[ignore = "needs QEMU and a Linux guest: run ./test"]
fn linux_enumerates_the_function_and_reaches_its_shell() {
    let daemon = Daemon::start();
    let mut guest = boot(&daemon);
    let function = shown(&mut guest, "0007:00:00.0");
    assert_eq!(function.vendor, "0x1014");
    assert_eq!(function.device, "0x04ed");
    assert_eq!(function.class, "0x000000", "as Linux shows a real ISM");
    assert_eq!(function.bars[0], 1 << 48);
    assert_eq!(function.bars[2], 4096);
    guest.expect("functions: end\n");
    guest.expect("guest> ");
    guest.type_line("echo $((6 * 7)) is the answer");
    guest.expect("\n42 is the answer\n");

    drop(guest);
    let left = daemon.stop();
    assert_eq!(left.function("ism0")["clients"], 1);
    assert!(
        left.rules().is_empty(),
        "enumeration trips no rule: {:?}",
        left.rules()
    );
}

#[test]
#[ignore = "needs QEMU and a Linux guest: run ./test"]
fn linux_sees_the_bar_that_the_profile_asks_for() {
    let daemon = Daemon::with_device(&json!({ "data_bar_bits": 39 }));
    let mut guest = boot(&daemon);
    let function = shown(&mut guest, "0007:00:00.0");
    assert_eq!(function.bars[0], 1 << 39);
    assert_eq!(function.bars[2], 4096);
}

/// A failure must show the guest's last output.
#[test]
#[ignore = "needs QEMU and a Linux guest: run ./test"]
#[should_panic(expected = "QEMU ended before the guest printed \"never\"")]
fn a_guest_that_ends_early_is_told_of() {
    Linux::boot("echo these are last words; poweroff -f", &[]).expect("never");
}
