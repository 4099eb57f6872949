//! Replies, from the view of a client.

use super::device::DeviceInfo;
use super::dma::DmaUnmap;
use super::irq::IrqInfo;
use super::region_capability::RegionCapability;
use super::region_info::RegionInfo;
use super::region_io::{MultiWrites, RegionAccess};
use super::version::Version;
use crate::error::{Errno, Refused};
use crate::header::{Command, Header, Kind};
use crate::wire::Reader;

/// A reply that reports no failure.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply<'a> {
    /// VERSION: the server's version and capabilities.
    Version(Version<'a>),
    /// DMA_MAP, DEVICE_SET_IRQS, DEVICE_RESET: carried out, without further data.
    Done(Command),
    /// DMA_UNMAP: the range was unmapped.
    DmaUnmap {
        /// The range of the request.
        unmap: DmaUnmap,
        /// Number of bytes that were unmapped.
        unmapped: u64,
    },
    /// DEVICE_GET_INFO: a description of the device.
    DeviceInfo {
        /// The device. The capabilities are present only if they fit.
        info: DeviceInfo<'a>,
        /// Size of the whole answer in bytes.
        argsz: u32,
    },
    /// DEVICE_GET_REGION_INFO: a description of a region.
    RegionInfo {
        /// The region.
        info: RegionInfo,
        /// Size of the whole answer in bytes.
        argsz: u32,
        /// Capabilities of the region, present only if they fit.
        capabilities: Vec<RegionCapability>,
    },
    /// DEVICE_GET_REGION_IO_FDS: the descriptors of a region.
    RegionIoFds {
        /// Size of the whole answer in bytes.
        argsz: u32,
        /// Index of the region.
        index: u32,
        /// Number of sub-regions that have a descriptor.
        count: u32,
    },
    /// DEVICE_GET_IRQ_INFO: a description of an interrupt index.
    IrqInfo(IrqInfo),
    /// REGION_READ: bytes of a region.
    RegionRead {
        /// The range that was read.
        access: RegionAccess,
        /// The bytes of the range.
        data: &'a [u8],
    },
    /// REGION_WRITE: the range that was written.
    RegionWrite(RegionAccess),
    /// REGION_WRITE_MULTI: the writes were carried out.
    RegionWriteMulti {
        /// Number of writes that were carried out.
        written: u64,
    },
}

impl<'a> Reply<'a> {
    /// Reads a reply.
    ///
    /// # Errors
    /// For an error reply the peer's errno, or EIO for an errno of 0, which is legal but says nothing. EPROTO for
    /// a reply that makes no sense.
    pub fn decode(header: &Header, body: &'a [u8]) -> Result<Self, Refused> {
        let name = header.name();
        if header.kind() != Some(Kind::Reply) {
            return Err(broken(format!("{name}: not a reply")));
        }
        if header.is_error() {
            let errno = match header.error {
                0 => Errno::EIO,
                errno => Errno(errno),
            };
            return Err(Refused::new(errno, format!("{name} was refused")));
        }
        Self::body(header, body).map_err(|refused| broken(format!("reply to {}", refused.reason)))
    }

    fn body(header: &Header, body: &'a [u8]) -> Result<Self, Refused> {
        let unexpected = || {
            Refused::invalid(format!(
                "{}: expected a message that a client sends",
                header.name()
            ))
        };
        let command = Command::from_number(header.command).ok_or_else(unexpected)?;
        Ok(match command {
            Command::Version => Reply::Version(Version::decode(body)?),
            Command::DmaMap | Command::DeviceSetIrqs | Command::DeviceReset => {
                Reader::new(command.name(), body).end()?;
                Reply::Done(command)
            }
            Command::DmaUnmap => {
                let (unmap, unmapped) = DmaUnmap::decode_reply(body)?;
                Reply::DmaUnmap { unmap, unmapped }
            }
            Command::DeviceGetInfo => {
                let (info, argsz) = DeviceInfo::decode(body)?;
                Reply::DeviceInfo { info, argsz }
            }
            Command::DeviceGetRegionInfo => {
                let (info, argsz, capabilities) = RegionInfo::decode_with(body)?;
                Reply::RegionInfo {
                    info,
                    argsz,
                    capabilities,
                }
            }
            Command::DeviceGetRegionIoFds => {
                let mut reader = Reader::new(command.name(), body);
                let (argsz, _flags) = (reader.u32()?, reader.u32()?);
                let (index, count) = (reader.u32()?, reader.u32()?);
                Reply::RegionIoFds {
                    argsz,
                    index,
                    count,
                }
            }
            Command::DeviceGetIrqInfo => Reply::IrqInfo(IrqInfo::decode(body)?),
            Command::RegionRead => {
                let (access, data) = RegionAccess::decode_read_reply(body)?;
                Reply::RegionRead { access, data }
            }
            Command::RegionWrite => Reply::RegionWrite(RegionAccess::decode_write_reply(body)?),
            Command::RegionWriteMulti => {
                let written = MultiWrites::decode_reply(body)?;
                Reply::RegionWriteMulti { written }
            }
            Command::DmaRead
            | Command::DmaWrite
            | Command::DirtyPages
            | Command::DeviceFeature
            | Command::MigDataRead
            | Command::MigDataWrite => return Err(unexpected()),
        })
    }
}

fn broken(reason: String) -> Refused {
    Refused::new(Errno::EPROTO, reason)
}

#[cfg(test)]
mod tests;
