//! Reads and writes of a function's regions.

use vfio_user_protocol::Refused;
use zpci_region::access::Failure;
use zpci_region::request::{self, RESULT_LEN, Request};
use zpci_region::{Instruction, Load, Path, Store};

use super::client::Client;
use super::function::Function;
use super::refused::{refused, refused_by_device};
use super::regions::{self, Region};
use super::state::{Condition, Slot};
use super::zpci_call::ZpciCall;
use crate::record::events::{Event, Hex};

impl Function {
    /// Carries out REGION_READ.
    pub fn read(
        &self,
        client: &Client,
        index: u32,
        offset: u64,
        out: &mut [u8],
    ) -> Result<(), Refused> {
        let state = &mut *self.hub.lock();
        let region = regions::find(index, self.plan())?;
        // An access of 0 bytes does nothing, as in Linux (vfio_pci_core_read).
        if out.is_empty() {
            return Ok(());
        }
        let slot = &state.slots[self.id.0];
        if slot.condition != Condition::Working && !is_read(slot, region)? {
            out.fill(0xff);
            return Ok(());
        }
        match region {
            Region::Bar(pcias) => {
                state.slots[self.id.0].last = client.kind;
                let load = Load {
                    path: Path::Bar,
                    pcias,
                    offset,
                    len: out.len(),
                    gaddr: None,
                };
                let mut scope = state.journal.scope(self.id);
                let result = state.fabric.load(self.id, &load, out, &mut scope);
                scope.loaded(&load, out, result.as_ref().err());
                result.map_err(|refusal| refused_by_device("REGION_READ", &refusal))
            }
            Region::Config => {
                let result = state.fabric.config_read(self.id, offset, out);
                let (length, ok) = (out.len(), outcome(result.is_ok()));
                state.journal.write(
                    self.id,
                    &Event::ConfigRead {
                        offset,
                        length,
                        bytes: Hex(out),
                        result: ok,
                    },
                );
                result.map_err(|error| refused("REGION_READ", Failure::Invalid, error))
            }
            Region::Zpci => {
                let loaded = client.loaded.as_ref();
                request::read(self.plan().config.clp.maxstbl, loaded, offset, out)
                    .map_err(|error| refused("REGION_READ", error.failure(), error))
            }
        }
    }

    /// Raises the interrupts that waited until all messages of one receive were handled.
    pub fn release_interrupts(&self) {
        self.hub.lock().guests.release_interrupts();
    }

    /// Carries out REGION_WRITE, or one write of REGION_WRITE_MULTI.
    pub fn write(
        &self,
        client: &mut Client,
        path: Path,
        index: u32,
        offset: u64,
        data: &[u8],
        posted: bool,
    ) -> Result<(), Refused> {
        let state = &mut *self.hub.lock();
        state.guests.hold_interrupts(client.holds_interrupts);
        let region = regions::find(index, self.plan())?;
        if data.is_empty() {
            return Ok(());
        }
        let slot = &state.slots[self.id.0];
        if slot.condition != Condition::Working && !is_written(slot, region)? {
            client.loaded = Some([0xff; RESULT_LEN]);
            return Ok(());
        }
        let result = match region {
            Region::Bar(pcias) => {
                state.slots[self.id.0].last = client.kind;
                let store = Store {
                    path,
                    instruction: Instruction::Pcistb,
                    pcias,
                    offset,
                    data,
                    gaddr: None,
                };
                let mut scope = state.journal.scope(self.id);
                let result = state
                    .fabric
                    .store(self.id, &store, &mut state.guests, &mut scope);
                scope.stored(&store, posted, result.as_ref().err());
                result.map_err(|refusal| refused_by_device("REGION_WRITE", &refusal))
            }
            Region::Config => {
                let result = state.fabric.config_write(self.id, offset, data);
                let ok = outcome(result.is_ok());
                let event = Event::ConfigWrite {
                    offset,
                    length: data.len(),
                    bytes: Hex(data),
                    result: ok,
                };
                state.journal.write(self.id, &event);
                result.map_err(|error| refused("REGION_WRITE", Failure::Invalid, error))
            }
            Region::Zpci => {
                let request = Request::parse(offset, data)
                    .map_err(|error| refused("REGION_WRITE", error.failure(), error))?;
                state.slots[self.id.0].last = client.kind;
                let call = ZpciCall {
                    id: self.id,
                    request,
                    peer: client.peer,
                    posted,
                    posts_moves: client.posts_moves,
                    carrier: client.kind.carrier(self.plan()),
                };
                call.run(
                    &mut state.fabric,
                    &mut state.guests,
                    &mut state.journal,
                    &mut client.loaded,
                )
            }
        };
        self.hub.wake_queued(state);
        result
    }
}

/// True if the function answers a read in its present condition. The error state refuses loads.
fn is_read(slot: &Slot, region: Region) -> Result<bool, Refused> {
    match region {
        Region::Config => Ok(slot.condition != Condition::Gone),
        // This read returns the result of a load that was carried out before.
        Region::Zpci if slot.condition == Condition::Gone => Ok(true),
        _ => slot.is_there("REGION_READ"),
    }
}

/// True if the function takes a write in its present condition. The error state refuses stores.
fn is_written(slot: &Slot, region: Region) -> Result<bool, Refused> {
    match region {
        Region::Config => Ok(slot.condition != Condition::Gone),
        _ => slot.is_there("REGION_WRITE"),
    }
}

fn outcome(ok: bool) -> &'static str {
    if ok { "accepted" } else { "refused" }
}
