// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;

fn parse(value: &str) -> Stop {
    Stop::parse(value).expect("one of these").expect("valid")
}

fn refused(value: &str) -> String {
    Stop::parse(value).expect("one of these").unwrap_err()
}

fn block(pcias: u8, length: u64) -> Operands {
    Operands {
        pcias: Some(pcias),
        offset: Some(Hex(0x800)),
        length: Some(length),
        ..Operands::default()
    }
}

#[test]
fn a_place_is_an_instruction_with_operands() {
    let stop = parse("crash@pcistb:space=2:length=0x10:offset=2048");
    assert!(!stop.is_due("pcistb", &block(2, 8)));
    assert!(!stop.is_due("pcistb", &block(0, 16)));
    assert!(!stop.is_due("pcilg", &block(2, 16)));
    assert!(stop.is_due("pcistb", &block(2, 16)));
    assert!(!stop.is_due("pcistb", &block(2, 16)), "once");
}

#[test]
fn a_bar_that_does_not_exist_is_a_place() {
    let stop = parse("hang@pcistb-absent-bar");
    for bar in [0, 2, 4, 15] {
        assert!(!stop.is_due("pcistb", &block(bar, 16)), "{bar}");
    }
    assert!(!stop.is_due("pcistg", &block(3, 8)));
    assert!(stop.is_due("pcistb", &block(3, 16)));
}

#[test]
fn matches_are_counted_from_1() {
    let third = parse("abort@any:nth=3");
    let same = parse("abort@3");
    for stop in [third, same] {
        let due: Vec<bool> = ["clp", "pcilg", "sic", "sic"]
            .iter()
            .map(|mnemonic| stop.is_due(mnemonic, &Operands::default()))
            .collect();
        assert_eq!(due, [false, false, true, false]);
    }
}

#[test]
fn other_defects_are_not_parsed_here() {
    assert!(Stop::parse("split").is_none());
    assert!(Stop::parse("crashes@1").is_none());
}

#[test]
fn wrong_places_are_named() {
    for (value, part) in [
        ("crash", "crash needs an instruction"),
        ("crash@", "\"\" is no zPCI instruction"),
        (
            "hang@pcist",
            "\"pcist\" is no zPCI instruction; known: any, pcistb",
        ),
        ("hang@pcistb:4", "\"4\": expected KEY=NUMBER"),
        ("hang@pcistb:length=x", "\"length=x\": expected KEY=NUMBER"),
        ("hang@pcistb:size=1", "\"size\" is no key; known: space"),
        ("hang@0", "counted from 1"),
        ("hang@pcilg:nth=0", "counted from 1"),
    ] {
        let message = refused(value);
        assert!(message.contains(part), "{value}: {message}");
    }
}
