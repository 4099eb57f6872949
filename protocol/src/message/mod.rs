//! Bodies of messages: one file per family of commands.
//!
//! [`Request`] is what a client may ask, [`Reply`] what it is answered. Each reply has an encoder
//! (server) and a decoder (client) in the file of its family; a server uses the encoders directly,
//! straight into the buffer that is sent. `envelope` puts the header in front.

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

/// A request of a client.
#[derive(Clone, Debug, PartialEq)]
pub enum Request<'a> {
    /// VERSION.
    Version(Version<'a>),
    /// DMA_MAP.
    DmaMap(DmaMap),
    /// DMA_UNMAP.
    DmaUnmap(DmaUnmap),
    /// DEVICE_GET_INFO: bytes of room for the answer.
    DeviceGetInfo {
        /// Room for the reply body.
        argsz: u32,
    },
    /// DEVICE_GET_REGION_INFO.
    DeviceGetRegionInfo {
        /// Room for the reply body.
        argsz: u32,
        /// Region index.
        index: u32,
    },
    /// DEVICE_GET_REGION_IO_FDS.
    DeviceGetRegionIoFds {
        /// Room for the reply body.
        argsz: u32,
        /// Region index.
        index: u32,
    },
    /// DEVICE_GET_IRQ_INFO.
    DeviceGetIrqInfo {
        /// Interrupt index.
        index: u32,
    },
    /// DEVICE_SET_IRQS.
    SetIrqs(SetIrqs<'a>),
    /// REGION_READ.
    RegionRead(RegionAccess),
    /// REGION_WRITE.
    RegionWrite(RegionWrite<'a>),
    /// REGION_WRITE_MULTI.
    RegionWriteMulti(MultiWrites<'a>),
    /// DEVICE_RESET.
    DeviceReset,
    /// DEVICE_FEATURE.
    DeviceFeature(DeviceFeature<'a>),
}

impl<'a> Request<'a> {
    /// Reads the body of a command. An unknown or unsupported command is EOPNOTSUPP.
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

    /// The command of this request.
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

    /// Appends the whole message, as a client sends it. `flags` are [`crate::header::NO_REPLY`] or 0.
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
