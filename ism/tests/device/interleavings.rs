//! Two processors run the driver's command function without a lock: every interleaving of the accesses of two
//! commands breaks a rule, unless one command follows the other.

use std::collections::BTreeMap;

use zpci_region::Path;

use crate::driver::{DMB, GIDS, IEQ, Machine, SBA, query_rgid, reg_dmb, request, signal_ieq};

/// The rules about order that interleaved commands break. Rules about operands are excluded, although a mix
/// of two payloads often has nonsensical operands.
const ORDER: [&str; 9] = [
    "payload-overwritten",
    "payload-mixed",
    "command-overlap",
    "response-half-read",
    "header-without-payload",
    "payload-gap",
    "bad-command-length",
    "response-before-command",
    "response-overread",
];

/// One access to the command window.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Access {
    Store(u64, Vec<u8>),
    Load(u64, usize),
}

/// Lists the accesses of a command whose response has `response` bytes: payload in pieces of `piece` bytes,
/// header, response header, rest of the response in pieces of `piece` bytes.
fn accesses(request: &[u8], response: u64, piece: usize) -> Vec<Access> {
    let (header, payload) = request.split_at(8);
    let mut accesses = Vec::new();
    for (n, part) in payload.chunks(piece).enumerate() {
        accesses.push(Access::Store(8 + (n * piece) as u64, part.to_vec()));
    }
    accesses.push(Access::Store(0, header.to_vec()));
    accesses.push(Access::Load(0, 8));
    for at in (8..response).step_by(piece) {
        let len = (response - at).min(piece as u64);
        accesses.push(Access::Load(at, len as usize));
    }
    accesses
}

/// Lists every way to merge two sequences; `true` is an access of the first.
fn interleavings(first: usize, second: usize) -> Vec<Vec<bool>> {
    let mut all = Vec::new();
    let mut open = vec![(Vec::new(), first, second)];
    while let Some((order, first, second)) = open.pop() {
        if first + second == 0 {
            all.push(order);
            continue;
        }
        for (left, own) in [(first, true), (second, false)] {
            if left > 0 {
                let order = [&order[..], &[own]].concat();
                open.push((order, first - usize::from(own), second - usize::from(!own)));
            }
        }
    }
    all
}

/// Returns one command of each shape with the length of its response. `index` is the SBA index of the DMB.
fn commands(index: u32) -> Vec<(Vec<u8>, u64)> {
    vec![
        (request(3, &[]), 16),
        (request(0x12, &[]), 8),
        (request(1, &[&SBA.to_be_bytes()]), 8),
        (request(4, &[&7_u64.to_be_bytes()]), 8),
        (request(2, &[&IEQ.to_be_bytes(), &512_u64.to_be_bytes()]), 8),
        (query_rgid(GIDS[0], 0, 0), 8),
        (signal_ieq(GIDS[0], 1, 2, 3), 8),
        (reg_dmb(DMB, 4096, index, GIDS[0]), 16),
        (request(8, &[]), 200),
    ]
}

/// Returns the rules about order that a sequence breaks on a function with an SBA.
fn broken(sequence: &[Access]) -> Vec<&'static str> {
    let mut machine = Machine::new(1);
    machine.path = Path::Region;
    machine.probe(0);
    machine.done(0, &request(0x12, &[]));
    machine.done(0, &request(0x11, &[]));
    machine.done(0, &request(1, &[&SBA.to_be_bytes()]));
    machine.broken();
    for access in sequence {
        match access {
            Access::Store(offset, data) => machine.store(0, 2, *offset, data).unwrap(),
            Access::Load(offset, len) => {
                // A region load loads one register.
                for at in (*offset..offset + *len as u64).step_by(8) {
                    machine.load(0, 2, at, 8).unwrap();
                }
            }
        }
    }
    let order = |id: &&str| ORDER.contains(id);
    machine.broken().into_iter().filter(order).collect()
}

#[test]
fn every_interleaving_of_two_commands_breaks_a_rule() {
    let (mut tried, mut told) = (0, BTreeMap::<&str, usize>::new());
    for piece in [192, 8] {
        for (a, a_response) in commands(32) {
            for (b, b_response) in commands(33) {
                // 24 pieces of QUERY_INFO interleave in too many similar ways to try all.
                if piece == 8 && a_response + b_response > 32 {
                    continue;
                }
                let first = accesses(&a, a_response, piece);
                let second = accesses(&b, b_response, piece);
                let in_turn = [
                    [&first[..], &second].concat(),
                    [&second[..], &first].concat(),
                ];
                for order in interleavings(first.len(), second.len()) {
                    let (mut one, mut two) = (first.iter(), second.iter());
                    let next = |own: bool| if own { one.next() } else { two.next() };
                    let mixed: Vec<_> = order.into_iter().filter_map(next_of(next)).collect();
                    let legal = in_turn.contains(&mixed);
                    let rules = broken(&mixed);
                    assert_eq!(rules.is_empty(), legal, "{mixed:x?}: {rules:?}");
                    tried += 1;
                    for rule in rules {
                        *told.entry(rule).or_default() += 1;
                    }
                }
            }
        }
    }
    assert!(tried > 2000, "only {tried} interleavings");
    for rule in ORDER {
        assert!(told.contains_key(rule), "{rule} is never told: {told:?}");
    }
}

/// Clones the next item of `next`.
fn next_of<'a>(
    mut next: impl FnMut(bool) -> Option<&'a Access>,
) -> impl FnMut(bool) -> Option<Access> {
    move |own| next(own).cloned()
}
