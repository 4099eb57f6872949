//! Tests that the lab's measurements run. Their values are not judged.

use serde_json::Value;

use super::running::lab;

#[test]
#[ignore = "needs QEMU 11.1, the plugin and a Linux guest: run ./test"]
fn lab_bench_measures_every_path() {
    let kept = tempfile::tempdir().unwrap();
    let ended = lab(&[
        "--bench",
        "--transfer=1",
        "--format=json",
        "--compare=,moves=waited",
        "--fail-on-splat",
        "--keep",
        kept.path().to_str().unwrap(),
    ]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    // No rule is broken, neither by the drivers nor by the measured programs beside them. Only if Linux reset a
    // connection, the other end may still store into its DMB (docs/found.md).
    let told = ended.stderr.contains("no figure of this round");
    for line in ended.stderr.lines().filter(|line| line.contains(": rule ")) {
        assert!(
            told && line.contains("rule unknown-dmb "),
            "{}",
            ended.stderr
        );
    }
    for folder in ["", "compared1"] {
        let console = kept.path().join(folder).join("guest1-console.log");
        let console = std::fs::read_to_string(console).unwrap();
        assert!(console.contains("Linux version"), "{console}");
    }
    let figures: Value = serde_json::from_str(&ended.stdout).unwrap();
    let rows = figures["rows"].as_array().unwrap();
    let names: Vec<_> = rows
        .iter()
        .map(|row| {
            (
                row["between"].as_str().unwrap(),
                row["path"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        names,
        [
            ("one guest", "SMC-D over ism"),
            ("one guest", "SMC-D over loopback-ism"),
            ("one guest", "TCP over loopback"),
            ("two guests", "SMC-D over ism"),
            ("two guests", "TCP over virtio-net"),
        ]
    );
    for row in rows {
        // On a very busy machine, TCP between two guests may take longer than the bench waits, which then says so.
        let may_stop = row["path"] == "TCP over virtio-net";
        for figure in ["mb_per_s", "small_us", "large_us"] {
            let stopped = may_stop && told && row[figure].is_null();
            assert!(stopped || row[figure].as_f64() > Some(0.0), "{row}");
        }
        let through_us = row["path"] == "SMC-D over ism";
        // The other end of a connection may close it as late as in the next path's row. That is one move.
        let moves = row["moves"].as_u64().unwrap();
        assert_eq!(moves > 8, through_us, "{row}");
        // One run had one interrupt in the row of TCP. The end of a link group raises one for each end. Linux ends
        // an idle one after ten minutes (SMC_LGR_FREE_DELAY_SERV), on a slow machine maybe in another path's row.
        let interrupts = row["interrupts"].as_u64().unwrap();
        assert_eq!(interrupts > 4, through_us, "{row}");
    }
    for figure in ["move_us", "bare_us", "ratio"] {
        assert!(figures["move"][figure].as_f64() > Some(0.0), "{figures}");
    }
    let compared = figures["compared"].as_array().unwrap();
    assert_eq!(compared.len(), 1);
    assert_eq!(compared[0]["variant"], "the same QEMU, moves=waited");
    assert_eq!(compared[0]["plugin"], true);
    let rows = compared[0]["rows"].as_array().unwrap();
    let between: Vec<_> = rows.iter().map(|row| &row["between"]).collect();
    assert_eq!(between, ["one guest", "two guests"]);
    for row in rows {
        assert!(row["other_mb_per_s"].as_f64() > Some(0.0), "{row}");
        assert!(row["ratio"].as_f64() > Some(0.0), "{row}");
    }
}
