//! A move that nothing refuses, and how it reaches the owner's memory.

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

/// A move that nothing refuses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moved<'a> {
    pub dmb: Dmb,
    pub address: DataAddress,
    /// The owner's SBA, if it is to be signalled.
    pub sba: Option<u64>,
    pub data: &'a [u8],
}

/// The bits that a signal sets in the owner's SBA.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bits {
    /// SBA index of the element mask, if a bit of it is set.
    pub mask: Option<u32>,
    /// SBA index of the DMB bit.
    pub dmb: Option<u32>,
    /// Whether the summary bit is set.
    pub summary: bool,
}

impl Bits {
    /// All bits, for the DMB with this index.
    pub(super) fn all(index: u32) -> Self {
        Self {
            mask: Some(index),
            dmb: Some(index),
            summary: true,
        }
    }
}

impl Moved<'_> {
    /// The move as a fault sees it.
    pub(super) fn chance(&self, writer: FunctionId) -> Chance<'static> {
        Chance {
            token: Some(self.address.token),
            index: Some(self.dmb.index),
            signal: Some(self.address.signal),
            ..Chance::at(Site::Move, writer, Some(self.dmb.owner))
        }
    }

    /// Writes data and bits, whole or not at all, and signals.
    pub(super) fn carry_out(&self, turn: &mut Turn<'_>) -> Result<(), Refusal> {
        self.write(turn, self.data, Bits::all(self.dmb.index))
    }

    /// As [`Self::carry_out`], with other data and bits.
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

    /// The record of the move, of which `len` bytes arrive.
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

/// Writes data and bits; checks first that all of them can be written.
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
    // Inside the DMB, whose end does not overflow.
    let target = dmb.iova.wrapping_add(u64::from(address.offset));
    host.check_writable(owner, target, data.len())?;
    if let Some(sba) = *sba {
        // The SBA is one aligned page: what can be written of it can be written in whole.
        host.check_bits(owner, sba, 1)?;
    }
    host.write(owner, target, data)?;
    if let Some(sba) = *sba {
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
