//! The port of each address.

use std::collections::HashMap;

use super::frame::Address;

/// Most remembered addresses. A guest with many invented addresses must not make the switch grow.
const MOST: usize = 4096;

/// The destination of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Forward {
    /// To this port.
    To(usize),
    /// To all ports except the sender's.
    Everywhere,
    /// To no port: the receiver is on the sender's port.
    Nowhere,
}

/// The addresses that the switch has learnt from frames so far.
#[derive(Debug, Default)]
pub(super) struct Table {
    ports: HashMap<Address, usize>,
}

impl Table {
    /// Learns that `source` is at `port`. Returns the destination of a frame from there to `destination`.
    pub(super) fn forward(
        &mut self,
        port: usize,
        destination: Address,
        source: Address,
    ) -> Forward {
        let known = self.ports.contains_key(&source);
        if !is_group(source) && (known || self.ports.len() < MOST) {
            self.ports.insert(source, port);
        }
        if is_group(destination) {
            return Forward::Everywhere;
        }
        match self.ports.get(&destination) {
            Some(other) if *other == port => Forward::Nowhere,
            Some(other) => Forward::To(*other),
            None => Forward::Everywhere,
        }
    }

    /// Forgets the addresses at `port`.
    pub(super) fn forget(&mut self, port: usize) {
        self.ports.retain(|_, other| *other != port);
    }
}

/// Whether the address means more than one station (IEEE 802: the lowest bit of the first byte).
fn is_group(address: Address) -> bool {
    address[0] & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::{Forward, MOST, Table};

    const ALL: [u8; 6] = [0xff; 6];
    const A: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const B: [u8; 6] = [2, 0, 0, 0, 0, 2];

    #[test]
    fn what_is_known_goes_to_one_port_only() {
        let mut table = Table::default();
        assert_eq!(table.forward(0, B, A), Forward::Everywhere);
        assert_eq!(table.forward(1, A, B), Forward::To(0));
        assert_eq!(table.forward(0, B, A), Forward::To(1));
        assert_eq!(table.forward(1, ALL, B), Forward::Everywhere);
        assert_eq!(table.forward(0, A, A), Forward::Nowhere);
    }

    #[test]
    fn a_station_that_moves_is_learnt_anew_and_one_that_goes_is_forgotten() {
        let mut table = Table::default();
        table.forward(0, ALL, A);
        table.forward(2, ALL, A);
        assert_eq!(table.forward(1, A, B), Forward::To(2));
        table.forget(2);
        assert_eq!(table.forward(1, A, B), Forward::Everywhere);
    }

    #[test]
    fn a_group_is_nobodys_source() {
        let mut table = Table::default();
        table.forward(0, B, ALL);
        assert_eq!(table.forward(1, ALL, B), Forward::Everywhere);
    }

    #[test]
    fn made_up_addresses_do_not_grow_it_without_end() {
        let mut table = Table::default();
        for number in 0..=u16::MAX {
            let [high, low] = number.to_be_bytes();
            table.forward(0, ALL, [2, 0, 0, 0, high, low]);
        }
        assert_eq!(table.ports.len(), MOST);
    }
}
