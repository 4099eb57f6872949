//! Who asks: a function has one client that is given everything, and one that only brings
//! instructions.

use zpci_region::request::{CarrierPolicy, RESULT_LEN};

use crate::client::peer::Peer;
use crate::profile::FunctionPlan;

/// The requests that a client may make.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientKind {
    /// Everything: the client that lends memory and takes interrupts.
    #[default]
    Device,
    /// Instructions only: the client of the instruction channel (see [`crate::client::channel`]).
    Channel,
}

impl ClientKind {
    /// The place where a request's bytes are. The channel has no memory of its own to find them in.
    pub fn carrier(self, plan: &FunctionPlan) -> CarrierPolicy {
        match self {
            ClientKind::Device => plan.carrier,
            ClientKind::Channel => CarrierPolicy::Appended,
        }
    }
}

/// A connected client, as a function's requests see it.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    /// The requests that it may make.
    pub kind: ClientKind,
    /// The process at the other end.
    pub peer: Option<Peer>,
    /// Register image of its last load through the zPCI I/O region.
    pub loaded: Option<[u8; RESULT_LEN]>,
    /// It goes on before the answer to a move has come, so a move can come after its DMB is gone:
    /// ENXIO tells it apart from a wrong one.
    pub posts_moves: bool,
    /// More of its messages are here: interrupts wait for the last of them.
    pub holds_interrupts: bool,
}

impl Client {
    /// One that has not loaded anything.
    pub fn new(kind: ClientKind, peer: Option<Peer>) -> Self {
        Self {
            kind,
            peer,
            loaded: None,
            posts_moves: false,
            holds_interrupts: false,
        }
    }
}
