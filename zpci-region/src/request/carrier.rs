//! Carriers: the places where the bytes of a request can be.
//!
//! In the kernel, `gaddr` was an address in the calling process. A client at a socket needs other carriers.

use serde::{Deserialize, Serialize};

use super::error::RequestError;
use super::layout::RESULT_LEN;
use super::parse::{Op, Request};

/// The place where the bytes of one request are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// After the request, in the same message. The result of a load is read after the request area. `gaddr`
    /// is neither used nor judged.
    Appended,
    /// In guest memory: `gaddr` is an address in the client's DMA map.
    Iova,
    /// In the client: `gaddr` is an address in the connected process.
    Process,
}

impl Carrier {
    /// Returns the request's `gaddr` if this carrier uses it, for [`Store::gaddr`](crate::Store) and
    /// [`Load::gaddr`](crate::Load).
    pub const fn gaddr(self, request: &Request<'_>) -> Option<u64> {
        match self {
            Carrier::Appended => None,
            Carrier::Iova | Carrier::Process => Some(request.gaddr),
        }
    }
}

/// The carriers that a profile accepts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum CarrierPolicy {
    /// Appended bytes if there are any, otherwise guest memory if gaddr is in the client's DMA map, otherwise
    /// the client process.
    #[default]
    Auto,
    /// Only bytes after the 32-byte request, in the same message.
    Appended,
    /// Only gaddr as an address in the client's DMA map.
    Iova,
    /// Only gaddr as an address in the connected process.
    Process,
}

impl CarrierPolicy {
    /// Chooses the carrier of `request`. `mapped` returns true if `len` bytes at an iova are in the client's
    /// DMA map.
    ///
    /// [`CarrierPolicy::Auto`] uses a store's appended payload if there is one. Otherwise, and for loads,
    /// gaddr is an iova if it lies in the DMA map, and an address in the connected process if not. A load
    /// with gaddr 0 leaves its result only after the request area. The bytes of a load at gaddr are a whole
    /// register, that is 8 bytes.
    ///
    /// A PCISTG always has its bytes appended.
    ///
    /// # Errors
    /// [`RequestError::WrongCarrier`] for a store with its payload in the wrong place.
    pub fn choose(
        self,
        request: &Request<'_>,
        mapped: impl FnOnce(u64, usize) -> bool,
    ) -> Result<Carrier, RequestError> {
        let store = request.op.store().is_some();
        let appended = request.payload.is_some();
        let wrong = |seen, expected| Err(RequestError::WrongCarrier { seen, expected });
        if request.op == Op::Store {
            return Ok(Carrier::Appended);
        }
        match self {
            CarrierPolicy::Auto if appended || (!store && request.gaddr == 0) => {
                Ok(Carrier::Appended)
            }
            CarrierPolicy::Auto => {
                let len = if store {
                    usize::from(request.len)
                } else {
                    RESULT_LEN
                };
                Ok(if mapped(request.gaddr, len) {
                    Carrier::Iova
                } else {
                    Carrier::Process
                })
            }
            CarrierPolicy::Appended if store && !appended => {
                wrong("not appended", "appended to the request")
            }
            CarrierPolicy::Appended => Ok(Carrier::Appended),
            CarrierPolicy::Iova if appended => wrong("appended", "from gaddr as an iova"),
            CarrierPolicy::Iova => Ok(Carrier::Iova),
            CarrierPolicy::Process if appended => {
                wrong("appended", "from gaddr in the client process")
            }
            CarrierPolicy::Process => Ok(Carrier::Process),
        }
    }
}
