//! Carries out one request through the zPCI I/O region.

use ism::{Fabric, FunctionId};
use vfio_user_protocol::{Errno, Refused};
use zpci_region::clp::MAXSTBL_LIMIT;
use zpci_region::request::{self, Carrier, CarrierPolicy, Op, Request};
use zpci_region::{Failure, Instruction, Load, Path, Refusal, Rule, Store};

use super::refused::{refused, refused_by_device};
use crate::client::peer::{Peer, PeerFault};
use crate::guest::memory::dma_map::Fault;
use crate::guest::{Guest, Guests};
use crate::record::Journal;

/// Bytes of the longest store that any function accepts.
const MAX_STORE: usize = MAXSTBL_LIMIT as usize;

/// One request through the zPCI I/O region, and its context.
pub(super) struct ZpciCall<'a> {
    pub(super) id: FunctionId,
    pub(super) request: Request<'a>,
    pub(super) peer: Option<Peer>,
    pub(super) posted: bool,
    /// True if the client distinguishes moves that came too late.
    pub(super) posts_moves: bool,
    pub(super) policy: CarrierPolicy,
}

impl ZpciCall<'_> {
    /// Returns where the request's bytes are.
    pub(super) fn carrier(&self, guests: &Guests) -> Result<Carrier, Refused> {
        let is_load = self.request.op == Op::Load;
        let maps = &guests.0[self.id.0].maps;
        self.policy
            .choose(&self.request, |iova, len| {
                maps.segments(iova, len, is_load, |_| Ok(())).is_ok()
            })
            .map_err(|error| refused("REGION_WRITE", error.failure(), error))
    }

    /// Carries out the request. The register image of a load is left in `loaded`.
    pub(super) fn run(
        &self,
        carrier: Carrier,
        fabric: &mut Fabric,
        guests: &mut Guests,
        journal: &mut Journal,
        loaded: &mut Option<[u8; request::RESULT_LEN]>,
    ) -> Result<(), Refused> {
        let request = &self.request;
        let (op, len) = (request.op, usize::from(request.len));
        let guest = &guests.0[self.id.0];
        let gaddr = carrier.gaddr(request);
        let (pcias, offset, path) = (request.pcias, request.offset, Path::Region);
        match op.store() {
            Some(instruction) => {
                let mut buffer: [u8; MAX_STORE];
                let data = match request.payload {
                    Some(payload) => payload,
                    // The store is longer than any function accepts: its length alone decides, so no bytes
                    // are needed.
                    None if len > MAX_STORE => &vec![0; len],
                    None => {
                        // The buffer is filled only if bytes must be fetched.
                        buffer = [0; MAX_STORE];
                        let bytes = &mut buffer[..len];
                        self.fetch(carrier, guest, bytes)?;
                        bytes
                    }
                };
                let store = Store {
                    path,
                    instruction,
                    pcias,
                    offset,
                    data,
                    gaddr,
                };
                let mut scope = journal.scope(self.id);
                let result = fabric.store(self.id, &store, guests, &mut scope);
                scope.stored(&store, self.posted, result.as_ref().err());
                let name = match instruction {
                    Instruction::Pcistb => "PCISTB",
                    Instruction::Pcistg => "PCISTG",
                };
                result.map_err(|refusal| {
                    let refused = refused_by_device(name, &refusal);
                    match self.posts_moves && comes_too_late(&refusal) {
                        true => Refused::new(Errno::ENXIO, refused.reason),
                        false => refused,
                    }
                })
            }
            None => {
                // A load has side effects: it does not begin if its result cannot be delivered.
                self.check_delivery(carrier, guest)?;
                // The load is longer than a register: its length alone decides.
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
                let result = fabric.load(self.id, &load, bytes, &mut scope);
                scope.loaded(&load, bytes, result.as_ref().err());
                result.map_err(|refusal| refused_by_device("PCILG", &refusal))?;
                let image = request::register_image(bytes);
                self.deliver(carrier, &guests.0[self.id.0], &image)?;
                *loaded = Some(image);
                Ok(())
            }
        }
    }

    /// Reads a store's bytes from the place that gaddr names.
    fn fetch(&self, carrier: Carrier, guest: &Guest, out: &mut [u8]) -> Result<(), Refused> {
        let gaddr = self.request.gaddr;
        match (carrier, self.peer) {
            (Carrier::Appended, _) => Ok(()),
            (Carrier::Iova, _) => guest
                .read(gaddr, out)
                .map_err(|fault| no_iova("PCISTB", gaddr, fault)),
            (Carrier::Process, Some(peer)) => peer.read(gaddr, out).map_err(|fault| {
                Refused::new(
                    Errno::EIO,
                    format!("PCISTB: gaddr {gaddr:#x}: {fault} cannot be read"),
                )
            }),
            (Carrier::Process, None) => Err(no_peer("PCISTB")),
        }
    }

    /// Checks that a load's register image can be written to the place that gaddr names, as far as possible
    /// without writing.
    fn check_delivery(&self, carrier: Carrier, guest: &Guest) -> Result<(), Refused> {
        let gaddr = self.request.gaddr;
        match (carrier, self.peer) {
            (Carrier::Appended, _) => Ok(()),
            (Carrier::Iova, _) => guest
                .check_now(gaddr, request::RESULT_LEN)
                .map_err(|fault| no_iova("PCILG", gaddr, fault)),
            (Carrier::Process, Some(peer)) => peer
                .read(gaddr, &mut [0; request::RESULT_LEN])
                .map_err(|fault| cannot_write(gaddr, &fault)),
            (Carrier::Process, None) => Err(no_peer("PCILG")),
        }
    }

    /// Writes a load's register image to the place that gaddr names.
    fn deliver(&self, carrier: Carrier, guest: &Guest, image: &[u8]) -> Result<(), Refused> {
        let gaddr = self.request.gaddr;
        match (carrier, self.peer) {
            (Carrier::Appended, _) => Ok(()),
            (Carrier::Iova, _) => guest
                .write_now(gaddr, image)
                .map_err(|fault| no_iova("PCILG", gaddr, fault)),
            (Carrier::Process, Some(peer)) => peer
                .write(gaddr, image)
                .map_err(|fault| cannot_write(gaddr, &fault)),
            (Carrier::Process, None) => Err(no_peer("PCILG")),
        }
    }
}

/// True if a store is refused because its DMB, or the memory of the DMB's owner, is gone.
fn comes_too_late(refusal: &Refusal) -> bool {
    match refusal.rule {
        Some(rule) => rule == Rule::UnknownDmb,
        None => refusal.failure == Failure::Io,
    }
}

fn no_iova(what: &str, gaddr: u64, fault: Fault) -> Refused {
    let Fault { iova, why } = fault;
    let reason = format!("{what}: gaddr {gaddr:#x} as an iova: {why} at {iova:#x}");
    Refused::new(Errno::EIO, reason)
}

fn cannot_write(gaddr: u64, fault: &PeerFault) -> Refused {
    let reason = format!("PCILG: gaddr {gaddr:#x}: {fault} cannot be written");
    Refused::new(Errno::EIO, reason)
}

fn no_peer(what: &str) -> Refused {
    Refused::new(
        Errno::EIO,
        format!("{what}: the kernel does not tell which process is connected"),
    )
}
