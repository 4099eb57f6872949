//! The two clients of a function: one has every right, the other only brings instructions.

use zpci_region::request::{CarrierPolicy, RESULT_LEN};

use crate::client::peer::Peer;
use crate::profile::FunctionPlan;

/// The kind of a client, which decides what it may request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientKind {
    /// The client that lends memory and takes interrupts. It may send every request.
    #[default]
    Device,
    /// The client of the instruction channel, which may only send instructions ([`crate::client::channel`]).
    Channel,
}

impl ClientKind {
    /// Returns where the bytes of a request are. The channel has no memory of its own to hold them.
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
    /// The kind of the client.
    pub kind: ClientKind,
    /// The process at the other end, if the kernel reports it.
    pub peer: Option<Peer>,
    /// Register image of the client's last load through the zPCI I/O region.
    pub loaded: Option<[u8; RESULT_LEN]>,
    /// True if the client goes on before the answer to a move arrives. Then a move may come after its DMB is
    /// gone, and the server answers it with ENXIO, unlike a move that is wrong.
    pub posts_moves: bool,
}

impl Client {
    /// Creates a client that has not loaded anything.
    pub fn new(kind: ClientKind, peer: Option<Peer>) -> Self {
        Self {
            kind,
            peer,
            loaded: None,
            posts_moves: false,
        }
    }
}
