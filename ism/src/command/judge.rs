//! Rules about the operands of a well-formed command, judged before the command runs.

use zpci_region::access::PAGE;
use zpci_region::{Judgement, Rule};

use super::call::{Buffer, Call};
use crate::dmb::Dmb;
use crate::id::FunctionId;
use crate::layout::{DMB_BOUNDARY, IEQ_LEN, SBA_INDEXES, SBA_LEN};
use crate::state::State;

/// Judges a command of the function `id` by all rules about operands.
pub(crate) fn call(state: &State, id: FunctionId, call: Call, judgement: &mut Judgement<'_>) {
    match call {
        Call::RegSba { iova } => {
            reg_sba(iova, judgement);
            address(state, id, ("REG_SBA", iova, SBA_LEN as u64), judgement);
        }
        Call::RegIeq { iova, len } => {
            reg_ieq(state, id, iova, len, judgement);
            address(state, id, ("REG_IEQ", iova, len), judgement);
        }
        Call::RegDmb(buffer) => {
            reg_dmb(state, id, buffer, judgement);
            let Buffer { iova, len, .. } = buffer;
            address(state, id, ("REG_DMB", iova, len.into()), judgement);
        }
        Call::UnregDmb { token } => unreg_dmb(state, id, token, judgement),
        _ => {}
    }
}

/// Judges memory that a command registers: name of the command, first address, number of bytes.
fn address(
    state: &State,
    id: FunctionId,
    (name, iova, len): (&str, u64, u64),
    judgement: &mut Judgement<'_>,
) {
    if state.dmbs.gave(iova) {
        judgement.broken(Rule::TokenAsAddress, || {
            format!("{name} with iova {iova:#x}, which is the token of a DMB: expected the address of memory")
        });
    }
    let (first, end) = {
        let clp = &state[id].config.clp;
        (clp.start_dma, clp.end_dma)
    };
    let last = iova.saturating_add(len.saturating_sub(1));
    if iova < first || last > end {
        judgement.broken(Rule::OutsideDmaWindow, || {
            format!("{name} with {len} bytes at iova {iova:#x}: expected them in the DMA window {first:#x} to {end:#x}")
        });
    }
}

fn reg_sba(iova: u64, judgement: &mut Judgement<'_>) {
    if !iova.is_multiple_of(PAGE) {
        judgement.broken(Rule::QueueMisaligned, || {
            format!("REG_SBA with an SBA at iova {iova:#x}: expected a multiple of 4096")
        });
    }
}

fn reg_ieq(state: &State, id: FunctionId, iova: u64, len: u64, judgement: &mut Judgement<'_>) {
    if !iova.is_multiple_of(PAGE) || len != IEQ_LEN {
        judgement.broken(Rule::QueueMisaligned, || {
            format!("REG_IEQ with {len} bytes at iova {iova:#x}: expected 512 bytes at a multiple of 4096")
        });
    }
    if state[id].registered.sba.is_none() {
        judgement.broken(Rule::RegisterOrder, || {
            "REG_IEQ without an SBA: expected REG_SBA before it".to_owned()
        });
    }
}

fn reg_dmb(state: &State, id: FunctionId, buffer: Buffer, judgement: &mut Judgement<'_>) {
    let Buffer {
        iova, len, index, ..
    } = buffer;
    let registered = &state[id].registered;
    let missing = match (registered.sba, registered.ieq) {
        (None, _) => Some("an SBA"),
        (Some(_), None) => Some("an event queue"),
        (Some(_), Some(_)) => None,
    };
    if let Some(missing) = missing {
        judgement.broken(Rule::RegisterOrder, || {
            format!("REG_DMB without {missing}: expected REG_SBA and REG_IEQ before it")
        });
    }
    if !SBA_INDEXES.contains(&index) {
        judgement.broken(Rule::BadSbaIndex, || {
            format!("REG_DMB with SBA index {index}: expected 32 to 1919")
        });
    } else if let Some(token) = state.dmbs.at_index(id, index) {
        judgement.broken(Rule::BadSbaIndex, || {
            format!(
                "REG_DMB with SBA index {index}, which the DMB {token:#x} has: expected a free one"
            )
        });
    }
    let last = iova.saturating_add(u64::from(len).saturating_sub(1));
    if !Dmb::fits(iova, len) || iova / DMB_BOUNDARY != last / DMB_BOUNDARY {
        judgement.broken(Rule::BadDmbMemory, || {
            format!("REG_DMB with {len} bytes at iova {iova:#x}: expected 1 byte to 1 MiB at a multiple of 4096, inside one MiB")
        });
    }
}

fn unreg_dmb(state: &State, id: FunctionId, token: u64, judgement: &mut Judgement<'_>) {
    match state.dmbs.get(token) {
        Some(dmb) if dmb.owner == id => {}
        Some(dmb) => judgement.broken(Rule::UnregisterNotOwned, || {
            let owner = state.name(dmb.owner);
            format!("UNREG_DMB of {token:#x}, which belongs to {owner}: expected an own token")
        }),
        None => {
            judgement.broken(Rule::UnregisterNotOwned, || {
                format!("UNREG_DMB of {token:#x}: there is no such DMB")
            });
            if token != 0 && state.addresses().any(|iova| iova == token) {
                judgement.broken(Rule::AddressAsToken, || {
                    format!("UNREG_DMB of {token:#x}, which is the iova of registered memory: expected the token of a DMB")
                });
            }
        }
    }
}
