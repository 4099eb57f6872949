// SPDX-License-Identifier: GPL-2.0-or-later
//! Tests of forwarding under a real QEMU, with the real server and bare-metal guests.

use crate::support::bare::{CLP_FUNCTION, CLP_GROUP, Guest, PROGRAM_OLD, RESPONSE, machine};
use crate::support::forwarded::{
    DATA, SCRATCH, accesses, forward, run_guest, run_guest_with, stores,
};
use crate::support::run_plugin;
use s390x_asm::{Gr, zpci};
use serde_json::{Value, json};
use vfio_user_ism_tests::daemon::Daemon;

#[test]
#[ignore = "needs QEMU 11.1: run ./test"]
fn enabling_and_disabling_are_followed() {
    let server = Daemon::start();
    let mut guest = Guest::new();
    guest.enable(8, 0);
    guest.load(0, 0);
    guest.disable(0);
    guest.load(0, 0);
    guest.enable(8, 0);
    guest.store_block(0, (2, SCRATCH), 3, DATA);
    guest.put(DATA as usize, b"abc");
    let run = run_guest(guest, &server);
    let seen: Vec<_> = accesses(&run)
        .iter()
        .map(|record| (record["cc"].clone(), record["forwarded"].clone()))
        .collect();
    assert_eq!(
        seen,
        [
            (json!(0), json!(true)),
            (json!(3), Value::Null),
            (json!(0), json!(true))
        ],
        "{}",
        run.console
    );
    let stores = stores(&server);
    assert_eq!(stores.len(), 1, "{stores:?}");
    assert_eq!(stores[0]["bytes"], "616263");
    assert_eq!(stores[0]["offset"], SCRATCH);
}

/// An RPCIT without translation tables puts a function into QEMU's error state.
#[test]
#[ignore = "needs QEMU 11.1: run ./test"]
fn a_function_in_error_gets_no_instruction_until_the_error_is_reset() {
    const FIB: i32 = 0x600;
    let server = Daemon::start();
    let mut guest = Guest::new();
    guest.enable(8, 0);
    guest.load(0, 0);
    guest.request(Gr::R3, 0, 0, 0);
    guest.code.load_constant(Gr::R4, 1 << 32);
    guest.code.load_constant(Gr::R5, 4096);
    guest.code.emit(&zpci::rpcit(Gr::R3, Gr::R4));
    guest.load(0, 0);
    guest.request(Gr::R3, 0, 0, 7);
    guest.code.emit(&zpci::mpcifc(Gr::R3, FIB, Gr::R0));
    guest.load(0, 0);
    let run = run_guest(guest, &server);
    let seen: Vec<String> = run
        .lines
        .iter()
        .filter(|line| line["kind"] == "insn" && line["insn"] != "clp")
        .map(|line| {
            let field = |name: &str| line[name].to_string().replace('"', "");
            ["insn", "cc", "status", "forwarded"].map(field).join(" ")
        })
        .collect();
    assert_eq!(
        seen,
        [
            "pcilg 0 null true",
            "rpcit 1 8 null",
            "pcilg 1 12 null",
            "mpcifc 0 null null",
            "pcilg 0 null true"
        ],
        "{}",
        run.console
    );
}

/// The guest stores parts of the CLP responses to the device.
#[test]
#[ignore = "needs QEMU 11.1: run ./test"]
fn clp_tells_what_the_server_says_when_asked_to() {
    let told = |more: &str| {
        let server = Daemon::with_device(&json!({ "pchid": 0x0123, "pnetid": "NET1" }));
        let mut guest = Guest::new();
        guest.enable(8, 0);
        guest.query(0);
        let response = |block: usize| block as u64 + RESPONSE as u64;
        guest.store_block(0, (2, SCRATCH), 2, response(CLP_FUNCTION) + 30);
        guest.store_block(0, (2, SCRATCH), 1, response(CLP_FUNCTION) + 63);
        guest.store_block(0, (2, SCRATCH), 4, response(CLP_FUNCTION) + 128);
        guest.store_block(0, (2, SCRATCH), 3, response(CLP_GROUP) + 19);
        let run = run_guest_with(more, guest, &server);
        let stored: Vec<String> = stores(&server)
            .iter()
            .map(|store| store["bytes"].as_str().unwrap().to_owned())
            .collect();
        let recorded = run.lines.iter().find(|line| line["command"] == "0x0003");
        let response = recorded.unwrap()["clp_response"].as_str().unwrap();
        assert_eq!(
            response[60..64],
            stored[0],
            "the record is what the guest got"
        );
        let flags = u8::from_str_radix(&stored[3][..2], 16).unwrap();
        let [channel, kind, util, _] = &stored[..] else {
            panic!("{stored:?}");
        };
        let relaxed = flags & 8 != 0;
        let limit = &stored[3][2..];
        format!("channel {channel} type {kind} util {util} relaxed {relaxed} limit {limit}")
    };
    // The PNETID is in EBCDIC.
    assert_eq!(
        told(",clp=on"),
        "channel 0123 type 00 util d5c5e3f1 relaxed true limit 1000"
    );
    assert_eq!(
        told(""),
        "channel 0000 type 00 util 00000000 relaxed false limit 0080"
    );
}

/// The guest stores program exceptions from its lowcore to the device.
#[test]
#[ignore = "needs QEMU 11.1: run ./test"]
fn an_exception_is_in_the_lowcore_as_the_architecture_has_it() {
    let server = Daemon::start();
    let mut guest = Guest::new();
    guest.enable(8, 0);
    guest.store_block(0, (2, 4096), 8, DATA);
    guest.request(Gr::R4, 0, 2, 4097);
    guest.code.load_constant(Gr::R2, DATA);
    guest.code.lghi(Gr::R5, 7);
    let here = guest.code.here();
    guest.code.emit(&zpci::pcistb(Gr::R4, Gr::R5, 0, Gr::R2));
    guest.code.ipm(Gr::R6);
    guest.code.larl(Gr::R7, here);
    guest.code.stg(Gr::R6, DATA as i32, Gr::R0);
    guest.code.stg(Gr::R7, DATA as i32 + 8, Gr::R0);
    guest.store_block(0, (2, SCRATCH), 4, 0x8C);
    guest.store_block(0, (2, SCRATCH + 0x10), 16, u64::from(PROGRAM_OLD));
    guest.store_block(0, (2, SCRATCH + 0x20), 16, DATA);
    let run = run_guest(guest, &server);
    let names: Vec<_> = accesses(&run)
        .iter()
        .map(|record| record["exception"]["name"].clone())
        .collect();
    assert_eq!(
        names[..2],
        [json!("operand"), json!("specification")],
        "{}",
        run.console
    );
    let stores = stores(&server);
    let bytes: Vec<_> = stores
        .iter()
        .map(|store| store["bytes"].as_str().unwrap())
        .collect();
    // Instruction length 6, interruption code 6.
    assert_eq!(bytes[0], "00060006");
    let (old, own) = (bytes[1], bytes[2]);
    let number = |digits: &str| u64::from_str_radix(digits, 16).unwrap();
    assert_eq!(number(&old[16..]), number(&own[16..]) + 6, "behind it");
    assert_eq!(number(&old[..16]) & 0xFFFF_FFFF, 0x8000_0000);
    // The program goes on with the condition code of the old PSW, which IPM shows.
    let code = number(&old[..16]) >> 44 & 3;
    assert_eq!(number(&own[..16]) >> 28 & 3, code);
}

/// A block lies on a missing page: the guest learns which page, maps it, and the same instruction then
/// reaches the device once and whole.
#[test]
#[ignore = "needs QEMU 11.1: run ./test"]
fn a_page_fault_in_the_block_is_taken_and_the_instruction_repeated() {
    const SEGMENTS: u64 = 0x3_0000;
    const PAGES: u64 = 0x3_4000;
    const CONTROL_1: i32 = 0x400;
    const DAT_PSW: u16 = 0x410;
    const MISSING: u64 = 0xB000;
    let server = Daemon::start();
    let mut guest = Guest::with_handler(|code| {
        // The handler saves identification, code and old PSW address, and makes the page valid.
        code.lg(Gr::R14, 0xA8, Gr::R0);
        code.stg(Gr::R14, DATA as i32, Gr::R0);
        code.llgf(Gr::R14, 0x8C, Gr::R0);
        code.stg(Gr::R14, DATA as i32 + 8, Gr::R0);
        code.load_constant(Gr::R15, PAGES + (MISSING >> 12) * 8);
        code.load_constant(Gr::R14, MISSING);
        code.stg(Gr::R14, 0, Gr::R15);
    });
    guest.enable(8, 0);
    let code = &mut guest.code;
    code.lctlg(Gr::R1, Gr::R1, CONTROL_1, Gr::R0);
    let on = code.label();
    code.larl(Gr::R1, on);
    code.stg(Gr::R1, i32::from(DAT_PSW) + 8, Gr::R0);
    code.lpswe(DAT_PSW, Gr::R0);
    code.bind(on);
    // For comparison, QEMU takes this fault itself; then the page is removed again.
    code.load_constant(Gr::R3, MISSING);
    code.lg(Gr::R2, 0, Gr::R3);
    code.lg(Gr::R2, DATA as i32, Gr::R0);
    code.stg(Gr::R2, DATA as i32 + 16, Gr::R0);
    code.load_constant(Gr::R2, MISSING | 0x400);
    code.load_constant(Gr::R3, PAGES + (MISSING >> 12) * 8);
    code.stg(Gr::R2, 0, Gr::R3);
    code.emit(&[0xB2, 0x0D, 0, 0]); // PTLB
    guest.store_block(0, (2, SCRATCH + 1), 31, MISSING - 13);
    guest.store_block(0, (2, SCRATCH + 0x40), 24, DATA);
    guest.put(CONTROL_1 as usize, &SEGMENTS.to_be_bytes());
    guest.put(
        usize::from(DAT_PSW),
        &0x0400_0000_8000_0000_u64.to_be_bytes(),
    );
    guest.put(SEGMENTS as usize, &PAGES.to_be_bytes());
    let invalid: Vec<u8> = (1..512_u64).flat_map(|_| 0x20_u64.to_be_bytes()).collect();
    guest.put(SEGMENTS as usize + 8, &invalid);
    let pages: Vec<u8> = (0..256_u64)
        .map(|page| page << 12 | if page << 12 == MISSING { 0x400 } else { 0 })
        .flat_map(u64::to_be_bytes)
        .collect();
    guest.put(PAGES as usize, &pages);
    let text = b"thirteen bytecontinued on page";
    guest.put(MISSING as usize - 13, text);
    let run = run_guest(guest, &server);
    let records = accesses(&run);
    assert_eq!(
        records[0]["exception"],
        json!({"code": 0x11, "name": "page-translation"}),
        "{}",
        run.console
    );
    assert_eq!(records[0]["psw_addr"], records[1]["psw_addr"]);
    assert_eq!(records[1]["cc"], 0);
    let stores = stores(&server);
    assert_eq!(stores.len(), 2, "{stores:?}");
    let hex: String = text.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(stores[0]["bytes"], format!("{hex}00"));
    // Page address and fetch; instruction length 6, code 0x11.
    let identification = format!("{:016x}", MISSING | 0x800);
    let cause = format!("{:016x}", 0x0006_0011);
    assert_eq!(
        stores[1]["bytes"],
        format!("{identification}{cause}{identification}"),
        "the last one is QEMU's"
    );
}

/// Two CPUs each use two functions: every store arrives once, and in each CPU's order.
#[test]
#[ignore = "needs QEMU 11.1: run ./test"]
fn cpus_and_functions_do_not_disturb_each_other() {
    const ROUNDS: u64 = 400;
    let server = Daemon::with_profile("pair");
    let mut guest = Guest::new();
    guest.enable(8, 0);
    guest.enable(9, 1);
    let second = guest.code.label();
    guest.start_second_cpu(second);
    // Each CPU counts up in its own block, and stores the block to one function, then to the other.
    let hammer = |guest: &mut Guest, cpu: u64, order: [usize; 2]| {
        let block = DATA + cpu * 0x1000;
        guest.put(block as usize + 8, &[cpu as u8; 3]);
        guest.code.load_constant(Gr::R9, ROUNDS);
        let again = guest.code.here();
        guest.code.stg(Gr::R9, block as i32, Gr::R0);
        for function in order {
            guest.store_block(function, (2, SCRATCH), 11, block);
        }
        guest.code.brctg(Gr::R9, again);
    };
    hammer(&mut guest, 0, [0, 1]);
    guest.end();
    guest.code.bind(second);
    // The machine ends when both CPUs wait.
    hammer(&mut guest, 1, [1, 0]);

    let folder = tempfile::tempdir().unwrap();
    let image = guest.write(folder.path());
    let sockets = [server.socket("ism0"), server.socket("ism1")];
    let mut arguments = machine(&[(8, &sockets[0]), (9, &sockets[1])]);
    arguments.extend(["-smp".into(), "2".into(), "-kernel".into()]);
    arguments.push(image.to_str().unwrap().into());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let both = [("ism0", 8), ("ism1", 9)].map(|(name, fid)| forward(&server.channel(name), fid));
    let run = run_plugin(&both.concat(), &arguments);

    let records = accesses(&run);
    assert_eq!(records.len() as u64, 4 * ROUNDS, "{}", run.console);
    for record in &records {
        assert_eq!(
            (&record["cc"], &record["forwarded"]),
            (&json!(0), &json!(true)),
            "{record}"
        );
    }
    let stores = stores(&server);
    for function in ["ism0", "ism1"] {
        for cpu in ["000000", "010101"] {
            let counts: Vec<u64> = stores
                .iter()
                .filter(|store| store["function"] == function)
                .filter_map(|store| store["bytes"].as_str()?.split_at(16).into())
                .filter(|(_, of)| *of == cpu)
                .map(|(count, _)| u64::from_str_radix(count, 16).unwrap())
                .collect();
            let expected: Vec<u64> = (1..=ROUNDS).rev().collect();
            assert_eq!(counts, expected, "{function}, CPU {cpu}");
        }
    }
}
