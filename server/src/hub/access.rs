//! Reads and writes of a function's regions.

use std::sync::MutexGuard;

use vfio_user_protocol::{Errno, Refused};
use zpci_region::access::Failure;
use zpci_region::request::{self, Carrier, RESULT_LEN, Request};
use zpci_region::{Instruction, Load, Path, Store};

use super::client::Client;
use super::function::Function;
use super::refused::{refused, refused_by_device};
use super::regions::{self, Region};
use super::state::{Condition, Slot, State};
use super::zpci_call::ZpciCall;
use crate::limits::Over;
use crate::profile::FunctionPlan;
use crate::record::events::Event;

/// Accesses of messages that came together. The first one takes the fabric's lock. [`Accesses::release`]
/// gives the lock back and wakes each guest that the accesses interrupted, once.
///
/// Operations that take the lock themselves are called on [`Accesses::function`], which releases it first.
#[derive(Debug)]
pub struct Accesses<'a> {
    function: &'a Function,
    state: Option<MutexGuard<'a, State>>,
}

impl Drop for Accesses<'_> {
    fn drop(&mut self) {
        self.release();
    }
}

impl<'a> Accesses<'a> {
    /// Creates accesses to a function; no lock is taken yet.
    pub fn new(function: &'a Function) -> Self {
        Self {
            function,
            state: None,
        }
    }

    /// Returns the plan of the function.
    pub fn plan(&self) -> &'a FunctionPlan {
        self.function.plan()
    }

    /// True if the fabric has faults.
    pub fn is_faulty(&self) -> bool {
        self.function.is_faulty()
    }

    /// Releases the lock and returns the function.
    pub fn function(&mut self) -> &'a Function {
        self.release();
        self.function
    }

    /// Gives the lock back, if it is taken.
    pub fn release(&mut self) {
        if let Some(mut state) = self.state.take() {
            state.guests.release_interrupts();
            self.function.hub.wake_queued(&mut state);
        }
    }

    fn state(&mut self) -> &mut State {
        let function = self.function;
        self.state.get_or_insert_with(|| {
            let mut state = function.hub.lock();
            // Faults act on each interrupt.
            state.guests.hold_interrupts(!function.is_faulty());
            state
        })
    }

    /// Carries out REGION_READ.
    pub fn read(
        &mut self,
        client: &Client,
        index: u32,
        offset: u64,
        out: &mut [u8],
    ) -> Result<(), Refused> {
        let (id, plan) = (self.function.id, self.plan());
        let State {
            fabric,
            journal,
            slots,
            ..
        } = self.state();
        let region = regions::find(index, plan)?;
        // An access of 0 bytes does nothing, as in Linux (vfio_pci_core_read).
        if out.is_empty() {
            return Ok(());
        }
        let slot = &slots[id.0];
        if slot.condition != Condition::Working && !is_read(slot, region)? {
            out.fill(0xff);
            return Ok(());
        }
        match region {
            Region::Bar(pcias) => {
                slots[id.0].last = client.kind;
                let load = Load {
                    path: Path::Bar,
                    pcias,
                    offset,
                    len: out.len(),
                    gaddr: None,
                };
                let mut scope = journal.scope(id);
                let result = fabric.load(id, &load, out, &mut scope);
                scope.loaded(&load, out, result.as_ref().err());
                result.map_err(|refusal| refused_by_device("REGION_READ", &refusal))
            }
            Region::Config => {
                let result = fabric.config_read(id, offset, out);
                let event = Event::ConfigRead {
                    offset,
                    length: out.len(),
                    bytes: (&*out).into(),
                    result: outcome(result.is_ok()).into(),
                };
                journal.write(id, &event);
                result.map_err(|error| refused("REGION_READ", Failure::Invalid, error))
            }
            Region::Zpci => {
                let loaded = client.loaded.as_ref();
                request::read(plan.config.clp.maxstbl, loaded, offset, out)
                    .map_err(|error| refused("REGION_READ", error.failure(), error))
            }
        }
    }

    /// Carries out REGION_WRITE, or one write of REGION_WRITE_MULTI.
    pub fn write(
        &mut self,
        client: &mut Client,
        path: Path,
        index: u32,
        offset: u64,
        data: &[u8],
        posted: bool,
    ) -> Result<(), Refused> {
        let (id, plan) = (self.function.id, self.plan());
        let State {
            fabric,
            guests,
            journal,
            slots,
            ..
        } = self.state();
        let region = regions::find(index, plan)?;
        if data.is_empty() {
            return Ok(());
        }
        let slot = &slots[id.0];
        if slot.condition != Condition::Working && !is_written(slot, region)? {
            client.loaded = Some([0xff; RESULT_LEN]);
            return Ok(());
        }
        match region {
            Region::Bar(pcias) => {
                slots[id.0].last = client.kind;
                let store = Store {
                    path,
                    instruction: Instruction::Pcistb,
                    pcias,
                    offset,
                    data,
                    gaddr: None,
                };
                let mut scope = journal.scope(id);
                let result = fabric.store(id, &store, guests, &mut scope);
                scope.stored(&store, posted, result.as_ref().err());
                result.map_err(|refusal| refused_by_device("REGION_WRITE", &refusal))
            }
            Region::Config => {
                let result = fabric.config_write(id, offset, data);
                let event = Event::ConfigWrite {
                    offset,
                    length: data.len(),
                    bytes: data.into(),
                    result: outcome(result.is_ok()).into(),
                };
                journal.write(id, &event);
                result.map_err(|error| refused("REGION_WRITE", Failure::Invalid, error))
            }
            Region::Zpci => {
                let request = Request::parse(offset, data)
                    .map_err(|error| refused("REGION_WRITE", error.failure(), error))?;
                slots[id.0].last = client.kind;
                let call = ZpciCall {
                    id,
                    request,
                    peer: client.peer,
                    posted,
                    posts_moves: client.posts_moves,
                    policy: client.kind.carrier(plan),
                };
                let carrier = call.carrier(guests)?;
                let done = call.run(carrier, fabric, guests, journal, &mut client.loaded);
                if carrier == Carrier::Process {
                    // The client's memory may take its time, but not for one message after the other while
                    // the others wait.
                    self.release();
                }
                done
            }
        }
    }

    /// Counts and records a refused message.
    pub fn refused(&mut self, command: &'static str, refused: &Refused) {
        let id = self.function.id;
        let journal = &mut self.state().journal;
        let tally = journal.tally_mut(id);
        tally.refused_messages += 1;
        if refused.errno == Errno::EMFILE {
            tally.ran_over(Over::DescriptorsLost);
        }
        let event = Event::RefusedRequest {
            command: command.into(),
            errno: refused.errno.0,
            reason: (&*refused.reason).into(),
        };
        journal.write(id, &event);
        journal.remark(id, || {
            format!("refused, errno {}: {}", refused.errno.0, refused.reason)
        });
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
