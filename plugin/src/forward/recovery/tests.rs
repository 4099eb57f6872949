// SPDX-License-Identifier: GPL-2.0-or-later
//! Tests of posted moves, with a server that delays its answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use super::*;
use crate::cpu::fake::{FakeCpu, PSW_64_DAT};
use crate::cpu::with_condition_code;
use crate::forward::Done;
use crate::forward::ending::OPERAND;
use crate::forward::fake_server::{FakeServer, REGISTER, Reaction};
use crate::forward::tests::{ENABLED, enable, forwarder_by, forwarder_with, site};
use records::instruction::{InstructionResult, Operands, Outcome};

const DMB: u64 = 0xD000_0000_0000;
const SIGNAL: u64 = 1 << 23;
const SOURCE: u64 = 0x100;
const CONTROL_BLOCK: u64 = 0x600;

/// A guest with one vCPU.
struct Guest<'a> {
    forwarder: &'a Forwarder,
    cpu: FakeCpu,
}

impl<'a> Guest<'a> {
    fn new(forwarder: &'a Forwarder) -> Self {
        let mut cpu = FakeCpu::default();
        cpu.gprs[5] = SOURCE;
        Self { forwarder, cpu }
    }

    fn run(&mut self, site: &Site) -> Done {
        let taken = self.forwarder.take(&self.cpu, site).unwrap();
        self.forwarder
            .carry_out(&taken, &mut self.cpu, site, &mut Vec::new())
            .unwrap()
    }

    /// Executes a PCISTB of these bytes.
    fn store(&mut self, pcias: u64, offset: u64, bytes: &[u8]) -> Done {
        let at = SOURCE as usize;
        self.cpu.virtual_memory[at..at + bytes.len()].copy_from_slice(bytes);
        self.cpu.gprs[2] = u64::from(ENABLED) << 32 | pcias << 16 | bytes.len() as u64;
        self.cpu.gprs[3] = offset;
        self.run(&site(&[0xEB, 0x23, 0x50, 0, 0, 0xD0]))
    }

    fn load(&mut self) -> Done {
        self.cpu.gprs[4] = u64::from(ENABLED) << 32 | 2 << 16 | 8;
        self.cpu.gprs[6] = 0;
        self.cpu.gprs[5] = 0;
        let done = self.run(&site(&[0xB9, 0xD2, 0, 0x14]));
        self.cpu.gprs[5] = SOURCE;
        done
    }

    /// Executes an MPCIFC, if it is not left to QEMU.
    fn modify_controls(&mut self, operation: u64) -> Option<Ending> {
        self.cpu.gprs[2] = u64::from(ENABLED) << 32 | operation;
        self.cpu.gprs[7] = CONTROL_BLOCK;
        let site = site(&[0xE3, 0x20, 0x70, 0, 0, 0xD0]);
        self.forwarder.reset_error(&self.cpu, &site)
    }

    /// Returns the function controls of an STPCIFC for which QEMU found an enabled function.
    #[track_caller]
    fn stored_controls(&mut self) -> u8 {
        let mut block = vec![0; BLOCK];
        block[CONTROLS] = 0x80;
        let mut record = Record {
            seq: 0,
            vcpu: 0,
            insn: "stpcifc".into(),
            opcode: HexBytes(Vec::new()),
            psw_addr: Hex(0),
            operands: Operands {
                handle: Some(Hex(u64::from(ENABLED))),
                address: Some(Hex(CONTROL_BLOCK)),
                bytes: Some(HexBytes(block)),
                ..Operands::default()
            },
            result: InstructionResult {
                outcome: Outcome::Completed,
                cc: Some(0),
                ..InstructionResult::unseen()
            },
            forwarded: false,
        };
        let at = CONTROL_BLOCK as usize + CONTROLS;
        self.cpu.virtual_memory[at] = 0x80;
        assert!(self.forwarder.complete_controls(&mut record, &mut self.cpu));
        let told = record.operands.bytes.unwrap().0[CONTROLS];
        assert_eq!(self.cpu.virtual_memory[at], told);
        told
    }
}

/// Starts a server that answers the first requests at once, and each later one when the test says how.
fn held(at_once: usize) -> (FakeServer, Sender<Reaction>) {
    let (release, wait) = channel();
    let mut left = at_once;
    let server = FakeServer::start(move |_| {
        if left > 0 {
            left -= 1;
            return Reaction::Done;
        }
        wait.recv().unwrap_or(Reaction::Done)
    });
    (server, release)
}

fn payloads(server: &FakeServer) -> Vec<Vec<u8>> {
    let requests = server.requests.lock().unwrap();
    requests
        .iter()
        .map(|request| request[32..].to_vec())
        .collect()
}

#[test]
fn a_move_of_known_outcome_ends_before_its_answer_and_carries_the_bytes_of_its_time() {
    let (server, release) = held(1);
    let forwarder = forwarder_with(&server, Moves::Posted);
    let mut guest = Guest::new(&forwarder);
    // The server answers only the first. Each move overwrites the bytes of the previous one.
    for byte in 0..20 {
        let done = guest.store(0, DMB | 32, &[byte; 40]);
        assert_eq!((done.ending, done.problem), (Ending::Done, None));
    }
    drop(release);
    // The load waits for all of them.
    assert_eq!(
        guest.load().ending,
        Ending::Loaded(crate::decode::Gpr::new(1), REGISTER)
    );
    let mut expected: Vec<Vec<u8>> = (0..20).map(|byte| vec![byte; 40]).collect();
    expected.push(Vec::new());
    assert_eq!(payloads(&server), expected);
}

#[test]
fn what_observes_is_sent_after_the_answers_to_all_moves() {
    for observe in [
        |guest: &mut Guest<'_>| guest.load(),
        |guest: &mut Guest<'_>| guest.store(2, 0, &[1; 8]),
        |guest: &mut Guest<'_>| guest.store(0, DMB | 32 | 1 << 32, &[1; 8]),
        |guest: &mut Guest<'_>| guest.store(0, DMB | 64, &[1; 8]),
    ] {
        let answered = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&answered);
        let server = FakeServer::start(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
            Reaction::Done
        });
        let forwarder = forwarder_with(&server, Moves::Posted);
        let mut guest = Guest::new(&forwarder);
        for _ in 0..10 {
            guest.store(0, DMB | 32, &[7; 8]);
        }
        let ending = observe(&mut guest).ending;
        assert!(matches!(ending, Ending::Done | Ending::Loaded(..)));
        assert_eq!(answered.load(Ordering::SeqCst), 11);
        assert_eq!(forwarder.settle(), [""; 0]);
    }
}

#[test]
fn so_many_moves_are_under_way_and_no_more() {
    let ended = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let (seen, peak) = (Arc::clone(&ended), Arc::clone(&most));
    let mut answered = 0;
    let server = FakeServer::start(move |_| {
        peak.fetch_max(seen.load(Ordering::SeqCst) - answered, Ordering::SeqCst);
        answered += 1;
        Reaction::Done
    });
    let forwarder = forwarder_with(&server, Moves::Posted);
    let mut guest = Guest::new(&forwarder);
    for _ in 0..1000 {
        guest.store(0, DMB, &[7; 2000]);
        ended.fetch_add(1, Ordering::SeqCst);
    }
    assert_eq!(forwarder.settle(), [""; 0]);
    assert!(most.load(Ordering::SeqCst) <= 64);
    assert_eq!(payloads(&server).len(), 1000);
}

#[test]
fn a_command_makes_every_outcome_unknown_again() {
    let (server, release) = held(2);
    let forwarder = forwarder_with(&server, Moves::Posted);
    let mut guest = Guest::new(&forwarder);
    guest.store(0, DMB | 32, &[1; 8]);
    guest.store(2, 0, &[2; 8]);
    // This move waits, so it gets its own refusal.
    release.send(Reaction::Refuse(5)).unwrap();
    let done = guest.store(0, DMB | 32, &[3; 8]);
    assert_eq!(
        (done.ending, done.problem),
        (Ending::Exception(OPERAND), None)
    );
}

#[test]
fn moves_without_a_signal_alone_can_be_posted() {
    let (server, release) = held(2);
    let forwarder = forwarder_with(&server, Moves::Data);
    let mut guest = Guest::new(&forwarder);
    guest.store(0, DMB | 32, &[1; 8]);
    guest.store(0, DMB | SIGNAL, &[2; 8]);
    for reaction in [Reaction::Done, Reaction::Refuse(5)] {
        release.send(reaction).unwrap();
    }
    assert_eq!(guest.store(0, DMB | 32, &[3; 8]).ending, Ending::Done);
    // The signal waits for earlier moves and for its own answer.
    let done = guest.store(0, DMB | SIGNAL, &[4; 8]);
    assert_eq!(
        (done.ending, done.problem),
        (Ending::Exception(OPERAND), None)
    );
}

#[test]
fn a_late_refusal_leads_to_the_error_state_until_the_guest_resets_it() {
    for (first, second) in [(RESET_ERROR, None), (RESET_BLOCK, Some(RESET_ERROR))] {
        let (server, release) = held(1);
        let forwarder = forwarder_with(&server, Moves::Posted);
        let mut guest = Guest::new(&forwarder);
        guest.store(0, DMB | 32, &[1; 8]);
        assert_eq!(
            guest.modify_controls(RESET_ERROR.into()),
            None,
            "no error yet"
        );
        assert_eq!(guest.stored_controls(), 0x80);
        release.send(Reaction::Refuse(5)).unwrap();
        drop(release);
        assert_eq!(guest.store(0, DMB | 32, &[2; 8]).ending, Ending::Done);
        let blocked = guest.load();
        assert_eq!(blocked.ending, Ending::Blocked(crate::decode::Gpr::new(4)));
        assert_eq!(guest.cpu.mask, with_condition_code(PSW_64_DAT, 1));
        assert_eq!(guest.cpu.gprs[4] >> 24 & 0xFF, 12);
        let problem = blocked.problem.unwrap();
        assert!(problem.contains("error state"), "{problem}");
        // As in QEMU, the state is checked before the operands.
        for (pcias, offset, bytes) in [(0, DMB | 32, 8), (2, 0, 8), (0, DMB, 0)] {
            let done = guest.store(pcias, offset, &vec![3; bytes]);
            let status = crate::decode::Gpr::new(2);
            assert_eq!((done.ending, done.problem), (Ending::Blocked(status), None));
        }
        assert_eq!(guest.stored_controls(), 0xE0);
        assert_eq!(payloads(&server).len(), 2, "nothing reached the server");
        assert_eq!(guest.modify_controls(first.into()), Some(Ending::Done));
        assert_eq!(
            guest.load().ending,
            Ending::Loaded(crate::decode::Gpr::new(1), REGISTER)
        );
        if let Some(second) = second {
            assert_eq!(guest.stored_controls(), 0xC0);
            assert_eq!(guest.modify_controls(RESET_BLOCK.into()), None);
            assert_eq!(guest.modify_controls(second.into()), Some(Ending::Done));
        }
        assert_eq!(guest.stored_controls(), 0x80);
        assert_eq!(guest.store(0, DMB | 32, &[4; 8]).ending, Ending::Done);
    }
}

#[test]
fn a_wrong_control_block_is_left_to_qemu() {
    let (server, release) = held(1);
    let forwarder = forwarder_with(&server, Moves::Posted);
    let mut guest = Guest::new(&forwarder);
    guest.store(0, DMB | 32, &[1; 8]);
    release.send(Reaction::Refuse(5)).unwrap();
    guest.store(0, DMB | 32, &[2; 8]);
    assert_eq!(forwarder.settle().len(), 1);
    guest.cpu.virtual_memory[CONTROL_BLOCK as usize] = 1;
    assert_eq!(guest.modify_controls(RESET_ERROR.into()), None);
    guest.cpu.virtual_memory[CONTROL_BLOCK as usize] = 0;
    assert_eq!(guest.modify_controls(4), None, "another operation");
    assert_eq!(
        guest.modify_controls(RESET_ERROR.into()),
        Some(Ending::Done)
    );
}

#[test]
fn a_function_that_is_disabled_leaves_its_error_state() {
    let (server, release) = held(1);
    let forwarder = forwarder_with(&server, Moves::Posted);
    let mut guest = Guest::new(&forwarder);
    guest.store(0, DMB | 32, &[1; 8]);
    release.send(Reaction::Refuse(22)).unwrap();
    drop(release);
    guest.store(0, DMB | 32, &[2; 8]);
    let problems = forwarder.settle();
    assert!(problems[0].contains("error state"), "{problems:?}");
    assert_eq!(forwarder.settle(), [""; 0], "it is told once");
    enable(&forwarder, ENABLED & !(1 << 31));
    enable(&forwarder, ENABLED);
    assert_eq!(guest.store(0, DMB | 32, &[3; 8]).ending, Ending::Done);
}

#[test]
fn a_move_that_comes_after_its_dmb_is_gone_is_no_error_of_the_function() {
    let (server, release) = held(1);
    let forwarder = forwarder_with(&server, Moves::Posted);
    let mut guest = Guest::new(&forwarder);
    guest.store(0, DMB | 32, &[1; 8]);
    for _ in 0..2 {
        release.send(Reaction::Refuse(6)).unwrap();
    }
    assert_eq!(guest.store(0, DMB | 32, &[2; 8]).ending, Ending::Done);
    assert_eq!(forwarder.settle(), [""; 0]);
    // The next move waits, so it gets its own refusal.
    let done = guest.store(0, DMB | 32, &[3; 8]);
    assert_eq!(
        (done.ending, done.problem),
        (Ending::Exception(OPERAND), None)
    );
}

#[test]
fn a_server_that_goes_while_moves_are_under_way_is_told_at_the_next_instruction() {
    let (server, release) = held(1);
    let forwarder = forwarder_with(&server, Moves::Posted);
    let mut guest = Guest::new(&forwarder);
    guest.store(0, DMB | 32, &[1; 8]);
    guest.store(0, DMB | 32, &[2; 8]);
    release.send(Reaction::Close).unwrap();
    let done = guest.load();
    assert_eq!(done.ending, Ending::NoFunction);
    assert!(done.problem.unwrap().contains("cc 3"));
    assert_eq!(forwarder.settle(), [""; 0]);
    assert_eq!(guest.store(0, DMB | 32, &[3; 8]).ending, Ending::NoFunction);
}

#[test]
fn order_and_bytes_are_the_same_whether_moves_wait_or_not_by_socket_and_by_ring() {
    let run = |moves, ring| {
        let mut number = 0;
        // Every seventh request is refused because its DMB is gone.
        let server = FakeServer::start(move |request| {
            number += 1;
            match request[30] == 0 && number % 7 == 0 {
                true => Reaction::Refuse(6),
                false => Reaction::Done,
            }
        });
        let forwarder = forwarder_by(&server, moves, ring);
        let mut guest = Guest::new(&forwarder);
        for step in 0..500_u64 {
            let byte = step as u8;
            match step % 11 {
                10 => drop(guest.load()),
                9 => drop(guest.store(2, 8 * (step % 5), &[byte; 8])),
                8 => drop(guest.store(0, DMB | SIGNAL, &[byte; 44])),
                to => drop(guest.store(0, DMB | to << 32 | (step * 8 % 3000), &[byte; 200])),
            }
        }
        assert_eq!(forwarder.settle(), [""; 0]);
        let requests = server.requests.lock().unwrap();
        requests.clone()
    };
    let waited = run(Moves::Waited, false);
    assert_eq!(waited.len(), 500);
    for ring in [false, true] {
        for moves in [Moves::Waited, Moves::Posted, Moves::Data] {
            assert_eq!(run(moves, ring), waited, "{moves:?}, ring {ring}");
        }
    }
}
