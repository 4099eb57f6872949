// SPDX-License-Identifier: GPL-2.0-or-later
use serde_json::{Value, json};

use super::*;

#[track_caller]
fn json(line: &Line<'_>) -> Value {
    let text = line.to_json().unwrap();
    assert!(!text.contains('\n'), "one line each: {text}");
    serde_json::from_str(&text).unwrap()
}

fn store_block() -> Record {
    Record {
        seq: 3,
        vcpu: 1,
        insn: "pcistb",
        opcode: HexBytes(vec![0xEB, 0x23, 0x50, 0, 0, 0xD0]),
        psw_addr: Hex(0x0003_ff80_1234_5678),
        operands: Operands {
            handle: Some(Hex(0x8000_0021)),
            pcias: Some(0),
            offset: Some(Hex(0xFFFF_FFFF_FFFF_FFFF)),
            length: Some(2),
            bytes: Some(HexBytes(vec![0x0A, 0xFF])),
            request: Some(Hex(0x8000_0021_0000_0002)),
            address: Some(Hex(0x1000)),
            ..Operands::default()
        },
        result: InstructionResult {
            outcome: Outcome::Completed,
            cc: Some(1),
            status: Some(12),
            value: None,
            exception: None,
        },
        forwarded: false,
    }
}

#[test]
fn a_forwarded_instruction_says_so() {
    let mut record = store_block();
    record.forwarded = true;
    let mut expected = json(&Line::Insn(&store_block()));
    expected["forwarded"] = json!(true);
    assert_eq!(json(&Line::Insn(&record)), expected);
}

#[test]
fn an_instruction_line_has_every_common_field_and_no_foreign_one() {
    assert_eq!(
        json(&Line::Insn(&store_block())),
        json!({
            "schema_version": 1, "kind": "insn", "seq": 3, "vcpu": 1, "insn": "pcistb",
            "opcode": "eb23500000d0", "psw_addr": "0x0003ff8012345678",
            "handle": "0x80000021", "pcias": 0, "offset": "0xffffffffffffffff", "length": 2,
            "bytes": "0aff", "request": "0x8000002100000002", "address": "0x1000",
            "outcome": "completed", "cc": 1, "status": 12, "value": null, "exception": null,
        })
    );
}

#[test]
fn absent_common_fields_are_null() {
    let mut record = store_block();
    record.operands = Operands::default();
    record.result = InstructionResult {
        outcome: Outcome::Exception,
        cc: None,
        exception: Some(Exception::new(Some(6))),
        ..InstructionResult::unseen()
    };
    assert_eq!(
        json(&Line::Insn(&record)),
        json!({
            "schema_version": 1, "kind": "insn", "seq": 3, "vcpu": 1, "insn": "pcistb",
            "opcode": "eb23500000d0", "psw_addr": "0x0003ff8012345678",
            "handle": null, "pcias": null, "offset": null, "length": null, "bytes": null,
            "outcome": "exception", "cc": null, "status": null, "value": null,
            "exception": {"code": 6, "name": "specification"},
        })
    );
}

#[test]
fn the_frame_lines_name_their_kind() {
    let start = Line::Start {
        plugin_version: "1.2.3",
        qemu_api: [7, 8],
        target: "s390x",
        max_vcpus: 2,
    };
    assert_eq!(
        json(&start),
        json!({"schema_version": 1, "kind": "start", "plugin_version": "1.2.3",
               "qemu_api": [7, 8], "target": "s390x", "max_vcpus": 2})
    );
    assert_eq!(
        json(&Line::Problem { message: "a \"b\"" }),
        json!({"schema_version": 1, "kind": "problem", "message": "a \"b\""})
    );
    assert_eq!(
        json(&Line::End { instructions: 9 }),
        json!({"schema_version": 1, "kind": "end", "instructions": 9})
    );
}

#[test]
fn exceptions_have_the_names_of_the_architecture() {
    let name = |code| Exception::new(code).name;
    assert_eq!(name(Some(0x01)), "operation");
    assert_eq!(name(Some(0x15)), "operand");
    assert_eq!(name(Some(0x3B)), "region-translation");
    assert_eq!(name(Some(0x99)), "other");
    assert_eq!(name(None), "unknown");
}
