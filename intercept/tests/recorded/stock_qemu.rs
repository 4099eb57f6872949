//! Tests a recorded run under Debian's QEMU 11.1.3, and every single damage to it. Each damage changes the
//! verdict on the damaged instruction, and no other.

use intercept::expect::Model;
use intercept::recording::{Access, Piece, Recording};
use intercept::verdict::classify;
use std::collections::BTreeMap;
use std::path::Path;

fn recorded() -> Recording {
    read("stock-qemu-11.1.3.json")
}

fn read(name: &str) -> Recording {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    Recording::read(&folder.join(name)).expect("the recording in the repository")
}

fn labels(recording: &Recording) -> BTreeMap<String, String> {
    let verdicts = classify(recording, Model::Relaxed).expect("fences are there");
    let ids = recording.plan.cases.iter().map(|case| case.id.clone());
    ids.zip(verdicts.iter().map(|verdict| verdict.label()))
        .collect()
}

/// For each BAR piece that belongs to a case: its index and the case.
fn owned(recording: &Recording) -> Vec<(usize, String)> {
    let verdicts = classify(recording, Model::Relaxed).expect("fences are there");
    let owners = recording.plan.cases.iter().zip(&verdicts);
    let mut owned: Vec<(usize, String)> = owners
        .flat_map(|(case, verdict)| verdict.pieces.iter().map(|&piece| (piece, case.id.clone())))
        .filter(|(piece, _)| !recording.pieces[*piece].access.is_config())
        .collect();
    owned.sort();
    owned
}

/// The cases whose labels `damage` changes.
fn hit(recording: &Recording, damage: impl FnOnce(&mut Vec<Piece>)) -> Vec<String> {
    let before = labels(recording);
    let mut damaged = recording.clone();
    damage(&mut damaged.pieces);
    labels(&damaged)
        .into_iter()
        .filter(|(id, label)| before[id] != *label)
        .map(|(id, _)| id)
        .collect()
}

#[test]
fn what_stock_qemu_does_is_found() {
    let labels = labels(&recorded());
    for (id, label) in [
        ("pcistb-bar0-length-1", "refused-wrongly"),
        ("pcistb-bar2-length-8", "refused-wrongly"),
        ("pcistb-bar0-length-16", "split 2x8 + reversed"),
        ("pcistb-bar2-length-24", "split 3x8 + reversed"),
        ("pcistb-bar0-length-64", "split 8x8 + reversed"),
        ("pcistb-bar0-length-136", "refused-wrongly"),
        ("pcistg-bar2-place-at-0-length-8", "as-specified"),
        ("pcistg-bar2-odd-at-0-length-3", "lost + altered"),
        ("pcilg-bar2-place-at-0-length-8", "as-specified"),
        ("signal-ieq-plain-0", "as-specified"),
    ] {
        assert_eq!(labels[id], label, "{id}");
    }
}

/// Debian's s390x QEMU executed the same plan on an emulated s390x host. It splits and refuses the same block
/// stores, and reverses none.
#[test]
fn a_big_endian_host_reverses_nothing() {
    let big = read("stock-qemu-11.1.2-big-endian.json");
    assert_eq!(big.environment.host, "Linux s390x, big-endian");
    let (little, big) = (labels(&recorded()), labels(&big));
    let mut reversed = 0;
    for (id, label) in &little {
        let expected = label.replace(" + reversed", "");
        reversed += usize::from(expected != *label);
        assert_eq!(big[id], expected, "{id}");
    }
    assert_eq!(little.len(), big.len());
    assert!(reversed >= 6, "{reversed}");
}

#[test]
fn a_changed_byte_changes_its_case_only() {
    let recording = recorded();
    for (index, id) in owned(&recording) {
        for byte in 0..recording.pieces[index].bytes.len() {
            // This access is already altered. Another wrong byte does not change that.
            if id == "pcistg-bar2-odd-at-0-length-3" {
                continue;
            }
            let hit = hit(&recording, |pieces| pieces[index].bytes[byte] ^= 0x80);
            assert_eq!(hit, std::slice::from_ref(&id), "piece {index}, byte {byte}");
        }
    }
}

#[test]
fn a_dropped_piece_changes_its_case_only() {
    let recording = recorded();
    for (index, id) in owned(&recording) {
        let hit = hit(&recording, |pieces| drop(pieces.remove(index)));
        assert_eq!(hit, [id], "piece {index}");
    }
}

#[test]
fn swapped_pieces_change_the_cases_they_belong_to() {
    let recording = recorded();
    let mut swapped = 0;
    for pair in owned(&recording).windows(2) {
        let [(first, a), (second, b)] = pair else {
            continue;
        };
        if first + 1 != *second {
            continue;
        }
        let mut expected = vec![a.clone(), b.clone()];
        expected.sort();
        expected.dedup();
        assert_eq!(
            hit(&recording, |pieces| pieces.swap(*first, *second)),
            expected,
            "piece {first}"
        );
        swapped += 1;
    }
    assert!(swapped > 20, "{swapped}");
}

#[test]
fn merged_pieces_change_the_cases_they_belong_to() {
    let recording = recorded();
    let mut merged = 0;
    for pair in owned(&recording).windows(2) {
        let [(first, a), (second, b)] = pair else {
            continue;
        };
        let (left, right) = (&recording.pieces[*first], &recording.pieces[*second]);
        let adjacent = left.access == Access::Store
            && right.access == Access::Store
            && left.end() == right.offset;
        if first + 1 != *second || !adjacent {
            continue;
        }
        let mut expected = vec![a.clone(), b.clone()];
        expected.sort();
        expected.dedup();
        let hit = hit(&recording, |pieces| {
            let tail = pieces.remove(*second);
            pieces[*first].bytes.extend(tail.bytes);
        });
        assert_eq!(hit, expected, "piece {first}");
        merged += 1;
    }
    assert!(merged > 15, "{merged}");
}
