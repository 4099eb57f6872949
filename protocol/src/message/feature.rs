//! DEVICE_FEATURE: get, set or probe an optional feature (Linux `struct vfio_device_feature`).

use crate::error::Refused;
use crate::wire::{Put, Reader};

/// Fixed part: u32 argsz, u32 flags.
const FIXED_LEN: u32 = 8;
/// Bits 0-15 of the flags: the feature.
const INDEX_MASK: u32 = 0xffff;
/// Read the feature's data.
const GET: u32 = 1 << 16;
/// Write the feature's data.
const SET: u32 = 1 << 17;
/// Ask whether the feature is there, and can be read or written as the other two bits tell.
const PROBE: u32 = 1 << 18;

/// A DEVICE_FEATURE request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceFeature<'a> {
    /// Room for the answer, the fixed part included.
    pub argsz: u32,
    /// The feature.
    pub index: u16,
    /// Read its data.
    pub get: bool,
    /// Write its data.
    pub set: bool,
    /// Only ask.
    pub probe: bool,
    /// Data that follow the fixed part.
    pub data: &'a [u8],
}

impl<'a> DeviceFeature<'a> {
    /// Reads the body. EINVAL for what Linux refuses before it looks at the feature: an argsz below
    /// the fixed part, unknown flags, get and set together without probe.
    pub(crate) fn decode(body: &'a [u8]) -> Result<Self, Refused> {
        let mut reader = Reader::new("DEVICE_FEATURE", body);
        let (argsz, flags) = (reader.u32()?, reader.u32()?);
        if argsz < FIXED_LEN {
            return Err(Refused::invalid(format!(
                "DEVICE_FEATURE: argsz {argsz}, expected at least {FIXED_LEN}"
            )));
        }
        let [get, set, probe] = [GET, SET, PROBE].map(|flag| flags & flag != 0);
        if flags & !(INDEX_MASK | GET | SET | PROBE) != 0 || (get && set && !probe) {
            return Err(Refused::invalid(format!(
                "DEVICE_FEATURE: flags {flags:#x}, expected a feature and one of get (0x10000), set \
                 (0x20000), or probe (0x40000) with either or both"
            )));
        }
        Ok(Self {
            argsz,
            index: (flags & INDEX_MASK) as u16,
            get,
            set,
            probe,
            data: reader.rest(),
        })
    }

    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let flag = |set, flag| if set { flag } else { 0 };
        out.put_u32(self.argsz);
        out.put_u32(
            u32::from(self.index)
                | flag(self.get, GET)
                | flag(self.set, SET)
                | flag(self.probe, PROBE),
        );
        out.extend_from_slice(self.data);
    }
}
