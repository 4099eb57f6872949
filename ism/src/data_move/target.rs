//! The DMB that a move writes into, and the rules about the address of the move.

use zpci_region::access::PAGE;
use zpci_region::{Judgement, Rule};

use crate::dmb::Dmb;
use crate::id::FunctionId;
use crate::layout::DataAddress;
use crate::state::State;

/// Finds the DMB of a move of function `id` to `offset` of the data BAR, if the DMB accepts all `len` bytes
/// from this function.
pub(crate) fn find(
    state: &State,
    id: FunctionId,
    offset: u64,
    len: usize,
    judgement: &mut Judgement<'_>,
) -> Option<Dmb> {
    let address = DataAddress::decode(offset);
    let token = address.token;
    let Some(dmb) = state.dmbs.get(token).copied() else {
        judgement.broken(Rule::UnknownDmb, || {
            format!("store of {len} bytes for the token {token:#x}: there is no such DMB")
        });
        // The driver ORs element, flag and offset into the value that it believes to be a token.
        let made_of =
            |iova: &u64| *iova != 0 && iova >> 32 == offset >> 32 && offset & iova == *iova;
        if let Some(iova) = state.addresses().filter(made_of).max() {
            judgement.broken(Rule::AddressAsToken, || {
                format!("store to {offset:#x}, made of the iova {iova:#x} of registered memory: expected the token of a DMB")
            });
        }
        return None;
    };
    let own = state[id].config.gid;
    let permitted = own == dmb.rgid;
    if !permitted {
        judgement.broken(Rule::NotPermittedByRgid, || {
            let (owner, rgid) = (state.name(dmb.owner), dmb.rgid);
            format!(
                "store into the DMB {token:#x} of {owner} by GID {own:#x}: expected GID {rgid:#x}"
            )
        });
    }
    let offset = u64::from(address.offset);
    let inside = offset.saturating_add(len as u64) <= u64::from(dmb.len);
    if !inside {
        judgement.broken(Rule::OutsideDmb, || {
            format!("store of {len} bytes at {offset:#x} of the DMB {token:#x}: expected them inside its {:#x} bytes", dmb.len)
        });
    }
    if address.element > 15 {
        judgement.broken(Rule::ElementIndexTooHigh, || {
            format!("element index {}: expected 0 to 15", address.element)
        });
    }
    let rest = PAGE - offset % PAGE;
    if len as u64 > rest {
        judgement.broken(Rule::MoveCrossesPage, || {
            format!("store of {len} bytes at {offset:#x} of the DMB {token:#x}: expected at most {rest} up to the end of the page")
        });
    }
    (permitted && inside).then_some(dmb)
}
