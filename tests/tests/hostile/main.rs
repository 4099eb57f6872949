//! Clients that break the protocol, lend bad memory, flood, stall or die.

mod clients;
mod descriptors;
mod disconnect;
mod limits;
mod peer;
mod soak;
