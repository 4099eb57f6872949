// SPDX-License-Identifier: GPL-2.0-or-later
use super::fake_server::{FakeServer, REGISTER, Reaction};
use super::*;
use crate::cpu::fake::{FakeCpu, PSW_64_DAT};
use crate::cpu::with_condition_code;
use crate::forward::settings::Selector;
use ending::{ADDRESSING, SPECIFICATION};

const AT: u64 = 0x1_0000;
pub(super) const ENABLED: u32 = 0x8000_0021;

/// Creates an instruction at the address [`AT`].
pub(super) fn site(opcode: &[u8]) -> Site {
    Site {
        address: AT,
        opcode: opcode.to_vec(),
        instruction: Instruction::decode(opcode).unwrap(),
    }
}

/// PCISTB with request in r2, offset in r3, source at r5.
fn block() -> Site {
    site(&[0xEB, 0x23, 0x50, 0, 0, 0xD0])
}

/// PCISTG of r1 and PCILG into r1, request in r4, offset in r5.
fn store() -> Site {
    site(&[0xB9, 0xD0, 0, 0x14])
}

fn load() -> Site {
    site(&[0xB9, 0xD2, 0, 0x14])
}

fn request(handle: u32, pcias: u64, length: u64) -> u64 {
    u64::from(handle) << 32 | pcias << 16 | length
}

/// Creates a forwarder with one function, listed and enabled.
fn forwarder(server: &FakeServer) -> Forwarder {
    forwarder_with(server, Moves::Waited)
}

/// Creates the same forwarder with these moves.
pub(super) fn forwarder_with(server: &FakeServer, moves: Moves) -> Forwarder {
    forwarder_by(server, moves, true)
}

/// Creates the same forwarder, by socket or by ring.
pub(super) fn forwarder_by(server: &FakeServer, moves: Moves, ring: bool) -> Forwarder {
    let forward = Forward {
        socket: server.path.clone(),
        selector: Selector::Fid(8),
    };
    let forwarder = Forwarder::connect(&[forward], Clp::Linux, moves, ring).unwrap();
    enable(&forwarder, ENABLED);
    forwarder
}

/// Reports a CLP list that has the function with this handle.
#[track_caller]
pub(super) fn enable(forwarder: &Forwarder, handle: u32) {
    let mut request = [0; 32];
    request[..4].copy_from_slice(&[0, 32, 0, 2]);
    let mut response = [0; 48];
    response[..4].copy_from_slice(&[0, 48, 0, 0x10]);
    response[31] = 16;
    response[32..36].copy_from_slice(&[0x04, 0xED, 0x10, 0x14]);
    response[40..44].copy_from_slice(&8_u32.to_be_bytes());
    response[44..48].copy_from_slice(&handle.to_be_bytes());
    assert_eq!(forwarder.learn(&request, &response), [""; 0]);
}

fn execute(forwarder: &Forwarder, cpu: &mut FakeCpu, site: &Site) -> Option<Done> {
    let taken = forwarder.take(cpu, site)?;
    forwarder.carry_out(&taken, cpu, site, &mut vec![0xEE; 10])
}

fn block_cpu(length: u64) -> FakeCpu {
    let mut cpu = FakeCpu::default();
    cpu.set_cc(1);
    cpu.gprs[2] = request(ENABLED, 2, length);
    cpu.gprs[3] = 0x11;
    cpu.gprs[5] = 0x101;
    for (byte, value) in cpu.virtual_memory[0x101..].iter_mut().zip(1..100) {
        *byte = value;
    }
    cpu
}

#[test]
fn a_block_travels_whole_and_ends_with_condition_code_0() {
    let server = FakeServer::start(|_| Reaction::Done);
    let forwarder = forwarder(&server);
    let mut cpu = block_cpu(11);
    let done = execute(&forwarder, &mut cpu, &block()).unwrap();
    assert_eq!((done.next, done.ending), (AT + 6, Ending::Done));
    assert_eq!(cpu.mask, PSW_64_DAT);
    let requests = server.requests.lock().unwrap();
    assert_eq!(requests.len(), 1);
    assert_eq!(requests[0][32..], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    assert_eq!(requests[0][..8], 2_u64.to_ne_bytes());
    assert_eq!(requests[0][16..24], 0x11_u64.to_ne_bytes());
    assert_eq!(requests[0][28..30], 11_u16.to_ne_bytes());
    assert_eq!(requests[0][30], 2);
}

#[test]
fn a_register_store_gives_its_low_bytes_and_a_load_the_whole_register() {
    let server = FakeServer::start(|_| Reaction::Done);
    let forwarder = forwarder(&server);
    let mut cpu = FakeCpu::default();
    cpu.gprs[1] = 0x1122_3344_5566_7788;
    cpu.gprs[4] = request(ENABLED, 2, 4);
    cpu.gprs[5] = 0x20;
    let done = execute(&forwarder, &mut cpu, &store()).unwrap();
    assert_eq!((done.next, done.ending), (AT + 4, Ending::Done));
    let done = execute(&forwarder, &mut cpu, &load()).unwrap();
    assert_eq!(done.next, AT + 4);
    assert_eq!(cpu.gprs[1], REGISTER);
    let requests = server.requests.lock().unwrap();
    assert_eq!(requests[0][..8], 4_u64.to_ne_bytes());
    assert_eq!(requests[0][32..], [0x55, 0x66, 0x77, 0x88]);
    assert_eq!(requests[1][..8], 1_u64.to_ne_bytes());
}

#[test]
fn what_is_not_ours_is_left_to_qemu() {
    let server = FakeServer::start(|_| Reaction::Done);
    let forwarder = forwarder(&server);
    for (handle, pcias) in [
        (0x21, 2),        // not enabled
        (0x8000_0022, 2), // another function
        (ENABLED, 15),    // configuration space
        (ENABLED, 4),     // the MSI-X BAR
        (ENABLED, 1),
    ] {
        let mut cpu = block_cpu(8);
        cpu.gprs[2] = request(handle, pcias, 8);
        assert_eq!(execute(&forwarder, &mut cpu, &block()), None);
        cpu.gprs[4] = cpu.gprs[2];
        assert_eq!(execute(&forwarder, &mut cpu, &store()), None);
        assert_eq!(execute(&forwarder, &mut cpu, &load()), None);
    }
    // Here the guest disables the function.
    enable(&forwarder, 0x21);
    assert_eq!(execute(&forwarder, &mut block_cpu(8), &block()), None);
    assert_eq!(server.requests.lock().unwrap().len(), 0);
}

#[test]
fn refusals_become_exceptions_and_condition_codes() {
    let nodev = |errno: u32| {
        let server = FakeServer::start(move |_| Reaction::Refuse(errno));
        let forwarder = forwarder(&server);
        let mut cpu = block_cpu(8);
        let block = execute(&forwarder, &mut cpu, &block()).unwrap().ending;
        cpu.gprs[4] = request(ENABLED, 2, 8);
        cpu.gprs[5] = 0;
        let load = execute(&forwarder, &mut cpu, &load()).unwrap().ending;
        assert_eq!(block, load);
        block
    };
    assert_eq!(nodev(19), Ending::NoFunction);
    for errno in [5, 22, 14] {
        assert_eq!(nodev(errno), Ending::Exception(OPERAND), "{errno}");
    }
}

#[test]
fn a_bad_form_or_a_missing_page_does_not_reach_the_server() {
    let server = FakeServer::start(|_| Reaction::Done);
    let forwarder = forwarder(&server);
    let ending = |cpu: &mut FakeCpu| execute(&forwarder, cpu, &block()).unwrap().ending;
    assert_eq!(ending(&mut block_cpu(0)), Ending::Exception(SPECIFICATION));
    let mut cpu = block_cpu(8);
    cpu.gprs[3] = 4096;
    assert_eq!(ending(&mut cpu), Ending::Exception(OPERAND));
    // The block is outside of virtual memory, and so is the table that could explain why.
    let mut cpu = block_cpu(8);
    cpu.gprs[5] = 0x3FFC;
    cpu.controls[1] = 0x7000_0000;
    assert_eq!(ending(&mut cpu), Ending::Exception(ADDRESSING));
    // The page of zeros at 0 serves as a table whose entries lead to page 0.
    let mut cpu = block_cpu(8);
    cpu.gprs[5] = 0x3FFC;
    cpu.prefix = 0;
    cpu.absolute_memory[0x20..0x28].copy_from_slice(&0x400_u64.to_be_bytes());
    let Ending::Exception(exception) = ending(&mut cpu) else {
        panic!("not refused");
    };
    assert_eq!(
        (exception.code, exception.translation),
        (0x11, Some(0x4800))
    );
    assert_eq!(server.requests.lock().unwrap().len(), 0);
}

#[test]
fn a_server_that_is_gone_is_told_once_and_means_condition_code_3_from_then_on() {
    for reaction in [Reaction::Close, Reaction::Bytes(vec![0; 16])] {
        let server = FakeServer::start(move |_| reaction.clone());
        let forwarder = forwarder(&server);
        let mut cpu = block_cpu(8);
        let done = execute(&forwarder, &mut cpu, &block()).unwrap();
        assert_eq!(done.ending, Ending::NoFunction);
        assert_eq!(cpu.mask, with_condition_code(PSW_64_DAT, 3));
        let problem = done.problem.unwrap();
        assert!(
            problem.contains(&server.path.display().to_string()),
            "{problem}"
        );
        for _ in 0..3 {
            let done = execute(&forwarder, &mut cpu, &block()).unwrap();
            assert_eq!((done.ending, done.problem), (Ending::NoFunction, None));
        }
        // The form is checked first, as for any function.
        let done = execute(&forwarder, &mut block_cpu(0), &block()).unwrap();
        assert_eq!(done.ending, Ending::Exception(SPECIFICATION));
    }
}

#[test]
fn closing_ends_all_functions() {
    let server = FakeServer::start(|_| Reaction::Done);
    let forwarder = forwarder(&server);
    forwarder.close();
    let done = execute(&forwarder, &mut block_cpu(8), &block()).unwrap();
    assert_eq!((done.ending, done.problem), (Ending::NoFunction, None));
}

#[test]
fn a_waiting_function_holds_up_no_other() {
    let (release, wait) = std::sync::mpsc::channel::<()>();
    let slow = FakeServer::start(move |_| {
        wait.recv().unwrap();
        Reaction::Done
    });
    let fast = FakeServer::start(|_| Reaction::Done);
    let forward = |server: &FakeServer, fid| Forward {
        socket: server.path.clone(),
        selector: Selector::Fid(fid),
    };
    let forwarder = Forwarder::connect(
        &[forward(&slow, 8), forward(&fast, 9)],
        Clp::Qemu,
        Moves::Waited,
        true,
    )
    .unwrap();
    let cpu = |handle| {
        let mut cpu = block_cpu(8);
        cpu.gprs[2] = request(handle, 2, 8);
        cpu
    };
    let mut request = [0; 32];
    request[..4].copy_from_slice(&[0, 32, 0, 2]);
    let mut response = [0; 64];
    response[..4].copy_from_slice(&[0, 64, 0, 0x10]);
    response[31] = 16;
    for (at, fid, handle) in [(32, 8_u32, 0x8000_0021_u32), (48, 9, 0x8000_0022)] {
        response[at + 8..at + 12].copy_from_slice(&fid.to_be_bytes());
        response[at + 12..at + 16].copy_from_slice(&handle.to_be_bytes());
    }
    forwarder.learn(&request, &response);
    std::thread::scope(|scope| {
        let held = scope.spawn(|| execute(&forwarder, &mut cpu(0x8000_0021), &block()));
        while slow.requests.lock().unwrap().is_empty() {
            assert!(
                !held.is_finished(),
                "the store does not wait for its server"
            );
            std::thread::yield_now();
        }
        for _ in 0..100 {
            let done = execute(&forwarder, &mut cpu(0x8000_0022), &block()).unwrap();
            assert_eq!(done.ending, Ending::Done);
        }
        assert!(!held.is_finished());
        release.send(()).unwrap();
        assert_eq!(held.join().unwrap().unwrap().ending, Ending::Done);
    });
}

#[test]
fn a_socket_without_a_server_is_named() {
    let error = Forwarder::connect(
        &[Forward {
            socket: "/nowhere/f.insn".into(),
            selector: Selector::OnlyIsm,
        }],
        Clp::Qemu,
        Moves::Waited,
        true,
    )
    .unwrap_err();
    assert!(
        error.starts_with("forward=/nowhere/f.insn: cannot connect"),
        "{error}"
    );
}

#[test]
fn queries_are_answered_with_what_the_server_says() {
    let server = FakeServer::start(|_| Reaction::Done);
    let mut forwarder = forwarder(&server);
    let mut request = [0; 32];
    request[..4].copy_from_slice(&[0, 32, 0, 3]);
    request[16..20].copy_from_slice(&ENABLED.to_be_bytes());
    let mut response = [0; 192];
    response[..4].copy_from_slice(&[0, 192, 0, 0x10]);
    response[19] = 0xFF;
    response[20..24].copy_from_slice(&8_u32.to_be_bytes());
    assert_eq!(forwarder.learn(&request, &response), [""; 0]);
    let mut told = response;
    assert!(forwarder.complete(&request, &mut told));
    assert_eq!(told[30..32], 0x07C0_u16.to_be_bytes());
    let mut group_request = [0; 32];
    group_request[..4].copy_from_slice(&[0, 32, 0, 4]);
    group_request[19] = 0xFF;
    let mut group = [0; 64];
    group[..4].copy_from_slice(&[0, 64, 0, 0x10]);
    assert!(forwarder.complete(&group_request, &mut group));
    assert_eq!(group[19..22], [8, 0x10, 0]);
    group_request[19] = 1;
    assert!(!forwarder.complete(&group_request, &mut group));
    forwarder.clp = Clp::Qemu;
    assert!(!forwarder.complete(&request, &mut response));
    assert_eq!(response[30..32], [0, 0]);
}
