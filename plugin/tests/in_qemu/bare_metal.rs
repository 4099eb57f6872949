// SPDX-License-Identifier: GPL-2.0-or-later
//! Tests of a few instructions under a real QEMU, without a kernel: every kind of outcome.

use crate::support::{Run, qemu, run};
use serde_json::{Value, json};

/// Address to which the PSW at address 0 of the image points.
const ENTRY: usize = 0x1_0000;
/// Address of the program-new PSW (z/Architecture).
const PROGRAM_NEW_PSW: usize = 0x1D0;
/// Address of the PSW that ends the guest.
const FINAL_PSW: usize = 0x200;
const HANDLER: usize = 0x1_3000;
/// Address of the external-new PSW (z/Architecture).
const EXTERNAL_NEW_PSW: usize = 0x1B0;
/// Address of a zero, followed by control register 0 with the clock comparator's subclass enabled.
const CONSTANTS: usize = 0x300;
const EXTERNAL_HANDLER: usize = 0x1_3100;
/// Sets the clock comparator 100 microseconds ahead and resumes.
const EXTERNAL_CODE: [&[u8]; 6] = [
    &[0xB2, 0x05, 0x03, 0x10],             // STCK 0x310
    &[0xE3, 0x60, 0x03, 0x10, 0x00, 0x04], // LG r6,0x310
    &[0xC2, 0x68, 0x00, 0x06, 0x40, 0x00], // AGFI r6,0x64000
    &[0xE3, 0x60, 0x03, 0x10, 0x00, 0x24], // STG r6,0x310
    &[0xB2, 0x06, 0x03, 0x10],             // SCKC 0x310
    &[0xB2, 0xB2, 0x01, 0x30],             // LPSWE 0x130
];

/// Builds an image that ends in a disabled wait. After a program exception, it goes on after the instruction.
fn image(code: &[&[u8]]) -> Vec<u8> {
    let mut image = vec![0; 0x1_4000];
    let mut put = |at: usize, bytes: &[u8]| image[at..at + bytes.len()].copy_from_slice(bytes);
    // PSW: 31-bit addressing, no interruptions.
    put(0, &[0x00, 0x08, 0, 0, 0x80, 0x01, 0, 0]);
    let mut psw = vec![0, 0, 0, 0, 0x80, 0, 0, 0];
    psw.extend((HANDLER as u64).to_be_bytes());
    put(PROGRAM_NEW_PSW, &psw);
    psw.splice(8.., (EXTERNAL_HANDLER as u64).to_be_bytes());
    put(EXTERNAL_NEW_PSW, &psw);
    put(EXTERNAL_HANDLER, &EXTERNAL_CODE.concat());
    put(CONSTANTS + 8, &0x800_u64.to_be_bytes());
    put(
        FINAL_PSW,
        &[0, 2, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    );
    put(HANDLER, &[0xB2, 0xB2, 0x01, 0x50]); // LPSWE 0x150
    let mut program = code.concat();
    program.extend([0xB2, 0xB2, 0x02, 0x00]); // LPSWE 0x200
    put(ENTRY, &program);
    image
}

#[track_caller]
fn records(code: &[&[u8]]) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let kernel = dir.path().join("image");
    std::fs::write(&kernel, image(code)).unwrap();
    let Run { lines, .. } = run(&[
        "-kernel",
        kernel.to_str().unwrap(),
        "-action",
        "panic=shutdown",
    ]);
    assert_eq!(lines[0]["kind"], "start");
    let last = lines.last().unwrap();
    assert_eq!(last["kind"], "end");
    let records: Vec<_> = lines
        .iter()
        .filter(|line| line["kind"] == "insn")
        .cloned()
        .collect();
    assert_eq!(last["instructions"], records.len());
    records
}

#[test]
#[ignore = "needs QEMU 11.1: run ./test"]
fn condition_codes_and_exceptions_are_told_apart() {
    let records = records(&[
        &[0xB9, 0xD2, 0x00, 0x15],             // PCILG with an odd register pair
        &[0xA7, 0x59, 0x01, 0xD0],             // LGHI r5,0x1d0
        &[0xA7, 0x29, 0x00, 0x10],             // LGHI r2,16
        &[0xEB, 0x23, 0x50, 0x00, 0x00, 0xD0], // PCISTB of 16 bytes, no such handle
        &[0xA7, 0x49, 0x00, 0x04],             // LGHI r4,4
        &[0xA7, 0x19, 0x12, 0x34],             // LGHI r1,0x1234
        &[0xB9, 0xD0, 0x00, 0x14],             // PCISTG, no such handle
        &[0xB9, 0xD0, 0x00, 0x14],             // once more, right behind it
        &[0xB9, 0xD4, 0x00, 0x14],             // PCISTGI
    ]);
    let mnemonics: Vec<_> = records
        .iter()
        .map(|record| record["insn"].as_str().unwrap())
        .collect();
    assert_eq!(
        mnemonics,
        ["pcilg", "pcistb", "pcistg", "pcistg", "pcistgi"]
    );
    let seqs: Vec<_> = records
        .iter()
        .map(|record| record["seq"].as_u64().unwrap())
        .collect();
    assert_eq!(seqs, [0, 1, 2, 3, 4]);

    assert_eq!(records[0]["outcome"], "exception");
    assert_eq!(
        records[0]["exception"],
        json!({"code": 6, "name": "specification"})
    );
    assert_eq!(records[0]["cc"], Value::Null);
    assert_eq!(records[0]["psw_addr"], "0x0000000000010000");

    assert_eq!(
        (&records[1]["outcome"], &records[1]["cc"]),
        (&json!("completed"), &json!(3))
    );
    assert_eq!(records[1]["bytes"], "00000000800000000000000000013000");
    assert_eq!(records[1]["address"], "0x1d0");
    assert_eq!(records[1]["length"], 16);
    assert_eq!(records[1]["exception"], Value::Null);

    for record in &records[2..4] {
        assert_eq!(
            (&record["outcome"], &record["cc"]),
            (&json!("completed"), &json!(3))
        );
        assert_eq!(record["bytes"], "00001234");
    }
    assert_eq!(
        records[4]["exception"],
        json!({"code": 1, "name": "operation"})
    );
}

#[test]
#[ignore = "needs QEMU 11.1: run ./test"]
fn an_instruction_at_the_end_of_a_page_and_in_a_loop_is_seen_each_time() {
    // A block ends at a page border, so the outcome of the last instruction is read in the next block.
    let filler = [0x07, 0x07].repeat((0x1000 - 8) / 2); // BCR 0,r7
    let code: [&[u8]; 5] = [
        &filler[..filler.len() - 4],
        &[0xA7, 0x39, 0x00, 0x64], // LGHI r3,100
        &[0xB9, 0x04, 0x00, 0x11], // LGR r1,r1
        &[0xB9, 0xD2, 0x00, 0x14], // PCILG, no such handle
        &[0xA7, 0x37, 0xFF, 0xFE], // BRCTG r3,.-4
    ];
    let offset: usize = code[..3].iter().map(|part| part.len()).sum::<usize>();
    assert_eq!(
        offset, 0x0FFC,
        "the load is the last instruction of its page"
    );
    let records = records(&code);
    assert_eq!(records.len(), 100);
    for record in records {
        assert_eq!(record["psw_addr"], "0x0000000000010ffc");
        assert_eq!(
            (&record["outcome"], &record["cc"]),
            (&json!("completed"), &json!(3))
        );
    }
}

#[test]
#[ignore = "needs QEMU 11.1: run ./test"]
fn interruptions_right_after_an_instruction_do_not_hide_its_outcome() {
    const LOADS: usize = 5000;
    let code: [&[u8]; 6] = [
        &[0xEB, 0x00, 0x03, 0x08, 0x00, 0x2F], // LCTLG c0,c0,0x308
        &[0xB2, 0x06, 0x03, 0x00],             // SCKC 0x300
        &[0xA7, 0x39, 0x13, 0x88],             // LGHI r3,5000
        &[0xAD, 0x01, 0x03, 0x18],             // STOSM 0x318,1: external interruptions
        &[0xB9, 0xD2, 0x00, 0x14],             // PCILG, no such handle
        &[0xA7, 0x37, 0xFF, 0xFE],             // BRCTG r3,.-4
    ];
    let records = records(&code);
    assert_eq!(records.len(), LOADS);
    for record in records {
        // The handler's own PSW has condition code 0.
        assert_eq!(
            (&record["outcome"], &record["cc"]),
            (&json!("completed"), &json!(3))
        );
    }
}

#[test]
#[ignore = "needs QEMU 11.1: run ./test"]
fn wrong_arguments_stop_qemu_with_a_message() {
    let output = qemu(&[
        "-plugin",
        &format!("file={},colour=red", crate::support::plugin().display()),
    ]);
    assert_ne!(output.code, Some(0));
    let stderr = output.stderr;
    assert!(stderr.contains("unknown argument \"colour\""), "{stderr}");
}
