//! The functions of one fabric and what clients lent them, behind one lock.
//!
//! A move touches two functions, so there is one lock for all. Nothing waits while it is held:
//! memory is mapped, eventfds do not block, and messages to a client are only queued.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ism::{Fabric, FabricError, FunctionConfig, FunctionId};
use tokio::sync::Notify;
use vfio_user_protocol::message::{DmaMap as MapRequest, DmaUnmap, IrqAction, IrqData, SetIrqs};
use vfio_user_protocol::{Errno, Refused};
use zpci_region::access::Failure;
use zpci_region::request::{self, Carrier, Op, Request};
use zpci_region::{Load, Path, Refusal, Store};

use crate::guest::{Guest, Guests};
use crate::irq;
use crate::memory::ClientOp;
use crate::peer::Peer;
use crate::profile::{FunctionPlan, Plan};
use crate::record::events::{Event, Hex};
use crate::record::report::{FunctionReport, Report, SCHEMA_VERSION};
use crate::record::{EventFile, Journal};
use crate::regions::{self, Region};

/// All functions of a profile.
#[derive(Debug)]
pub struct Hub {
    state: Mutex<State>,
    /// Wakes a function's connection: something waits to be sent to its client.
    wake: Vec<Notify>,
    plan: Plan,
}

#[derive(Debug)]
struct State {
    fabric: Fabric,
    guests: Guests,
    journal: Journal,
    slots: Vec<Slot>,
}

/// What outlives a client, beside the device itself.
#[derive(Debug, Default)]
struct Slot {
    connected: bool,
    /// Register image of the last load through the zPCI I/O region.
    loaded: Option<[u8; request::RESULT_LEN]>,
}

/// One function of a hub.
#[derive(Clone, Debug)]
pub struct Function {
    hub: Arc<Hub>,
    id: FunctionId,
}

impl Hub {
    /// Builds the fabric of a profile.
    pub fn new(plan: Plan, events: Option<EventFile>) -> Result<Arc<Self>, FabricError> {
        let configs = plan.functions.iter().map(|function| FunctionConfig {
            name: function.name.clone(),
            gid: function.gid,
            clp: function.clp,
            contracts: zpci_region::shape::Contracts {
                region: function.region_contract,
                bar: function.bar_contract,
            },
            rules: function.rules.clone(),
            msix: function.msix,
            data_bar_size: 1 << function.data_bar_bits,
        });
        let fabric = Fabric::new(configs.collect())?;
        let max_maps = vfio_user_protocol::limits::MAX_DMA_MAPS as usize;
        let guests = plan
            .functions
            .iter()
            .map(|function| Guest::new(function.msix, max_maps));
        let names = plan.functions.iter().map(|function| function.name.clone());
        Ok(Arc::new(Self {
            state: Mutex::new(State {
                fabric,
                guests: Guests(guests.collect()),
                journal: Journal::new(names.collect(), events),
                slots: plan.functions.iter().map(|_| Slot::default()).collect(),
            }),
            wake: plan.functions.iter().map(|_| Notify::new()).collect(),
            plan,
        }))
    }

    /// The functions, in the order of the profile.
    pub fn functions(self: &Arc<Self>) -> impl Iterator<Item = Function> + '_ {
        (0..self.plan.functions.len()).map(|at| Function {
            hub: Arc::clone(self),
            id: FunctionId(at),
        })
    }

    /// The most severe violation so far.
    pub fn worst(&self) -> Option<zpci_region::Severity> {
        let state = self.lock();
        (0..self.plan.functions.len())
            .filter_map(|at| state.journal.tally(FunctionId(at)).worst())
            .max()
    }

    /// Closes open runs and gives the totals so far.
    pub fn report(&self) -> Report {
        let mut state = self.lock();
        let State {
            fabric,
            guests,
            journal,
            ..
        } = &mut *state;
        for at in 0..self.plan.functions.len() {
            let mut scope = journal.scope(FunctionId(at));
            fabric.settle(FunctionId(at), &mut scope);
        }
        journal.flush();
        let functions: Vec<FunctionReport> = self
            .plan
            .functions
            .iter()
            .zip(&guests.0)
            .enumerate()
            .map(|(at, (function, guest))| {
                let tally = journal.tally(FunctionId(at));
                FunctionReport::new(&function.name, tally, guest.irqs.raised(), guest.maps.len())
            })
            .collect();
        let worst = (0..self.plan.functions.len())
            .filter_map(|at| journal.tally(FunctionId(at)).worst())
            .max();
        Report {
            schema_version: SCHEMA_VERSION,
            version: env!("CARGO_PKG_VERSION"),
            profile: self.plan.name.clone(),
            violations: functions
                .iter()
                .flat_map(|function| &function.rules)
                .map(|rule| rule.violations)
                .sum(),
            worst_severity: worst.map(zpci_region::Severity::name),
            functions,
        }
    }

    /// A move or an event may have queued work for any client.
    fn wake_queued(&self, state: &State) {
        for (guest, wake) in state.guests.0.iter().zip(&self.wake) {
            if !guest.queue.is_empty() {
                wake.notify_one();
            }
        }
    }

    /// The state, also after a panic elsewhere: counters may then be one off, nothing worse.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the client is to be sent, for memory that came without a descriptor.
#[derive(Debug, PartialEq, Eq)]
pub enum ClientWork {
    /// Read bytes, set bits in them, write them back.
    SetBits {
        /// First iova.
        iova: u64,
        /// One mask per byte.
        masks: Vec<u8>,
    },
    /// Write bytes.
    Write {
        /// First iova.
        iova: u64,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

impl Function {
    /// What the profile says of it.
    pub fn plan(&self) -> &FunctionPlan {
        &self.hub.plan.functions[self.id.0]
    }

    /// Wakes when there may be work for the client ([`Function::client_work`]).
    pub async fn woken(&self) {
        self.hub.wake[self.id.0].notified().await;
    }

    /// Takes the function for a client. `false` while another has it.
    pub fn connect(&self, peer: Option<Peer>) -> bool {
        let mut state = self.hub.lock();
        let State { journal, slots, .. } = &mut *state;
        let pid = peer.map(Peer::pid);
        let free = !std::mem::replace(&mut slots[self.id.0].connected, true);
        if free {
            journal.tally_mut(self.id).clients += 1;
            journal.write(self.id, &Event::Connected { pid });
        } else {
            journal.tally_mut(self.id).clients_refused += 1;
            journal.write(self.id, &Event::ClientRefused { pid });
        }
        journal.flush();
        free
    }

    /// The client is gone: its maps and interrupt descriptors go, the device's state stays.
    pub fn disconnect(&self) {
        let mut state = self.hub.lock();
        let State {
            fabric,
            guests,
            journal,
            slots,
        } = &mut *state;
        let mut scope = journal.scope(self.id);
        fabric.settle(self.id, &mut scope);
        let guest = &mut guests.0[self.id.0];
        let maps = guest.maps.len();
        guest.clear();
        fabric.detach(self.id, guests, &mut journal.scope(self.id));
        slots[self.id.0].connected = false;
        journal.write(self.id, &Event::Disconnected { maps });
        journal.flush();
        self.hub.wake_queued(&state);
    }

    /// DEVICE_RESET.
    pub fn reset(&self) {
        let mut state = self.hub.lock();
        let State {
            fabric,
            guests,
            journal,
            slots,
        } = &mut *state;
        slots[self.id.0].loaded = None;
        journal.write(self.id, &Event::Reset);
        fabric.reset(self.id, guests, &mut journal.scope(self.id));
        self.hub.wake_queued(&state);
    }

    /// Nothing more came for a moment: runs of pieces that are open end here.
    pub fn settle(&self) {
        let mut state = self.hub.lock();
        let State {
            fabric, journal, ..
        } = &mut *state;
        fabric.settle(self.id, &mut journal.scope(self.id));
        journal.flush();
    }

    /// Hands what was recorded to the system, and tells whether a run of pieces is open.
    pub fn drained(&self) -> bool {
        let mut state = self.hub.lock();
        state.journal.flush();
        state.fabric.has_open_run(self.id)
    }

    /// Counts and records a refused message.
    pub fn refused(&self, command: &'static str, refused: &Refused) {
        let mut state = self.hub.lock();
        state.journal.tally_mut(self.id).refused_messages += 1;
        let event = Event::RefusedRequest {
            command,
            errno: refused.errno.0,
            reason: &refused.reason,
        };
        state.journal.write(self.id, &event);
    }

    /// DMA_MAP.
    pub fn dma_map(&self, map: &MapRequest, fd: Option<OwnedFd>) -> Result<(), Refused> {
        let mut state = self.hub.lock();
        let maps = &mut state.guests.0[self.id.0].maps;
        let file = fd.map(|fd| (fd, map.offset));
        maps.map(map.iova, map.size, (map.readable, map.writable), file)
            .map_err(|error| Refused::new(Errno(error.errno()), format!("DMA_MAP: {error}")))
    }

    /// DMA_UNMAP: the bytes unmapped.
    pub fn dma_unmap(&self, unmap: &DmaUnmap) -> Result<u64, Refused> {
        let mut state = self.hub.lock();
        let maps = &mut state.guests.0[self.id.0].maps;
        match unmap {
            DmaUnmap::All => {
                maps.clear();
                Ok(0)
            }
            DmaUnmap::Range { iova, size } => maps
                .unmap(*iova, *size)
                .map_err(|error| Refused::new(Errno(error.errno()), format!("DMA_UNMAP: {error}"))),
        }
    }

    /// Vectors of an interrupt index, if PCI has the index.
    pub fn irq_count(&self, index: u32) -> Option<u32> {
        self.hub.lock().guests.0[self.id.0].irqs.count(index)
    }

    /// DEVICE_SET_IRQS with the descriptors that came along.
    pub fn set_irqs(&self, set: &SetIrqs<'_>, fds: Vec<OwnedFd>) -> Result<(), Refused> {
        let refuse = |reason: String| Err(Refused::invalid(format!("DEVICE_SET_IRQS: {reason}")));
        let mut state = self.hub.lock();
        let irqs = &mut state.guests.0[self.id.0].irqs;
        let Some(count) = irqs.count(set.index) else {
            return refuse(format!("index {}, expected 0..{}", set.index, irq::INDEXES));
        };
        if set.start.saturating_add(set.count) > count {
            return refuse(format!(
                "vectors {}..{} of index {}, which has {count}",
                set.start,
                set.start.saturating_add(set.count),
                set.index
            ));
        }
        if fds.len() > set.count as usize || (set.data != IrqData::Eventfd && !fds.is_empty()) {
            return refuse(format!(
                "{} descriptors for {} vectors",
                fds.len(),
                set.count
            ));
        }
        if let Some(at) = fds.iter().position(|fd| !irq::is_eventfd(fd)) {
            return refuse(format!("descriptor {at} is not an eventfd"));
        }
        match (set.action, set.data) {
            (IrqAction::Trigger, IrqData::None) if set.count == 0 => irqs.disable(set.index),
            (IrqAction::Trigger, IrqData::Eventfd) => {
                let eventfds = fds
                    .into_iter()
                    .map(Some)
                    .chain(std::iter::repeat_with(|| None));
                irqs.assign(set.index, set.start, eventfds.take(set.count as usize));
            }
            (IrqAction::Mask | IrqAction::Unmask, IrqData::Eventfd) => {
                return refuse(
                    "masking by eventfd is not supported, expected none or bool".to_owned(),
                );
            }
            (IrqAction::Trigger, _) => irqs.trigger(set.index, set.chosen()),
            (IrqAction::Mask, _) => irqs.mask(set.index, set.chosen()),
            (IrqAction::Unmask, _) => irqs.unmask(set.index, set.chosen()),
        }
        Ok(())
    }

    /// REGION_READ.
    pub fn read(&self, index: u32, offset: u64, out: &mut [u8]) -> Result<(), Refused> {
        let mut state = self.hub.lock();
        let State {
            fabric,
            guests,
            journal,
            slots,
        } = &mut *state;
        match regions::find(index, self.plan())? {
            Region::Bar(pcias) => {
                let load = Load {
                    path: Path::Bar,
                    pcias,
                    offset,
                    len: out.len(),
                    gaddr: None,
                };
                let mut scope = journal.scope(self.id);
                let result = fabric.load(self.id, &load, out, guests, &mut scope);
                scope.loaded(&load, out, result.as_ref().err());
                result.map_err(|refusal| refused_by_device("REGION_READ", &refusal))
            }
            Region::Config => {
                let result = fabric.config_read(self.id, offset, out);
                let (length, ok) = (out.len(), outcome(result.is_ok()));
                journal.write(
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
                let loaded = slots[self.id.0].loaded.as_ref();
                request::read(self.plan().clp.maxstbl, loaded, offset, out)
                    .map_err(|error| refused("REGION_READ", error.failure(), error))
            }
        }
    }

    /// REGION_WRITE, or one write of a REGION_WRITE_MULTI.
    pub fn write(
        &self,
        path: Path,
        index: u32,
        offset: u64,
        data: &[u8],
        posted: bool,
        peer: Option<Peer>,
    ) -> Result<(), Refused> {
        let mut state = self.hub.lock();
        let State {
            fabric,
            guests,
            journal,
            slots,
        } = &mut *state;
        let result = match regions::find(index, self.plan())? {
            Region::Bar(pcias) => {
                let store = Store {
                    path,
                    pcias,
                    offset,
                    data,
                    gaddr: None,
                };
                let mut scope = journal.scope(self.id);
                let result = fabric.store(self.id, &store, guests, &mut scope);
                scope.stored(&store, posted, result.as_ref().err());
                result.map_err(|refusal| refused_by_device("REGION_WRITE", &refusal))
            }
            Region::Config => {
                let result = fabric.config_write(self.id, offset, data);
                let ok = outcome(result.is_ok());
                let event = Event::ConfigWrite {
                    offset,
                    length: data.len(),
                    bytes: Hex(data),
                    result: ok,
                };
                journal.write(self.id, &event);
                result.map_err(|error| refused("REGION_WRITE", Failure::Invalid, error))
            }
            Region::Zpci => {
                let request = Request::parse(offset, data)
                    .map_err(|error| refused("REGION_WRITE", error.failure(), error))?;
                let call = ZpciCall {
                    id: self.id,
                    request,
                    peer,
                    posted,
                    plan: self.plan(),
                };
                call.run(fabric, guests, journal, &mut slots[self.id.0].loaded)
            }
        };
        self.hub.wake_queued(&state);
        result
    }

    /// The next thing that takes a message to the client; what takes none is done on the way.
    pub fn client_work(&self) -> Option<ClientWork> {
        let mut state = self.hub.lock();
        let guest = &mut state.guests.0[self.id.0];
        loop {
            let (iova, bytes, masks) = match guest.queue.pop()? {
                ClientOp::Interrupt(vector) => {
                    guest.irqs.raise(vector);
                    continue;
                }
                ClientOp::Write { iova, bytes } => (iova, bytes, false),
                ClientOp::SetBits { iova, masks } => (iova, masks, true),
            };
            if guest.write_behind_queue(iova, &bytes, masks) {
                continue;
            }
            return Some(if masks {
                ClientWork::SetBits { iova, masks: bytes }
            } else {
                ClientWork::Write { iova, bytes }
            });
        }
    }
}

/// One request through the zPCI I/O region, being carried out.
struct ZpciCall<'a> {
    id: FunctionId,
    request: Request<'a>,
    peer: Option<Peer>,
    posted: bool,
    plan: &'a FunctionPlan,
}

impl ZpciCall<'_> {
    fn run(
        &self,
        fabric: &mut Fabric,
        guests: &mut Guests,
        journal: &mut Journal,
        loaded: &mut Option<[u8; request::RESULT_LEN]>,
    ) -> Result<(), Refused> {
        let request = &self.request;
        let (op, len) = (request.op, usize::from(request.len));
        let guest = &guests.0[self.id.0];
        let carrier = self
            .plan
            .carrier
            .choose(request, |iova, len| {
                guest
                    .maps
                    .segments(iova, len, op == Op::Load, |_| Ok(()))
                    .is_ok()
            })
            .map_err(|error| refused("REGION_WRITE", error.failure(), error))?;
        let gaddr = carrier.gaddr(request);
        let (pcias, offset, path) = (request.pcias, request.offset, Path::Region);
        match op {
            Op::StoreBlock => {
                let mut buffer = [0; 4096];
                let data = match request.payload {
                    Some(payload) => payload,
                    // Longer than any function takes: judged by its length alone, without bytes.
                    None if len > buffer.len() => &vec![0; len],
                    None => {
                        let bytes = &mut buffer[..len];
                        self.fetch(carrier, guest, bytes)?;
                        bytes
                    }
                };
                let store = Store {
                    path,
                    pcias,
                    offset,
                    data,
                    gaddr,
                };
                let mut scope = journal.scope(self.id);
                let result = fabric.store(self.id, &store, guests, &mut scope);
                scope.stored(&store, self.posted, result.as_ref().err());
                result.map_err(|refusal| refused_by_device("PCISTB", &refusal))
            }
            Op::Load => {
                // Longer than a register: judged by its length alone.
                let mut too_long = Vec::new();
                let mut value = [0; request::RESULT_LEN];
                let bytes = match value.get_mut(..len) {
                    Some(bytes) => bytes,
                    None => {
                        too_long.resize(len, 0);
                        &mut too_long
                    }
                };
                let mut scope = journal.scope(self.id);
                let load = Load {
                    path,
                    pcias,
                    offset,
                    len,
                    gaddr,
                };
                let result = fabric.load(self.id, &load, bytes, guests, &mut scope);
                scope.loaded(&load, bytes, result.as_ref().err());
                result.map_err(|refusal| refused_by_device("PCILG", &refusal))?;
                let image = request::register_image(bytes);
                self.deliver(carrier, &guests.0[self.id.0], &image)?;
                *loaded = Some(image);
                Ok(())
            }
        }
    }

    /// Reads a store's bytes from where gaddr says.
    fn fetch(&self, carrier: Carrier, guest: &Guest, out: &mut [u8]) -> Result<(), Refused> {
        let gaddr = self.request.gaddr;
        match (carrier, self.peer) {
            (Carrier::Appended, _) => Ok(()),
            (Carrier::Iova, _) => guest.read(gaddr, out).map_err(|fault| {
                let reason = format!(
                    "PCISTB: gaddr {gaddr:#x} as an iova: {} at {:#x}",
                    fault.why, fault.iova
                );
                Refused::new(Errno::EIO, reason)
            }),
            (Carrier::ProcessVirtual, Some(peer)) => peer.read(gaddr, out).map_err(|fault| {
                Refused::new(
                    Errno::EIO,
                    format!("PCISTB: gaddr {gaddr:#x}: {fault} cannot be read"),
                )
            }),
            (Carrier::ProcessVirtual, None) => Err(no_peer("PCISTB")),
        }
    }

    /// Puts a load's register image to where gaddr says.
    fn deliver(&self, carrier: Carrier, guest: &Guest, image: &[u8]) -> Result<(), Refused> {
        let gaddr = self.request.gaddr;
        match (carrier, self.peer) {
            (Carrier::Appended, _) => Ok(()),
            (Carrier::Iova, _) => guest.write_now(gaddr, image).map_err(|fault| {
                let reason = format!(
                    "PCILG: gaddr {gaddr:#x} as an iova: {} at {:#x}",
                    fault.why, fault.iova
                );
                Refused::new(Errno::EIO, reason)
            }),
            (Carrier::ProcessVirtual, Some(peer)) => peer.write(gaddr, image).map_err(|fault| {
                Refused::new(
                    Errno::EIO,
                    format!("PCILG: gaddr {gaddr:#x}: {fault} cannot be written"),
                )
            }),
            (Carrier::ProcessVirtual, None) => Err(no_peer("PCILG")),
        }
    }
}

fn no_peer(what: &str) -> Refused {
    Refused::new(
        Errno::EIO,
        format!("{what}: the kernel does not tell which process is connected"),
    )
}

fn outcome(ok: bool) -> &'static str {
    if ok { "accepted" } else { "refused" }
}

fn refused_by_device(what: &str, refusal: &Refusal) -> Refused {
    refused(what, refusal.failure, refusal)
}

fn refused(what: &str, failure: Failure, reason: impl std::fmt::Display) -> Refused {
    Refused::new(Errno(failure.errno()), format!("{what}: {reason}"))
}
