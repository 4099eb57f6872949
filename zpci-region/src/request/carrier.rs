//! Carriers: the ways in which the bytes of a request travel.
//!
//! In the kernel `gaddr` was an address in the calling process. Over a socket that takes a carrier.

use serde::{Deserialize, Serialize};

use super::error::RequestError;
use super::layout::RESULT_LEN;
use super::parse::{Op, Request};

/// The way in which the bytes of one request travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Carrier {
    /// Behind the request in the same message; a load's result is read behind the request area.
    /// `gaddr` is not used and not judged.
    Appended,
    /// At `gaddr` as an address in the client's DMA map.
    Iova,
    /// At `gaddr` as an address in the connected process.
    Process,
}

impl Carrier {
    /// The request's `gaddr` if this carrier uses it: what [`Store::gaddr`](crate::Store) and
    /// [`Load::gaddr`](crate::Load) are to be set to.
    pub const fn gaddr(self, request: &Request<'_>) -> Option<u64> {
        match self {
            Carrier::Appended => None,
            Carrier::Iova | Carrier::Process => Some(request.gaddr),
        }
    }
}

/// The carriers that a profile takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum CarrierPolicy {
    /// Appended bytes if there are any; else the client's DMA map if gaddr lies in it; else the
    /// client process.
    #[default]
    Auto,
    /// Only bytes behind the 32-byte request, in the same message.
    Appended,
    /// Only gaddr as an iova.
    Iova,
    /// Only gaddr as an address in the connected process.
    Process,
}

impl CarrierPolicy {
    /// The carrier of `request`. `mapped` tells whether `len` bytes at an iova lie in the client's
    /// DMA map.
    ///
    /// [`CarrierPolicy::Auto`] takes a store's appended payload if there is one. Else, and for
    /// loads, gaddr is an iova if it lies in the DMA map, and otherwise an address in the
    /// connected process; a load with gaddr 0 leaves its result behind the request area only.
    /// A load's bytes at gaddr are a whole register, 8 of them.
    ///
    /// A PCISTG always brings its bytes along.
    ///
    /// A store with its payload in the wrong place is refused ([`RequestError::WrongCarrier`]).
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
