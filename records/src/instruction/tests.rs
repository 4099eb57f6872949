use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

#[track_caller]
fn json(line: &Line<'_, &Record>) -> Value {
    let text = line.to_json().unwrap();
    assert!(!text.contains('\n'), "one line each: {text}");
    serde_json::from_str(&text).unwrap()
}

fn store_block() -> Record {
    Record {
        seq: 3,
        vcpu: 1,
        insn: "pcistb".into(),
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
        plugin_version: "1.2.3".into(),
        qemu_api: [7, 8],
        target: "s390x".into(),
        max_vcpus: 2,
    };
    assert_eq!(
        json(&start),
        json!({"schema_version": 1, "kind": "start", "plugin_version": "1.2.3",
               "qemu_api": [7, 8], "target": "s390x", "max_vcpus": 2})
    );
    assert_eq!(
        json(&Line::Problem {
            message: "a \"b\"".into()
        }),
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

/// Every field of a record and every line, made of these values.
fn every_line(n: u64, some: bool, text: &str, bytes: &[u8]) -> Vec<Line<'static>> {
    let (byte, half, word) = (n as u8, n as u16, n as u32);
    let (text, bytes) = (|| text.to_owned(), || HexBytes(bytes.to_owned()));
    let record = |outcome, exception| Record {
        seq: n,
        vcpu: word,
        insn: text().into(),
        opcode: bytes(),
        psw_addr: Hex(n),
        operands: Operands {
            handle: some.then_some(Hex(n)),
            pcias: some.then_some(byte),
            offset: some.then_some(Hex(!n)),
            length: some.then_some(n),
            bytes: some.then(bytes),
            request: some.then_some(Hex(n)),
            address: some.then_some(Hex(!n)),
            io_address: some.then_some(Hex(n)),
            operation: some.then_some(half),
            isc: some.then_some(byte),
            processor: some.then_some(byte),
            command: some.then_some(Hex(n)),
            clp_request: some.then(bytes),
            clp_response: some.then(bytes),
        },
        result: InstructionResult {
            outcome,
            cc: some.then_some(byte),
            status: some.then_some(byte),
            value: some.then_some(Hex(n)),
            exception,
        },
        forwarded: some,
    };
    let other = Exception {
        code: some.then_some(half),
        name: text().into(),
    };
    let records = [
        record(Outcome::Completed, None),
        record(Outcome::Exception, Some(Exception::new(Some(half)))),
        record(Outcome::Exception, Some(other)),
        record(Outcome::Unseen, None),
        record(Outcome::Other("of-a-newer-plugin".to_owned()), None),
    ];
    let insns = records.map(|record| Line::Insn(Box::new(record)));
    let frame = [
        Line::Start {
            plugin_version: text().into(),
            qemu_api: [word as i32, byte.into()],
            target: text().into(),
            max_vcpus: word,
        },
        Line::Problem {
            message: text().into(),
        },
        Line::End { instructions: n },
    ];
    insns.into_iter().chain(frame).collect()
}

proptest! {
    #[test]
    fn every_line_is_read_as_it_was_written(
        n: u64,
        some: bool,
        text: String,
        bytes in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        for line in every_line(n, some, &text, &bytes) {
            let written = line.to_json().unwrap();
            prop_assert_eq!(Line::read(written.as_bytes()).unwrap(), line, "{}", written);
        }
    }
}

#[test]
fn lines_of_newer_plugins_are_read_as_far_as_they_are_known() {
    let read = |line: &Value| Line::<Box<Record>>::read(line.to_string().as_bytes());
    let unknown = read(&json!({"schema_version": 1, "kind": "new", "seq": []})).unwrap();
    assert_eq!(unknown, Line::Unknown);
    assert!(unknown.to_json().is_err());
    let record = store_block();
    let mut more = json(&Line::Insn(&record));
    more["new"] = json!({"a": 1});
    assert_eq!(read(&more).unwrap(), Line::Insn(Box::new(record)));
    more["schema_version"] = json!(2);
    let refused = read(&more).unwrap_err().to_string();
    assert!(
        refused.contains("schema_version 2, expected 1"),
        "{refused}"
    );
    for (field, value, expected) in [
        ("offset", json!("0xg"), "\"0xg\", expected 0x and digits"),
        ("offset", json!("10"), "\"10\", expected 0x and digits"),
        ("bytes", json!("0"), "hexadecimal bytes"),
        ("seq", Value::Null, "expected u64"),
    ] {
        let mut wrong = json(&Line::Insn(&store_block()));
        wrong[field] = value;
        let refused = read(&wrong).unwrap_err().to_string();
        assert!(refused.contains(expected), "{field}: {refused}");
    }
}

#[test]
fn an_outcome_has_the_name_of_its_record() {
    for outcome in [Outcome::Completed, Outcome::Exception, Outcome::Unseen] {
        assert_eq!(json!(outcome), json!(outcome.name()));
    }
}
