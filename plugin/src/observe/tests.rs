// SPDX-License-Identifier: GPL-2.0-or-later
use super::*;
use crate::cpu::fake::FakeCpu;

const AT: u64 = 0x1_0000;

fn site(opcode: &[u8]) -> Site {
    let instruction = Instruction::decode(opcode).unwrap();
    Site {
        address: AT,
        opcode: opcode.to_vec(),
        instruction,
    }
}

/// PCISTB with request in r2, offset in r3, source at r5.
fn store_block() -> Site {
    site(&[0xEB, 0x23, 0x50, 0, 0, 0xD0])
}

fn store_block_cpu() -> FakeCpu {
    let mut cpu = FakeCpu::default();
    cpu.gprs[2] = 0x8000_0021_0002_0004;
    cpu.gprs[3] = 0x0001_0000_0000_0008;
    cpu.gprs[5] = 0x100;
    cpu.virtual_memory[0x100..0x104].copy_from_slice(&[1, 2, 3, 4]);
    cpu
}

#[track_caller]
fn begun(cpu: &FakeCpu, site: &Site) -> Observer {
    let mut observer = Observer::default();
    observer.begin(cpu, site, 1, 7);
    assert!(observer.is_pending());
    observer
}

#[test]
fn a_store_block_is_recorded_with_its_payload_and_condition_code() {
    let mut cpu = store_block_cpu();
    let mut observer = begun(&cpu, &store_block());
    // The guest may reuse the block after the instruction, but the record keeps the stored bytes.
    cpu.virtual_memory[0x100] = 0xFF;
    cpu.set_cc(1);
    cpu.gprs[2] |= 12 << 24;
    let record = observer.reached(&cpu, AT + 6).unwrap();
    assert!(!observer.is_pending());
    assert_eq!((record.seq, record.vcpu, &*record.insn), (7, 1, "pcistb"));
    let operands = &record.operands;
    assert_eq!(operands.handle, Some(Hex(0x8000_0021)));
    assert_eq!(operands.pcias, Some(2));
    assert_eq!(operands.length, Some(4));
    assert_eq!(operands.offset, Some(Hex(0x0001_0000_0000_0008)));
    assert_eq!(operands.bytes, Some(HexBytes(vec![1, 2, 3, 4])));
    assert_eq!(record.result.outcome, Outcome::Completed);
    assert_eq!(
        (record.result.cc, record.result.status),
        (Some(1), Some(12))
    );
}

#[test]
fn a_store_keeps_the_low_bytes_of_the_register() {
    let mut cpu = FakeCpu::default();
    cpu.gprs[1] = 0x1122_3344_5566_7788;
    cpu.gprs[4] = 0x8000_0021_000F_0002;
    cpu.gprs[5] = 0x10;
    let mut observer = begun(&cpu, &site(&[0xB9, 0xD0, 0, 0x14]));
    let record = observer.reached(&cpu, AT + 4).unwrap();
    assert_eq!(record.operands.bytes, Some(HexBytes(vec![0x77, 0x88])));
    assert_eq!(record.operands.offset, Some(Hex(0x10)));
    assert_eq!(record.operands.pcias, Some(15));
    assert_eq!((record.result.cc, record.result.status), (Some(0), None));
}

#[test]
fn a_store_of_an_impossible_length_shows_the_whole_register() {
    let mut cpu = FakeCpu::default();
    cpu.gprs[1] = 0x1122_3344_5566_7788;
    for length in [0, 9] {
        cpu.gprs[4] = length;
        let mut observer = begun(&cpu, &site(&[0xB9, 0xD0, 0, 0x14]));
        let record = observer.abandon().unwrap();
        assert_eq!(record.operands.bytes.unwrap().0.len(), 8);
    }
}

#[test]
fn a_load_has_its_value_only_after_condition_code_0() {
    let load = site(&[0xB9, 0xD2, 0, 0x26]);
    for (cc, expected) in [(0, Some(Hex(0xABCD))), (1, None), (3, None)] {
        let mut cpu = FakeCpu::default();
        cpu.gprs[6] = 0x8000_0021_000F_0004;
        let mut observer = begun(&cpu, &load);
        cpu.gprs[2] = 0xABCD;
        cpu.set_cc(cc);
        let record = observer.reached(&cpu, AT + 4).unwrap();
        assert_eq!(record.result.value, expected, "cc {cc}");
        assert_eq!(record.operands.bytes, None);
    }
}

#[test]
fn a_program_exception_carries_the_code_of_the_lowcore() {
    let mut cpu = store_block_cpu();
    let mut observer = begun(&cpu, &store_block());
    cpu.write_lowcore(0x8C, &[0, 6, 0x00, 0x86]);
    let record = observer
        .discontinued(&cpu, Discontinuity::Exception, AT, 0x500)
        .unwrap();
    assert_eq!(record.result.outcome, Outcome::Exception);
    assert_eq!(record.result.exception, Some(Exception::new(Some(6))));
    assert_eq!(record.result.cc, None);
    assert_eq!(record.operands.bytes, Some(HexBytes(vec![1, 2, 3, 4])));
}

#[test]
fn an_interruption_after_the_instruction_takes_the_code_from_its_old_psw() {
    let mut cpu = store_block_cpu();
    let mut observer = begun(&cpu, &store_block());
    cpu.set_cc(0);
    // An old external interruption came from the same address, but has another handler.
    cpu.write_lowcore(0x130, &(3_u64 << 44).to_be_bytes());
    cpu.write_lowcore(0x138, &(AT + 6).to_be_bytes());
    cpu.write_lowcore(0x1B8, &0x600_u64.to_be_bytes());
    cpu.write_lowcore(0x170, &(2_u64 << 44).to_be_bytes());
    cpu.write_lowcore(0x178, &(AT + 6).to_be_bytes());
    cpu.write_lowcore(0x1F8, &0x700_u64.to_be_bytes());
    let record = observer
        .discontinued(&cpu, Discontinuity::Interrupt, AT + 6, 0x700)
        .unwrap();
    assert_eq!(record.result.outcome, Outcome::Completed);
    assert_eq!(record.result.cc, Some(2));
}

#[test]
fn an_interruption_before_the_instruction_leaves_it_unseen() {
    let cpu = store_block_cpu();
    let mut observer = begun(&cpu, &store_block());
    let record = observer
        .discontinued(&cpu, Discontinuity::Interrupt, AT, 0x700)
        .unwrap();
    assert_eq!(record.result, InstructionResult::unseen());
}

#[test]
fn a_jump_elsewhere_and_an_ended_guest_leave_it_unseen() {
    let cpu = store_block_cpu();
    let mut observer = begun(&cpu, &store_block());
    assert_eq!(
        observer.reached(&cpu, AT + 8).unwrap().result,
        InstructionResult::unseen()
    );
    assert_eq!(observer.reached(&cpu, AT + 6), None);
    let mut observer = begun(&cpu, &store_block());
    assert_eq!(
        observer.abandon().unwrap().result,
        InstructionResult::unseen()
    );
    assert_eq!(observer.abandon(), None);
}

#[test]
fn a_payload_on_a_missing_page_is_null() {
    let mut cpu = store_block_cpu();
    cpu.gprs[5] = 0x3FFE;
    let record = begun(&cpu, &store_block()).abandon().unwrap();
    assert_eq!(record.operands.bytes, None);
    assert_eq!(record.operands.address, Some(Hex(0x3FFE)));
}

#[test]
fn a_clp_call_has_both_blocks() {
    let mut cpu = FakeCpu::default();
    cpu.gprs[3] = 0x200;
    let mut request = vec![0; 32];
    request[..4].copy_from_slice(&[0, 32, 0, 3]);
    cpu.virtual_memory[0x200..0x220].copy_from_slice(&request);
    let mut observer = begun(&cpu, &site(&[0xB9, 0xA0, 0x02, 0x13]));
    cpu.virtual_memory[0x220..0x228].copy_from_slice(&[0, 8, 0, 0x10, 9, 9, 9, 9]);
    let record = observer.reached(&cpu, AT + 4).unwrap();
    assert_eq!(record.operands.command, Some(Hex(3)));
    assert_eq!(record.operands.processor, Some(2));
    assert_eq!(record.operands.clp_request, Some(HexBytes(request)));
    assert_eq!(
        record.operands.clp_response,
        Some(HexBytes(vec![0, 8, 0, 0x10, 9, 9, 9, 9]))
    );
    assert_eq!(record.operands.bytes, None);
}

#[test]
fn a_clp_query_of_the_installed_processors_gives_a_mask() {
    let mut cpu = FakeCpu::default();
    cpu.gprs[3] = u64::MAX;
    let mut observer = begun(&cpu, &site(&[0xB9, 0xA0, 0x80, 0x13]));
    cpu.gprs[1] = 0x00C0 << 48;
    let record = observer.reached(&cpu, AT + 4).unwrap();
    assert_eq!(record.result.value, Some(Hex(0x00C0 << 48)));
    assert_eq!(record.operands.clp_request, None);
}

#[test]
fn function_controls_carry_their_block() {
    let mut cpu = FakeCpu::default();
    cpu.gprs[1] = 0x8000_0021_0003_0002;
    cpu.gprs[3] = 0x300;
    cpu.virtual_memory[0x300] = 0x11;
    let mut observer = begun(&cpu, &site(&[0xE3, 0x10, 0x30, 0, 0, 0xD0]));
    let record = observer.reached(&cpu, AT + 6).unwrap();
    assert_eq!(record.operands.operation, Some(2));
    assert_eq!(record.operands.pcias, Some(3));
    assert_eq!(record.operands.length, None);
    assert_eq!(
        record.operands.bytes.as_ref().map(|b| (b.0.len(), b.0[0])),
        Some((80, 0x11))
    );

    let mut observer = begun(&cpu, &site(&[0xE3, 0x10, 0x30, 0, 0, 0xD4]));
    cpu.virtual_memory[0x300] = 0x22;
    let record = observer.reached(&cpu, AT + 6).unwrap();
    assert_eq!(record.insn, "stpcifc");
    assert_eq!(record.operands.bytes.map(|b| b.0[0]), Some(0x22));
}

#[test]
fn refresh_has_the_range_and_interruption_controls_have_no_condition_code() {
    let mut cpu = FakeCpu::default();
    cpu.gprs[3] = 0x8000_0021_0000_0000;
    cpu.gprs[8] = 0x1_1fff_f000;
    cpu.gprs[9] = 0x1000;
    let mut observer = begun(&cpu, &site(&[0xB9, 0xD3, 0, 0x38]));
    let record = observer.reached(&cpu, AT + 4).unwrap();
    assert_eq!(record.operands.offset, Some(Hex(0x1_1fff_f000)));
    assert_eq!(record.operands.length, Some(0x1000));

    cpu.gprs[1] = 0x10;
    cpu.gprs[2] = 5 << 27;
    cpu.set_cc(3);
    let mut observer = begun(&cpu, &site(&[0xEB, 0x12, 0, 0, 0, 0xD1]));
    let record = observer.reached(&cpu, AT + 6).unwrap();
    assert_eq!(
        (record.operands.operation, record.operands.isc),
        (Some(0x10), Some(5))
    );
    assert_eq!(
        (record.result.outcome, record.result.cc),
        (Outcome::Completed, None)
    );
}

#[test]
fn the_mio_forms_take_length_and_status_from_their_own_registers() {
    let mut cpu = FakeCpu::default();
    cpu.gprs[4] = 0x4000_0000_0000_0010;
    cpu.gprs[5] = 2;
    cpu.gprs[1] = 0xAABB;
    let mut observer = begun(&cpu, &site(&[0xB9, 0xD4, 0, 0x14]));
    cpu.set_cc(1);
    cpu.gprs[5] |= 20 << 24;
    let record = observer.reached(&cpu, AT + 4).unwrap();
    assert_eq!(record.operands.io_address, Some(Hex(0x4000_0000_0000_0010)));
    assert_eq!(record.operands.bytes, Some(HexBytes(vec![0xAA, 0xBB])));
    assert_eq!(record.result.status, Some(20));
}
