//! Turns one request into one reply.

use std::os::fd::OwnedFd;

use vfio_user_protocol::message::{
    self, DeviceInfo, MultiWrites, RegionAccess, Version, device, irq as irq_message, region_info,
};
use vfio_user_protocol::{Errno, Frame, Header, Refused, Request, Session};
use vfio_user_ring::layout::LAYOUT;
use zpci_region::Path;

use crate::client::channel;
use crate::client::client_memory::ClientMemory;
use crate::client::ring_link::RingLink;
use crate::guest::irq;
use crate::hub::regions;
use crate::hub::{Accesses, Client, ClientKind};
use crate::record::LogLimit;

/// Context for answering one request.
#[derive(Debug)]
pub struct Call<'a, 'f> {
    /// Access to the function to which the request goes.
    pub accesses: &'a mut Accesses<'f>,
    /// The protocol state of the connection.
    pub session: &'a mut Session,
    /// The client that sent the request.
    pub client: &'a mut Client,
    /// The client's memory without a descriptor.
    pub memory: &'a mut ClientMemory,
    /// Buffer to which the reply is appended, if the client wants one.
    pub out: &'a mut Vec<u8>,
    /// A descriptor to send with the reply.
    pub sent_fd: Option<OwnedFd>,
    /// A ring on which both sides agreed: messages after the reply go through it.
    pub ring: Option<Box<RingLink>>,
    /// Decides which refusals are logged.
    pub refusals: &'a mut LogLimit,
}

/// Carries out a request and appends its reply, unless the client wants none.
pub fn answer(call: &mut Call<'_, '_>, frame: &Frame<'_>, fds: Result<Vec<OwnedFd>, Refused>) {
    let header = frame.header;
    let channel = call.client.kind == ClientKind::Channel;
    let before = call.out.len();
    let result = fds.and_then(|fds| {
        if channel {
            channel::permit_command(&header)?;
        }
        let request = Request::decode(&header, frame.body)?;
        if channel {
            channel::permit(&request)?;
        }
        carry_out(call, &header, frame.body.len(), &request, fds)
    });
    if let Err(refused) = result {
        note_refusal(call, &header, &refused);
        call.ring = None;
        call.out.truncate(before);
        call.out
            .extend_from_slice(&header.error_reply(refused.errno).encode());
    }
    if header.no_reply() {
        call.ring = None;
        call.out.truncate(before);
    }
}

/// Logs, counts and records the refusal of a request or of a part of one.
fn note_refusal(call: &mut Call<'_, '_>, header: &Header, refused: &Refused) {
    if let Some(times) = call.refusals.due() {
        // Writing the log may take a while.
        call.accesses.release();
        let (command, id) = (header.name(), header.message_id);
        tracing::info!(%command, id, times, "refused: {refused}");
    }
    call.accesses.refused(header.name().as_str(), refused);
}

fn carry_out(
    call: &mut Call<'_, '_>,
    header: &Header,
    body_len: usize,
    request: &Request<'_>,
    fds: Vec<OwnedFd>,
) -> Result<(), Refused> {
    tracing::trace!(?request, fds = fds.len(), "request");
    let plan = call.accesses.plan();
    // SPDK's client sends a descriptor with each DMA_UNMAP; the server closes it.
    let may_have_fds = matches!(
        request,
        Request::DmaMap(_) | Request::SetIrqs(_) | Request::DmaUnmap(_) | Request::Version(_)
    );
    if !may_have_fds && !fds.is_empty() {
        return Err(unwanted_fds(header));
    }
    match request {
        Request::Version(version) => return version_reply(call, header, body_len, version, fds),
        Request::DmaMap(map) => {
            let mut fds = fds.into_iter();
            let fd = fds.next();
            if fds.next().is_some() {
                return Err(Refused::invalid(
                    "DMA_MAP: more than one descriptor came along, expected at most one",
                ));
            }
            if fd.is_none() {
                call.memory.lent();
            }
            call.accesses.function().dma_map(map, fd)?;
        }
        Request::DmaUnmap(unmap) => {
            let unmapped = call.accesses.function().dma_unmap(unmap)?;
            if unmapped.under_way {
                call.memory.cancel(call.session);
            }
            message::reply(call.out, header, |out| {
                unmap.encode_reply(unmapped.bytes, out);
            });
            return Ok(());
        }
        Request::DeviceGetInfo { argsz } => {
            let clp = &plan.config.clp;
            let capabilities = zpci_region::clp::device_info_capabilities(clp, device::CAPS_START);
            let (regions, irqs) = (regions::COUNT, irq::INDEXES);
            let info = DeviceInfo {
                regions,
                irqs,
                capabilities: &capabilities,
            };
            message::reply(call.out, header, |out| info.encode(*argsz, out));
            return Ok(());
        }
        Request::DeviceGetRegionInfo { argsz, index } => {
            let carrier = call.client.kind.carrier(plan);
            let info = regions::info(*index, plan, carrier)?;
            message::reply(call.out, header, |out| info.encode(*argsz, out));
            return Ok(());
        }
        Request::DeviceGetRegionIoFds { index, .. } => {
            regions::info(*index, plan, plan.carrier)?;
            message::reply(call.out, header, |out| {
                region_info::encode_io_fds(region_info::IO_FDS_LEN, *index, out);
            });
            return Ok(());
        }
        Request::DeviceGetIrqInfo { index } => {
            let count = call.accesses.function().irq_count(*index).ok_or_else(|| {
                Refused::invalid(format!(
                    "DEVICE_GET_IRQ_INFO: index {index}, expected 0..{}",
                    irq::INDEXES
                ))
            })?;
            let flags = match count {
                0 => 0,
                // Like Linux: the error interrupt cannot be masked.
                _ if *index == irq::ERROR => irq_message::INFO_EVENTFD | irq_message::INFO_NORESIZE,
                _ => {
                    irq_message::INFO_EVENTFD
                        | irq_message::INFO_MASKABLE
                        | irq_message::INFO_NORESIZE
                }
            };
            message::reply(call.out, header, |out| {
                irq_message::encode_info(*index, flags, count, out);
            });
            return Ok(());
        }
        Request::SetIrqs(set) => call.accesses.function().set_irqs(set, fds)?,
        Request::RegionRead(access) => {
            check_count(access, call.session)?;
            return access.reply_to_read(header, call.out, |data| {
                let Call {
                    accesses, client, ..
                } = call;
                accesses.read(client, access.region, access.offset, data)
            });
        }
        Request::RegionWrite(write) => {
            let access = write.access;
            check_count(&access, call.session)?;
            let posted = header.no_reply();
            let RegionAccess { region, offset, .. } = access;
            let Call {
                accesses, client, ..
            } = call;
            accesses.write(client, Path::Bar, region, offset, write.data, posted)?;
            message::reply(call.out, header, |out| access.encode(out));
            return Ok(());
        }
        Request::RegionWriteMulti(writes) => {
            // Each write stands for a message of its own, as if the client had posted it. A refused write
            // does not stop the writes after it.
            let mut written = 0;
            let mut first_refusal = None;
            for (at, write) in writes.iter().enumerate() {
                let RegionAccess { region, offset, .. } = write.access;
                let posted = header.no_reply();
                let path = Path::BarMulti;
                let Call {
                    accesses, client, ..
                } = &mut *call;
                match accesses.write(client, path, region, offset, write.data, posted) {
                    Ok(()) => written += 1,
                    Err(Refused { errno, reason }) => {
                        let reason = format!("write {at} of {}: {reason}", writes.len());
                        let refused = Refused::new(errno, reason);
                        // If nothing was written, the refusal of the whole message already covers the first
                        // one.
                        match first_refusal {
                            None => first_refusal = Some(refused),
                            Some(_) => note_refusal(call, header, &refused),
                        }
                    }
                }
            }
            match first_refusal {
                Some(refused) if written == 0 => return Err(refused),
                Some(refused) => note_refusal(call, header, &refused),
                None => {}
            }
            message::reply(call.out, header, |out| {
                MultiWrites::encode_reply(written, out);
            });
            return Ok(());
        }
        Request::DeviceReset => {
            call.accesses.function().reset(call.client);
            call.memory.cancel(call.session);
        }
        Request::DeviceFeature(feature) => {
            return Err(Refused::new(
                Errno::ENOTTY,
                format!("DEVICE_FEATURE: there is no feature {}", feature.index),
            ));
        }
    }
    message::reply(call.out, header, |_| {});
    Ok(())
}

fn unwanted_fds(header: &Header) -> Refused {
    Refused::invalid(format!(
        "{}: descriptors came along, expected none",
        header.name()
    ))
}

fn version_reply(
    call: &mut Call<'_, '_>,
    header: &Header,
    body_len: usize,
    version: &Version<'_>,
    fds: Vec<OwnedFd>,
) -> Result<(), Refused> {
    let mut negotiated = version.negotiate()?;
    match negotiated.ring_layout {
        None if fds.is_empty() => {}
        None => return Err(unwanted_fds(header)),
        // A ring of another layout gets no answer, so the socket stays in use.
        Some(layout) if call.client.kind == ClientKind::Channel && layout == LAYOUT => {
            call.ring = Some(Box::new(RingLink::open(fds)?));
            negotiated.ring = true;
        }
        Some(_) => {}
    }
    if negotiated.can_twin && call.client.kind == ClientKind::Device && !call.session.is_open() {
        // Without a twin socket, the client's main socket serves as well.
        match call.memory.make_twin() {
            Ok(theirs) => {
                call.sent_fd = Some(theirs);
                negotiated.twin_socket = true;
            }
            Err(error) => tracing::warn!(%error, "cannot make a twin socket"),
        }
    }
    let negotiated = call.session.open(negotiated)?;
    call.client.posts_moves = negotiated.posted_moves;
    for key in &negotiated.unknown {
        tracing::debug!(key, "ignored a capability that the server does not know");
    }
    message::reply(call.out, header, |out| negotiated.encode(body_len, out));
    Ok(())
}

/// Refuses a transfer that is larger than both sides agreed on.
fn check_count(access: &RegionAccess, session: &Session) -> Result<(), Refused> {
    let most = session.limits().max_data_xfer_size;
    if access.count > most {
        let count = access.count;
        return Err(Refused::new(
            Errno::EINVAL,
            format!("{count} bytes, expected at most {most}, as VERSION agreed"),
        ));
    }
    Ok(())
}
