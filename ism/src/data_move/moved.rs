//! Carries out a move that no rule refuses, in the memory of the DMB's owner.

use zpci_region::access::Failure;
use zpci_region::judgement::Refusal;

use crate::dmb::Dmb;
use crate::fault::armed::Chance;
use crate::fault::site::Site;
use crate::host::{DeliveryRecord, Host, MemoryError};
use crate::id::FunctionId;
use crate::layout::{DataAddress, SBA_SUMMARY, dmb_bit, dmb_mask, element_bit};
use crate::record::MoveRecord;
use crate::turn::Turn;

/// A move that no rule refuses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved<'a> {
    pub dmb: Dmb,
    pub address: DataAddress,
    /// Address of the owner's SBA, if the move signals the owner.
    pub sba: Option<u64>,
    pub data: &'a [u8],
}

/// The bits that a signal sets in the owner's SBA.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits {
    /// SBA index of the element mask, if a bit of it is set.
    pub mask: Option<u32>,
    /// SBA index of the DMB bit, if it is set.
    pub dmb: Option<u32>,
    /// True if the summary bit is set.
    pub summary: bool,
}

impl Bits {
    /// Selects all bits for the DMB with this index.
    pub(super) fn all(index: u32) -> Self {
        Self {
            mask: Some(index),
            dmb: Some(index),
            summary: true,
        }
    }
}

impl Moved<'_> {
    /// Describes the move by the facts that a fault can match.
    pub(super) fn chance(&self, writer: FunctionId) -> Chance<'static> {
        Chance {
            token: Some(self.address.token),
            index: Some(self.dmb.index),
            signal: Some(self.address.signal),
            ..Chance::at(Site::Move, writer, Some(self.dmb.owner))
        }
    }

    /// Writes data and bits, all of them or none, and signals the owner.
    pub(super) fn carry_out(&self, turn: &mut Turn<'_>) -> Result<(), Refusal> {
        self.write(turn, self.data, Bits::all(self.dmb.index))
    }

    /// Like [`Self::carry_out`], with other data and other bits.
    pub(super) fn write(
        &self,
        turn: &mut Turn<'_>,
        data: &[u8],
        bits: Bits,
    ) -> Result<(), Refusal> {
        turn.host.begin(self.dmb.owner);
        let written = write(turn.host, self, data, bits);
        written.map_err(|error| self.unreachable(turn, error))?;
        let record = self.record(turn.id, data.len());
        let record = DeliveryRecord::Move(record);
        turn.delivered(self.dmb.owner, self.sba.is_some(), record);
        Ok(())
    }

    /// Builds the record of the move, of which `len` bytes arrive.
    fn record(&self, function: FunctionId, len: usize) -> MoveRecord {
        let address = self.address;
        MoveRecord {
            function,
            owner: self.dmb.owner,
            token: address.token,
            offset: address.offset,
            len,
            element: address.element,
            signal: address.signal,
            signalled: self.sba.is_some(),
        }
    }

    fn unreachable(&self, turn: &Turn<'_>, error: MemoryError) -> Refusal {
        let owner = turn.state.name(self.dmb.owner);
        failed(format!("data move into memory of {owner}: {error}"))
    }
}

/// Writes data and bits, after a check that all of them can be written.
fn write(
    host: &mut dyn Host,
    moved: &Moved<'_>,
    data: &[u8],
    bits: Bits,
) -> Result<(), MemoryError> {
    let Moved {
        dmb, address, sba, ..
    } = moved;
    let owner = dmb.owner;
    // The range lies inside the DMB, so the addition does not overflow.
    let target = dmb.iova.wrapping_add(u64::from(address.offset));
    let Some(sba) = *sba else {
        return host.write_whole(owner, target, data);
    };
    host.check_writable(owner, target, data.len())?;
    // The SBA is one aligned page: if one byte can be written, all can.
    host.check_bits(owner, sba, 1)?;
    host.write(owner, target, data)?;
    if let Some(index) = bits.mask {
        let at = sba.wrapping_add(dmb_mask(index));
        host.set_bits_be16(owner, at, element_bit(address.element))?;
    }
    if let Some(index) = bits.dmb {
        let (at, bit) = dmb_bit(index);
        host.set_bits(owner, sba.wrapping_add(at), bit)?;
    }
    if bits.summary {
        host.set_bits(owner, sba, SBA_SUMMARY)?;
    }
    Ok(())
}

pub(super) fn failed(reason: String) -> Refusal {
    Refusal {
        failure: Failure::Io,
        rule: None,
        reason,
    }
}
