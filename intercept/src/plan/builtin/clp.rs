//! CLP: the facts about the functions, and refused calls.

use super::make::{case, grouped};
use crate::plan::case::{Case, Variable};
use crate::plan::fact::Fact;
use crate::plan::instruction::Instruction::Clp;
use crate::probe::clp;
use strum::IntoEnumIterator;

/// Response codes (Linux `arch/s390/include/asm/clp.h` and `pci_clp.h`): unknown command, wrong length, unknown handle,
/// function already in that state, no DMA address space, unknown group.
const BAD_COMMAND: u16 = 0x0020;
const BAD_LENGTH: u16 = 0x0050;
const BAD_HANDLE: u16 = 0x0101;
const BAD_STATE: u16 = 0x0102;
const NO_DMA_SPACE: u16 = 0x0103;
const BAD_GROUP: u16 = 0x010b;

/// The request for a fact, with room for the response.
pub(super) fn facts_block(fact: Fact) -> Vec<u8> {
    clp::whole(fact.command())
}

fn call(id: impl Into<String>, block: Vec<u8>) -> Case {
    case(Clp, id).with_bytes(block)
}

/// A call whose block names the function by its handle.
pub(super) fn of_function(id: impl Into<String>, block: Vec<u8>) -> Case {
    call(id, block).patched(Variable::Handle, 16)
}

/// A query of the function.
pub(super) fn query(id: impl Into<String>) -> Case {
    Case {
        fact: Some(Fact::FunctionId),
        ..of_function(id, clp::whole(clp::QUERY_FUNCTION))
    }
}

/// Disables the function. Later cases use the handle that CLP returns.
pub(super) fn disable(id: &str) -> Case {
    Case {
        save: true,
        ..of_function(id, clp::disable())
    }
}

/// Enables the function. Later cases use the handle that CLP returns.
pub(super) fn enable(id: &str) -> Case {
    Case {
        save: true,
        ..of_function(id, clp::enable())
    }
}

/// A case for each fact. There is one for each function if the fact may differ between them.
pub(super) fn facts() -> Vec<Case> {
    let mut cases = Vec::new();
    for function in [0, 1] {
        for fact in Fact::iter() {
            if function > 0 && fact.command() == clp::QUERY_GROUP {
                continue;
            }
            let second = if function > 0 { "second-" } else { "" };
            let id = format!("clp-{second}{}", fact.name());
            let block = facts_block(fact);
            let case = match fact.command() {
                clp::LIST => call(id, block),
                clp::QUERY_GROUP => call(id, block).patched(Variable::Group, 16),
                _ => of_function(id, block),
            };
            cases.push(Case {
                function,
                fact: Some(fact),
                ..case
            });
        }
    }
    grouped("clp-facts", cases)
}

/// Calls that must be refused, by a response code or an exception.
pub(super) fn refusals() -> Vec<Case> {
    let lengths = |request: u16, response: u16| {
        let mut block = vec![0; 8192];
        let words = [
            (0, request),
            (2, clp::QUERY_FUNCTION),
            (usize::from(request), response),
        ];
        for (at, word) in words {
            if let Some(slot) = block.get_mut(at..at + 2) {
                slot.copy_from_slice(&word.to_be_bytes());
            }
        }
        block
    };
    let mut unknown_group = clp::whole(clp::QUERY_GROUP);
    unknown_group[19] = 0x77;
    let no_dma_space = clp::block(clp::SET_FUNCTION, 32, &[(22, 0), (23, 0)]);
    let unknown = |command| clp::block(command, 32, &[(16, 0x80), (17, 0x55), (18, 0x5a)]);
    let refused = [
        (BAD_COMMAND, call("clp-command-unknown", clp::whole(0x0077))),
        (
            BAD_HANDLE,
            call("clp-query-unknown-handle", unknown(clp::QUERY_FUNCTION)),
        ),
        (
            BAD_HANDLE,
            call("clp-set-unknown-handle", unknown(clp::SET_FUNCTION)),
        ),
        (BAD_GROUP, call("clp-query-unknown-group", unknown_group)),
        (BAD_STATE, of_function("clp-enable-twice", clp::enable())),
        (
            NO_DMA_SPACE,
            of_function("clp-enable-without-dma-space", no_dma_space),
        ),
        (BAD_LENGTH, call("clp-request-length-40", lengths(40, 64))),
    ];
    let mut cases: Vec<Case> = refused
        .into_iter()
        .map(|(response, case)| Case {
            response: Some(response),
            ..case
        })
        .collect();
    for (request, answer) in [
        (8, 64),
        (36, 64),
        (8184, 64),
        (8188, 8),
        (32, 0),
        (32, 12),
        (32, 8184),
        (32, 8168),
    ] {
        let id = format!("clp-lengths-{request}-{answer}");
        cases.push(call(id, lengths(request, answer)));
    }
    grouped("clp", cases)
}
