//! Tests that the sequences of the Linux drivers break no rule.

use zpci_region::rule::Group;
use zpci_region::rule::catalogue::CATALOGUE;
use zpci_region::{Path, Rule, Severity};

use crate::driver::{GIDS, IEQ, Machine, SBA, query_rgid, request, signal_ieq, target};

#[track_caller]
fn machines() -> impl Iterator<Item = Machine> {
    [Path::Region, Path::Bar].into_iter().map(|path| {
        let smcd: Vec<Rule> = CATALOGUE
            .iter()
            .filter(|info| info.group == Group::Smcd)
            .map(|info| info.rule)
            .collect();
        assert!(smcd.len() > 10);
        let mut machine = Machine::with_rules(2, &smcd, Severity::Warn);
        machine.path = path;
        machine
    })
}

/// Does what the probe function of Linux 6.12 does.
fn probe_612(machine: &mut Machine, f: usize) {
    machine.done(f, &request(1, &[&SBA.to_be_bytes()]));
    machine.done(
        f,
        &request(2, &[&IEQ.to_be_bytes(), &512_u64.to_be_bytes()]),
    );
    machine.done(f, &request(3, &[]));
    machine.done(f, &request(4, &[&0x1fff_u64.to_be_bytes()]));
    machine.done(f, &request(8, &[]));
}

/// Does what the probe function of Linux 7.2 does.
fn probe_72(machine: &mut Machine, f: usize) {
    machine.done(f, &request(1, &[&SBA.to_be_bytes()]));
    machine.done(
        f,
        &request(2, &[&IEQ.to_be_bytes(), &512_u64.to_be_bytes()]),
    );
    machine.done(f, &request(8, &[]));
    machine.done(f, &request(3, &[]));
    machine.done(f, &request(4, &[&0x1fff_u64.to_be_bytes()]));
}

/// One direction of an SMC-D connection, as the sender keeps it.
struct Sender {
    f: usize,
    token: u64,
    ring: u32,
    producer: (u16, u32),
    consumer: (u16, u32),
}

impl Sender {
    fn new(f: usize, token: u64, size: u32) -> Self {
        let zero = (0, 0);
        Self {
            f,
            token,
            ring: size - 32,
            producer: zero,
            consumer: zero,
        }
    }

    /// Moves data as the driver does: in pieces that end at page boundaries.
    fn data_move(&self, machine: &mut Machine, offset: u32, len: u32) {
        let end = offset + len;
        let mut at = offset;
        while at < end {
            let next = end.min((at / 4096 + 1) * 4096);
            let data = vec![at.to_be_bytes()[3]; (next - at) as usize];
            machine
                .store(self.f, 0, target(self.token, 0, false, at), &data)
                .unwrap();
            at = next;
        }
    }

    fn send(&mut self, machine: &mut Machine, len: u32) {
        let (wrap, count) = self.producer;
        let first = len.min(self.ring - count);
        self.data_move(machine, 32 + count, first);
        self.data_move(machine, 32, len - first);
        self.producer = match count + len {
            next if next >= self.ring => (wrap.wrapping_add(1), next - self.ring),
            next => (wrap, next),
        };
        self.message(machine, 0);
    }

    fn message(&self, machine: &mut Machine, state: u8) {
        let mut cdc = [0; 32];
        cdc[0] = 0xfe;
        cdc[8..10].copy_from_slice(&self.producer.0.to_be_bytes());
        cdc[10..14].copy_from_slice(&self.producer.1.to_be_bytes());
        cdc[16..18].copy_from_slice(&self.consumer.0.to_be_bytes());
        cdc[18..22].copy_from_slice(&self.consumer.1.to_be_bytes());
        cdc[23] = state;
        machine
            .store(self.f, 0, target(self.token, 0, true, 0), &cdc)
            .unwrap();
    }
}

#[test]
fn probe_and_remove_break_nothing() {
    for mut machine in machines() {
        for probe in [probe_612, probe_72] {
            probe(&mut machine, 0);
            machine.done(0, &request(0x12, &[]));
            machine.done(0, &request(0x11, &[]));
            assert_eq!(machine.broken(), [""; 0]);
        }
    }
}

#[test]
fn a_connection_with_wraps_and_reuse_breaks_nothing() {
    for mut machine in machines() {
        probe_612(&mut machine, 0);
        probe_72(&mut machine, 1);
        machine.done(1, &query_rgid(GIDS[0], 1, 0x1fff));
        let to_1 = machine.reg_dmb(1, 32, 16384, GIDS[0]);
        let to_0 = machine.reg_dmb(0, 32, 65536, GIDS[1]);
        for _connection in 0..3 {
            let mut client = Sender::new(0, to_1, 16384);
            let mut server = Sender::new(1, to_0, 65536);
            for len in [1, 8, 4000, 8192, 16352, 3, 16352, 12000, 100] {
                client.send(&mut machine, len);
                server.consumer = client.producer;
                server.message(&mut machine, 0);
                server.send(&mut machine, len * 3 / 2);
                client.consumer = server.producer;
            }
            client.message(&mut machine, 0x80);
            client.message(&mut machine, 0xc0);
            server.message(&mut machine, 0xc0);
        }
        machine.done(0, &signal_ieq(GIDS[1], 1, 0x80, 0x1234));
        for (f, token) in [(0, to_0), (1, to_1)] {
            machine.done(f, &request(0x0b, &[&token.to_be_bytes()]));
            machine.done(f, &request(0x12, &[]));
            machine.done(f, &request(0x11, &[]));
        }
        assert_eq!(machine.broken(), [""; 0]);
        assert!(machine.info(0).totals.moves > 80);
        assert!(machine.info(0).totals.signals > 27);
    }
}

#[test]
fn traffic_inside_one_guest_breaks_nothing() {
    for mut machine in machines() {
        probe_612(&mut machine, 0);
        machine.done(0, &query_rgid(GIDS[0], 1, 0x1fff));
        let tokens = [32, 33].map(|index| machine.reg_dmb(0, index, 65536, GIDS[0]));
        let mut senders = tokens.map(|token| Sender::new(0, token, 65536));
        for round in 1..20 {
            for (writer, reader) in [(0, 1), (1, 0)] {
                senders[writer].send(&mut machine, round * 3000);
                senders[reader].consumer = senders[writer].producer;
                senders[reader].message(&mut machine, 0);
            }
        }
        assert_eq!(machine.broken(), [""; 0]);
    }
}
