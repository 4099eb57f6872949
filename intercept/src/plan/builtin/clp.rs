//! CLP: what it tells of the functions, and how it refuses.

use crate::plan::case::{Case, Patch, Variable};
use crate::plan::fact::Fact;
use crate::plan::instruction::Instruction;
use crate::plan::payload::Payload;
use crate::probe::clp;

const GROUP: &str = "clp";

/// Response codes (Linux `arch/s390/include/asm/clp.h` and `pci_clp.h`): unknown command, wrong length, unknown handle,
/// function already in that state, no DMA address space, unknown group.
const BAD_COMMAND: u16 = 0x0020;
const BAD_LENGTH: u16 = 0x0050;
const BAD_HANDLE: u16 = 0x0101;
const BAD_STATE: u16 = 0x0102;
const NO_DMA_SPACE: u16 = 0x0103;
const BAD_GROUP: u16 = 0x010b;

/// The request, and room for the response, that tells a fact.
pub(super) fn facts_block(fact: Fact) -> Vec<u8> {
    clp::whole(fact.command())
}

fn call(id: impl Into<String>, group: &str, block: Vec<u8>) -> Case {
    Case {
        payload: Payload::Bytes(block),
        ..Case::new(id, group, Instruction::Clp)
    }
}

/// A call whose block names the function by its handle.
pub(super) fn of_function(id: impl Into<String>, group: &str, block: Vec<u8>) -> Case {
    Case {
        patch: Some(Patch {
            value: Variable::Handle,
            at: 16,
        }),
        ..call(id, group, block)
    }
}

fn of_group(id: impl Into<String>, group: &str, block: Vec<u8>) -> Case {
    Case {
        patch: Some(Patch {
            value: Variable::Group,
            at: 16,
        }),
        ..call(id, group, block)
    }
}

/// A query of the function.
pub(super) fn query(id: &str, group: &str) -> Case {
    Case {
        fact: Some(Fact::FunctionId),
        ..of_function(id, group, clp::whole(clp::QUERY_FUNCTION))
    }
}

/// Disables the function; later cases use the handle that CLP gives.
pub(super) fn disable(id: &str, group: &str) -> Case {
    Case {
        save: true,
        ..of_function(id, group, clp::disable())
    }
}

/// Enables the function; later cases use the handle that CLP gives.
pub(super) fn enable(id: &str, group: &str) -> Case {
    Case {
        save: true,
        ..of_function(id, group, clp::enable())
    }
}

/// A case for each fact, for both functions where they may differ.
pub(super) fn facts() -> Vec<Case> {
    let mut cases = Vec::new();
    for function in [0, 1] {
        for fact in Fact::ALL {
            if function > 0 && fact.command() == clp::QUERY_GROUP {
                continue;
            }
            let second = if function > 0 { "second-" } else { "" };
            let id = format!("clp-{second}{}", fact.name());
            let block = facts_block(fact);
            let case = match fact.command() {
                clp::LIST => call(id, "clp-facts", block),
                clp::QUERY_GROUP => of_group(id, "clp-facts", block),
                _ => of_function(id, "clp-facts", block),
            };
            cases.push(Case {
                function,
                fact: Some(fact),
                ..case
            });
        }
    }
    cases
}

/// Calls that are refused, by response code or by an exception.
pub(super) fn refusals() -> Vec<Case> {
    let response = |response, case| Case { response, ..case };
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
    let mut cases = vec![
        response(
            BAD_COMMAND,
            call("clp-command-unknown", GROUP, clp::whole(0x0077)),
        ),
        response(
            BAD_HANDLE,
            call(
                "clp-query-unknown-handle",
                GROUP,
                unknown(clp::QUERY_FUNCTION),
            ),
        ),
        response(
            BAD_HANDLE,
            call("clp-set-unknown-handle", GROUP, unknown(clp::SET_FUNCTION)),
        ),
        response(
            BAD_GROUP,
            call("clp-query-unknown-group", GROUP, unknown_group),
        ),
        response(
            BAD_STATE,
            of_function("clp-enable-twice", GROUP, clp::enable()),
        ),
        response(
            NO_DMA_SPACE,
            of_function("clp-enable-without-dma-space", GROUP, no_dma_space),
        ),
        response(
            BAD_LENGTH,
            call("clp-request-length-40", GROUP, lengths(40, 64)),
        ),
    ];
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
        cases.push(call(
            format!("clp-lengths-{request}-{answer}"),
            GROUP,
            lengths(request, answer),
        ));
    }
    cases
}
