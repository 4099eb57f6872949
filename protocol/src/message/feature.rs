//! DEVICE_FEATURE: get, set or probe an optional feature (Linux `struct vfio_device_feature`).

use crate::error::Refused;
use crate::wire::{Put, Reader};

/// Bytes of the fixed part: u32 argsz, u32 flags.
const FIXED_LEN: u32 = 8;
/// Flag bits 0-15: the number of the feature.
const INDEX_MASK: u32 = 0xffff;
/// Flag: read the feature's data.
const GET: u32 = 1 << 16;
/// Flag: write the feature's data.
const SET: u32 = 1 << 17;
/// Flag: ask if the feature exists and supports the operations of the other two bits.
const PROBE: u32 = 1 << 18;

/// A request to read, write or probe an optional feature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceFeature<'a> {
    /// Bytes that the client has for the answer, fixed part included.
    pub argsz: u32,
    /// Number of the feature.
    pub index: u16,
    /// True to read the feature's data.
    pub get: bool,
    /// True to write the feature's data.
    pub set: bool,
    /// True to ask only if the feature exists.
    pub probe: bool,
    /// Data after the fixed part.
    pub data: &'a [u8],
}

impl<'a> DeviceFeature<'a> {
    /// Reads the body. The error is EINVAL for requests that Linux refuses before it looks at the feature: an
    /// argsz below the fixed part, unknown flags, get and set together without probe.
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
