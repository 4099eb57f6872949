//! Bodies of messages, with one file for each family of commands.
//!
//! A [`Request`] is a message of a client, a [`Reply`] the server's answer. The file of each family has an
//! encoder (for the server) and a decoder (for the client) of its replies. A server calls the encoders
//! directly and writes into the send buffer. `envelope` adds the header.

mod capabilities;
pub mod device;
pub mod dma;
mod dma_transfer;
mod envelope;
pub mod feature;
pub mod irq;
mod region_capability;
pub mod region_info;
pub mod region_io;
mod reply;
pub mod version;

pub use device::DeviceInfo;
pub use dma::{DmaAccess, DmaMap, DmaUnmap};
pub use envelope::{message, reply};
pub use feature::DeviceFeature;
pub use irq::{IrqAction, IrqData, IrqInfo, SetIrqs};
pub use region_capability::{MmapArea, RegionCapability};
pub use region_info::RegionInfo;
pub use region_io::{MultiWrites, RegionAccess, RegionWrite};
pub use reply::Reply;
pub use version::Version;

use crate::error::{Errno, Refused};
use crate::header::{Command, Header};
use crate::wire::Reader;

/// A request from a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Request<'a> {
    /// Opens the session: version and capabilities (VERSION).
    Version(Version<'a>),
    /// Maps a range of memory (DMA_MAP).
    DmaMap(DmaMap),
    /// Unmaps a range of memory (DMA_UNMAP).
    DmaUnmap(DmaUnmap),
    /// Asks for a description of the device (DEVICE_GET_INFO).
    DeviceGetInfo {
        /// Bytes that the client has for the reply body.
        argsz: u32,
    },
    /// Asks for a description of a region (DEVICE_GET_REGION_INFO).
    DeviceGetRegionInfo {
        /// Bytes that the client has for the reply body.
        argsz: u32,
        /// Index of the region.
        index: u32,
    },
    /// Asks for descriptors of a region (DEVICE_GET_REGION_IO_FDS).
    DeviceGetRegionIoFds {
        /// Bytes that the client has for the reply body.
        argsz: u32,
        /// Index of the region.
        index: u32,
    },
    /// Asks for a description of an interrupt index (DEVICE_GET_IRQ_INFO).
    DeviceGetIrqInfo {
        /// The interrupt index: INTx, MSI, MSI-X, error or request.
        index: u32,
    },
    /// Changes interrupt vectors (DEVICE_SET_IRQS).
    SetIrqs(SetIrqs<'a>),
    /// Reads bytes of a region (REGION_READ).
    RegionRead(RegionAccess),
    /// Writes bytes of a region (REGION_WRITE).
    RegionWrite(RegionWrite<'a>),
    /// Writes to regions several times (REGION_WRITE_MULTI).
    RegionWriteMulti(MultiWrites<'a>),
    /// Resets the device (DEVICE_RESET).
    DeviceReset,
    /// Reads, writes or probes an optional feature (DEVICE_FEATURE).
    DeviceFeature(DeviceFeature<'a>),
}

impl<'a> Request<'a> {
    /// Reads the body of a command.
    ///
    /// # Errors
    /// EOPNOTSUPP: the command is unknown or unsupported, or only the server sends it. The body of a known
    /// command is refused with the errno of that command, mostly EINVAL.
    pub fn decode(header: &Header, body: &'a [u8]) -> Result<Self, Refused> {
        let unsupported = || {
            Refused::new(
                Errno::EOPNOTSUPP,
                format!("{} is not supported", header.name()),
            )
        };
        match Command::from_number(header.command).ok_or_else(unsupported)? {
            Command::Version => Version::decode(body).map(Request::Version),
            Command::DmaMap => DmaMap::decode(body).map(Request::DmaMap),
            Command::DmaUnmap => DmaUnmap::decode(body).map(Request::DmaUnmap),
            Command::DeviceGetInfo => {
                device::decode_get_info(body).map(|argsz| Request::DeviceGetInfo { argsz })
            }
            Command::DeviceGetRegionInfo => region_info::decode_get(body)
                .map(|(argsz, index)| Request::DeviceGetRegionInfo { argsz, index }),
            Command::DeviceGetRegionIoFds => region_info::decode_get_io_fds(body)
                .map(|(argsz, index)| Request::DeviceGetRegionIoFds { argsz, index }),
            Command::DeviceGetIrqInfo => {
                irq::decode_get_info(body).map(|index| Request::DeviceGetIrqInfo { index })
            }
            Command::DeviceSetIrqs => SetIrqs::decode(body).map(Request::SetIrqs),
            Command::RegionRead => RegionAccess::decode(body).map(Request::RegionRead),
            Command::RegionWrite => RegionWrite::decode(body).map(Request::RegionWrite),
            Command::RegionWriteMulti => MultiWrites::decode(body).map(Request::RegionWriteMulti),
            Command::DeviceReset => {
                Reader::new("DEVICE_RESET", body).end()?;
                Ok(Request::DeviceReset)
            }
            Command::DmaRead | Command::DmaWrite => Err(Refused::new(
                Errno::EOPNOTSUPP,
                format!("only the server sends {}", header.name()),
            )),
            Command::DeviceFeature => DeviceFeature::decode(body).map(Request::DeviceFeature),
            Command::DirtyPages | Command::MigDataRead | Command::MigDataWrite => {
                Err(unsupported())
            }
        }
    }

    /// Returns the command of this request.
    pub fn command(&self) -> Command {
        match self {
            Request::Version(_) => Command::Version,
            Request::DmaMap(_) => Command::DmaMap,
            Request::DmaUnmap(_) => Command::DmaUnmap,
            Request::DeviceGetInfo { .. } => Command::DeviceGetInfo,
            Request::DeviceGetRegionInfo { .. } => Command::DeviceGetRegionInfo,
            Request::DeviceGetRegionIoFds { .. } => Command::DeviceGetRegionIoFds,
            Request::DeviceGetIrqInfo { .. } => Command::DeviceGetIrqInfo,
            Request::SetIrqs(_) => Command::DeviceSetIrqs,
            Request::RegionRead(_) => Command::RegionRead,
            Request::RegionWrite(_) => Command::RegionWrite,
            Request::RegionWriteMulti(_) => Command::RegionWriteMulti,
            Request::DeviceReset => Command::DeviceReset,
            Request::DeviceFeature(_) => Command::DeviceFeature,
        }
    }

    /// Appends the whole message as a client sends it. `flags` is [`crate::header::NO_REPLY`] or 0.
    pub fn encode(&self, message_id: u16, flags: u32, out: &mut Vec<u8>) {
        message(
            out,
            Header {
                flags,
                ..Header::command(message_id, self.command(), 0)
            },
            |out| match self {
                Request::Version(version) => version.encode(out),
                Request::DmaMap(map) => map.encode(out),
                Request::DmaUnmap(unmap) => unmap.encode(out),
                Request::DeviceGetInfo { argsz } => device::encode_get_info(*argsz, out),
                Request::DeviceGetRegionInfo { argsz, index } => {
                    region_info::encode_get(*argsz, *index, out);
                }
                Request::DeviceGetRegionIoFds { argsz, index } => {
                    region_info::encode_io_fds(*argsz, *index, out);
                }
                Request::DeviceGetIrqInfo { index } => irq::encode_info(*index, 0, 0, out),
                Request::SetIrqs(set) => set.encode(out),
                Request::RegionRead(access) => access.encode(out),
                Request::RegionWrite(write) => write.encode(out),
                Request::RegionWriteMulti(writes) => writes.encode(out),
                Request::DeviceReset => {}
                Request::DeviceFeature(feature) => feature.encode(out),
            },
        );
    }
}

#[cfg(test)]
mod tests;
